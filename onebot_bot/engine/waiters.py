"""Who waits for the model, as the event loop knows them: each gets an outcome, even where its thread gives none."""

import asyncio
import gc
import time
import traceback
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from onebot_bot.engine.request import FinishReason, Generation, GenerationResult, Usage
from onebot_bot.engine.runner import Runner
from onebot_bot.errors import BotError, ModelError

CLOSING = "the bot is shutting down"


class Job(Struct):
    """Work for the thread; `exclusive` waits until no answer is running."""

    work: Callable[[Runner], Any]
    future: asyncio.Future[Any]
    exclusive: bool


class Waiters:
    """Answers and jobs without an outcome. Belongs to the event loop."""

    def __init__(self) -> None:
        self._generations: set[Generation] = set()
        self._futures: set[asyncio.Future[Any]] = set()

    def expect(self, generation: Generation) -> None:
        """An answer was asked for."""
        self._generations.add(generation)
        generation.when_done(self._generations.discard)

    def promise(self) -> asyncio.Future[Any]:
        """A future for the outcome of a job."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._futures.add(future)
        future.add_done_callback(self._futures.discard)
        return future

    def release(self, error: BotError | None = None) -> None:
        """Settle all that is open without the thread; without an error the bot is shutting down."""
        for generation in list(self._generations):
            generation.interrupt()
            generation.finish(error or unstarted(generation, FinishReason.INTERRUPTED))
        self.release_jobs(error or ModelError(CLOSING))

    def release_jobs(self, error: BotError) -> None:
        """Settle what is no answer: who waits for it may hold up others."""
        for future in list(self._futures):
            settle(future, error)


def stop_reason(generation: Generation) -> FinishReason | None:
    """Why this answer has to end now, whatever the model would write next."""
    if generation.interrupted:
        return FinishReason.INTERRUPTED
    if time.monotonic() - generation.submitted > generation.request.timeout:
        return FinishReason.TIMEOUT
    return None


def unstarted(generation: Generation, reason: FinishReason) -> GenerationResult:
    """The outcome of an answer that never began."""
    waited = time.monotonic() - generation.submitted
    return GenerationResult(text="", finish_reason=reason, usage=Usage(queued=waited, total=waited))


def settle(future: asyncio.Future[Any], outcome: Any) -> None:
    """Resolve a future that its waiter may have abandoned."""
    if future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
        future.exception()  # a waiter that went away must not make the loop complain
    else:
        future.set_result(outcome)


def let_go(error: BaseException) -> None:
    """Have an error that is kept no longer hold what was there when it was raised, such as half of a model."""
    seen: BaseException | None = error
    while seen is not None:
        traceback.clear_frames(seen.__traceback__)
        seen = seen.__cause__ or seen.__context__
    gc.collect()
