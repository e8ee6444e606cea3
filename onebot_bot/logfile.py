"""The log file: private, turned over when it is full, and rewritten when a person is to be forgotten."""

import io
import logging
import logging.handlers
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from pathlib import Path

from onebot_bot.errors import StoreError
from onebot_bot.private import FILE, FOLDER

FILE_BYTES = 10 * 2**20
FILES_KEPT = 5
_BEGINS = re.compile(rb"\d\d-\d\d \d\d:\d\d:\d\d \[")
"""A line that is not the rest of the entry before, such as a traceback."""


class Forgetting(logging.LogRecord):
    """Asks the file to forget a person; what was logged before it is on the disk by then."""

    def __init__(self, number: int) -> None:
        super().__init__("", logging.CRITICAL, "", 0, "", (), None)
        self.number = number
        self.done: Future[None] = Future()


class LogFile(logging.handlers.RotatingFileHandler):
    """Messages of private chats may be in it, so each new file is the owner's alone."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(FOLDER, parents=True, exist_ok=True)
        super().__init__(file, maxBytes=FILE_BYTES, backupCount=FILES_KEPT, encoding="utf-8")
        self._failing = False

    def _open(self) -> io.TextIOWrapper:
        Path(self.baseFilename).touch(FILE)
        Path(self.baseFilename).chmod(FILE)  # one that is there already may be older than this rule
        return super()._open()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, or forget a person; in the listener's thread."""
        if not isinstance(record, Forgetting):
            failed, self._failing = self._failing, False
            super().emit(record)
            if self._failing and not failed:
                sys.stderr.write(f"{self.baseFilename} cannot be written; its lines are only here until it can.\n")
            return
        try:
            self._forget(record.number)
        except OSError as error:
            record.done.set_exception(
                StoreError(f"{self.baseFilename}: lines about a person are still in it: {error}. Delete it.")
            )
        else:
            record.done.set_result(None)

    def handleError(self, _record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
        """A full disk costs lines, not a traceback for each."""
        self._failing = True

    def _forget(self, number: int) -> None:
        if self.stream is not None:
            self.stream.close()
        try:
            base = Path(self.baseFilename)
            for path in (base, *(base.with_name(f"{base.name}.{count}") for count in range(1, FILES_KEPT + 1))):
                if path.exists():
                    rewrite(path, lambda lines: without(lines, number))
        finally:
            self.stream = self._open()


def without(lines: Iterable[bytes], number: int) -> Iterator[bytes]:
    """The lines of a log but for the entries in which a QQ number stands, with all that belongs to them."""
    named = re.compile(rb"(?<!\d)%d(?!\d)" % number)
    entry: list[bytes] = []
    for line in lines:
        if _BEGINS.match(line):
            yield from () if any(map(named.search, entry)) else entry
            entry = []
        entry.append(line)
    yield from () if any(map(named.search, entry)) else entry


def rewrite(path: Path, change: Callable[[Iterable[bytes]], Iterable[bytes]]) -> None:
    """Change the lines of a file whole: a kill leaves all of the old ones or all of the new.

    Raises:
        OSError: it cannot be; the file is as it was.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with (
            path.open("rb") as old,
            os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE), "wb") as new,
        ):
            new.writelines(change(old))
            new.flush()
            os.fsync(new.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
