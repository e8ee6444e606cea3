"""The thread that writes to the database: whatever has queued up while the disk was busy is one transaction."""

import asyncio
import contextlib
import os
import queue
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from onebot_bot.memory.copying import explain

log = structlog.get_logger(__name__)

BATCH = 4096
"""Most writes in one transaction: bounds how long the first of them waits."""

HELD = 1.0
"""Seconds that a write nobody waits for is held back at most, to be written with others."""

TOLD_AT_ONCE = 64
"""Most who are told of their writes before everything else has its turn: each may begin to write an answer."""


class Job(NamedTuple):
    """A write that is queued; what each field means says `Database.submit`."""

    fn: Callable[[sqlite3.Connection], Any]
    future: asyncio.Future[Any] | None
    single: bool
    lasting: bool


class Outcome(NamedTuple):
    """What came of a write."""

    future: asyncio.Future[Any] | None
    result: Any
    error: Exception | None


class Writer(threading.Thread):
    """Owns the writing connection and the lock file until it has met the None that ends its queue."""

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: int, loop: asyncio.AbstractEventLoop) -> None:
        # A daemon: a program that dies without leaving the context must be able to end.
        super().__init__(name="memory-writer", daemon=True)
        self.jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._held: deque[Job] = deque()
        self._releases = False  # whether somebody is to release them
        self._path = path
        self._connection = connection
        self._lock = lock
        self.loop = loop
        self._settlement = Settlement(loop)
        self._lasting = True  # what `synchronous` is set to now

    def hold(self, job: Job) -> None:
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
        """Write until the queue has ended."""
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

    def _take(self) -> tuple[list[Job], bool]:
        """Wait for a job, then take along what else is there; False when the queue has ended."""
        jobs: list[Job] = []
        job = self.jobs.get()
        with contextlib.suppress(queue.Empty):
            while job is not None:
                jobs.append(job)
                if len(jobs) == BATCH:
                    return jobs, True
                job = self.jobs.get_nowait()
            return jobs, False
        return jobs, True

    def _commit(self, jobs: list[Job]) -> list[Outcome]:
        try:
            self._set_lasting(any(job.lasting for job in jobs))
            self._connection.execute("BEGIN IMMEDIATE")
            outcomes = [self._outcome(job) for job in jobs] if len(jobs) > 1 else [self._alone(jobs[0])]
            if len(jobs) > 1 or outcomes[0].error is None:
                self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            return [Outcome(job.future, None, explain(self._path, error)) for job in jobs]
        return outcomes

    def _alone(self, job: Job) -> Outcome:
        """A transaction of its own needs no savepoint in it; SQLite's errors are for `_commit`."""
        try:
            return Outcome(job.future, job.fn(self._connection), None)
        except sqlite3.Error:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it goes to who queued the write
            self._connection.execute("ROLLBACK")
            return Outcome(job.future, None, error)

    def _set_lasting(self, lasting: bool) -> None:  # noqa: FBT001 - the state itself
        """FULL syncs the log at every commit; NORMAL leaves that to the next one that asks for it."""
        if lasting != self._lasting:
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if lasting else 'NORMAL'}")
            self._lasting = lasting

    def _outcome(self, job: Job) -> Outcome:
        try:
            return Outcome(job.future, self._result(job), None)
        except sqlite3.Error as error:
            if not self._connection.in_transaction:
                raise  # a full or failing disk has undone the whole transaction: everybody's write is lost
            return Outcome(job.future, None, explain(self._path, error))
        except Exception as error:  # noqa: BLE001 - whatever it is, it goes to who queued the write
            return Outcome(job.future, None, error)

    def _result(self, job: Job) -> Any:
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

    def _settle(self, outcomes: list[Outcome]) -> None:
        # The loop is closed only when the program dies without leaving the context: then nobody waits.
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._settlement.take, outcomes)


class Settlement:
    """Tells who waits what came of their writes, in order; on the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._outcomes: deque[Outcome] = deque()

    def take(self, outcomes: Sequence[Outcome]) -> None:
        """These are known now."""
        waiting = bool(self._outcomes)
        self._outcomes.extend(outcomes)
        if not waiting:
            self._tell()

    def _tell(self) -> None:
        for _ in range(min(TOLD_AT_ONCE, len(self._outcomes))):
            _resolve(self._outcomes.popleft())
        if self._outcomes:
            self._loop.call_soon(self._tell)


def _resolve(outcome: Outcome) -> None:
    future, result, error = outcome
    if future is None:
        if error is not None:
            log.error("a write was lost", code="OB-1306", reason=str(error))
    elif future.done():
        return  # cancelled by who waited; the write stands
    elif error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
