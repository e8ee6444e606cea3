"""What is heard in a chat becomes a memory, or part of one; and what commands may do to memories."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from facts import CHAT, OTHER, CountingEngine, heard

from onebot_bot.errors import CommandError, StoreError
from onebot_bot.memories import Memories
from onebot_bot.memory.database import Database
from onebot_bot.memory.rows import Extracted
from onebot_bot.memory.store import MemoryStore


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[MemoryStore]:
    """A real store."""
    async with Database(tmp_path / "m.sqlite3") as database, MemoryStore(database, tmp_path / "m.faiss") as opened:
        yield opened


@pytest.fixture
async def memories(store: MemoryStore) -> Memories:
    """Memories whose model is ready."""
    ready = Memories(CountingEngine(), store)
    await ready.vectors.prepare("a", "night-1")
    return ready


async def test_what_is_heard_is_learned_whole(memories: Memories) -> None:
    """Every field arrives; the value is the projector's, unchecked."""
    memory = await memories.learn(heard("Ann has a grey cat", 1, event_time=9, importance=0.8))

    assert (memory.text, memory.chat, memory.speaker, memory.subjects) == ("Ann has a grey cat", CHAT, 5, (5,))
    assert (memory.source_ids, memory.event_time, memory.importance) == ((1,), 9, 0.8)
    assert (memory.maker, memory.exact) == ("night-1", None)


async def test_an_essay_is_not_learned(memories: Memories) -> None:
    """A memory is one fact."""
    with pytest.raises(CommandError, match="401 > 400"):
        await memories.learn(heard("x" * 401, 1))


async def test_the_same_again_is_one_memory(memories: Memories) -> None:
    """Whatever its punctuation; with both sources, and the higher importance."""
    first = await memories.learn(heard("Ann has a grey cat.", 1))
    again = await memories.learn(heard("ann has a grey cat", 2, importance=0.9))

    assert (again.id, again.source_ids, again.importance) == (first.id, (1, 2), 0.9)
    assert await memories.count() == 1


async def test_a_fuller_statement_takes_the_place(memories: Memories) -> None:
    """The shorter one stays on record behind it."""
    short = await memories.learn(heard("Ann has a grey cat", 1))
    full = await memories.learn(heard("Ann has a big grey cat", 2))
    shown = await memories.show(CHAT, short.id)

    assert shown is not None
    assert (shown.status, shown.superseded_by) == ("superseded", full.id)


@pytest.mark.parametrize(
    "other",
    [
        heard("Ann has a grey dog", 2),
        heard("Ann has a grey cat", 2, subjects=(6,)),
        heard("Ann has a grey cat", 2, chat=OTHER),
        heard("Ann has no grey cat", 2),
    ],
)
async def test_what_only_looks_alike_is_kept_apart(memories: Memories, other: Extracted) -> None:
    """Another word, another person, another chat, or its opposite."""
    await memories.learn(heard("Ann has a grey cat", 1))
    await memories.learn(other)

    assert (await memories.stats(None)).active == 2


async def test_a_newer_statement_supersedes(memories: Memories) -> None:
    """What it names comes up no longer, also when what it says is known already."""
    old = await memories.learn(heard("Ann lives in Oslo", 1))
    new = await memories.learn(heard("Ann lives in Rome", 2, supersedes=(old.id,)))
    back = await memories.learn(heard("Ann lives in Oslo", 3, supersedes=(new.id,)))

    chain = [(m.id, m.status, m.superseded_by) for m in await memories.export(CHAT)]
    expected = [(old.id, "superseded", new.id), (new.id, "superseded", back.id), (back.id, "active", None)]
    assert expected == chain


async def test_only_what_is_there_is_superseded(memories: Memories) -> None:
    """A number that was superseded meanwhile, is another chat's or nobody's does not keep a fact from being learned."""
    old, elsewhere = await memories.learn(heard("Ann lives in Oslo", 1)), await memories.add(OTHER, "fact one")
    for city in ("Rome", "Bonn"):
        await memories.learn(heard(f"Ann lives in {city}", 2, supersedes=(old.id, elsewhere.id, 99)))

    assert sorted(m.text for m in await memories.export(CHAT) if m.status == "active") == [
        "Ann lives in Bonn",
        "Ann lives in Rome",
    ]
    assert (await memories.stats(OTHER)).active == 1


async def test_one_fact_heard_twice_at_once_is_one_memory(memories: Memories) -> None:
    """The second waits until the first can be compared."""
    await asyncio.gather(*(memories.learn(heard("Ann has a grey cat", n)) for n in range(3)))
    assert await memories.count() == 1


async def test_what_was_forgotten_is_not_learned_again(memories: Memories) -> None:
    """From the same message; another may tell it anew."""
    memory = await memories.learn(heard("Ann has a grey cat", 1))
    assert await memories.forget(CHAT, memory.id)
    with pytest.raises(StoreError, match="barred"):
        await memories.learn(heard("Ann has a grey cat", 1))
    await memories.learn(heard("Ann has a grey cat", 2))


async def test_commands_reach_only_their_own_chat(memories: Memories) -> None:
    """Another chat's memory is not edited, pinned, forgotten or shown; a shared one may be seen."""
    memory = await memories.add(OTHER, "fact one", speaker=6)

    assert await memories.edit(CHAT, memory.id, "x") is None
    assert not await memories.pin(CHAT, memory.id, True)  # noqa: FBT003 - as commands call it
    assert not await memories.forget(CHAT, memory.id)
    assert await memories.show(CHAT, memory.id) is None
    await memories._store.share(memory.id, shared=True)
    assert await memories.show(CHAT, memory.id) is not None
    assert await memories.page(CHAT, 1, 10, 6) != ([], 0)
    assert await memories.page(CHAT, 1, 10, 7) == ([], 0)
    assert [hit.text for hit in await memories.search(CHAT, "fact", 6)] == ["fact one"]
    assert await memories.search(CHAT, "fact", 7) == []


async def test_a_memory_is_edited_and_pinned(memories: Memories) -> None:
    """Its own chat may."""
    memory = await memories.add(CHAT, "fact one")
    edited = await memories.edit(CHAT, memory.id, "fact two")
    assert edited is not None
    assert (edited.id, edited.text) == (memory.id, "fact two")
    assert await memories.pin(CHAT, memory.id, True)  # noqa: FBT003 - as commands call it
    assert (await memories.stats(CHAT)).pinned == 1
    with pytest.raises(CommandError, match="401 > 400"):
        await memories.edit(CHAT, memory.id, "x" * 401)
    with pytest.raises(CommandError, match="401 > 400"):
        await memories.add(CHAT, "x" * 401)
