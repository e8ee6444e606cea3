"""Where the model and the store meet: readiness, failure, and never the vectors of another model."""

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from fakes import ScriptedEngine

from onebot_bot.engine.request import Vector
from onebot_bot.errors import ModelError
from onebot_bot.memories import Memories
from onebot_bot.memory.database import Database
from onebot_bot.memory.store import MemoryStore
from onebot_bot.protocol.chat_id import ChatId

CHAT = ChatId(10000, "private", 1)


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
        await memories.prepare("a")
    with pytest.raises(ModelError, match="CUDA out of memory"):
        await memories.add(CHAT, "x")


async def test_keys_are_centred_from_the_first_start_on(store: MemoryStore) -> None:
    """The centre is stored before the model is said to serve: dying in between calibrates again."""
    order: list[str] = []
    centre, fingerprint = store.set_centre, store.set_fingerprint

    async def note_centre(vector: Vector, name: str) -> None:
        order.append("centre")
        await centre(vector, name)

    async def note_fingerprint(name: str, dimension: int) -> None:
        order.append("fingerprint")
        await fingerprint(name, dimension)

    store.set_centre, store.set_fingerprint = note_centre, note_fingerprint  # type: ignore[method-assign,assignment]  # spies
    await Memories(ScriptedEngine(), store).prepare("a")
    assert order == ["centre", "fingerprint"]
    assert store.centre is not None
    assert np.linalg.norm(store.centre) > 0


async def test_another_models_memories_are_not_searched_before_they_have_new_keys(store: MemoryStore) -> None:
    """Until then nothing comes to mind; afterwards the same memory does."""
    old = Memories(ScriptedEngine(), store)
    await old.prepare("a")
    await old.add(CHAT, "my cat is called Fog")
    new = Memories(ScriptedEngine(), store)
    assert new.search_in(CHAT)(np.ones(5, np.float32)) is None
    await new.prepare("b")
    hits = await new.search(CHAT, "my cat is called Fog")
    assert [hit.text for hit in hits] == ["my cat is called Fog"]
    query = np.ones(8, np.float32) / np.sqrt(np.float32(8))
    assert new.search_in(CHAT)(query) is not None
