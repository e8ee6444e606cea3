"""Which keys are compared and how, and the file that spares the next start a rebuild."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import structlog
from facts import GROUP, MODEL, D, axis, fact, found, made, opened

from onebot_bot.errors import StoreError
from onebot_bot.memory import loading
from onebot_bot.memory import store as store_module
from onebot_bot.memory.bank import Bank
from onebot_bot.memory.database import Database
from onebot_bot.memory.store import MemoryStore


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

    def slow(connection: sqlite3.Connection, path: Path, before: Bank | None) -> object:
        loaded = load(connection, path, before)
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
