"""Memories as they are stored, listed, counted and found."""

import asyncio
from typing import Any

import numpy as np
import pytest
from facts import GROUP, PRIVATE, D, axis, fact

from onebot_bot.errors import StoreError
from onebot_bot.memory.rows import Memory
from onebot_bot.memory.store import MemoryStore
from onebot_bot.protocol.chat_id import ChatId


def same(expected: Memory, actual: Memory | None) -> bool:
    """Whether every field agrees, arrays too."""
    assert actual is not None
    return all(
        np.array_equal(getattr(expected, name), getattr(actual, name))
        if isinstance(getattr(expected, name), np.ndarray)
        else getattr(expected, name) == getattr(actual, name)
        for name in Memory.__struct_fields__
    )


async def test_a_memory_comes_back_as_it_was(store: MemoryStore) -> None:
    """Every field survives the database."""
    added = await store.add(
        fact(
            1,
            shared=True,
            subjects=(5, 6),
            source_ids=(11, 12),
            event_time=900,
            importance=0.75,
            speaker=5,
            maker="night-1",
            exact=False,
            pinned=True,
            value=np.arange(8, dtype=np.float32).reshape(2, 4),
        )
    )

    assert same(added, await store.get(added.id))
    assert (added.text, added.chat, added.subjects, added.source_ids) == ("fact 1", GROUP, (5, 6), (11, 12))
    assert (added.event_time, added.importance, added.pinned, added.created) == (900, 0.75, True, 1000)
    assert (added.speaker, added.maker, added.exact) == (5, "night-1", False)
    assert (added.status, added.superseded_by, added.recall_count) == ("active", None, 0)
    assert added.value is not None
    np.testing.assert_array_equal([[0, 1, 2, 3], [4, 5, 6, 7]], added.value)
    assert await store.get(added.id + 1) is None


async def test_a_memory_is_found_when_add_returns(store: MemoryStore) -> None:
    """The nearest comes first, with its value as it was given."""
    value = np.ones((1, 4), np.float32)
    first = await store.add(fact(1, value=value))
    await store.add(fact(2))
    query = (axis(1) * 0.9 + axis(2) * 0.1).astype(np.float32)

    hits = store.search(query / np.linalg.norm(query), GROUP, 2)
    assert [hit.text for hit in hits] == ["fact 1", "fact 2"]
    assert hits[0].memory_id == first.id
    np.testing.assert_allclose(0.9 / np.hypot(0.9, 0.1), hits[0].score, rtol=1e-5)
    assert hits[0].value is not None
    np.testing.assert_array_equal(value, hits[0].value)
    assert hits[1].value is None


async def test_pages_go_back_in_time(store: MemoryStore) -> None:
    """The newest come first, and the last id of a page leads to the next."""
    for n in range(5):
        await store.add(fact(n))
    first = await store.page(GROUP, limit=3)
    second = await store.page(GROUP, limit=3, before=first[-1].id)

    assert [m.text for m in first + second] == ["fact 4", "fact 3", "fact 2", "fact 1", "fact 0"]


async def test_a_page_is_found_by_its_offset(store: MemoryStore) -> None:
    """Counted among what is listed only; past the end there is nothing."""
    for n in range(5):
        await store.add(fact(n))
        await store.add(fact(n, PRIVATE))

    async def texts(offset: int, limit: int) -> list[str]:
        return [m.text for m in await store.page(GROUP, limit=limit, offset=offset)]

    assert await texts(0, 2) == ["fact 4", "fact 3"]
    assert await texts(2, 2) == ["fact 2", "fact 1"]
    assert await texts(4, 2) == ["fact 0"]
    assert await texts(3, -1) == ["fact 1", "fact 0"]
    assert await texts(5, 2) == []
    assert await texts(10**19, 2) == []


async def test_what_a_chat_may_recall_is_counted(store: MemoryStore) -> None:
    """Its own and the shared ones, without those forgotten or replaced."""
    own = [await store.add(fact(n)) for n in range(4)]
    await store.add(fact(5, PRIVATE))
    await store.add(fact(6, PRIVATE, shared=True))
    await store.forget(own[0].id)
    await store.supersede(own[1].id, own[2].id)

    assert await store.count(GROUP) == 3
    assert await store.count(PRIVATE) == 2
    assert await store.count(None) == 4


async def test_a_page_is_filtered(store: MemoryStore) -> None:
    """Chat, words, person and status narrow what is listed."""
    await store.add(fact(0, subjects=(5,)))
    await store.add(fact(1, PRIVATE, subjects=(5,)))
    await store.add(fact(2, PRIVATE, shared=True))
    old = await store.add(fact(3, subjects=(55,)))
    await store.forget(old.id)

    async def texts(chat: ChatId | None, **filters: Any) -> list[str]:
        return [m.text for m in await store.page(chat, **filters)]

    assert await texts(GROUP) == ["fact 2", "fact 0"]
    assert await texts(None) == ["fact 2", "fact 1", "fact 0"]
    assert await texts(None, subject=5) == ["fact 1", "fact 0"]
    assert await texts(None, words="t 1") == ["fact 1"]
    assert await texts(None, status="forgotten") == [""]
    assert await store.counts() == {"active": 3, "forgotten": 1}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"key": np.full(D, np.nan, np.float32)}, "key holds NaN"),
        ({"key": np.zeros(D + 1, np.float32)}, f"have {D} numbers; one of {D + 1} does not fit"),
        ({"key": np.zeros((1, D), np.float32)}, "key has the shape"),
        ({"value": np.full((1, 4), np.inf, np.float32)}, "value holds NaN or infinity"),
        ({"value": np.zeros(4, np.float32)}, "value has the shape"),
    ],
)
async def test_vectors_that_do_not_fit_are_refused(store: MemoryStore, fields: dict[str, Any], reason: str) -> None:
    """Neither database nor index takes NaN or another width."""
    with pytest.raises(StoreError, match=reason):
        await store.add(fact(1, **fields))
    assert await store.counts() == {}
    assert store.search(axis(1), GROUP, 1) == []


async def test_a_query_of_another_model_is_refused(store: MemoryStore) -> None:
    """A query of another width says that the keys were made by another model."""
    await store.add(fact(1))

    with pytest.raises(StoreError, match="made by another model"):
        store.search(np.zeros(D + 1, np.float32), GROUP, 1)


async def test_recalls_are_counted(store: MemoryStore) -> None:
    """What came to mind is noted from any thread."""
    memory = await store.add(fact(1))
    for _ in range(2):
        await asyncio.to_thread(store.note_recalled, [memory.id])
    await store.add(fact(2))  # comes after them in the queue

    noted = await store.get(memory.id)
    assert noted is not None
    assert (noted.recall_count, noted.recalled_at) == (2, 1000)
