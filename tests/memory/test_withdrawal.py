"""Memories of messages that were taken back: by a recall in QQ, or by whoever wrote them."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from facts import GROUP, MODEL, PRIVATE, D, fact, found, holding, opened, withdraw

from onebot_bot.errors import StoreError
from onebot_bot.memory import withdrawal
from onebot_bot.memory.database import Database
from onebot_bot.memory.history import Entry, History
from onebot_bot.memory.store import MemoryStore


async def test_what_was_learned_from_it_alone_is_erased(path: Path) -> None:
    """From index and disk, and nothing is learned from that message again."""
    async with opened(path) as store:
        await store.add(fact(1, text="Kir lives in Oslo", source_ids=(11,)))
        await withdraw(store, GROUP, [11])
        assert found(store, 1) == []
        assert await asyncio.to_thread(holding, path.parent, b"lives in Oslo") == []
        with pytest.raises(StoreError, match="barred"):
            await store.add(fact(1, source_ids=(11, 12)))


async def test_what_others_said_too_stays(store: MemoryStore) -> None:
    """Without the message among its sources."""
    memory = await store.add(fact(1, source_ids=(11, 12)))
    await withdraw(store, GROUP, [11])
    kept = await store.get(memory.id)
    assert kept is not None
    assert (kept.status, kept.source_ids) == ("active", (12,))
    assert found(store, 1) == ["fact 1"]


async def test_what_it_took_the_place_of_comes_up_again(store: MemoryStore) -> None:
    """Nobody ever said otherwise."""
    old = await store.add(fact(1, text="Kir lives in Oslo", source_ids=(11,)))
    await store.add(fact(2, text="Kir lives in Rome", source_ids=(12,)), supersedes=[old.id])
    await withdraw(store, GROUP, [12])
    assert (found(store, 1), found(store, 2)) == (["Kir lives in Oslo"], [])


async def test_what_is_in_between_is_left_out(store: MemoryStore) -> None:
    """Of three statements, each in the place of the one before, the last still stands."""
    first = await store.add(fact(1, source_ids=(11,)))
    second = await store.add(fact(2, source_ids=(12,)), supersedes=[first.id])
    third = await store.add(fact(3, source_ids=(13,)), supersedes=[second.id])
    await withdraw(store, GROUP, [12])
    kept = await store.get(first.id)
    assert kept is not None
    assert (kept.status, kept.superseded_by) == ("superseded", third.id)
    assert [found(store, n) for n in (1, 2, 3)] == [[], [], ["fact 3"]]


async def test_other_chats_keep_theirs(store: MemoryStore) -> None:
    """A row is one chat's; a wrong pair changes nothing elsewhere."""
    await store.add(fact(1, PRIVATE, source_ids=(11,)))
    await withdraw(store, GROUP, [11])
    assert found(store, 1, PRIVATE) == ["fact 1"]


async def test_a_message_and_what_was_learned_from_it_go_together_or_not_at_all(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever comes between the two: no memory outlives the words that it was taken from."""
    async with Database(path) as database, MemoryStore(database, path.with_suffix(".faiss")) as store:
        await store.set_view(MODEL, np.zeros(D, np.float32))
        history = History(database)
        row = await history.append(GROUP, Entry(role="user", text="I live in Oslo", time=1, message_id=42))
        await store.add(fact(1, source_ids=(row or 0,)))
        with monkeypatch.context() as patch:
            patch.setattr(withdrawal, "withdraw", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                await history.withdraw(GROUP, 42, store.take_back)
        assert (found(store, 1), len(await history.recent(GROUP, 9))) == (["fact 1"], 1)
        assert await history.withdraw(GROUP, 42, store.take_back) == row
        assert (found(store, 1), await history.recent(GROUP, 9)) == ([], [])
