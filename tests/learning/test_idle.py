"""onebot_bot.learning.idle on a real store; what refines is the test's, but for the last one."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from facts import MODEL, D, fact, opened
from fakes import FakeClock, ScriptedEngine, until
from msgspec import Struct
from tiny import HIDDEN, TEXTS

from onebot_bot.engine.generate import Generator
from onebot_bot.engine.model import LoadedModel, text_body
from onebot_bot.engine.request import Generation, GenerationRequest, SamplingParams
from onebot_bot.engine.worker import EngineWorker
from onebot_bot.errors import ModelError
from onebot_bot.learning import idle as module
from onebot_bot.learning.idle import AT_ONCE, PATIENCE, QUIET, Idle, Tried, refine_serving
from onebot_bot.learning.lessons import conversation
from onebot_bot.learning.recipes import Refinement
from onebot_bot.memory.rows import Memory
from onebot_bot.memory.store import MemoryStore
from onebot_bot.memory.vectors import Floats

ADAPTER = "primed-1"


class Settings(Struct):
    """[learning]."""

    refine_idle: bool = True


class Spare:
    """Idle time and what it stands between; `refined` lists what it was given."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.clock = FakeClock()
        self.engine = ScriptedEngine()
        self.configure(adapter=ADAPTER, fingerprint=MODEL)
        self.settings = Settings()
        self.wanted = self.busy = False
        self.refined: list[list[str]] = []
        self.outcome: Callable[[Memory], Tried] = lambda memory: Tried(value(9), exact=True)
        self.idle = Idle(
            self.engine,
            store,
            lambda: self.settings,
            Refinement,
            lambda: self.wanted,
            lambda: self.busy,
            self.clock,
            self.refine,
        )

    def configure(self, **fields: Any) -> None:
        """Another state of the engine."""
        self.engine.status = msgspec.structs.replace(self.engine.status, **fields)

    def refine(
        self, runner: Any, memories: Sequence[Memory], recipe: Refinement, wanted: Callable[[], bool], persona: str
    ) -> list[Tried]:
        """What the test says."""
        self.refined.append([memory.text for memory in memories])
        return [self.outcome(memory) for memory in memories]

    async def look(self) -> None:
        """Let it look for something to do once more."""
        await until(lambda: self.clock.sleeping == 1)
        self.clock.advance(PATIENCE)
        await until(lambda: self.clock.sleeping == 1)


def value(scale: float, rows: int = 2) -> Floats:
    """Of one memory."""
    return np.full((rows, D), scale, np.float32)


@pytest.fixture
async def spare(tmp_path: Path) -> AsyncIterator[Spare]:
    """Idle time over an empty store."""
    async with opened(tmp_path / "m.sqlite3") as store:
        yield Spare(store)


async def test_new_memories_are_refined_until_all_are(spare: Spare) -> None:
    """A few at a time, so that nobody waits for long; what matters most comes first."""
    for n in range(AT_ONCE + 1):
        await spare.store.add(fact(n, value=value(1), importance=n / 10))
    async with spare.idle:
        await spare.look()
        await spare.look()
        assert [len(texts) for texts in spare.refined] == [AT_ONCE, 1]
        assert "fact 0" in spare.refined[1]
        await spare.look()
        assert len(spare.refined) == 2
    assert spare.clock.slept[:3] == [QUIET, QUIET, PATIENCE]
    for memory in await spare.store.page(None):
        assert (memory.maker, memory.exact, float(np.asarray(memory.value)[0, 0])) == (ADAPTER, True, 9.0)


@pytest.mark.parametrize("why", ["night", "off", "no adapter", "loading", "answering", "queued"])
async def test_it_waits_while_the_model_is_needed(spare: Spare, why: str) -> None:
    """And goes on as soon as it is not."""
    await spare.store.add(fact(1, value=value(1)))
    reasons: dict[str, Callable[[], None]] = {
        "night": lambda: setattr(spare, "busy", True),
        "off": lambda: setattr(spare.settings, "refine_idle", False),
        "no adapter": lambda: spare.configure(adapter=""),
        "loading": lambda: spare.configure(state="loading"),
        "answering": lambda: spare.configure(running=1),
        "queued": lambda: spare.configure(queued=1),
    }
    reasons[why]()
    async with spare.idle:
        await spare.look()
        assert spare.refined == []
        spare.busy, spare.settings.refine_idle = False, True
        spare.configure(adapter=ADAPTER, state="ready", running=0, queued=0)
        await spare.look()
        assert spare.refined == [["fact 1"]]


async def test_what_is_interrupted_is_kept_and_taken_up_again(spare: Spare) -> None:
    """Its value is as far as it came, and counts as not checked."""
    await spare.store.add(fact(1, value=value(1)))
    spare.outcome = lambda memory: Tried(value(5), exact=None)
    assert await spare.idle.refine_some() == 1
    (memory,) = await spare.store.page(None)
    assert (memory.maker, memory.exact, float(np.asarray(memory.value)[0, 0])) == (ADAPTER, None, 5.0)
    spare.outcome = lambda memory: Tried(value(6), exact=False)
    assert await spare.idle.refine_some() == 1
    assert await spare.idle.refine_some() == 0


async def test_a_value_that_diverged_is_not_kept(spare: Spare) -> None:
    """Nor is it tried again under the same adapter."""
    await spare.store.add(fact(1, value=value(1)))
    spare.outcome = lambda memory: Tried(value(np.nan), exact=None)
    assert await spare.idle.refine_some() == 1
    (memory,) = await spare.store.page(None)
    assert (memory.exact, float(np.asarray(memory.value)[0, 0])) == (False, 1.0)
    assert await spare.idle.refine_some() == 0


async def test_a_memory_that_changed_meanwhile_is_left(spare: Spare) -> None:
    """Edited or forgotten: what was found is of something else."""
    edited = await spare.store.add(fact(1, value=value(1)))
    forgotten = await spare.store.add(fact(2, value=value(1)))

    async def change() -> None:
        await spare.store.edit(edited.id, "fact 3", edited.key, value(2), MODEL, "")  # type: ignore[arg-type]
        await spare.store.forget(forgotten.id)

    async def run_exclusive(job: Callable[[Any], Any]) -> Any:
        found = job(spare.engine)
        await change()
        return found

    spare.engine.run_exclusive = run_exclusive  # type: ignore[method-assign]
    await spare.idle.refine_some()
    (memory,) = await spare.store.page(None)
    assert (memory.text, float(np.asarray(memory.value)[0, 0])) == ("fact 3", 2.0)


async def test_what_was_found_under_another_adapter_is_dropped(spare: Spare) -> None:
    """A rollback may come before a batch has ended."""
    await spare.store.add(fact(1, value=value(1)))

    def swap(memory: Memory) -> Tried:
        spare.configure(adapter="another")
        return Tried(value(9), exact=True)

    spare.outcome = swap
    assert await spare.idle.refine_some() == 0
    (memory,) = await spare.store.page(None)
    assert memory.exact is None


async def test_what_does_not_fit_together_is_refined_apart(spare: Spare) -> None:
    """Values of one row and of two, and memories that still have another model's key."""
    await spare.store.add(fact(1, value=value(1, rows=1)))
    await spare.store.add(fact(2, value=value(1)))
    await spare.store.add(fact(3, value=value(1), fingerprint="another"))
    assert [await spare.idle.refine_some() for _ in range(2)] == [1, 1]
    assert spare.refined == [["fact 2"], ["fact 1"]]


@pytest.mark.parametrize("error", [ModelError("out of memory"), RuntimeError("out of memory")])
async def test_a_failure_does_not_end_it(spare: Spare, error: Exception) -> None:
    """It tries again later."""
    await spare.store.add(fact(1, value=value(1)))

    def fail(memory: Memory) -> Tried:
        raise error

    spare.outcome = fail
    async with spare.idle:
        await until(lambda: spare.clock.sleeping == 1)
        spare.outcome = lambda memory: Tried(value(9), exact=True)
        await spare.look()
    assert len(spare.refined) == 2
    (memory,) = await spare.store.page(None)
    assert memory.exact is True


async def test_leaving_does_not_wait(spare: Spare) -> None:
    """For the next look."""
    async with asyncio.timeout(5):
        async with spare.idle:
            pass


@pytest.mark.model
@pytest.mark.parametrize("arrives", [1, 20, 60, 100])
async def test_a_message_ends_the_refinement_after_the_forward_in_progress(
    spare: Spare, tiny: LoadedModel, arrives: int
) -> None:
    """While beginnings are run (18), values are checked, or gradients taken: no further forward pass is made."""
    engine, loop = EngineWorker("tiny", lambda: Generator(tiny)), asyncio.get_running_loop()
    memory = await spare.store.add(fact(1, text=TEXTS[0], value=np.ones((2, HIDDEN), np.float32)))
    asked: list[Generation] = []
    forwards = 0

    async def ask() -> None:
        talk, sampling = conversation([("user", "Hi!")]), SamplingParams(max_new_tokens=1)
        asked.append(engine.submit(GenerationRequest(conversation=talk, sampling=sampling)))

    def passed(*_: object) -> None:
        nonlocal forwards
        forwards += 1
        if forwards == arrives:
            asyncio.run_coroutine_threadsafe(ask(), loop).result(5)

    def work(runner: Generator) -> tuple[int, bool | None]:
        (tried,) = refine_serving(runner, [memory], Refinement(), lambda: engine.wanted)
        return forwards, tried.exact

    text_body(tiny.network).register_forward_hook(passed)
    async with engine:
        assert await engine.run_exclusive(work) == (arrives, None)
        assert (await asked[0].result()).usage.new_tokens == 1


def test_it_is_the_real_refinement_that_runs_by_default(spare: Spare) -> None:
    """Unless a test gives another."""
    made = Idle(spare.engine, spare.store, Settings, Refinement, lambda: False, lambda: False, spare.clock)
    assert made._refine is module.refine_serving
