"""Keeping the card's copy of the keys up, with a runner that is said to have a card."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from facts import fact, found, opened
from fakes import FakeClock, FakeRunner, ScriptedEngine, until

from onebot_bot.device_keys import DeviceKeys
from onebot_bot.engine.worker import EngineWorker
from onebot_bot.key_copies import EVERY, keep_copied
from onebot_bot.memory.store import MemoryStore

pytestmark = pytest.mark.model


class Card(FakeRunner):
    """Takes keys in as a generator on a card does."""

    device = "cuda:0 bfloat16"

    def __init__(self) -> None:
        super().__init__()
        self.copies: list[DeviceKeys] = []

    def host(self, make: Callable[[torch.device, int], DeviceKeys]) -> DeviceKeys:
        """In main memory."""
        self.copies.append(make(torch.device("cpu"), 1 << 30))
        return self.copies[-1]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[MemoryStore]:
    """Two memories."""
    async with opened(tmp_path / "m.sqlite3") as filled:
        await filled.add(fact(1))
        await filled.add(fact(2))
        yield filled


async def test_keys_are_copied_once_the_model_is_there_and_whenever_they_change(
    store: MemoryStore, clock: FakeClock
) -> None:
    """What comes, goes and what is forgotten, within a second each, without anybody searching."""
    card = Card()
    async with EngineWorker("fake", lambda: card) as engine:
        task = asyncio.create_task(keep_copied(engine, store, clock))
        await until(lambda: clock.sleeping == 1)
        clock.advance(EVERY)
        await until(lambda: clock.sleeping == 1 and not store.uncopied)
        copy = card.copies[0]
        assert copy.bytes > 0

        await store.forget(1)
        await store.add(fact(3))
        assert store.uncopied
        clock.advance(EVERY)
        await until(lambda: clock.sleeping == 1 and not store.uncopied)

        assert card.copies == [copy]
        assert found(store, 3) == ["fact 3"]
        task.cancel()


async def test_a_copy_that_went_is_made_anew(store: MemoryStore, clock: FakeClock) -> None:
    """After a night had the card, or memory ran out."""
    card = Card()
    async with EngineWorker("fake", lambda: card) as engine:
        task = asyncio.create_task(keep_copied(engine, store, clock))
        for count in (1, 2):
            await until(lambda: clock.sleeping == 1)
            clock.advance(EVERY)
            await until(lambda: not store.uncopied)
            assert len(card.copies) == count
            card.copies[-1].clear()
        task.cancel()


@pytest.mark.parametrize("engine", [ScriptedEngine()])
async def test_without_a_model_of_its_own_nothing_is_copied(store: MemoryStore, clock: FakeClock, engine: Any) -> None:
    """It ends at once."""
    await keep_copied(engine, store, clock)
    assert store.uncopied


async def test_on_a_cpu_nothing_is_copied(store: MemoryStore, clock: FakeClock) -> None:
    """The keys are there already: it ends when the model is loaded."""
    async with EngineWorker("fake", FakeRunner) as engine:
        await keep_copied(engine, store, clock)
    assert store.uncopied
