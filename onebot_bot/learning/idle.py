"""Idle time put to use: memories' vectors are refined while nobody waits for an answer (design: memory.md)."""

import asyncio
from collections.abc import Callable, Sequence
from random import Random
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
import structlog
from msgspec import Struct

from onebot_bot.engine.request import Conversation, Engine, EngineStatus, Vector
from onebot_bot.errors import BotError
from onebot_bot.learning.lessons import seated, situated
from onebot_bot.learning.recipes import Refinement
from onebot_bot.learning.situations import situations_from_forms
from onebot_bot.memory.rows import Memory
from onebot_bot.memory.store import MemoryStore
from onebot_bot.texts import language_of

log = structlog.get_logger(__name__)

AT_ONCE = 4
"""Memories refined side by side: what a person who writes meanwhile waits for is one pass over these."""
PATIENCE = 15.0
"""Seconds between two looks for something to do."""
QUIET = 5.0
"""Seconds between two batches: who writes again right after an answer does not wait for the next one."""


class Settings(Protocol):
    """What of the settings is read, each time anew."""

    @property
    def refine_idle(self) -> bool:
        """Whether to use idle time at all."""


class Clock(Protocol):
    """Waiting, so that tests need not."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""


class Tried(Struct, frozen=True):
    """What became of one memory's value `[v, d]`; `exact` is None when somebody came before it was finished."""

    value: Vector
    exact: bool | None


Refine = Callable[[Any, Sequence[Memory], Refinement, Callable[[], bool], str], list[Tried]]
"""Refines on the model's thread: runner, memories, recipe, when to stop, the bot's persona."""


class Idle:
    """Owns the task that refines. An async context manager."""

    def __init__(  # noqa: PLR0913, PLR0917 - what it stands between
        self,
        engine: Engine,
        store: MemoryStore,
        settings: Callable[[], Settings],
        recipe: Callable[[], Refinement],
        wanted: Callable[[], bool],
        busy: Callable[[], bool],
        clock: Clock,
        refine: Refine | None = None,
        persona: Callable[[], str] = str,
    ) -> None:
        self._engine = engine
        self._store = store
        self._settings = settings
        self._recipe = recipe
        self._wanted = wanted
        self._busy = busy
        self._clock = clock
        self._refine = refine or refine_serving
        self._persona = persona
        self._tasks = asyncio.TaskGroup()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begin."""
        await self._tasks.__aenter__()
        self._task = self._tasks.create_task(self._watch())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End; what is being refined ends at its next pass."""
        if self._task is not None:
            self._task.cancel()
        await self._tasks.__aexit__(None, None, None)

    async def _watch(self) -> None:
        while True:
            await self._clock.sleep(QUIET if await self._did_something() else PATIENCE)

    async def _did_something(self) -> bool:
        try:
            return self._is_idle(self._engine.status) and await self.refine_some() > 0
        except BotError as error:
            log.warning("Memories could not be refined.", cause=str(error))
            return False
        except Exception:
            log.exception("memories could not be refined", code="OB-1408")
            return False

    def _is_idle(self, status: EngineStatus) -> bool:
        calm = status.state == "ready" and not status.running and not status.queued
        return calm and bool(status.adapter) and self._settings().refine_idle and not self._busy()

    async def refine_some(self) -> int:
        """Refine the next memories that have not been checked under the adapter that serves; how many were tried."""
        status = self._engine.status
        found = _together(await self._store.unrefined(status.adapter, AT_ONCE), status.fingerprint)
        if not found:
            return 0
        recipe, persona = self._recipe(), self._persona()
        tried = await self._engine.run_exclusive(
            lambda runner: self._refine(runner, found, recipe, self._wanted, persona)
        )
        if self._engine.status.adapter != status.adapter:
            return 0
        for memory, outcome in zip(found, tried, strict=True):
            await self._keep(memory, outcome, status.adapter)
        log.info("Memories were refined.", count=len(found), exact=sum(bool(outcome.exact) for outcome in tried))
        return len(found)

    async def _keep(self, memory: Memory, tried: Tried, adapter: str) -> None:
        """A value that diverged is not kept, but the memory counts as checked: it would diverge again."""
        sound = bool(np.isfinite(tried.value).all())
        value = tried.value if sound or memory.value is None else memory.value
        exact = tried.exact if sound else False
        await self._store.refine(memory.id, value, exact=exact, maker=adapter, text=memory.text)


def _together(memories: Sequence[Memory], fingerprint: str) -> list[Memory]:
    """Those that can be refined side by side: with keys of the model that serves, and values of one shape."""
    usable = [memory for memory in memories if memory.value is not None and memory.fingerprint == fingerprint]
    return [memory for memory in usable if _shape(memory) == _shape(usable[0])]


def _shape(memory: Memory) -> tuple[int, ...]:
    return () if memory.value is None else memory.value.shape


def _situations(memory: Memory, persona: str) -> list[Conversation]:
    """That call for it, alone with the bot and in groups by turns."""
    asked = situations_from_forms(memory.text, Random(memory.id))  # noqa: S311 - no secret
    lang = language_of(memory.text)
    seats = (seated([("user", said)], lang, memory.id, group=at % 2 > 0) for at, said in enumerate(asked))
    return [situated(seat, persona) for seat in seats]


def refine_serving(
    runner: Any, memories: Sequence[Memory], recipe: Refinement, wanted: Callable[[], bool], persona: str = ""
) -> list[Tried]:
    """Refine for the model as it serves, on its thread, until all are exact or somebody wants an answer."""
    import torch  # noqa: PLC0415 - this module is imported without torch

    from onebot_bot.learning.beginnings import beginnings, own_beginnings  # noqa: PLC0415
    from onebot_bot.learning.reading import Serving  # noqa: PLC0415
    from onebot_bot.learning.refine import refine  # noqa: PLC0415

    stopped = False

    def stop() -> bool:
        nonlocal stopped
        stopped = stopped or wanted()
        return stopped

    renderer = runner.model.renderer
    starts = beginnings(renderer, persona)
    own = [own_beginnings(renderer, _situations(memory, persona)) for memory in memories]
    values = torch.from_numpy(np.stack([memory.value for memory in memories if memory.value is not None]))
    texts = [memory.text for memory in memories]
    found = refine(Serving(runner.model), starts, texts, values, recipe, stop, own=own)
    return [
        Tried(value, True if exact else None if stopped else False)
        for value, exact in zip(found.values.float().cpu().numpy(), found.exact, strict=True)
    ]
