"""Memories: what is stored, what the index follows, and what forgetting leaves behind."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import structlog

from onebot_bot.errors import StoreError
from onebot_bot.memory import loading
from onebot_bot.memory import store as store_module
from onebot_bot.memory.bank import Bank
from onebot_bot.memory.database import Database
from onebot_bot.memory.rows import Extracted, Memory, NewMemory, Rekeyed, Stats
from onebot_bot.memory.store import MemoryStore
from onebot_bot.memory.vectors import Floats
from onebot_bot.protocol.chat_id import ChatId

D = 8
MODEL = "embedder-1"
GROUP = ChatId(10000, "group", 20000)
PRIVATE = ChatId(10000, "private", 20000)


def axis(n: int) -> Floats:
    """The n-th unit vector [D]."""
    vector = np.zeros(D, dtype=np.float32)
    vector[n] = 1
    return vector


def fact(n: int, chat: ChatId = GROUP, **fields: Any) -> NewMemory:
    """A memory whose key is the n-th axis."""
    given: dict[str, Any] = {"text": f"fact {n}", "chat": chat, "key": axis(n), "fingerprint": MODEL, **fields}
    return NewMemory(**given)


@asynccontextmanager
async def opened(path: Path, **settings: int) -> AsyncIterator[MemoryStore]:
    """A store over the file at `path`, with a view unless it has one."""
    index = path.with_suffix(".faiss")
    async with Database(path) as database, MemoryStore(database, index, lambda: 1000.0, **settings) as store:
        if store.view is None:
            await store.set_view(MODEL, np.zeros(D, np.float32))
        yield store


@pytest.fixture
async def store(path: Path) -> AsyncIterator[MemoryStore]:
    """An empty store that searches for the keys of MODEL."""
    async with opened(path) as empty:
        yield empty


def made(memory: Memory, key: Floats, value: Floats | None = None) -> Rekeyed:
    """New vectors for what a memory says."""
    return Rekeyed(id=memory.id, text=memory.text, key=key, value=value)


def found(store: MemoryStore, n: int, chat: ChatId = GROUP, k: int = 10) -> list[str]:
    """Texts that come to mind for the n-th axis and are near it."""
    return [hit.text for hit in store.search(axis(n), chat, k) if hit.score > 0.5]


def same(expected: Memory, actual: Memory | None) -> bool:
    """Whether every field agrees, arrays too."""
    assert actual is not None
    return all(
        np.array_equal(getattr(expected, name), getattr(actual, name))
        if isinstance(getattr(expected, name), np.ndarray)
        else getattr(expected, name) == getattr(actual, name)
        for name in Memory.__struct_fields__
    )


# --- adding and reading ---


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


# --- changing ---


async def test_a_superseded_memory_stays_on_record(store: MemoryStore) -> None:
    """The newer statement comes up; the older one is kept with a link."""
    old, new = await store.add(fact(1, text="Kir lives in Oslo")), await store.add(fact(1, text="Kir moved to Rome"))
    await store.supersede(old.id, new.id)

    assert found(store, 1) == ["Kir moved to Rome"]
    kept = await store.get(old.id)
    assert kept is not None
    assert (kept.text, kept.status, kept.superseded_by) == ("Kir lives in Oslo", "superseded", new.id)


async def test_nothing_supersedes_itself_or_what_is_gone(store: MemoryStore) -> None:
    """Both memories must be there and active."""
    memory = await store.add(fact(1))
    for old, new in ((memory.id, memory.id), (memory.id, 99), (99, memory.id)):
        with pytest.raises(StoreError, match="no active memory"):
            await store.supersede(old, new)
    assert found(store, 1) == ["fact 1"]


async def test_sharing_can_be_given_and_taken(store: MemoryStore) -> None:
    """A shared memory comes up elsewhere, until it is no longer shared."""
    memory = await store.add(fact(1))
    assert found(store, 1, PRIVATE) == []
    await store.share(memory.id, shared=True)
    assert found(store, 1, PRIVATE) == ["fact 1"]
    await store.share(memory.id, shared=False)

    assert found(store, 1, PRIVATE) == []
    assert found(store, 1, GROUP) == ["fact 1"]


async def test_new_vectors_replace_the_old(store: MemoryStore) -> None:
    """A refined key and value are searched at once."""
    memory = await store.add(fact(1))
    assert await store.rekey([made(memory, axis(2), np.ones((2, 4), np.float32))], MODEL, "night-1") == 1

    assert found(store, 1) == []
    (hit,) = store.search(axis(2), GROUP, 1)
    assert hit.value is not None
    assert (hit.text, hit.value.shape) == ("fact 1", (2, 4))


async def test_a_better_value_leaves_the_key(store: MemoryStore) -> None:
    """It is injected at once, and the row says who reads it exactly."""
    memory = await store.add(fact(1, value=np.zeros((1, 4), np.float32)))
    assert await store.refine(memory.id, np.ones((2, 4), np.float32), exact=True, maker="night-1", text="fact 1")
    assert not await store.refine(memory.id, np.zeros((1, 4), np.float32), exact=None, maker="", text="fact 0")

    (hit,) = store.search(axis(1), GROUP, 1)
    assert hit.value is not None
    np.testing.assert_array_equal(np.ones((2, 4)), hit.value)
    kept = await store.get(memory.id)
    assert kept is not None
    assert (kept.exact, kept.maker) == (True, "night-1")
    np.testing.assert_array_equal(axis(1), kept.key)


async def test_what_matters_is_refined_first(store: MemoryStore) -> None:
    """Pinned, then important, then new ones; what this adapter was checked with is not listed."""
    await store.add(fact(0, importance=0.9, maker="night-1", exact=True))
    await store.add(fact(1, maker="night-1"))
    await store.add(fact(2, maker="night-1", importance=0.8))
    await store.add(fact(3, maker="night-1", pinned=True))
    await store.add(fact(4, maker="night-0", exact=True))
    await store.add(fact(5, maker="night-1", exact=False))
    gone = await store.add(fact(6))
    await store.forget(gone.id)

    assert [m.text for m in await store.unrefined("night-1", 9)] == ["fact 3", "fact 2", "fact 4", "fact 1"]
    assert [m.text for m in await store.unrefined("night-1", 1)] == ["fact 3"]


async def test_values_of_another_projector_are_listed(store: MemoryStore) -> None:
    """Refined ones stay, unless they are for a model of another width; and so does what changed meanwhile."""
    value = np.ones((1, 4), np.float32)
    await store.add(fact(0, maker="old", value=value))
    await store.add(fact(1, maker="old", value=value, exact=False))
    await store.add(fact(2, maker="old", value=value, exact=True))
    await store.add(fact(3, maker="old", value=np.ones((2, 5), np.float32), exact=True))
    await store.add(fact(4, maker="new", value=value))
    await store.add(fact(5, maker="old"))

    listed = await store.unprojected(MODEL, "new", 4, 9)
    assert [m.text for m in listed] == ["fact 5", "fact 3", "fact 1", "fact 0"]
    await store.refine(listed[3].id, 3 * value, exact=True, maker="new")
    assert await store.project([(memory, 2 * value) for memory in listed], "new") == 3
    assert await store.unprojected(MODEL, "new", 4, 9) == []
    values = {hit.text: float(hit.value[0, 0]) for hit in store.search(axis(0), GROUP, 9) if hit.value is not None}
    assert values == {"fact 0": 3, "fact 1": 2, "fact 2": 1, "fact 3": 2, "fact 4": 1, "fact 5": 2}


async def test_an_edited_memory_says_something_else(path: Path) -> None:
    """Found by its new key alone; the old text and its vectors are on the disk no more."""
    async with opened(path) as store:
        memory = await store.add(fact(1, text="Kir fears geese", exact=True, maker="night-1"))
        await store.save()
        edited = await store.edit(memory.id, "Kir fears swans", axis(2), np.ones((1, 4), np.float32), MODEL, "night-2")

        assert (edited.text, edited.exact, edited.maker) == ("Kir fears swans", None, "night-2")
        assert found(store, 1) == []
        assert found(store, 2) == ["Kir fears swans"]
        assert await asyncio.to_thread(holding, path.parent, b"Kir fears geese") == []


async def test_a_late_key_does_not_undo_an_edit(store: MemoryStore) -> None:
    """Vectors made for what a memory said before are not taken."""
    memory = await store.add(fact(1))
    await store.edit(memory.id, "other", axis(2), None, MODEL, "")

    assert await store.rekey([made(memory, axis(3))], MODEL, "") == 0
    assert found(store, 2) == ["other"]


async def test_a_pin_is_kept_and_taken(store: MemoryStore) -> None:
    """It stands in the row."""
    memory = await store.add(fact(1))
    assert (await store.pin(memory.id, pinned=True)).pinned
    assert not (await store.pin(memory.id, pinned=False)).pinned


async def test_kinds_are_counted(store: MemoryStore) -> None:
    """For one chat, which sees the shared ones too, and for all."""
    own = [await store.add(fact(n)) for n in range(4)]
    await store.add(fact(5, PRIVATE, shared=True, exact=True))
    await store.add(fact(6, PRIVATE, exact=False))
    await store.supersede(own[0].id, own[1].id)
    await store.forget(own[2].id)
    await store.pin(own[3].id, pinned=True)
    store.note_recalled([own[3].id])
    await store.refine(own[3].id, np.ones((1, 4), np.float32), exact=False, maker="")

    expected = Stats(active=3, superseded=1, forgotten=1, pinned=1, exact=1, unchecked=1, recalled=1)
    assert expected == await store.stats(GROUP)
    assert msgspec.structs.replace(expected, active=4) == await store.stats(None)
    assert await store.stats(ChatId(1, "group", 1)) == msgspec.structs.replace(
        expected, active=1, superseded=0, forgotten=0, pinned=0, unchecked=0, recalled=0
    )


async def test_what_is_about_a_person_is_listed_and_searched(store: MemoryStore) -> None:
    """Told about them or by them, of this chat or shared."""
    await store.add(fact(0, subjects=(5,)))
    await store.add(fact(1, speaker=5))
    await store.add(fact(2, subjects=(6,), speaker=6))
    await store.add(fact(3, PRIVATE, speaker=5))

    assert [m.text for m in await store.page(GROUP, subject=5)] == ["fact 1", "fact 0"]
    assert await store.count(GROUP, subject=5) == 2
    hits = await store.search_about(axis(1), GROUP, 5, 9)
    assert [hit.text for hit in hits] == ["fact 1", "fact 0"]


async def test_the_same_fact_again_is_merged(store: MemoryStore) -> None:
    """Sources add up, importance grows, and what is known already stays."""
    memory = await store.add(fact(1, source_ids=(1, 2), importance=0.5, event_time=100))
    old = await store.add(fact(2))
    again = Extracted(
        text="fact 1!", chat=GROUP, speaker=7, source_ids=(2, 3), event_time=200, importance=0.4, supersedes=(old.id,)
    )
    merged = await store.merge(memory.id, again)

    assert (merged.text, merged.source_ids, merged.importance) == ("fact 1", (1, 2, 3), 0.5)
    assert (merged.event_time, merged.speaker) == (100, 7)
    assert found(store, 2) == []
    await store.forget(memory.id)
    with pytest.raises(StoreError, match="barred"):
        await store.merge((await store.add(fact(3))).id, again)


async def test_a_newer_statement_is_added_in_the_place_of_others(store: MemoryStore) -> None:
    """In one step; and when it cannot be, nothing has changed."""
    old = [await store.add(fact(n)) for n in (1, 2)]
    elsewhere = await store.add(fact(3, PRIVATE))
    with pytest.raises(StoreError, match="no active memory"):
        await store.add(fact(4), supersedes=[old[0].id, elsewhere.id])
    assert [found(store, n) for n in (1, 4)] == [["fact 1"], []]
    await store.add(fact(4), supersedes=[memory.id for memory in old])

    assert [found(store, n) for n in (1, 2, 4)] == [[], [], ["fact 4"]]
    assert [m.text for m in await store.export(GROUP)] == ["fact 1", "fact 2", "fact 4"]


async def test_only_an_active_memory_is_changed(store: MemoryStore) -> None:
    """Vectors for a forgotten memory do not bring it back."""
    memory = await store.add(fact(1))
    await store.forget(memory.id)

    assert await store.rekey([made(memory, axis(1))], MODEL, "") == 0
    assert not await store.refine(memory.id, np.ones((1, 4), np.float32), exact=True, maker="")
    with pytest.raises(StoreError, match="no active memory"):
        await store.edit(memory.id, "x", axis(1), None, MODEL, "")
    with pytest.raises(StoreError, match="no active memory"):
        await store.pin(memory.id, pinned=True)
    with pytest.raises(StoreError, match="no active memory"):
        await store.share(memory.id, shared=True)
    assert store.search(axis(1), GROUP, 1) == []


async def test_a_cancelled_add_is_in_the_index_too(store: MemoryStore) -> None:
    """What the database took is found, also when nobody waited for it."""
    adding = asyncio.create_task(store.add(fact(1)))
    await asyncio.sleep(0)
    adding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await adding
    await store.add(fact(2))

    assert found(store, 1) == ["fact 1"]


# --- forgetting ---


def holding(folder: Path, needle: bytes) -> list[str]:
    """The files below `folder` that contain `needle`."""
    return [file.name for file in folder.rglob("*") if file.is_file() and needle in file.read_bytes()]


async def test_forgetting_leaves_nothing_on_the_disk(path: Path) -> None:
    """Text and vectors are in no file when forget returns, nor after the end."""
    secret = np.linspace(1, 2, D, dtype=np.float32)
    async with opened(path) as store:
        memory = await store.add(fact(1, text="Kir fears geese", key=secret, value=secret[np.newaxis] * 3))
        await store.add(fact(2))
        await store.save()
        unit_key = (secret / np.linalg.norm(secret)).tobytes()
        assert holding(path.parent, b"Kir fears geese")
        assert holding(path.parent, unit_key[:16]) == ["memory.faiss"]

        assert await store.forget(memory.id)
        traces = (b"Kir fears geese", secret.tobytes(), (secret * 3).tobytes(), unit_key[:16])
        assert [holding(path.parent, trace) for trace in traces] == [[], [], [], []]
    assert [holding(path.parent, trace) for trace in traces] == [[], [], [], []]


async def test_a_forgotten_memory_is_empty(store: MemoryStore) -> None:
    """The row says that it was forgotten and nothing else; it never comes up."""
    memory = await store.add(fact(1, subjects=(5,), source_ids=(11,), event_time=7, shared=True))
    assert await store.forget(memory.id)
    assert not await store.forget(memory.id)
    assert not await store.forget(99)

    left = await store.get(memory.id)
    assert left is not None
    assert (left.status, left.text, left.key, left.value) == ("forgotten", "", None, None)
    assert (left.subjects, left.source_ids, left.event_time) == ((), (), None)
    assert found(store, 1) == []


async def test_forgetting_takes_along_what_was_said_before(path: Path) -> None:
    """The statements that a memory took the place of are erased with it, and their sources barred."""
    async with opened(path) as store:
        chain = [await store.add(fact(n, text=f"Kir lives in city {n}", source_ids=(n,))) for n in range(3)]
        later = await store.add(fact(5, text="Kir moved on"))
        for old, new in zip(chain, [*chain[1:], later], strict=True):
            await store.supersede(old.id, new.id)
        assert await store.forget(chain[2].id)

        assert await asyncio.to_thread(holding, path.parent, b"lives in city") == []
        assert [m.status for m in await store.export(GROUP)] == ["active"]
        assert await store.barred([0, 1, 2, 3]) == {0, 1, 2}
        assert found(store, 5) == ["Kir moved on"]


async def test_the_source_of_a_forgotten_memory_is_barred(store: MemoryStore) -> None:
    """Nothing is learned again from a message that something was forgotten from."""
    memory = await store.add(fact(1, source_ids=(11, 12)))
    assert await store.barred([11, 12, 13]) == set()
    await store.forget(memory.id)

    assert await store.barred([11, 13]) == {11}
    with pytest.raises(StoreError, match="barred"):
        await store.add(fact(1, source_ids=(12, 13)))
    await store.add(fact(2, source_ids=(13,)))


# --- models and centres ---


async def test_only_keys_of_the_serving_model_are_compared(store: MemoryStore) -> None:
    """Keys of another model wait, listed, until they are made anew."""
    await store.add(fact(1))
    other = await store.add(fact(1, text="theirs", key=np.ones(4, np.float32), fingerprint="embedder-2"))

    assert found(store, 1) == ["fact 1"]
    assert [m.id for m in await store.stale(MODEL, 9)] == [other.id]
    await store.rekey([made(other, axis(1))], MODEL, "")
    assert sorted(found(store, 1)) == ["fact 1", "theirs"]
    assert await store.stale(MODEL, 9) == []


async def test_another_model_may_serve(store: MemoryStore) -> None:
    """After a change of model only its keys are searched, in its width, and back again."""
    await store.add(fact(1))
    await store.set_view("embedder-2", np.zeros(4, np.float32))
    assert store.search(np.ones(4, np.float32), GROUP, 5) == []
    await store.add(fact(2, key=np.ones(4, np.float32), fingerprint="embedder-2"))
    assert [h.text for h in store.search(np.full(4, 0.5, np.float32), GROUP, 5)] == ["fact 2"]
    await store.set_view(MODEL, np.zeros(D, np.float32))

    assert found(store, 1) == ["fact 1"]


async def test_a_model_keeps_its_width(store: MemoryStore) -> None:
    """One fingerprint with two widths is refused, and the one before goes on serving."""
    await store.add(fact(1))
    with pytest.raises(StoreError, match=f"have {D} numbers"):
        await store.set_view(MODEL, np.zeros(D + 1, np.float32))
    with pytest.raises(StoreError, match=f"head for keys of {D + 1} numbers"):
        await store.set_view(MODEL, np.zeros(D, np.float32), np.zeros((3, D + 1), np.float32))
    assert found(store, 1) == ["fact 1"]


async def test_no_model_no_recall(path: Path) -> None:
    """Before a model is named memories are stored and nothing is found."""
    async with Database(path) as database, MemoryStore(database, path.with_suffix(".faiss")) as store:
        await store.add(fact(1))
        assert store.search(axis(1), GROUP, 5) == []
        await store.set_view(MODEL, np.zeros(D, np.float32))

        assert found(store, 1) == ["fact 1"]


async def test_a_centre_tells_parallel_keys_apart(path: Path) -> None:
    """With the mean taken out, a key is found by what is its own, and the centre outlives the process."""
    keys = np.ones((4, D), np.float32) * 10 + np.eye(D, dtype=np.float32)[:4]
    async with opened(path) as store:
        for n, key in enumerate(keys):
            await store.add(fact(n, key=key))
        query = keys[2] - keys.mean(axis=0)
        query /= np.linalg.norm(query)
        ids, raw = await store.keys(MODEL)
        await store.set_view(MODEL, raw.mean(axis=0))
        before = [(hit.text, hit.score) for hit in store.search(query, GROUP, 4)]
    async with opened(path) as store:
        after = [(hit.text, hit.score) for hit in store.search(query, GROUP, 4)]

    np.testing.assert_array_equal(keys, raw)
    assert ids.tolist() == [1, 2, 3, 4]
    assert before[0][0] == "fact 2"
    np.testing.assert_allclose([1, -1 / 3, -1 / 3, -1 / 3], [score for _, score in before], atol=1e-3)
    assert before == after


async def test_nothing_comes_up_while_suspended(store: MemoryStore) -> None:
    """Until a view is set again, also what is added meanwhile; then all of it."""
    await store.add(fact(1))
    store.suspend()
    await store.add(fact(2))
    assert store.search(axis(1), GROUP, 5) == []
    assert store.near(GROUP, axis(1), 5) == []
    assert store.view is None
    await store.set_view(MODEL, np.zeros(D, np.float32))

    assert [found(store, n) for n in (1, 2)] == [["fact 1"], ["fact 2"]]


async def test_a_head_decides_what_is_near(path: Path) -> None:
    """Keys are compared as the head sees them, in its width, also after a restart; nothing raw has changed."""
    head = np.zeros((2, D), np.float32)
    head[0, 1] = head[1, 2] = 1
    async with opened(path) as store:
        await store.add(fact(1, key=axis(1) + 9 * axis(5)))
        await store.add(fact(2, key=axis(2) + 9 * axis(5)))
        await store.set_view(MODEL, np.zeros(D, np.float32), head)
        query = np.array([0, 1], np.float32)
        before = [(hit.text, hit.score) for hit in store.search(query, GROUP, 2)]
        await store.add(fact(3, key=axis(2)))
        assert len(store.search(query, GROUP, 3)) == 3
    async with opened(path) as store:
        after = [(hit.text, hit.score) for hit in store.search(query, GROUP, 1)]
        assert store.view is not None
        np.testing.assert_array_equal(head, store.view.head)
        await store.set_view(MODEL, np.zeros(D, np.float32))
        assert [hit.text for hit in store.search(axis(2), GROUP, 1)] == ["fact 3"]

    assert before == [("fact 2", 1.0), ("fact 1", 0.0)]
    assert after[0][1] == 1.0


async def test_the_same_view_again_changes_nothing(path: Path) -> None:
    """A start with the view of before does not rebuild."""
    head = np.eye(D, dtype=np.float32)[:3]
    async with opened(path) as store:
        await store.add(fact(1))
        await store.set_view(MODEL, axis(2), head)
    with structlog.testing.capture_logs() as lines:
        async with opened(path) as store:
            await store.set_view(MODEL, axis(2), head)
    assert lines == []


async def test_adding_during_a_rebuild_loses_nothing(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """What arrives between the reading of the bank and its use is in the new bank too."""
    read, added = threading.Event(), threading.Event()
    load = loading.load_bank

    def slow(connection: sqlite3.Connection, path: Path) -> object:
        loaded = load(connection, path)
        read.set()
        assert added.wait(5)
        return loaded

    monkeypatch.setattr(store_module, "load_bank", slow)
    centring = asyncio.create_task(store.set_view(MODEL, axis(7) * 0.1))
    assert await asyncio.to_thread(read.wait, 5)
    other = await store.add(fact(2))
    forgetting = asyncio.create_task(store.forget(other.id))
    await store.add(fact(1))  # comes after it in the queue
    added.set()
    await centring
    assert await forgetting

    assert found(store, 1) == ["fact 1"]
    assert found(store, 2) == []


async def test_searching_while_adding_sees_whole_memories(store: MemoryStore) -> None:
    """Another thread searches without a pause; what it finds is never torn."""
    stop, seen, wrong = threading.Event(), [0], []

    def search() -> None:
        while not stop.is_set():
            for hit in store.search(axis(1), GROUP, 50):
                seen[0] += 1
                if hit.text != "fact 1" or hit.value is None or hit.value[0, 0] != hit.memory_id % 7:
                    wrong.append(hit)

    searching = asyncio.create_task(asyncio.to_thread(search))
    for n in range(60):
        value = np.full((1, 4), (n + 1) % 7, np.float32)
        memory = await store.add(fact(1, value=value))
        if n % 5 == 0:
            await store.forget(memory.id)
    stop.set()
    await searching

    assert wrong == []
    assert seen[0] > 0


# --- the file of the index ---


async def filled(path: Path) -> None:
    """Leave a store of three memories behind."""
    async with opened(path) as store:
        for n in range(3):
            await store.add(fact(n))


async def rebuilds(path: Path) -> list[str]:
    """Open the store, check that it finds what it should, and return the reasons it gave for rebuilding."""
    with structlog.testing.capture_logs() as lines:
        async with opened(path) as store:
            assert [found(store, n) for n in range(3)] == [["fact 0"], ["fact 1"], ["fact 2"]]
    return [line["reason"] for line in lines if line["event"] == "memory index rebuilt"]


async def test_a_sound_index_is_loaded(path: Path) -> None:
    """A clean end spares the next start the rebuild."""
    await filled(path)

    assert await rebuilds(path) == []


def cut(file: Path) -> None:
    """Lose the last byte."""
    file.write_bytes(file.read_bytes()[:-1])


def garble(file: Path) -> None:
    """Change the middle of the vectors."""
    content = bytearray(file.read_bytes())
    content[-40] ^= 0xFF
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [(Path.unlink, "there is none"), (cut, "damaged"), (garble, "damaged"), (Path.touch, "")],
)
async def test_a_broken_index_is_rebuilt_with_one_line(path: Path, damage: Callable[[Path], None], reason: str) -> None:
    """Missing or damaged, it is made anew from the database; untouched, it is not."""
    await filled(path)
    damage(path.with_suffix(".faiss"))

    reasons = await rebuilds(path)
    assert len(reasons) == bool(reason)
    assert all(reason in given for given in reasons)
    assert await rebuilds(path) == []


async def test_an_index_of_another_time_is_rebuilt(path: Path) -> None:
    """An older file with as many vectors as there are memories now is not believed."""
    index = path.with_suffix(".faiss")
    async with opened(path) as store:
        for n in (0, 1, 7):
            await store.add(fact(n))
    stale = await asyncio.to_thread(index.read_bytes)
    async with opened(path) as store:
        await store.supersede(3, 1)
        await store.add(fact(2))
    await asyncio.to_thread(index.write_bytes, stale)

    (reason,) = await rebuilds(path)
    assert "it was made from" in reason


async def test_a_snapshot_is_taken_now_and_then(path: Path) -> None:
    """After so many changes the file is written without waiting for the end."""
    index = path.with_suffix(".faiss")
    async with opened(path, snapshot_every=3) as store:
        written = []
        for n in range(4):
            await store.add(fact(n))
            written.append(await asyncio.to_thread(index.exists))

    assert written[-1]
    assert not written[0]


async def test_a_change_during_a_snapshot_is_saved_at_the_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot that is out of date when it is finished does not count as the last one."""
    writing, added = threading.Event(), threading.Event()
    save = loading.save_bank

    def slow(bank: Bank, revision: int, file: Path) -> None:
        writing.set()
        assert added.wait(5)
        save(bank, revision, file)

    async with opened(path) as store:
        await store.add(fact(0))
        await store.add(fact(1))
        monkeypatch.setattr(store_module, "save_bank", slow)
        saving = asyncio.create_task(store.save())
        assert await asyncio.to_thread(writing.wait, 5)
        await store.add(fact(2))
        added.set()
        await saving

    assert await rebuilds(path) == []


async def test_an_index_that_cannot_be_saved_is_only_logged(path: Path) -> None:
    """The database is the truth: the bot ends in order and rebuilds the next time."""
    index = path.with_suffix(".faiss")
    with structlog.testing.capture_logs() as lines:
        async with opened(path) as store:
            for n in range(3):
                await store.add(fact(n))
            await asyncio.to_thread((index.with_name(".memory.faiss.tmp") / "x").mkdir, parents=True)
    assert "memory index not saved" in [line["event"] for line in lines]
    await asyncio.to_thread((index.with_name(".memory.faiss.tmp") / "x").rmdir)
    await asyncio.to_thread(index.with_name(".memory.faiss.tmp").rmdir)

    assert len(await rebuilds(path)) == 1
