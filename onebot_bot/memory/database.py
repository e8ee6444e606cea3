"""SQLite for an event loop: one writer thread that commits in groups, one reader thread.

Whatever has queued up while the disk was busy goes into the next transaction, so the cost of an fsync is shared.
A future that is done means that its write survives a power cut (WAL, synchronous=FULL), unless less was asked for.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import msgspec
import structlog

from onebot_bot.errors import DatabaseDamaged, StoreError
from onebot_bot.memory.copying import BACKUPS, Stopped, copy_database, explain, never, off_loop, require_whole
from onebot_bot.memory.lock import refuse_half_restored, take_lock
from onebot_bot.memory.schema import STEPS, Step
from onebot_bot.memory.writer import Job, Writer
from onebot_bot.private import FOLDER
from onebot_bot.protocol.chat_id import ChatId

log = structlog.get_logger(__name__)

T = TypeVar("T")

BUSY_MS = 5000
"""Milliseconds to wait for another program that holds the file, such as a database browser."""


class Database:
    """memory.sqlite3, open for this process alone.

    An async context manager: entering checks, migrates and opens the file; leaving writes what is queued.
    Writes run in the order in which they were handed in.
    """

    def __init__(self, path: Path, steps: Sequence[Step] = STEPS) -> None:
        self.path = path
        self._steps = steps
        self._writer: Writer | None = None  # None before entering and from the start of leaving
        self._reader: sqlite3.Connection | None = None
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="memory-reader")
        self._copying = asyncio.Lock()  # held while a copy is made: its snapshot keeps the log from being emptied

    async def __aenter__(self) -> Self:
        """Open the file, making it when there is none.

        Raises:
            StoreError: another bot uses the folder; the file is damaged, no database, or of a newer version.
        """
        writing, self._reader, lock = await asyncio.to_thread(_open, self.path, self._steps)
        self._writer = Writer(self.path, writing, lock, asyncio.get_running_loop())
        self._writer.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        writer, self._writer = self._writer, None
        reader, self._reader = self._reader, None
        if writer is None or reader is None:
            return
        # The reader closes first: the last connection to close folds the log into the file.
        try:
            await asyncio.get_running_loop().run_in_executor(self._reading, reader.close)
        finally:
            self._reading.shutdown(wait=False)
            writer.release()
            writer.jobs.put(None)
        await asyncio.to_thread(writer.join)

    def submit(
        self, fn: Callable[[sqlite3.Connection], T], *, single: bool = False, lasting: bool = True, beside: bool = False
    ) -> asyncio.Future[T]:
        """Queue one write and return at once; call on the event loop.

        Args:
            fn: Runs in the writer thread, inside a transaction; it must not commit.
            single: `fn` is one statement, which SQLite undoes by itself when it fails: saves the savepoint.
            lasting: It must survive a power cut. What only has to survive the death of this process costs no fsync.
            beside: It has nothing to do with what `post` holds back, and may go before it.

        Returns:
            A future with what `fn` returned, done after COMMIT; or with what it raised (SQLite's errors as
            StoreError), in which case nothing of it was written. Cancelling it does not take the write back.
        """
        writer = self._open_writer()
        future: asyncio.Future[T] = writer.loop.create_future()
        if not beside:
            writer.release()
        writer.jobs.put(Job(fn, future, single, lasting))
        return future

    async def write(self, fn: Callable[[sqlite3.Connection], T], *, lasting: bool = True, beside: bool = False) -> T:
        """Run `fn` in the writer thread and return its result once that is on the disk; see `submit`.

        Raises:
            StoreError: SQLite could not write.
        """
        return await asyncio.shield(self.submit(fn, lasting=lasting, beside=beside))

    def post(self, fn: Callable[[sqlite3.Connection], object], *, single: bool = False) -> None:
        """Queue a write nobody waits for, from any thread; a failure is logged. `single` as in `submit`.

        It is written before the next one that is not `beside` it, or after a second.
        """
        self._open_writer().hold(Job(fn, None, single, lasting=True))

    async def read(self, fn: Callable[[sqlite3.Connection], T]) -> T:
        """Run `fn` in the reader thread, on one snapshot that holds every write whose future is done.

        Raises:
            StoreError: SQLite could not read.
        """
        return await self._in_reader(lambda connection: _snapshot(connection, fn))

    async def scrub(self) -> None:
        """Empty the write-ahead log: it still holds what was overwritten.

        Raises:
            StoreError: SQLite could not write.
        """
        # In the reader's thread, because a reader at work is what would be in the way.
        async with self._copying:
            busy = await self._in_reader(_empty_log)
        if busy:
            log.warning("the database's log cannot be emptied while another program reads", file=str(self.path))

    async def backup(self, target: Path, stopped: Stopped = never) -> None:
        """Write a whole copy (mode 600) of this moment to `target`; reads and writes go on meanwhile.

        Raises:
            StoreError: the copy could not be written; an older `target` is left as it was.
        """
        async with self._copying:
            await off_loop(lambda ended: copy_database(self.path, target, lambda: ended() or stopped()))

    async def _in_reader(self, fn: Callable[[sqlite3.Connection], T]) -> T:
        if self._reader is None:
            raise StoreError(f"{self.path} is not open.")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._reading, fn, self._reader)
        except sqlite3.Error as error:
            raise explain(self.path, error) from error

    def _open_writer(self) -> "Writer":
        if self._writer is None:
            raise StoreError(f"{self.path} is not open.")
        return self._writer


def _snapshot(connection: sqlite3.Connection, fn: Callable[[sqlite3.Connection], T]) -> T:
    connection.execute("BEGIN")
    try:
        return fn(connection)
    finally:
        connection.execute("ROLLBACK")


def _empty_log(connection: sqlite3.Connection) -> bool:
    """Fold the log into the file and cut it to nothing; whether somebody was in the way."""
    busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return bool(busy)


def in_chat(chat: ChatId) -> tuple[int, str, int]:
    """The values for `account = ? AND kind = ? AND peer = ?`."""
    return chat.account, chat.kind, chat.peer


def listed(ids: Collection[int]) -> str:
    """The value for `IN (SELECT value FROM json_each(?))`: one statement for any number of ids."""
    return msgspec.json.encode(list(ids)).decode()


# --- opening ---


def _open(path: Path, steps: Sequence[Step]) -> tuple[sqlite3.Connection, sqlite3.Connection, int]:
    """The writing connection, the reading one and the lock's descriptor."""
    lock = _prepare(path)
    opened: list[sqlite3.Connection] = []
    try:
        opened.append(_connect(path))
        _check(opened[0], path)
        _migrate(opened[0], path, steps)
        opened.append(_connect(path))
        opened[1].execute("PRAGMA query_only = ON")
    except BaseException as error:
        for connection in opened:
            connection.close()
        os.close(lock)
        if isinstance(error, sqlite3.Error):
            raise explain(path, error) from error
        raise
    return opened[0], opened[1], lock


def _prepare(path: Path) -> int:
    made_before = path.exists()
    try:
        path.parent.mkdir(FOLDER, parents=True, exist_ok=True)
        # SQLite gives its side files the mode of the main one, so making that first makes all of them private.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise StoreError(
            f"{path} cannot be opened: {error.strerror}. Check the folder's owner and mode.", code="OB-1305"
        ) from error
    lock = take_lock(path.with_suffix(".lock"))
    try:
        refuse_half_restored(path.parent)
        if made_before:
            require_whole(path)
    except StoreError:
        os.close(lock)
        raise
    return lock


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_MS / 1000, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        # In pages of 4 KiB. SQLite's own 1000 copies the log back every hundred messages of a burst, and whoever's
        # commit triggers it waits for two more fsyncs (bench/message_path.py).
        connection.execute("PRAGMA wal_autocheckpoint = 4000")
        # What is forgotten is overwritten with zeros, not only unlinked.
        connection.execute("PRAGMA secure_delete = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection, path: Path) -> None:
    verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise DatabaseDamaged(path, verdict)


def _migrate(connection: sqlite3.Connection, path: Path, steps: Sequence[Step]) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(steps):
        raise StoreError(
            f"{path}: version {version} is newer than this program knows (up to {len(steps)}). Update the program.",
            code="OB-1304",
        )
    if 0 < version < len(steps):
        copy_database(path, path.parent / BACKUPS / f"{path.stem}.v{version}{path.suffix}")
    for number, step in enumerate(steps[version:], version + 1):
        connection.execute("BEGIN IMMEDIATE")
        for statement in step:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")
