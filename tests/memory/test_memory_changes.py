"""Memories that are refined, edited, merged, superseded and forgotten, and what that leaves behind."""

import asyncio
from pathlib import Path

import msgspec
import numpy as np
import pytest
from facts import GROUP, MODEL, PRIVATE, D, axis, fact, found, holding, made, opened

from onebot_bot.errors import StoreError
from onebot_bot.memory.rows import Extracted, Stats
from onebot_bot.memory.store import MemoryStore
from onebot_bot.protocol.chat_id import ChatId


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
