"""The one thread that owns the model, and the one crossing each way between it and the event loop.

Into the thread: a queue of submissions and jobs. Out of it: `call_soon_threadsafe`. The thread looks at the queue and
at interrupts before every step, so both take effect within one forward pass. No torch here: the runner has it.
"""

import asyncio
import contextlib
import math
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import structlog
from msgspec import Struct, structs

from onebot_bot.engine.request import (
    Counters,
    EngineStatus,
    FinishReason,
    Generation,
    GenerationRequest,
    GenerationResult,
    Usage,
    Vector,
)
from onebot_bot.engine.runner import UNCALIBRATED, Runner, Running
from onebot_bot.errors import BotError, ModelError, id_of, named

log = structlog.get_logger(__name__)
T = TypeVar("T")

RATE_WINDOW = 20  # answers that the shown rates are taken over
JOIN_SECONDS = 30.0
"""How long leaving waits for the step in progress."""
LOADING_SECONDS = 2.0
"""The same while the model loads, which cannot be interrupted: the thread is a daemon and ends with the process."""
CLOSING = "the bot is shutting down"
LOOK_SECONDS = 0.05
"""How often is looked whether the model that answers wait for is there, while there is nothing else to do."""


class _Job(Struct):
    """Work for the thread; `exclusive` waits until no answer is running."""

    work: Callable[[Runner], Any]
    future: asyncio.Future[Any]
    exclusive: bool


class EngineWorker:
    """Async context manager: the thread starts on enter and has ended, every waiter told, on exit."""

    def __init__(self, name: str, load: Callable[[], Runner], max_running: int = 4) -> None:
        self._name = name
        self._load = load
        self._max_running = max_running
        self._inbox: queue.SimpleQueue[Generation | _Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._main, name="model", daemon=True)
        self._state = "loading"
        self.failure: BotError | None = None
        """Why the model is not there, once loading has failed."""
        self._runner: Runner | None = None
        self._closing = False
        self._waiting: deque[Generation] = deque()
        self._jobs: deque[_Job] = deque()
        self._running: list[Running] = []
        self._held = False
        """Whether all that waits, waits for a model that is being loaded."""
        self._finished: deque[Usage] = deque(maxlen=RATE_WINDOW)
        self._answers = 0
        self._interrupts = 0

    async def __aenter__(self) -> Self:
        """Start the thread; the model loads while submissions already queue."""
        self._loop = asyncio.get_running_loop()
        self.loaded: asyncio.Future[None] = self._loop.create_future()
        """Done when the model is ready or has failed to load (then /status says why); never an exception."""
        self._thread.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End at the next token; what runs and waits is resolved as INTERRUPTED, with what was written."""
        self._closing = True
        self._inbox.put(None)
        await asyncio.to_thread(self._thread.join, LOADING_SECONDS if self._state == "loading" else JOIN_SECONDS)

    # --- on the event loop ---------------------------------------------------------------------------------------

    def submit(self, request: GenerationRequest) -> Generation:
        """Queue an answer; failures are the generation's outcome."""
        generation = Generation(request)
        if self.failure is not None:
            generation.finish(self.failure)
        elif self._closing:
            generation.finish(_unstarted(generation, FinishReason.INTERRUPTED))
        else:
            self._inbox.put(generation)
        return generation

    async def embed(self, texts: list[str]) -> Vector:
        """Raw keys `[n, D]` float32 of texts, made between two decode steps.

        Raises:
            ModelError: the model failed to load or to run.
        """
        return await self._post(lambda runner: runner.embed(texts), exclusive=False)

    async def project(self, keys: Vector) -> Vector:
        """Values `[n, vectors, d]` float32 of raw keys `[n, D]`.

        Raises:
            ModelError: the model failed to load or to run.
        """
        return await self._post(lambda runner: runner.project(keys), exclusive=False)

    async def run_exclusive(self, job: Callable[[Any], T]) -> T:
        """Run `job(runner)` on the thread once no answer is running; new answers wait until it is done.

        Raises:
            ModelError: the model failed to load. Whatever `job` raises is raised here.
        """
        return await self._post(job, exclusive=True)

    async def _post(self, work: Callable[[Any], T], *, exclusive: bool) -> T:
        if self.failure is not None:
            raise self.failure
        if self._closing:
            raise ModelError(CLOSING)
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._inbox.put(_Job(work, future, exclusive))
        return await future

    @property
    def status(self) -> EngineStatus:
        """A snapshot for people; rates are over the last 20 answers."""
        recent = list(self._finished)
        seconds = sum(u.total - u.first_token for u in recent)
        tokens = sum(max(0, u.new_tokens - 1) for u in recent)
        first = sorted(u.first_token for u in recent)
        runner = self._runner
        return EngineStatus(
            state=self._state,
            model=self._name,
            device=runner.device if runner else "",
            memory=runner.memory() if runner else 0,
            running=len(self._running),
            queued=len(self._waiting) + self._inbox.qsize(),
            answers=self._answers,
            tokens_per_second=tokens / seconds if seconds else 0.0,
            first_token=sum(first) / len(first) if first else 0.0,
            first_token_p50=_at_share(first, 0.5),
            first_token_p95=_at_share(first, 0.95),
            interrupts=self._interrupts,
            counters=structs.replace(runner.counters) if runner else Counters(),
            sees=runner.sees if runner else False,
            trained_recall=runner.trained_recall if runner else False,
            fingerprint=runner.fingerprint if runner else "",
            base=runner.base if runner else "",
            adapter=runner.adapter if runner else "",
            calibrated_floor=runner.floor if runner else UNCALIBRATED,
            parameters=runner.parameters if runner else 0,
            profiles=runner.profiles if runner else {},
        )

    @property
    def wanted(self) -> bool:
        """Whether anybody waits for the thread; from any thread."""
        return bool(self._closing or self._inbox.qsize() or self._waiting or self._jobs)

    # --- on the model's thread -----------------------------------------------------------------------------------

    def _main(self) -> None:
        try:
            self._runner = self._load()
            self._state = "ready"
        except Exception as error:  # noqa: BLE001 - whatever a model folder can raise must reach the operator
            self._fail(error)
        self._tell(_settle, self.loaded, None)
        while self._take():
            if self._runner is not None and self.failure is None:
                self._work(self._runner)
        self._end_all()

    def _fail(self, error: Exception) -> None:
        """Loading failed: say so to everybody from now on."""
        trace = not isinstance(error, BotError)
        log.error("the model could not be loaded", code=id_of(error, "OB-1201"), error=str(error), exc_info=trace)
        self.failure = error if isinstance(error, BotError) else ModelError(f"{self._name}: {error}")
        self._state = f"failed: {named(self.failure)}"

    def _take(self) -> bool:
        """Empty the inbox; sleep on it only when there is nothing to do. False: time to end."""
        idle = not (self._running or self._jobs) and (self._held or not self._waiting)
        longest = LOOK_SECONDS if self._waiting else None
        with contextlib.suppress(queue.Empty):
            while True:
                message = self._inbox.get(block=idle, timeout=longest)
                idle = False
                if message is None:
                    return False
                self._accept(message)
        return not self._closing

    def _accept(self, message: Generation | _Job) -> None:
        if self.failure is not None:
            self._refuse(message, self.failure)
        elif isinstance(message, Generation):
            self._waiting.append(message)
        else:
            self._jobs.append(message)

    def _refuse(self, message: Generation | _Job, error: BotError) -> None:
        if isinstance(message, Generation):
            self._tell(message.finish, error)
        else:
            self._tell(_settle, message.future, error)

    def _work(self, runner: Runner) -> None:
        """One round: jobs that may run now, admissions, one step of everything that runs."""
        self._run_jobs(runner)
        self._expire_waiting()
        self._admit(runner)
        if self._running:
            self._step(runner)

    def _step(self, runner: Runner) -> None:
        try:
            runner.step(self._running)
        except Exception as error:
            log.exception("a step failed; the answers in it fail, the worker goes on", code="OB-1220")
            for running in self._running:
                running.outcome = running.outcome or ModelError(f"generation failed: {error}")
        self._publish()

    def _run_jobs(self, runner: Runner) -> None:
        while self._jobs and not (self._jobs[0].exclusive and self._running):
            job = self._jobs.popleft()
            try:
                result = job.work(runner)
            except Exception as error:  # noqa: BLE001 - the waiter gets it, whatever it is
                plain = job.exclusive or isinstance(error, BotError)
                self._tell(_settle, job.future, error if plain else ModelError(f"the model could not run: {error}"))
            else:
                self._tell(_settle, job.future, result)

    def _expire_waiting(self) -> None:
        """Interrupted or overdue before their turn came: resolved without touching the model."""
        for generation in list(self._waiting):
            reason = stop_reason(generation)
            if reason is not None:
                self._waiting.remove(generation)
                self._tell(generation.finish, _unstarted(generation, reason))

    def _admit(self, runner: Runner) -> None:
        """First come, first served, up to `max_running`; an exclusive job in the queue holds the door.

        Nobody waits behind an answer whose model is still being loaded.
        """
        held = 0
        for generation in list(self._waiting):
            if self._jobs or len(self._running) >= self._max_running:
                break
            if self._start(runner, generation):
                self._waiting.remove(generation)
            else:
                held += 1
        self._held = held > 0 and held == len(self._waiting)

    def _start(self, runner: Runner, generation: Generation) -> bool:
        """Begin an answer, or say why it cannot be; False: its model is not there yet."""
        try:
            if not runner.ready(generation):
                return False
            self._running.append(runner.start(generation))
        except BotError as error:
            self._tell(generation.finish, error)
        except Exception as error:
            log.exception("an answer could not be started", code="OB-1220")
            self._tell(generation.finish, ModelError(f"generation failed: {error}"))
        return True

    def _publish(self) -> None:
        for running in self._running:
            if delta := running.take_delta():
                self._tell(running.generation.push, delta)
            if running.outcome is not None:
                self._count(running.outcome)
                self._tell(running.generation.finish, running.outcome)
        self._running = [running for running in self._running if running.outcome is None]

    def _count(self, outcome: GenerationResult | BotError) -> None:
        if isinstance(outcome, GenerationResult):
            self._answers += 1
            self._interrupts += outcome.finish_reason is FinishReason.INTERRUPTED
            self._finished.append(outcome.usage)

    def _end_all(self) -> None:
        """Every waiter gets a final result."""
        for running in self._running:
            running.generation.interrupt()
        if self._running and self._runner is not None:
            self._step(self._runner)  # which ends what is interrupted, and keeps what was written
        for generation in [*(running.generation for running in self._running), *self._waiting]:
            self._tell(generation.finish, _unstarted(generation, FinishReason.INTERRUPTED))
        for job in self._jobs:
            self._tell(_settle, job.future, ModelError(CLOSING))
        with contextlib.suppress(queue.Empty):
            while (message := self._inbox.get_nowait()) is not None:
                self._refuse(message, ModelError(CLOSING))

    def _tell(self, call: Callable[..., None], *args: Any) -> None:
        # The loop may be gone when the process is being torn down; then nobody is waiting any more.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call, *args)


def stop_reason(generation: Generation) -> FinishReason | None:
    """Why this answer has to end now, whatever the model would write next."""
    if generation.interrupted:
        return FinishReason.INTERRUPTED
    if time.monotonic() - generation.submitted > generation.request.timeout:
        return FinishReason.TIMEOUT
    return None


def _unstarted(generation: Generation, reason: FinishReason) -> GenerationResult:
    waited = time.monotonic() - generation.submitted
    return GenerationResult(text="", finish_reason=reason, usage=Usage(queued=waited, total=waited))


def _at_share(ordered: Sequence[float], share: float) -> float:
    """The least value that so many are not above; 0 of none."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


def _settle(future: asyncio.Future[Any], outcome: Any) -> None:
    """Resolve a future that its waiter may have abandoned."""
    if future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
