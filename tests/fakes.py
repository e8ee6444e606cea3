"""Stand-ins small enough to read: an engine that says what a test tells it to, a runner without torch, a clock."""

import asyncio
import heapq
import itertools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from onebot_bot.engine.request import (
    Counters,
    EngineStatus,
    FinishReason,
    Generation,
    GenerationRequest,
    GenerationResult,
    ProfileState,
    Vector,
)
from onebot_bot.engine.waiters import stop_reason
from onebot_bot.errors import BotError, NotConnected, RequestError
from onebot_bot.protocol.actions import SetInputStatus

T = TypeVar("T")


async def until(holds: Callable[[], bool]) -> None:
    """Let the loop run until something holds; fail after five seconds."""
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - sleep(0) only yields; what is waited for sets no event of its own
            await asyncio.sleep(0)


class FakeClock:
    """Time that passes only when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()
        self.slept: list[float] = []

    def time(self) -> float:
        """Seconds."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Wait until `advance` has gone that far."""
        self.slept.append(seconds)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + seconds, next(self._numbers), future))
        await future

    @property
    def sleeping(self) -> int:
        """How many wait."""
        return sum(not future.done() for _, _, future in self._sleepers)

    def advance(self, seconds: float) -> None:
        """Let time pass and wake who is due."""
        self.now += seconds
        while self._sleepers and self._sleepers[0][0] <= self.now + 1e-9:
            future = heapq.heappop(self._sleepers)[2]
            if not future.done():
                future.set_result(None)


class ScriptedEngine:
    """An engine whose answers a test gives one by one, and which remembers what it was asked."""

    def __init__(self) -> None:
        self.requests: asyncio.Queue[Generation] = asyncio.Queue()
        self.status = EngineStatus(state="ready", model="scripted", device="cpu")

    def submit(self, request: GenerationRequest) -> Generation:
        """Queue it for the test."""
        generation = Generation(request)
        self.requests.put_nowait(generation)
        return generation

    async def next(self) -> Generation:
        """The next thing it is asked."""
        return await asyncio.wait_for(self.requests.get(), 5)

    async def embed(self, texts: list[str]) -> Vector:
        """A vector that depends on the text alone."""
        return np.stack([np.random.default_rng(abs(hash(text))).standard_normal(8) for text in texts]).astype(
            np.float32
        )

    async def project(self, keys: Vector) -> Vector:
        """Values that are the keys."""
        return keys

    async def run_exclusive(self, job: Callable[[Any], T]) -> T:
        """Run it now."""
        return job(self)


def answer(generation: Generation, text: str, reason: FinishReason = FinishReason.STOP, **fields: Any) -> None:
    """Finish a generation with a text."""
    generation.push(text)
    generation.finish(GenerationResult(text=text, finish_reason=reason, **fields))


class FakeRunning:
    """An answer of `FakeRunner`: one letter a step."""

    def __init__(self, generation: Generation) -> None:
        self.generation = generation
        self.outcome: GenerationResult | BotError | None = None
        self.text = ""
        self._delta = ""

    def take_delta(self) -> str:
        """The newest letter."""
        delta, self._delta = self._delta, ""
        return delta

    def step(self) -> None:
        """One letter more, until `max_new_tokens`."""
        reason = stop_reason(self.generation)
        if reason is None:
            self._delta = "abcdefghij"[len(self.text) % 10]
            self.text += self._delta
            if len(self.text) >= self.generation.request.sampling.max_new_tokens:
                reason = FinishReason.LENGTH
        if reason is not None:
            self.outcome = GenerationResult(text=self.text, finish_reason=reason)


class FakeRunner:
    """A runner without torch; `on_step` lets a test hold or break a step."""

    device = "fake"
    sees = False
    trained_recall = False
    fingerprint = "fake"
    base = "fake"
    adapter = ""
    floor = 0.3
    parameters = 0
    counters = Counters()
    profiles: Mapping[str, ProfileState] = {}

    def __init__(self, on_step: Callable[[list[FakeRunning]], None] = lambda _: None) -> None:
        self.on_step = on_step
        self.steps = 0

    def ready(self, generation: Generation) -> bool:
        """There is nothing to load."""
        return True

    def start(self, generation: Generation) -> FakeRunning:
        """Refuse what asks for no tokens."""
        if generation.request.sampling.max_new_tokens < 1:
            raise RequestError("max_new_tokens")
        return FakeRunning(generation)

    def step(self, running: list[FakeRunning]) -> None:
        """One letter each."""
        self.steps += 1
        self.on_step(running)
        for item in running:
            item.step()

    def embed(self, texts: list[str]) -> Vector:
        """Zeros."""
        return np.zeros((len(texts), 4), np.float32)

    def project(self, keys: Vector) -> Vector:
        """The keys."""
        return keys

    def memory(self) -> int:
        """None."""
        return 0


class FakeAccount:
    """An account whose replies a test gives: `sent` holds the actions, `failures` what the next calls raise."""

    def __init__(self, self_id: int = 10000) -> None:
        self.self_id = self_id
        self.active: object | None = object()
        self.sent: asyncio.Queue[Any] = asyncio.Queue()
        self.failures: list[Exception] = []
        self.hold: asyncio.Event | None = None
        self.typing: list[int] = []
        """Whom "typing…" was shown to."""
        self._ids = itertools.count(5000)

    async def call(self, action: Any, timeout: float | None = None) -> Any:  # noqa: ASYNC109 - the real one's
        """Note the action; raise the next failure, or answer with a fresh message id."""
        if self.active is None:
            raise NotConnected("no link")
        if isinstance(action, SetInputStatus):
            self.typing.append(action.user_id)
            return None
        self.sent.put_nowait(action)
        if self.hold is not None:
            await self.hold.wait()
        if self.failures:
            raise self.failures.pop(0)
        return {"message_id": next(self._ids)}

    async def next(self) -> Any:
        """The next action sent."""
        return await asyncio.wait_for(self.sent.get(), 5)
