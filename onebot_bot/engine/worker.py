"""The one thread that owns the model, and the one crossing each way between it and the event loop.

Into the thread: a queue of submissions and jobs. Out of it: `call_soon_threadsafe`. The thread looks at the queue and
at interrupts before every step, so both take effect within one forward pass. No torch here: the runner has it.
"""

import asyncio
import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

import structlog
from msgspec import structs

from onebot_bot.engine.pulse import PATIENT, Pulse, stack_of
from onebot_bot.engine.rates import Rates
from onebot_bot.engine.request import (
    Counters,
    EngineStatus,
    FinishReason,
    Generation,
    GenerationRequest,
    GenerationResult,
    Vector,
)
from onebot_bot.engine.runner import UNCALIBRATED, Again, Runner, Running
from onebot_bot.engine.waiters import CLOSING, Job, Waiters, let_go, settle, stop_reason, unstarted
from onebot_bot.errors import BotError, ModelError, ModelExchanged, ModelStalled, id_of, named

log = structlog.get_logger(__name__)
T = TypeVar("T")

JOIN_SECONDS = 30.0
"""How long leaving waits for the step in progress."""
LOADING_SECONDS = 2.0
"""The same while the model loads, which cannot be interrupted: the thread is a daemon and ends with the process."""
WATCH_SECONDS = 1.0  # how often the event loop looks at the thread, at least
MOST_TROUBLES = 20  # kept for whoever tells the owner; the log has all
STUMBLE_SECONDS = 0.1  # between two rounds that fail, so that the log is not flooded
LOOK_SECONDS = 0.05
"""How often is looked whether the model that answers wait for is there, while there is nothing else to do."""


class EngineWorker:
    """Async context manager: the thread starts on enter and has ended, every waiter told, on exit.

    `stall` is how many seconds a step may take; 0: for ever.
    """

    def __init__(self, name: str, load: Callable[[], Runner], max_running: int = 4, stall: float = 0.0) -> None:
        self._name = name
        self._load = load
        self._max_running = max_running
        self._pulse = Pulse(stall)
        self._inbox: queue.SimpleQueue[Generation | Job | None] = queue.SimpleQueue()
        self._thread = self._new_thread()
        self._state = "loading"
        self.failure: BotError | None = None
        """Why the model is not there, once loading has failed."""
        self._runner: Runner | None = None
        self._closing = False
        self._waiting: deque[Generation] = deque()
        self._jobs: deque[Job] = deque()
        self._running: list[Running] = []
        self._held = False
        """Whether all that waits, waits for a model that is being loaded."""
        self._rates = Rates()
        self._stumbled = False
        """Whether the last round failed outside of the model."""
        self._waiters = Waiters()
        self.troubles: asyncio.Queue[BotError] = asyncio.Queue()
        """What befell the thread: ModelStalled when it hangs, ModelError when it had to be set going again."""

    async def __aenter__(self) -> Self:
        """Start the thread; the model loads while submissions already queue."""
        self._loop = asyncio.get_running_loop()
        self.loaded: asyncio.Future[None] = self._loop.create_future()
        """Done when the model is ready or has failed to load (then /status says why); never an exception."""
        self._thread.start()
        self._watcher = self._loop.create_task(self._watch())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End at the next token; what runs and waits is resolved as INTERRUPTED, with what was written."""
        self._closing = True
        self._watcher.cancel()
        self._inbox.put(None)
        hopeless = self._state == "loading" or self._pulse.stalled
        await asyncio.to_thread(self._thread.join, LOADING_SECONDS if hopeless else JOIN_SECONDS)
        self._waiters.release()

    # --- on the event loop ---------------------------------------------------------------------------------------

    def submit(self, request: GenerationRequest) -> Generation:
        """Queue an answer; failures are the generation's outcome."""
        generation = Generation(request)
        if self.failure is not None:
            generation.finish(self.failure.with_traceback(None))
        elif self._closing:
            generation.finish(unstarted(generation, FinishReason.INTERRUPTED))
        else:
            self._waiters.expect(generation)
            self._inbox.put(generation)
        return generation

    async def embed(self, texts: list[str]) -> Vector:
        """Raw keys `[n, D]` float32 of texts, made between two decode steps.

        Raises:
            ModelError: the model failed to load or to run.
        """
        return await self.run(lambda runner: runner.embed(texts), exclusive=False)

    async def project(self, keys: Vector) -> Vector:
        """Values `[n, vectors, d]` float32 of raw keys `[n, D]`.

        Raises:
            ModelError: the model failed to load or to run.
        """
        return await self.run(lambda runner: runner.project(keys), exclusive=False)

    async def run_exclusive(self, job: Callable[[Any], T]) -> T:
        """Run `job(runner)` on the thread once no answer is running; new answers wait until it is done.

        Raises:
            ModelError: the model failed to load. Whatever `job` raises is raised here.
        """
        return await self.run(job, exclusive=True)

    async def run(self, work: Callable[[Any], T], *, exclusive: bool) -> T:
        """Run `work(runner)` on the thread between two steps, or as `run_exclusive` does."""
        if self.failure is not None:
            raise self.failure.with_traceback(None)  # or each telling would hold on to one more chat's frames
        if self._closing:
            raise ModelError(CLOSING)
        if self._pulse.stalled:
            raise self._pulse.error()
        future: asyncio.Future[T] = self._waiters.promise()
        self._inbox.put(Job(work, future, exclusive))
        return await future

    @property
    def status(self) -> EngineStatus:
        """A snapshot for people; rates are over the last 20 answers."""
        runner = self._runner
        return EngineStatus(
            state="stalled" if self._state == "ready" and self._pulse.stalled else self._state,
            model=self._name,
            device=runner.device if runner else "",
            memory=runner.memory() if runner else 0,
            running=len(self._running),
            queued=len(self._waiting) + self._inbox.qsize(),
            answers=self._rates.answers,
            interrupts=self._rates.interrupts,
            **self._rates.shown(),
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

    # --- looking after the thread, on the event loop -------------------------------------------------------------

    async def _watch(self) -> None:
        """Tell once of each hang, and have another thread go on where one has died."""
        stalled, pause = False, min(WATCH_SECONDS, self._pulse.limit / 4 or WATCH_SECONDS)
        while not self._closing:
            await asyncio.sleep(pause)
            before, stalled = stalled, self._pulse.stalled
            if stalled and not before:
                error = self._pulse.error()
                log.error("the model's thread hangs", code=error.id, error=str(error), where=stack_of(self._thread))
                self._waiters.release_jobs(error)
                self._trouble(error)
            if not self._thread.is_alive():
                self._thread = self._new_thread()
                self._thread.start()
                self._trouble(ModelError("the model's thread had died; another one goes on", code="OB-1222"))

    def give_up(self, error: ModelStalled) -> None:
        """Nothing will be done about a hang: all that waits, and all that comes, fails until the thread comes back."""
        self.failure, self._state = error, f"failed: {error}"
        self._waiters.release(error)

    def _trouble(self, error: BotError) -> None:
        if self.troubles.qsize() < MOST_TROUBLES:
            self.troubles.put_nowait(error)

    def _new_thread(self) -> threading.Thread:
        return threading.Thread(target=self._main, name="model", daemon=True)

    # --- on the model's thread -----------------------------------------------------------------------------------

    def _main(self) -> None:
        if self._state == "loading":
            self._load_runner()
        while True:
            try:
                while self._take():
                    if self._runner is not None and self.failure is None:
                        self._work(self._runner)
                self._end_all()
            except BaseException as error:  # noqa: BLE001 - without this thread nobody would ever be answered
                self._stumble(error)
            if self._closing:
                return

    def _load_runner(self) -> None:
        try:
            self._runner = self._load()
            self._base = self._runner.base
            self._state = "ready"
        except BaseException as error:  # noqa: BLE001 - whatever a model folder can raise must reach the operator
            self._fail(error)
        self._tell(settle, self.loaded, None)

    def _stumble(self, error: BaseException) -> None:
        """A round failed outside of the model: its answers end, and where that did not help, those that wait do."""
        log.critical("the model's thread failed; it goes on", code="OB-1222", exc_info=error)
        failure = ModelError(f"the model's thread failed: {_name_of(error)}", code="OB-1222")
        ended = [running.generation for running in self._running]
        self._running = []
        if self._stumbled:
            ended += self._waiting
            self._waiting.clear()
            time.sleep(STUMBLE_SECONDS)
        self._stumbled = True
        for generation in ended:
            self._tell(generation.finish, failure)
        self._tell(self._trouble, failure)

    def _fail(self, error: BaseException) -> None:
        """Loading failed: say so to everybody from now on."""
        trace = not isinstance(error, BotError)
        log.error("the model could not be loaded", code=id_of(error, "OB-1201"), error=str(error), exc_info=trace)
        let_go(error)
        self.failure = error if isinstance(error, BotError) else ModelError(f"{self._name}: {_name_of(error)}")
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

    def _accept(self, message: Generation | Job) -> None:
        if self.failure is not None:
            self._refuse(message, self.failure)
        elif isinstance(message, Generation):
            self._waiting.append(message)
        else:
            self._jobs.append(message)

    def _refuse(self, message: Generation | Job, error: BotError) -> None:
        if isinstance(message, Generation):
            self._tell(message.finish, error)
        else:
            self._tell(settle, message.future, error)

    def _work(self, runner: Runner) -> None:
        """One round: jobs that may run now, admissions, one step of everything that runs."""
        self._run_jobs(runner)
        self._expire_waiting()
        self._admit(runner)
        if self._running:
            self._step(runner)
        if runner.base != self._base:
            self._base = runner.base
            self._tell(self._trouble, ModelExchanged("the memory did not hold the model: its fallback serves instead"))
        self._stumbled = False

    def _step(self, runner: Runner) -> None:
        try:
            with self._pulse.during():
                runner.step(self._running)
        except BaseException as error:
            log.exception("a step failed; the answers in it fail, the worker goes on", code="OB-1220")
            for running in self._running:
                running.outcome = running.outcome or ModelError(f"generation failed: {_name_of(error)}", code="OB-1220")
        self._publish()
        self._come_back()

    def _come_back(self) -> None:
        """What was given up is there again."""
        if isinstance(self.failure, ModelStalled):
            self.failure, self._state = None, "ready"
            self._tell(self._trouble, ModelError("the model's thread has come back; it answers again", code="OB-1221"))

    def _run_jobs(self, runner: Runner) -> None:
        while self._jobs and not (self._jobs[0].exclusive and self._running):
            job = self._jobs.popleft()
            try:
                with self._pulse.during(PATIENT if job.exclusive else 1.0):
                    result = job.work(runner)
            except BaseException as error:  # noqa: BLE001 - the waiter gets it, whatever it is
                plain = isinstance(error, BotError) or (job.exclusive and isinstance(error, Exception))
                self._tell(settle, job.future, error if plain else ModelError(f"the model could not run: {error!r}"))
            else:
                self._tell(settle, job.future, result)
            self._come_back()

    def _expire_waiting(self) -> None:
        """Interrupted or overdue before their turn came: resolved without touching the model."""
        for generation in list(self._waiting):
            reason = stop_reason(generation)
            if reason is not None:
                self._waiting.remove(generation)
                self._tell(generation.finish, unstarted(generation, reason))

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
            with self._pulse.during():
                self._running.append(runner.start(generation))
        except BotError as error:
            self._tell(generation.finish, error)
        except BaseException as error:
            log.exception("an answer could not be started", code="OB-1220")
            self._tell(generation.finish, ModelError(f"generation failed: {_name_of(error)}", code="OB-1220"))
        return True

    def _publish(self) -> None:
        anew = [running.generation for running in self._running if isinstance(running.outcome, Again)]
        self._waiting.extendleft(reversed(anew))
        for generation in anew:
            self._tell(generation.begin_anew)
        self._running = [running for running in self._running if running.generation not in anew]
        for running in self._running:
            if delta := running.take_delta():
                self._tell(running.generation.push, delta)
            if running.outcome is not None:
                if isinstance(running.outcome, GenerationResult):
                    self._rates.count(running.outcome)
                self._tell(running.generation.finish, running.outcome)
        self._running = [running for running in self._running if running.outcome is None]

    def _end_all(self) -> None:
        """Every waiter gets a final result."""
        for running in self._running:
            running.generation.interrupt()
        if self._running and self._runner is not None:
            self._step(self._runner)  # which ends what is interrupted, and keeps what was written
        for generation in [*(running.generation for running in self._running), *self._waiting]:
            self._tell(generation.finish, unstarted(generation, FinishReason.INTERRUPTED))
        for job in self._jobs:
            self._tell(settle, job.future, ModelError(CLOSING))
        with contextlib.suppress(queue.Empty):
            while (message := self._inbox.get_nowait()) is not None:
                self._refuse(message, ModelError(CLOSING))

    def _tell(self, call: Callable[..., None], *args: Any) -> None:
        # The loop may be gone when the process is being torn down; then nobody is waiting any more.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call, *args)


def _name_of(error: BaseException) -> str:
    """What it says; its kind, where it says nothing."""
    return str(error) or type(error).__name__
