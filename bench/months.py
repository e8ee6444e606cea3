"""Thirty days of a whole bot in minutes: chats, memories, forgetting, nights, backups, outages, logs turned over.

The bot, its database, server, memory, nights and backups are the real ones; the model and the training are stand-ins
without torch (bench/months_world.py). Time leaps while nothing is to be done (bench/virtual_time.py).
"""

import argparse
import asyncio
import gc
import os
import sqlite3
import tempfile
import threading
import time as real_time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, redirect_stderr
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import msgspec
import psutil
from msgspec import Struct

from bench.goals import goals_of
from bench.report import Run, describe_machine, format_table, make_parser, report
from bench.virtual_time import CLOCK, START, VirtualLoop, install
from onebot_bot.__main__ import COLLECTING
from onebot_bot.freeing import share_arenas

FULL, QUICK = 30, 3
"""Days."""
DAY, FIRST = 86400.0, 43200.0
"""The first backup is made as soon as there is none: half a day after the start each is at its time of day."""
GOALS = goals_of("months")
SHANGHAI = timezone(timedelta(hours=8))
perf_counter = real_time.perf_counter


class Evening(Struct, frozen=True):
    """How the bot is at the end of a day."""

    rss: int
    """Bytes."""
    threads: int
    descriptors: int
    tasks: int
    messages: int
    memories: int
    database: int
    """Bytes, with what is still in the log; as all below."""
    wal: int
    index: int
    logs: int
    turns: int
    backups: int
    pictures: int
    runs: int
    adapters: int
    beats: int
    """Heartbeats since the start."""


def look(folder: Path, beats: int, counts: tuple[int, int, int]) -> Evening:
    """Measure; `counts` as `counts_of` gives them."""
    gc.collect()
    store, process = folder / "memory_store", psutil.Process()
    messages, memories, pages = counts
    return Evening(
        rss=process.memory_info().rss,
        threads=threading.active_count(),
        descriptors=process.num_fds(),
        tasks=len(asyncio.all_tasks()),
        messages=messages,
        memories=memories,
        database=4096 * pages,
        wal=_size(store, "memory.sqlite3-wal"),
        index=_size(store, "memory.faiss"),
        logs=_size(folder / "logs", "bot.log*"),
        turns=_size(folder / "logs", "turns-*"),
        backups=_size(store / "backups", "**/*"),
        pictures=_size(store / "pictures", "**/*"),
        runs=_size(folder / "training" / "runs", "**/*"),
        adapters=_size(folder / "models" / "adapters", "**/*"),
        beats=beats,
    )


def counts_of(connection: sqlite3.Connection) -> tuple[int, int, int]:
    """Messages, memories and pages; by the bot's own connection, for SQLite holds on to the files of others."""
    asked = ("SELECT count(*) FROM messages", "SELECT count(*) FROM memories", "PRAGMA page_count")
    messages, memories, pages = (int(connection.execute(sql).fetchone()[0]) for sql in asked)
    return messages, memories, pages


def _size(folder: Path, pattern: str) -> int:
    return sum(path.stat().st_size for path in folder.glob(pattern) if path.is_file())


async def play(folder: Path, days: int) -> tuple[list[Evening], dict[str, float]]:
    """Live so many days: each evening, and what is told by all of them."""
    from bench.months_world import hold_time, live  # noqa: PLC0415 - after the clock, which they read
    from onebot_bot.logs import logging_to  # noqa: PLC0415

    hold_time()
    evenings: list[Evening] = []
    with _quietly(logging_to("info", folder / "logs" / "bot.log")):
        async with live(folder) as world:
            for day in range(days):
                await world.day(day)
                evenings.append(look(folder, world.beats, await world.read(counts_of)))
            totals = {"said": world.said, "replies": world.replies}
    return evenings, {**totals, "forced": CLOCK.forced, **_lateness(folder, days)}


@contextmanager
def _quietly(logging: AbstractContextManager[None]) -> Iterator[None]:
    """With the log in its file alone."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, ExitStack() as stack:
        with redirect_stderr(nowhere):
            stack.enter_context(logging)
        yield


def _lateness(folder: Path, days: int) -> dict[str, float]:
    """How many nights and backups there were, and how late the latest began, in minutes."""
    nights = [_moment(path.name) for path in (folder / "training" / "runs").glob("2*")]
    backups = [_moment(path.stem.partition("-")[2]) for path in (folder / "memory_store" / "backups").glob("*.zip")]
    states = [
        str(msgspec.json.decode((path / "journal.json").read_bytes())["state"])
        for path in (folder / "training" / "runs").glob("2*")
    ]
    return {
        "days": days,
        "nights_kept": len(nights),
        "nights_failed": sum(state not in ("done", "empty") for state in states),
        "night_late": max((_late(night, 2, 0) for night in nights), default=0.0),
        "backups_kept": len(backups),
        "backup_late": max(
            (_late(backup, 4, 30) for backup in backups if backup.timestamp() > START + FIRST), default=0.0
        ),
    }


def _moment(name: str) -> datetime:
    return datetime.strptime(name[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).astimezone(SHANGHAI)


def _late(moment: datetime, hour: int, minute: int) -> float:
    return (moment - moment.replace(hour=hour, minute=minute, second=0)).total_seconds() / 60


def figures_of(evenings: Sequence[Evening], totals: Mapping[str, float]) -> dict[str, float]:
    """Growth after the first day, what the largest evening had, and how evenly the database grew."""
    first, last, later = evenings[0], evenings[-1], evenings[1:]
    expected = len(evenings) * DAY / 30
    return {
        **totals,
        "rss_growth": last.rss / first.rss - 1,
        "threads_more": max(evening.threads for evening in later or evenings) - first.threads,
        "descriptors_more": max(evening.descriptors for evening in later or evenings) - first.descriptors,
        "tasks_more": max(evening.tasks for evening in later or evenings) - first.tasks,
        **{f"{name}_mib": max(getattr(evening, name) for evening in evenings) / 2**20 for name in BOUNDED},
        "beats_lost": 1 - last.beats / expected,
        "bytes_a_message": last.database / last.messages,
        "database_bend": _bend(evenings),
        "messages": last.messages,
        "memories": last.memories,
    }


BOUNDED = ("wal", "logs", "turns", "backups", "pictures", "runs", "adapters")
"""What has a bound, whatever the days."""


def _bend(evenings: Sequence[Evening]) -> float:
    """Bytes that a message of the later days takes, to one of the earlier ones: 1 where the database grows evenly."""
    if len(evenings) < 4:
        return 1.0
    middle = len(evenings) // 2
    early, late = (_slope(part) for part in (evenings[: middle + 1], evenings[middle:]))
    return late / early


def _slope(evenings: Sequence[Evening]) -> float:
    begin, end = evenings[0], evenings[-1]
    return (end.database - begin.database) / max(1, end.messages - begin.messages)


def main() -> None:
    """Play, print, write."""
    arguments = _arguments()
    days = arguments.days or (QUICK if arguments.quick else FULL)
    install()
    gc.set_threshold(COLLECTING)  # these two as `onebot-bot run` does
    share_arenas()
    began = perf_counter()
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner(loop_factory=VirtualLoop) as runner:
        evenings, totals = runner.run(play(Path(folder), days))
    figures = {**figures_of(evenings, totals), "seconds": perf_counter() - began}
    print(format_table(HEAD, [_row(number, evening) for number, evening in enumerate(evenings, 1)]))
    machine = describe_machine(["websockets", "msgspec", "apscheduler"])
    report(figures, GOALS, arguments.json, Run(machine=machine, quick=days < FULL))


def _arguments() -> argparse.Namespace:
    parser = make_parser(__doc__ or "")
    parser.add_argument("--days", type=int, help=f"days (default {FULL}, quick {QUICK})")
    return parser.parse_args()


HEAD = ("day", "RSS MiB", "threads", "files", "tasks", "messages", "memories", "db MiB", *BOUNDED)


def _row(number: int, evening: Evening) -> list[str]:
    counts = (evening.threads, evening.descriptors, evening.tasks, evening.messages, evening.memories)
    sizes = [f"{getattr(evening, name) / 2**20:.2f}" for name in ("database", *BOUNDED)]
    return [str(number), f"{evening.rss / 2**20:.1f}", *map(str, counts), *sizes]


if __name__ == "__main__":
    main()
