"""The turn log: a line of JSON for every turn, in `turns-YYYY-MM-DD.jsonl`, written by a thread of its own.

A disk that is full, slow or gone costs lines, never an answer.
"""

import asyncio
import os
import queue
import re
import threading
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Future
from datetime import date, timedelta
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import msgspec
import structlog
from msgspec import Struct

from onebot_bot.errors import StoreError
from onebot_bot.logfile import rewrite
from onebot_bot.private import FILE, FOLDER
from onebot_bot.sections.server import LogConfig

log = structlog.get_logger(__name__)

MOST_WAITING = 10_000
"""Lines that wait for a slow disk; later ones are dropped."""
PARTS = 8
"""A file ends when it has this share of `log.turns_mib`, so that what is deleted is never much of it."""
GATHERING = 0.2
"""Seconds in which lines are gathered, to be written together: what a kill may cost."""
CLOSING = 5.0
"""Seconds that the end of the program waits for the disk."""
COMPLAINS = 100
"""After a failed write, so many more may fail before it is said again."""

NEWEST = 10**9
"""Stands for the number of a file that has none: it sorts behind all that have."""
_NAME = re.compile(r"turns-(\d{4}-\d{2}-\d{2})(?:\.(\d{1,6}))?\.jsonl")


class Line(NamedTuple):
    """One line, to be written."""

    day: str
    """`YYYY-MM-DD`."""
    text: bytes
    """With its end."""


class Forgetting(NamedTuple):
    """A person whose lines are to go; what was written before is on the disk by then."""

    user: int
    messages: Collection[int]
    """Ids of what they said: others' lines may be about it, too."""
    done: Future[None]


class About(Struct):
    """Whom a line is about."""

    user: int = 0
    chat: str = ""
    messages: Collection[int] = ()


class TurnLog:
    """Takes lines on the loop and has them written. An async context manager: leaving writes what waits."""

    def __init__(self, folder: Path, config: Callable[[], LogConfig]) -> None:
        self._files = TurnFiles(folder, config)
        self._waiting: queue.SimpleQueue[Line | Forgetting | None] = queue.SimpleQueue()
        self._hurried = threading.Event()
        """Set when somebody waits for what is in the queue."""
        # A daemon: a disk that hangs must not keep the program from ending.
        self._thread = threading.Thread(target=self._work, name="turn-log", daemon=True)
        self._dropped = 0

    async def __aenter__(self) -> Self:
        self._thread.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._end)

    def write(self, day: str, line: Struct) -> None:
        """Have a line written into a day's file; never waits."""
        if self._waiting.qsize() < MOST_WAITING:
            self._waiting.put(Line(day, msgspec.json.encode(line) + b"\n"))
            return
        if self._dropped % COMPLAINS == 0:
            log.warning("The disk is too slow for the turn log: lines are left out.")
        self._dropped += 1

    async def forget(self, user: int, messages: Collection[int]) -> None:
        """Take the lines about a person, or about these messages of theirs, out of all files.

        Raises:
            StoreError: a file cannot be written; the text names it.
        """
        asked = Forgetting(user, frozenset(messages), Future())
        self._waiting.put(asked)
        self._hurried.set()
        await asyncio.wrap_future(asked.done)

    def _end(self) -> None:
        self._waiting.put(None)
        self._hurried.set()
        self._thread.join(CLOSING)

    def _work(self) -> None:
        failed = 0
        more = True
        while more:
            lines, asked, more = self._take()
            try:
                self._files.write(lines)
                failed = 0
            except OSError as error:
                if failed % COMPLAINS == 0:
                    log.warning("The turn log cannot be written; the chats go on without it.", cause=str(error))
                failed += 1
            if asked is not None:
                self._forget(asked)
        self._files.close()

    def _take(self) -> tuple[list[Line], Forgetting | None, bool]:
        """Wait for a line and take along what else comes soon, up to what rewrites them; False at the end."""
        first = self._waiting.get()
        # A thread that is woken for every line costs each answer more than the line.
        self._hurried.wait(GATHERING)
        self._hurried.clear()
        lines: list[Line] = []
        while isinstance(first, Line):
            lines.append(first)
            try:
                first = self._waiting.get_nowait()
            except queue.Empty:
                return lines, None, True
        return lines, first, first is not None

    def _forget(self, asked: Forgetting) -> None:
        try:
            self._files.forget(asked.user, asked.messages)
        except OSError as error:
            failure = f"The turn log still has lines about a person: {error}. Delete its files."
            asked.done.set_exception(StoreError(failure))
        else:
            asked.done.set_result(None)


class TurnFiles:
    """The files: the newest of a day has no number, full ones have; the oldest go when all are too many."""

    def __init__(self, folder: Path, config: Callable[[], LogConfig]) -> None:
        self._folder = folder
        self._config = config
        self._day = ""
        """Whose file is open; empty: none is."""
        self._file = -1
        self._bytes = 0

    def write(self, lines: Iterable[Line]) -> None:
        """Append lines, each to its day's file.

        Raises:
            OSError: some may not be written; what comes later may be.
        """
        together: list[bytes] = []
        size = 0
        for line in lines:
            full = self._bytes + size + len(line.text) > self._config().turns_mib * 2**20 // PARTS
            if line.day != self._day or (full and self._bytes + size):
                self._append(b"".join(together))
                together, size = [], 0
                self._open(line.day) if line.day != self._day else self._turn_over()
            together.append(line.text)
            size += len(line.text)
        self._append(b"".join(together))

    def _append(self, lines: bytes) -> None:
        """To the open file; of what does not fit on the disk the whole lines."""
        written = os.write(self._file, lines) if lines else 0
        self._bytes += written
        if written < len(lines):  # the disk is full: half a line is no line
            half = written - (lines.rfind(b"\n", 0, written) + 1)
            os.ftruncate(self._file, self._bytes - half)
            self.close()
            raise OSError(f"{self._folder}: no space left for the turn log")

    def forget(self, user: int, messages: Collection[int]) -> None:
        """Rewrite every file that has lines about a person, or about these messages; raises OSError."""
        self.close()
        if self._folder.is_dir():
            for _, _, path in self._kept():
                rewrite(path, lambda lines: (line for line in lines if not _is_about(line, user, messages)))

    def close(self) -> None:
        """Close the file, if one is open; the next line opens its own."""
        if self._day:
            os.close(self._file)
            self._day = ""

    def _open(self, day: str) -> None:
        self.close()
        self._folder.mkdir(FOLDER, parents=True, exist_ok=True)
        self._prune(day)
        path = self._folder / f"turns-{day}.jsonl"
        # Messages of private chats may be in it: the owner's eyes only.
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, FILE)
        self._day, self._bytes = day, os.fstat(self._file).st_size

    def _turn_over(self) -> None:
        """Number the file of today, and begin another."""
        day = self._day
        self.close()
        numbers = [part for of, part, _ in self._kept() if of == day and part != NEWEST]
        full = self._folder / f"turns-{day}.jsonl"
        full.rename(full.with_name(f"turns-{day}.{max(numbers, default=0) + 1}.jsonl"))
        self._open(day)

    def _prune(self, today: str) -> None:
        """Delete the oldest: of days no longer kept, and as long as all are larger than they may be."""
        config = self._config()
        first = (date.fromisoformat(today) - timedelta(days=config.turns_days - 1)).isoformat()
        room = config.turns_mib * 2**20 * (PARTS - 1) // PARTS
        for day, _, path in sorted(self._kept(), reverse=True):
            room -= path.stat().st_size
            if day < first or room < 0:
                path.unlink()

    def _kept(self) -> list[tuple[str, int, Path]]:
        """Day, number and path of every file."""
        found = ((_NAME.fullmatch(path.name), path) for path in self._folder.iterdir())
        return [(name[1], int(name[2] or NEWEST), path) for name, path in found if name]


def _is_about(line: bytes, user: int, messages: Collection[int]) -> bool:
    try:
        about = msgspec.json.decode(line, type=About)
    except msgspec.DecodeError:  # half a line, of a disk that was full
        return str(user).encode() in line
    mine = user == about.user or about.chat.endswith(f"/private/{user}")
    return mine or not set(messages).isdisjoint(about.messages)
