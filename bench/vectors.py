"""The memories' vectors: searching them beside FAISS's IndexFlatIP, adding one, and saving one durably.

Searches are timed by the CPU seconds of their own thread (they use no other), so that a busy machine changes little;
saving by the clock, since it waits for the disk.
"""

import asyncio
import contextlib
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from msgspec import Struct

from bench.goals import goals_of
from bench.report import Run, describe_machine, format_table, median_ratio, parse_arguments, report, run_interleaved
from onebot_bot.memory import rows
from onebot_bot.memory.codes import Part, one_thread
from onebot_bot.memory.database import Database
from onebot_bot.memory.index import VectorIndex
from onebot_bot.memory.members import parts_of
from onebot_bot.memory.rows import NewMemory
from onebot_bot.memory.store import MemoryStore
from onebot_bot.memory.vectors import Floats, Ids, unit
from onebot_bot.protocol.chat_id import ChatId

WIDTH = 2560
"""Of the keys of Qwen3-VL-4B."""
SIZES = (1_000, 10_000, 100_000)
LARGEST = SIZES[-1]
SAVED_AT = (1_000, 100_000)
MOST = 220_000
"""What a full run searches besides, which takes 8 GB of memory."""
FOUND = 5
"""Neighbours asked for, as a recall at a temperature does."""
GOALS = goals_of("vectors")
OURS, PEER = "this bot", "IndexFlatIP"
BLOCK = 10_000
"""Vectors made at once."""
MODEL = "bench"


class Plan(Struct, frozen=True):
    """How much is measured."""

    searches: int
    """For every size."""
    adds: int
    saves: int
    saved_width: int
    """Of the keys that are saved."""
    most: int
    """Keys searched at last; 0: no more than `LARGEST`."""


QUICK, FULL = Plan(15, 500, 200, 256, most=0), Plan(101, 9000, 1000, WIDTH, most=MOST)


class World:
    """Unit vectors as texts have them: of few dimensions, with noise in all."""

    LATENT = 30
    NOISE = 0.6

    def __init__(self, width: int) -> None:
        self._rng = np.random.default_rng(0)
        self._turn = self._normal(self.LATENT, width) / self.LATENT**0.5

    def make(self, count: int) -> Floats:
        """[count, width]."""
        noise = self._normal(count, self._turn.shape[1])
        return unit(self._normal(count, self.LATENT) @ self._turn + self.NOISE * noise)

    def make_near(self, row: Floats) -> Floats:
        """A query [width] that a vector [width] answers: most of it, and something else."""
        query: Floats = unit((row + 0.5 * self.make(1)[0])[np.newaxis])[0]
        return query

    def _normal(self, count: int, width: int) -> Floats:
        return self._rng.standard_normal((count, width), dtype=np.float32)


class Pair:
    """The same vectors in both indexes, under 0, 1, 2, ..."""

    def __init__(self, width: int) -> None:
        self.world = World(width)
        self.ours = VectorIndex(width)
        self.peer: Any = faiss.IndexFlatIP(width)

    def fill(self, size: int) -> None:
        """Grow both to so many."""
        while (have := len(self.ours)) < size:
            self._add(self.world.make(min(BLOCK, size - have)))

    def _add(self, vectors: Floats) -> None:
        self.ours.add(np.arange(len(vectors)) + len(self.ours), vectors)
        self.peer.add(vectors)

    def queries(self, count: int) -> list[Floats]:
        """Queries [width] that vectors of the index answer."""
        places = np.random.default_rng(1).integers(0, len(self.ours), count).tolist()
        return [self.world.make_near(self.peer.reconstruct(place)) for place in places]


# --- searching ---------------------------------------------------------------------------------------------------


def busy(work: Callable[[], object]) -> float:
    """Milliseconds of CPU that this thread takes for it."""
    start = time.thread_time()
    work()
    return (time.thread_time() - start) * 1e3


def measure_search(pair: Pair, searches: int) -> dict[str, float]:
    """Medians over the searches, the median of their ratios, and how often both find the same in the same order."""
    size, queries = len(pair.ours), pair.queries(searches)
    everything = parts_of(pair.ours.find(np.arange(size)))
    find_ours, find_peers = partial(_find, pair.ours, everything), partial(_find_peers, pair.peer)
    find_ours(queries[0])
    ours, peers = iter(queries), iter(queries)
    measured: Mapping[str, Callable[[], float]] = {
        OURS: lambda: busy(partial(find_ours, next(ours))),
        PEER: lambda: busy(partial(find_peers, next(peers))),
    }
    times = run_interleaved(searches, measured)
    share = statistics.mean(np.array_equal(find_ours(query), find_peers(query)) for query in queries[:20])
    return {
        f"search_ms_{size}": statistics.median(times[OURS]),
        f"flat_ms_{size}": statistics.median(times[PEER]),
        f"search_ratio_{size}": median_ratio(times[PEER], times[OURS]),
        f"agreement_{size}": float(share),
    }


def _find(index: VectorIndex, among: Sequence[Part], query: Floats) -> Ids:
    return index.ids(index.search(query, among, FOUND)[0])


def _find_peers(index: Any, query: Floats) -> Ids:
    with one_thread():
        found: Ids = index.search(query[np.newaxis], FOUND)[1][0]
    return found


def measure_add(pair: Pair, count: int) -> dict[str, float]:
    """Milliseconds of adding one vector after another: the median, and the worst."""
    vectors = pair.world.make(count)
    first = len(pair.ours)
    times = [busy(partial(pair.ours.add, np.array([first + at]), vectors[at : at + 1])) for at in range(count)]
    return {"add_ms": statistics.median(times), "add_ms_worst": max(times)}


# --- saving ------------------------------------------------------------------------------------------------------


def memories(width: int, count: int) -> Iterator[NewMemory]:
    """Memories of fifty chats."""
    for number, key in enumerate(World(width).make(count)):
        chat = ChatId(1, "group", 100 + number % 50)
        yield NewMemory(text=f"Number {number} likes the number {number + 1}.", chat=chat, key=key, fingerprint=MODEL)


async def measure_save(folder: Path, size: int, plan: Plan) -> dict[str, float]:
    """Milliseconds until one memory more is on the disk and can be recalled, in a bank of `size`."""
    async with contextlib.AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database(folder / f"{size}.sqlite3"))
        await _fill(database, size, plan.saved_width)
        store = await stack.enter_async_context(MemoryStore(database, folder / f"{size}.faiss"))
        await store.set_view(MODEL, np.zeros(plan.saved_width, np.float32))
        times = [await _timed_save(store, new) for new in memories(plan.saved_width, plan.saves)]
    quantiles = statistics.quantiles(times, n=100, method="inclusive")
    return {f"save_ms_{size}": quantiles[49], f"save_ms_p90_{size}": quantiles[89]}


async def _fill(database: Database, size: int, width: int) -> None:
    given = memories(width, size)
    for _ in range(0, size, 1000):
        await database.write(partial(_insert, batch=[next(given) for _ in range(1000)]))


def _insert(connection: sqlite3.Connection, batch: Sequence[NewMemory]) -> None:
    for new in batch:
        rows.insert(connection, new, 0)


async def _timed_save(store: MemoryStore, new: NewMemory) -> float:
    start = time.perf_counter()
    await store.add(new)
    return (time.perf_counter() - start) * 1e3


def measure_disk(folder: Path, plan: Plan) -> dict[str, float]:
    """Milliseconds that the disk takes to sync one key at the end of a file: what no saving can be below."""
    times = []
    with (folder / "appended").open("wb", buffering=0) as file:
        for _ in range(plan.saves):
            start = time.perf_counter()
            file.write(bytes(plan.saved_width * 4))
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - start) * 1e3)
    return {"disk_ms": statistics.median(times)}


# --- figures -----------------------------------------------------------------------------------------------------


def measure(plan: Plan) -> dict[str, float]:
    """All figures."""
    figures: dict[str, float] = {}
    pair = Pair(WIDTH)
    for size in SIZES:
        pair.fill(size)
        figures |= measure_search(pair, plan.searches)
    figures |= measure_add(pair, plan.adds)
    del pair  # gigabytes
    if plan.most:
        largest = Pair(WIDTH)
        largest.fill(plan.most)
        figures |= measure_search(largest, plan.searches)
        del largest
    with tempfile.TemporaryDirectory() as name:
        figures |= measure_disk(Path(name), plan)
        for size in SAVED_AT:
            figures |= asyncio.run(measure_save(Path(name), size, plan))
    return figures


def _search_rows(figures: Mapping[str, float]) -> Iterator[Sequence[str]]:
    for size in (*SIZES, MOST):
        if f"search_ms_{size}" not in figures:
            continue
        ours, peer, ratio, share = (
            figures[f"{name}_{size}"] for name in ("search_ms", "flat_ms", "search_ratio", "agreement")
        )
        yield f"{size:,} x {WIDTH}", f"{ours:.2f}", f"{peer:.2f}", f"{ratio:.1f}x", f"{share:.0%}"


def _save_rows(figures: Mapping[str, float], width: int) -> Iterator[Sequence[str]]:
    yield "add to the index", f"{figures['add_ms']:.3f}", f"{figures['add_ms_worst']:.3f} (worst)"
    for size in SAVED_AT:
        yield (
            f"save one of {size:,} x {width}",
            f"{figures[f'save_ms_{size}']:.3f}",
            f"{figures[f'save_ms_p90_{size}']:.3f} (p90)",
        )
    yield "append and fdatasync alone", f"{figures['disk_ms']:.3f}", "-"


def main() -> None:
    """Measure, print, write."""
    arguments = parse_arguments(__doc__ or "")
    plan = QUICK if arguments.quick else FULL
    figures = measure(plan)
    machine = describe_machine(["faiss-cpu", "numpy"])
    print(machine)
    print(format_table(("search, CPU ms", OURS, PEER, "ratio", "same found"), _search_rows(figures)))
    print(format_table(("one memory, ms", "median", "slow ones"), _save_rows(figures, plan.saved_width)))
    report(figures, GOALS, arguments.json, Run(machine, arguments.quick))


if __name__ == "__main__":
    main()
