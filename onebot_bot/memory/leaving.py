"""Which messages' answers are on their way out, kept where it outlives the process and costs next to nothing.

A message passes here between its finished answer and the sending of that, so a transaction would be felt. What a
process writes into a file that it has mapped into its memory is the system's to keep: it is there after a kill.
"""

import mmap
import os
from collections.abc import Collection, Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

log = structlog.get_logger(__name__)

LEAVING = "memory.leaving"
"""The file."""
SLOTS = 4096
"""Rows that may be on their way at once; more are for the database to note."""
_SIZE = 8 * SLOTS
"""Bytes of the file."""


class Leaving:
    """The rows in the file at `path`, private to this process. A context manager: leaving it closes the file.

    Before it is entered there is room for none, nor where the system cannot map the file, as on some network drives.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._map: mmap.mmap | None = None
        self._slots = memoryview(b"").cast("q")
        self._free: list[int] = []
        self._places: dict[int, int] = {}
        """Slots by row."""
        self.left: list[int] = []
        """Rows that a process which was killed had on their way."""

    def __enter__(self) -> Self:
        try:
            self._map = _open(self._path)
        except (OSError, ValueError) as error:
            log.info("What is being sent is noted in the database.", file=str(self._path), cause=str(error))
            return self
        self._slots = memoryview(self._map).cast("q")
        self.left = [row for row in self._slots if row > 0]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._free, self._places = [], {}  # what is still on its way stays in the file
        if self._map is not None:
            self._slots.release()
            self._map.close()

    def begin(self) -> None:
        """What was left is known elsewhere by now: take new rows."""
        self.left = []
        for place in range(len(self._slots)):
            self._slots[place] = 0
        self._free = list(range(len(self._slots)))

    def __contains__(self, row: object) -> bool:
        return row in self._places

    def add(self, rows: Collection[int]) -> bool:
        """These are on their way now; False, and nothing is noted, where there is no room for them."""
        if len(rows) > len(self._free):
            return False
        for row in rows:
            if row not in self._places:
                place = self._places[row] = self._free.pop()
                self._slots[place] = row
        return True

    def discard(self, rows: Iterable[int]) -> None:
        """These are no longer, if they were: the record says what came of them."""
        for row in rows:
            if (place := self._places.pop(row, None)) is not None:
                self._slots[place] = 0
                self._free.append(place)


def _open(path: Path) -> mmap.mmap:
    """The file in memory, of its full size; raises OSError or ValueError."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
    try:
        known = os.read(file, _SIZE)
        # All of it is written, not only made longer, nor trusted to be there: on a full disk a hole in a mapped file,
        # as copies of folders have them, ends the process.
        os.lseek(file, 0, os.SEEK_SET)
        os.write(file, known.ljust(_SIZE, b"\0"))
        return mmap.mmap(file, _SIZE)
    finally:
        os.close(file)
