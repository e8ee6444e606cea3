"""Whole copies of a database of one moment, checked, while others go on writing it; and what SQLite's errors mean."""

import asyncio
import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from onebot_bot.errors import DatabaseDamaged, StoreError
from onebot_bot.private import FOLDER

T = TypeVar("T")
Stopped = Callable[[], bool]
"""To be asked from any thread, every now and then; true: end soon."""

BACKUPS = "backups"
"""The folder beside the database for copies of it."""

_PAGES = 2048
"""Pages of 4 KiB that are copied between two looks at whether to stop."""
_MAGIC = b"SQLite format 3\0"
"""What a database begins with, https://www.sqlite.org/fileformat.html"""
_STEPS = 1_000_000
"""Steps of SQLite's machine, some milliseconds, between two such looks in a check."""


def never() -> bool:
    """Nobody stops it."""
    return False


async def off_loop(call: Callable[[Stopped], T]) -> T:
    """Do it on another thread; who cancels meanwhile has it stopped, and waits until it is."""
    stop = threading.Event()
    work = asyncio.ensure_future(asyncio.to_thread(call, stop.is_set))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait([work])
        if not work.cancelled():
            work.exception()  # nobody asks any more
        raise


def copy_database(source: Path, target: Path, stopped: Stopped = never) -> None:
    """Write a whole copy (mode 600) of `source` as it is now to `target`, which takes its place at once or not at all.

    Raises:
        StoreError: there is no database, it is damaged, or the copy cannot be written; an older `target` stays.
    """
    if not source.exists():
        raise StoreError(f"{source} does not exist: there is nothing to copy.")
    part = target.with_name(f".{target.name}.tmp")
    try:
        target.parent.mkdir(FOLDER, parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_RDWR | os.O_CREAT, 0o600))
        _copy(source, part, stopped)
        part.replace(target)
    except OSError as error:
        raise StoreError(f"{target} cannot be written: {error.strerror}.", code="OB-1305") from error
    except sqlite3.Error as error:
        # SQLite names no file: what cannot be read is the source's fault, what cannot be written the copy's.
        raise explain(source if _is_damage(error) else target, error) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def check_database(path: Path, stopped: Stopped = never) -> None:
    """Look at every page and index of a database that nobody uses.

    Raises:
        DatabaseDamaged: something is wrong with it. StoreError: it cannot be read.
    """
    require_whole(path)
    try:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.set_progress_handler(stopped, _STEPS)
            verdict = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        raise explain(path, error) from error
    if verdict != "ok":
        raise DatabaseDamaged(path, verdict)


def require_whole(path: Path) -> None:
    """Raise DatabaseDamaged when the last page is half there, or nothing is, which SQLite takes for zeros and for new.

    With a log beside it that is what a kill in the middle of its folding leaves, and mends by itself.
    """
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size:
        return
    if not path.stat().st_size and any((path.parent / BACKUPS).glob("backup-*.zip")):
        raise DatabaseDamaged(path, "it is empty, and there are backups of it")
    with path.open("rb") as file:
        header = file.read(18)
    page = int.from_bytes(header[16:18], "big")  # bytes; 1 stands for 65,536
    if header.startswith(_MAGIC) and path.stat().st_size % (65_536 if page == 1 else page or 1):
        raise DatabaseDamaged(path, "its last page is torn")


def explain(path: Path, error: sqlite3.Error) -> StoreError:
    """What an error of SQLite's means for the database at `path`, and what to do."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte of an extended code
    if _is_damage(error):
        return DatabaseDamaged(path, str(error))
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreError(f"{path} is held by another program. Close that one and start again.", code="OB-1302")
    if code == sqlite3.SQLITE_FULL:
        return StoreError(f"{path} cannot grow: the disk is full. Free some space.", code="OB-1305")
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        fix = "Check the owner and mode of its folder and files."
        return StoreError(f"{path} cannot be written: {error}. {fix}", code="OB-1305")
    if code == sqlite3.SQLITE_IOERR:
        fix = "Check the disk and its free space."
        return StoreError(f"{path} cannot be read or written: {error}. {fix}", code="OB-1305")
    return StoreError(f"{path}: {error}")


def _is_damage(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _copy(source: Path, part: Path, stopped: Stopped) -> None:
    def look(_status: int, _left: int, _total: int) -> None:
        if stopped():
            raise StoreError(f"The copy of {source} was ended.")

    with (
        contextlib.closing(sqlite3.connect(source, isolation_level=None)) as reading,
        contextlib.closing(sqlite3.connect(part)) as copy,
    ):
        # A snapshot: without one, whoever writes meanwhile makes the copy begin anew again and again.
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM sqlite_master").fetchone()
        reading.backup(copy, pages=_PAGES, progress=look)
        reading.execute("ROLLBACK")
