"""What messages bring along, taken in beside the chats: once for each thing, within bounds; answers wait a while."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Hashable, Iterable
from types import TracebackType
from typing import Self

import structlog

from onebot_bot.chat.outbox import Clock
from onebot_bot.errors import BotError
from onebot_bot.protocol.chat_id import ChatId

log = structlog.get_logger(__name__)

Key = tuple[ChatId, Hashable]
"""A chat, and a thing of it."""

MOST, MOST_OF_CHAT = 64, 16
"""Things that are taken in, or wait for it, of all chats and of one: more is refused, not queued."""
FAILURES = 4096
"""What could not be had is remembered for so many things: it is not asked for with every answer."""
PASSING = frozenset({"gone", "slow"})
"""Reasons that may be others later: the network was away, the machine busy."""
AGAIN = 600.0
"""Seconds after which such a thing is asked for once more."""


class Gathering:
    """Jobs by key. An async context manager: leaving ends them."""

    def __init__(self, clock: Clock, reason_of: Callable[[Exception], str]) -> None:
        self._clock = clock
        self._reason_of = reason_of
        self._tasks = asyncio.TaskGroup()
        self._running: dict[Key, asyncio.Task[None]] = {}
        self._failed: OrderedDict[Key, tuple[str, float]] = OrderedDict()
        """Why something could not be had, and the clock's seconds until which that holds."""
        self._ended = False

    async def __aenter__(self) -> Self:
        """Open the group that owns the jobs."""
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End every job."""
        self._ended = True
        for task in [*self._running.values()]:
            task.cancel()
        await self._tasks.__aexit__(None, None, None)

    @property
    def running(self) -> Collection[Key]:
        """What is being taken in, or waits for its turn."""
        return self._running.keys()

    def under_way(self, keys: Iterable[Key]) -> dict[Key, asyncio.Task[None]]:
        """The jobs of those keys that go on now.

        Taken before a record is asked for what is there: a job that ends meanwhile is not begun again.
        """
        return {key: self._running[key] for key in keys if key in self._running}

    def failure(self, key: Key) -> str | None:
        """Why something could not be had, as `reason_of` said; None: it did not fail, or may be had by now."""
        reason, until = self._failed.get(key, (None, 0.0))
        return reason if self._clock.time() < until else None

    def begin(self, key: Key, work: Callable[[], Awaitable[None]]) -> asyncio.Task[None] | None:
        """The job of that key, begun unless it goes on already; None when it failed before, or there is no room."""
        if key in self._running:
            return self._running[key]
        if self._ended or self.failure(key) is not None or self._full(key[0]):
            return None
        task = self._running[key] = self._tasks.create_task(self._run(key, work))
        task.add_done_callback(lambda _: self._running.pop(key, None))
        return task

    def _full(self, chat: ChatId) -> bool:
        return len(self._running) >= MOST or sum(other == chat for other, _ in self._running) >= MOST_OF_CHAT

    async def wait(self, tasks: Iterable[asyncio.Task[None] | None], seconds: float) -> bool:
        """Wait for jobs, so long at most; whether there was anything to wait for."""
        left = {task for task in tasks if task is not None and not task.done()}
        if not left or seconds <= 0:
            return False
        timer = self._tasks.create_task(self._clock.sleep(seconds))
        try:
            while left and not timer.done():
                done, _ = await asyncio.wait({*left, timer}, return_when=asyncio.FIRST_COMPLETED)
                left -= done
        finally:
            timer.cancel()
        return True

    async def _run(self, key: Key, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except BotError as error:
            self._fail(key, error)
            log.info("Something that was sent could not be taken in.", chat=str(key[0]), cause=str(error))
        except Exception as error:
            # In a task group one failure would end the others.
            self._fail(key, error)
            log.exception("Something that was sent could not be taken in.", code="OB-1130", chat=str(key[0]))

    def _fail(self, key: Key, error: Exception) -> None:
        reason = self._reason_of(error)
        until = self._clock.time() + AGAIN if reason in PASSING else float("inf")
        self._failed[key] = reason, until
        if len(self._failed) > FAILURES:
            self._failed.popitem(last=False)


class Gatherer:
    """Takes in what messages bring along. An async context manager: leaving ends what is under way."""

    def __init__(self, clock: Clock, reason_of: Callable[[Exception], str]) -> None:
        self._gathering = Gathering(clock, reason_of)

    async def __aenter__(self) -> Self:
        """Begin to take things in."""
        await self._gathering.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End what is under way."""
        await self._gathering.__aexit__(kind, error, trace)


def once_stored(row: "asyncio.Future[int | None]", begin: Callable[[int], None]) -> None:
    """Call `begin` with the row of a message once it is on the disk; never when it is no news or was not stored."""

    def stored(done: "asyncio.Future[int | None]") -> None:
        if not done.cancelled() and done.exception() is None and (number := done.result()):
            begin(number)

    row.add_done_callback(stored)
