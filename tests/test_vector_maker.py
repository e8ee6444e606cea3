"""Vectors by the model that serves: readiness, failure, and never the vectors of another model."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from facts import CHAT, CountingEngine, heard, letters
from fakes import ScriptedEngine

from onebot_bot.engine.request import Vector
from onebot_bot.errors import ModelError, StoreError
from onebot_bot.memories import Memories
from onebot_bot.memory.database import Database
from onebot_bot.memory.store import MemoryStore
from onebot_bot.vector_maker import BATCH, CALIBRATION


class BrokenEngine(ScriptedEngine):
    """Has no memory left for another batch."""

    async def embed(self, texts: list[str]) -> Vector:
        """Fail as the worker does."""
        raise ModelError("CUDA out of memory")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[MemoryStore]:
    """A real store."""
    async with Database(tmp_path / "m.sqlite3") as database, MemoryStore(database, tmp_path / "m.faiss") as opened:
        yield opened


async def test_a_failed_calibration_fails_commands_instead_of_hanging_them(store: MemoryStore) -> None:
    """With the reason."""
    memories = Memories(BrokenEngine(), store)
    with pytest.raises(ModelError):
        await memories.vectors.prepare("a")
    with pytest.raises(ModelError, match="CUDA out of memory"):
        await memories.add(CHAT, "x")


async def test_keys_are_centred_from_the_first_start_on(store: MemoryStore) -> None:
    """Their mean is taken off before anything is compared; the next start needs no calibration."""
    await Memories(ScriptedEngine(), store).vectors.prepare("a")
    assert store.view is not None
    assert np.linalg.norm(store.view.centre) > 0
    head = np.eye(8, dtype=np.float32)[2:]
    await Memories(CountingEngine(), store).vectors.prepare("a", "", None, head)
    engine = CountingEngine()
    await Memories(engine, store).vectors.prepare("a", "", None, head)
    assert engine.embedded == []


async def test_another_models_memories_are_not_searched_before_they_have_new_keys(store: MemoryStore) -> None:
    """Until then nothing comes to mind; afterwards the same memory does."""
    old = Memories(ScriptedEngine(), store)
    await old.vectors.prepare("a")
    await old.add(CHAT, "my cat is called Fog")
    new = Memories(ScriptedEngine(), store)
    assert new.search_in(CHAT)(np.ones(5, np.float32)) is None
    await new.vectors.prepare("b")
    hits = await new.search(CHAT, "my cat is called Fog")
    assert [hit.text for hit in hits] == ["my cat is called Fog"]
    query = np.ones(8, np.float32) / np.sqrt(np.float32(8))
    assert new.search_in(CHAT)(query) is not None


# --- taking over -----------------------------------------------------------------------------------------------


class HeldEngine(CountingEngine):
    """Says what it was asked, and embeds nothing but the calibration until it is open."""

    def __init__(self) -> None:
        super().__init__()
        self.open = asyncio.Event()
        self.asked = asyncio.Semaphore(0)

    async def embed(self, texts: list[str]) -> Vector:
        """Say that it was asked, wait, then go on."""
        self.asked.release()
        if texts != list(CALIBRATION):
            await self.open.wait()
        return await super().embed(texts)


async def test_nothing_is_recalled_before_all_keys_are_made(store: MemoryStore) -> None:
    """And a search says how many are missing; what is added meanwhile is found with the rest."""
    old = Memories(CountingEngine(), store)
    await old.vectors.prepare("a")
    for n in range(3):
        await old.add(CHAT, f"fact {n}")
    engine = HeldEngine()
    new = Memories(engine, store)
    taking = asyncio.create_task(new.vectors.prepare("b"))
    await engine.asked.acquire()  # the calibration
    await engine.asked.acquire()  # the memories
    with pytest.raises(StoreError, match="3 to go"):
        await new.search(CHAT, "fact 1")
    assert new.search_in(CHAT)(np.ones(8, np.float32)) is None
    adding = asyncio.create_task(new.add(CHAT, "meanwhile"))
    await engine.asked.acquire()
    engine.open.set()
    await asyncio.gather(taking, adding)

    assert sorted(hit.text for hit in await new.search(CHAT, "fact 1")) == ["fact 0", "fact 1", "fact 2", "meanwhile"]


async def test_a_memory_that_goes_or_changes_meanwhile_is_not_brought_back(store: MemoryStore) -> None:
    """Keys made for what was forgotten or edited in between are thrown away."""
    old = Memories(CountingEngine(), store)
    await old.vectors.prepare("a")
    gone, changed = await old.add(CHAT, "fact 1"), await old.add(CHAT, "fact 2")
    engine = HeldEngine()
    new = Memories(engine, store)
    taking = asyncio.create_task(new.vectors.prepare("b"))
    await engine.asked.acquire()
    await engine.asked.acquire()
    await new.forget(CHAT, gone.id)
    editing = asyncio.create_task(new.edit(CHAT, changed.id, "fact 3"))
    await engine.asked.acquire()
    engine.open.set()
    await asyncio.gather(taking, editing)

    assert [hit.text for hit in await new.search(CHAT, "fact 3")] == ["fact 3"]


HALFWAY = """
import asyncio, sys
from pathlib import Path
import numpy as np
from fakes import ScriptedEngine
from onebot_bot.memories import Memories
from onebot_bot.memory.database import Database
from onebot_bot.memory.store import MemoryStore

class Stops(ScriptedEngine):
    calls = 0
    async def embed(self, texts):
        self.calls += 1
        if self.calls == 3:
            print("halfway", flush=True)
            await asyncio.Event().wait()
        return np.full((len(texts), 5), len(texts[0]), np.float32) + np.eye(5, dtype=np.float32)[len(texts) % 5]

async def main():
    path = Path(sys.argv[1])
    async with Database(path) as database, MemoryStore(database, path.with_suffix(".faiss")) as store:
        await Memories(Stops(), store).vectors.prepare("b")

asyncio.run(main())
"""


async def killed_halfway(path: Path) -> None:
    """Run a bot that takes over the memories and is killed after the first batch."""
    environment = {**os.environ, "PYTHONPATH": f"{Path(__file__).parent}:{Path(__file__).parents[1]}"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HALFWAY, str(path), stdout=asyncio.subprocess.PIPE, env=environment
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        while await process.stdout.readline() not in (b"halfway\n", b""):
            pass
        process.kill()
        await process.wait()


class OtherEngine(CountingEngine):
    """Another model: its keys are five wide."""

    async def embed(self, texts: list[str]) -> Vector:
        """Five of the numbers."""
        return (await super().embed(texts))[:, :5]

    async def project(self, keys: Vector) -> Vector:
        """One vector each, as an untrained projector of old."""
        assert keys.shape[1] == 5
        return keys


async def test_a_killed_takeover_goes_on_where_it_was(tmp_path: Path) -> None:
    """What has its new key is not embedded again; until the end nothing is compared, and then everything."""
    path = tmp_path / "m.sqlite3"
    async with Database(path) as database, MemoryStore(database, tmp_path / "m.faiss") as store:
        old = Memories(CountingEngine(), store)
        await old.vectors.prepare("a")
        for n in range(2 * BATCH + 3):
            await old.add(CHAT, f"fact {n}")
    await killed_halfway(path)
    async with Database(path) as database, MemoryStore(database, tmp_path / "m.faiss") as store:
        assert store.view is not None
        assert store.view.fingerprint == "a"
        assert await store.count_stale("b") == BATCH + 3
        engine = OtherEngine()
        memories = Memories(engine, store)
        await memories.vectors.prepare("b")

        assert engine.embedded[: len(CALIBRATION)] == list(CALIBRATION)
        assert sorted(engine.embedded[len(CALIBRATION) :]) == sorted(f"fact {n}" for n in range(BATCH + 3))
        assert len(store.search(np.ones(5, np.float32), CHAT, 99)) == 2 * BATCH + 3


# --- adapters ---------------------------------------------------------------------------------------------------


async def test_a_switch_changes_head_and_values(store: MemoryStore) -> None:
    """Keys are seen through the new head; projected values are made anew, refined ones stay."""
    engine = CountingEngine()
    memories = Memories(engine, store)
    await memories.vectors.prepare("a", "night-1")
    plain, refined = await memories.add(CHAT, "fact one"), await memories.add(CHAT, "fact two")
    await store.refine(refined.id, np.full((2, 8), 7, np.float32), exact=True, maker="night-1")
    engine.embedded.clear()
    engine.scale = 2
    head = np.eye(8, dtype=np.float32)[:3]
    await memories.vectors.switch("night-2", np.zeros(8, np.float32), head)

    assert engine.embedded == []
    values = [(await store.get(number) or plain).value for number in (plain.id, refined.id)]
    assert [float(value[0, 0]) for value in values if value is not None] == [2, 7]
    assert {memory.maker for memory in await store.export(CHAT)} == {"night-1", "night-2"}
    hit = memories.search_in(CHAT)(letters("fact one")[:3] / np.linalg.norm(letters("fact one")[:3]))
    assert hit is not None
    assert hit.score == pytest.approx(1)
    assert [m.id for m in await store.unrefined("night-2", 9)] == [refined.id, plain.id]


async def test_a_switch_that_fails_recalls_nothing_until_one_succeeds(store: MemoryStore) -> None:
    """A head that does not fit is refused; going back to the adapter before is all it takes."""
    memories = Memories(CountingEngine(), store)
    await memories.vectors.prepare("a", "night-1")
    await memories.add(CHAT, "fact one")
    with pytest.raises(StoreError, match="does not fit"):
        await memories.vectors.switch("night-2", None, np.zeros((3, 9), np.float32))
    assert memories.search_in(CHAT)(np.ones(8, np.float32)) is None
    await memories.vectors.switch("night-1")

    assert memories.search_in(CHAT)(np.ones(8, np.float32)) is not None
    assert (await memories.add(CHAT, "fact two")).maker == "night-1"


async def test_nothing_is_recalled_between_two_adapters(store: MemoryStore) -> None:
    """From before the model changes its queries until the keys fit them; what is heard meanwhile waits."""
    memories = Memories(CountingEngine(), store)
    await memories.vectors.prepare("a", "night-1")
    await memories.add(CHAT, "fact one")
    memories.vectors.suspend()
    assert memories.search_in(CHAT)(np.ones(8, np.float32)) is None
    learning = asyncio.create_task(memories.learn(heard("Ann has a grey cat", 1)))
    await memories.vectors.switch("night-2", np.zeros(8, np.float32))
    await learning

    assert memories.search_in(CHAT)(np.ones(8, np.float32)) is not None
    assert len(await memories.search(CHAT, "fact")) == 2


async def test_a_value_of_another_width_is_never_injected(store: MemoryStore) -> None:
    """Another chat model beside the same embedding: the keys stay, every value is made anew."""
    narrow = Memories(CountingEngine(), store)
    await narrow.vectors.prepare("a")
    memory = await narrow.add(CHAT, "fact one")
    await store.refine(memory.id, np.ones((1, 8), np.float32), exact=True, maker="")
    wide = CountingEngine(width=12)
    memories = Memories(wide, store)
    await memories.vectors.prepare("a")

    assert wide.embedded == []
    hit = memories.search_in(CHAT)(np.ones(8, np.float32))
    assert hit is not None
    assert hit.vectors.shape == (2, 12)


async def test_a_cancelled_switch_leaves_nothing_half_done(store: MemoryStore) -> None:
    """Nothing comes to mind after it, and the next one puts all in order."""
    memories = Memories(CountingEngine(), store)
    await memories.vectors.prepare("a", "night-1")
    await memories.add(CHAT, "fact one")
    engine = HeldEngine()
    held = Memories(engine, store)
    taking = asyncio.create_task(held.vectors.prepare("b"))
    await engine.asked.acquire()
    await engine.asked.acquire()
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking
    engine.open.set()
    assert held.search_in(CHAT)(np.ones(8, np.float32)) is None
    with pytest.raises(ModelError, match="Cancelled"):
        await held.add(CHAT, "fact two")
    await held.vectors.switch("night-2")

    assert held.search_in(CHAT)(np.ones(8, np.float32)) is not None


async def test_a_takeover_that_ends_during_a_switch_brings_nothing_back(store: MemoryStore) -> None:
    """The model has begun to change its queries: only the switch makes memories searchable again."""
    old = Memories(CountingEngine(), store)
    await old.vectors.prepare("a")
    await old.add(CHAT, "fact one")
    engine = HeldEngine()
    memories = Memories(engine, store)
    taking = asyncio.create_task(memories.vectors.prepare("b"))
    await engine.asked.acquire()
    await engine.asked.acquire()
    memories.vectors.suspend()
    engine.open.set()
    await taking
    assert memories.search_in(CHAT)(np.ones(8, np.float32)) is None
    await memories.vectors.switch("night-1")

    assert memories.search_in(CHAT)(np.ones(8, np.float32)) is not None
