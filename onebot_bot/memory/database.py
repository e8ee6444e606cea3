"""SQLite for an event loop: one writer thread that commits in groups, one reader thread.

Whatever has queued up while the disk was busy goes into the next transaction, so the cost of an fsync is shared.
A future that is done means that its write survives a power cut (WAL, synchronous=FULL), unless less was asked for.
"""

import asyncio
import contextlib
import os
import queue
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

import msgspec
import structlog

from onebot_bot.errors import DatabaseDamaged, StoreError
from onebot_bot.memory.copying import BACKUPS, Stopped, copy_database, explain, never, off_loop, require_whole
from onebot_bot.memory.lock import refuse_half_restored, take_lock
from onebot_bot.memory.schema import STEPS, Step
from onebot_bot.private import FOLDER
from onebot_bot.protocol.chat_id import ChatId

log = structlog.get_logger(__name__)

T = TypeVar("T")

BATCH = 4096
"""Most writes in one transaction: bounds how long the first of them waits."""

HELD = 1.0
"""Seconds that a write nobody waits for is held back at most, to be written with others."""

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
        self._writer: _Writer | None = None  # None before entering and from the start of leaving
        self._reader: sqlite3.Connection | None = None
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="memory-reader")
        self._copying = asyncio.Lock()  # held while a copy is made: its snapshot keeps the log from being emptied

    async def __aenter__(self) -> Self:
        """Open the file, making it when there is none.

        Raises:
            StoreError: another bot uses the folder; the file is damaged, no database, or of a newer version.
        """
        writing, self._reader, lock = await asyncio.to_thread(_open, self.path, self._steps)
        self._writer = _Writer(self.path, writing, lock, asyncio.get_running_loop())
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
        writer.jobs.put(_Job(fn, future, single, lasting))
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
        self._open_writer().hold(_Job(fn, None, single, lasting=True))

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

    def _open_writer(self) -> "_Writer":
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


# --- the writer thread ---


class _Job(NamedTuple):
    fn: Callable[[sqlite3.Connection], Any]
    future: asyncio.Future[Any] | None
    single: bool
    lasting: bool


class _Outcome(NamedTuple):
    future: asyncio.Future[Any] | None
    result: Any
    error: Exception | None


class _Writer(threading.Thread):
    """Owns the writing connection and the lock file until it has met the None that ends its queue."""

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: int, loop: asyncio.AbstractEventLoop) -> None:
        # A daemon: a program that dies without leaving the context must be able to end.
        super().__init__(name="memory-writer", daemon=True)
        self.jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._held: deque[_Job] = deque()
        self._releases = False  # whether somebody is to release them
        self._path = path
        self._connection = connection
        self._lock = lock
        self.loop = loop
        self._lasting = True  # what `synchronous` is set to now

    def hold(self, job: _Job) -> None:
        """Take a job that nobody waits for: one thread woken for each would cost more than the write. Any thread."""
        self._held.append(job)
        if not self._releases:
            self._releases = True
            with contextlib.suppress(RuntimeError):  # closed: the program dies without leaving the context
                self.loop.call_soon_threadsafe(self.loop.call_later, HELD, self._release_late)

    def release(self) -> None:
        """Queue what is held, before what is queued next; on the event loop."""
        while self._held:
            self.jobs.put(self._held.popleft())

    def _release_late(self) -> None:
        self._releases = False
        self.release()

    def run(self) -> None:
        more = True
        while more:
            more = self._round()
        self._connection.close()
        os.close(self._lock)

    def _round(self) -> bool:
        """One transaction; False when the queue has ended. What was written is not held on to until the next one."""
        jobs, more = self._take()
        if jobs:
            self._settle(self._commit(jobs))
        return more

    def _take(self) -> tuple[list[_Job], bool]:
        """Wait for a job, then take along what else is there; False when the queue has ended."""
        jobs: list[_Job] = []
        job = self.jobs.get()
        with contextlib.suppress(queue.Empty):
            while job is not None:
                jobs.append(job)
                if len(jobs) == BATCH:
                    return jobs, True
                job = self.jobs.get_nowait()
            return jobs, False
        return jobs, True

    def _commit(self, jobs: list[_Job]) -> list[_Outcome]:
        try:
            self._set_lasting(any(job.lasting for job in jobs))
            self._connection.execute("BEGIN IMMEDIATE")
            outcomes = [self._outcome(job) for job in jobs]
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            return [_Outcome(job.future, None, explain(self._path, error)) for job in jobs]
        return outcomes

    def _set_lasting(self, lasting: bool) -> None:  # noqa: FBT001 - the state itself
        """FULL syncs the log at every commit; NORMAL leaves that to the next one that asks for it."""
        if lasting != self._lasting:
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if lasting else 'NORMAL'}")
            self._lasting = lasting

    def _outcome(self, job: _Job) -> _Outcome:
        try:
            return _Outcome(job.future, self._result(job), None)
        except sqlite3.Error as error:
            if not self._connection.in_transaction:
                raise  # a full or failing disk has undone the whole transaction: everybody's write is lost
            return _Outcome(job.future, None, explain(self._path, error))
        except Exception as error:  # noqa: BLE001 - whatever it is, it goes to who queued the write
            return _Outcome(job.future, None, error)

    def _result(self, job: _Job) -> Any:
        if job.single:
            return job.fn(self._connection)
        self._connection.execute("SAVEPOINT job")
        try:
            result = job.fn(self._connection)
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK TO job")
                self._connection.execute("RELEASE job")
            raise
        self._connection.execute("RELEASE job")
        return result

    def _settle(self, outcomes: list[_Outcome]) -> None:
        # The loop is closed only when the program dies without leaving the context: then nobody waits.
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(_resolve, outcomes)


def _resolve(outcomes: list[_Outcome]) -> None:
    for future, result, error in outcomes:
        if future is None:
            if error is not None:
                log.error("a write was lost", code="OB-1306", reason=str(error))
        elif future.done():
            continue  # cancelled by who waited; the write stands
        elif error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)


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
