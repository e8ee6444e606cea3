"""Nothing by itself: how gpu.py times the copy of the memories' keys on a card beside the index on the CPU."""

import time
from collections.abc import Callable

import numpy as np
import torch
from msgspec import Struct

from bench.report import run_interleaved
from bench.vectors import BLOCK, FOUND, World
from onebot_bot.device_keys import DeviceKeys
from onebot_bot.memory.index import Scanner, VectorIndex
from onebot_bot.memory.members import parts_of
from onebot_bot.memory.vectors import Floats, Ids

ROOM = 1 << 35
"""Bytes: all of them fit."""


class Keys(Struct, frozen=True):
    """How much is searched, and how often."""

    count: int
    width: int
    searches: int


class Copied:
    """Keys in an index and in a copy on a device."""

    def __init__(self, keys: Keys, device: torch.device) -> None:
        self._world = World(keys.width)
        self._index, self.copy = VectorIndex(keys.width), DeviceKeys(keys.width, ROOM, device, least=1)
        for first in range(0, keys.count, BLOCK):
            self._fill(first, min(BLOCK, keys.count - first))
        self._all = parts_of(self._index.taken())

    def _fill(self, first: int, count: int) -> None:
        rows = self._world.make(count)
        self.copy.write(self._index.add(np.arange(first, first + count), rows), rows)

    def queries(self, count: int) -> list[Floats]:
        """Queries [width] that some keys answer."""
        slots = np.random.default_rng(1).integers(0, len(self._index), count)
        return [self._world.make_near(row) for row in self._index.vectors(slots)]

    def find(self, query: Floats, scanner: Scanner | None) -> Ids:
        """The nearest few."""
        return self._index.search(query, self._all, FOUND, scanner)[0]


def measure_keys(keys: Keys, device: torch.device) -> dict[str, float]:
    """Milliseconds of a search by both, from query to what is found, and how often both find the same."""
    copied = Copied(keys, device)
    queries = copied.queries(keys.searches + 1)

    def timed(scanner: Scanner | None) -> Callable[[], tuple[float, Ids]]:
        copied.find(queries[-1], scanner)  # warms up
        left = iter(queries)

        def once() -> tuple[float, Ids]:
            query, started = next(left), time.perf_counter()
            found = copied.find(query, scanner)
            return 1000 * (time.perf_counter() - started), found

        return once

    rounds = run_interleaved(keys.searches, {"card": timed(copied.copy.scan), "cpu": timed(None)})
    same = [np.array_equal(mine, theirs) for (_, mine), (_, theirs) in zip(rounds["card"], rounds["cpu"], strict=True)]
    return {
        "keys_ms_card": float(np.median([spent for spent, _ in rounds["card"]])),
        "keys_ms_cpu": float(np.median([spent for spent, _ in rounds["cpu"]])),
        "keys_agreement": float(np.mean(same)),
    }
