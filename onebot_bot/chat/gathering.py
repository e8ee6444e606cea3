"""Work that goes on beside the chats, once for each thing, and how long an answer waits for it."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Hashable, Iterable
from types import TracebackType
from typing import Generic, Self, TypeVar

import structlog

from onebot_bot.chat.outbox import Clock
from onebot_bot.errors import BotError

log = structlog.get_logger(__name__)

FAILURES = 4096
"""What could not be had is remembered for so many things: it is not asked for with every answer."""

K = TypeVar("K", bound=Hashable)


class Gathering(Generic[K]):
    """Jobs by key. An async context manager: leaving ends them."""

    def __init__(self, clock: Clock, most: int, reason_of: Callable[[Exception], str]) -> None:
        self.failed: OrderedDict[K, str] = OrderedDict()
        """Why something could not be had, as `reason_of` says."""
        self._clock = clock
        self._most = most
        """Jobs at once, those that wait for their turn included."""
        self._reason_of = reason_of
        self._tasks = asyncio.TaskGroup()
        self._running: dict[K, asyncio.Task[None]] = {}
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
    def running(self) -> Collection[K]:
        """What is being done, or waits for its turn."""
        return self._running.keys()

    def begin(self, key: K, work: Callable[[], Awaitable[None]]) -> asyncio.Task[None] | None:
        """The job of that key, begun unless it goes on already; None when it failed before, or there is no room."""
        if key in self._running:
            return self._running[key]
        if key in self.failed or self._ended or len(self._running) >= self._most:
            return None
        task = self._running[key] = self._tasks.create_task(self._run(key, work))
        task.add_done_callback(lambda _: self._running.pop(key, None))
        return task

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

    async def _run(self, key: K, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except BotError as error:
            self._fail(key, error)
            log.info("Something that was sent stays unread.", cause=str(error))
        except Exception as error:
            # In a task group one failure would end the others.
            self._fail(key, error)
            log.exception("Something that was sent could not be read.")

    def _fail(self, key: K, error: Exception) -> None:
        self.failed[key] = self._reason_of(error)
        if len(self.failed) > FAILURES:
            self.failed.popitem(last=False)
