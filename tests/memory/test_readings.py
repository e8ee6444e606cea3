"""The words of what messages brought along: kept once, bounded, and gone with their message."""

from pathlib import Path

import numpy as np
import pytest
from facts import fact

from onebot_bot.memory.database import Database
from onebot_bot.memory.history import Entry, History
from onebot_bot.memory.readings import Reading, ReadingStore
from onebot_bot.memory.store import MemoryStore
from onebot_bot.protocol.chat_id import ChatId

ALICE = ChatId(10000, "private", 1)


@pytest.fixture
def readings(database: Database) -> ReadingStore:
    """An empty store for three."""
    return ReadingStore(database, lambda: 3)


@pytest.fixture
def history(database: Database) -> History:
    """The record beside it."""
    return History(database)


async def said(history: History, message_id: int) -> int:
    """A message on record; its row."""
    entry = Entry(role="user", text="[文件：a.pdf]", time=message_id, user_id=1, message_id=message_id)
    row = await history.append(ALICE, entry)
    assert row is not None
    return row


def reading(row: int, text: str = "words", place: int = 0) -> Reading:
    """The words of a file."""
    return Reading(row, "file", place, "title", 3, 2, cut=True, text=text)


async def test_what_was_put_is_read(readings: ReadingStore, history: History) -> None:
    """By message, kind and place, as it was; the words of a second reading replace those of the first."""
    row, other = await said(history, 1), await said(history, 2)
    link = Reading(row, "link", 0, "", 0, 0, cut=False, text="a page")
    for made in (reading(row, "old"), link, reading(row, "new"), reading(other)):
        await readings.put(made)
    assert await readings.of([row]) == {(row, "file", 0): reading(row, "new"), (row, "link", 0): link}
    assert await readings.of([]) == {}


async def test_the_oldest_make_way(readings: ReadingStore, history: History) -> None:
    """There is room for so many."""
    rows = [await said(history, number) for number in range(1, 6)]
    for row in rows:
        await readings.put(reading(row))
    assert sorted(row for row, _, _ in await readings.of(rows)) == rows[2:]


async def test_what_is_taken_back_takes_its_words_along(readings: ReadingStore, history: History) -> None:
    """By a recall in QQ and by /undo, also of what was still being read."""
    recalled, undone = await said(history, 1), await said(history, 2)
    for row in (recalled, undone):
        await readings.put(reading(row))
    await history.withdraw(ALICE, 1)
    await history.answered(ALICE, [undone], [Entry(role="assistant", text="nice", time=2)])
    await history.undo(ALICE, 1)
    await readings.put(reading(recalled))
    assert await readings.of([recalled, undone]) == {}


async def test_a_forgotten_memory_takes_the_words_of_its_messages_along(
    readings: ReadingStore, history: History, database: Database, tmp_path: Path
) -> None:
    """They are not read again for it either."""
    row = await said(history, 1)
    await readings.put(reading(row))
    async with MemoryStore(database, tmp_path / "memory.faiss") as memories:
        await memories.set_view("embedder-1", np.zeros(8, np.float32))
        memory = await memories.add(fact(0, ALICE, source_ids=(row,)))
        await memories.forget(memory.id)
    await readings.put(reading(row))
    assert await readings.of([row]) == {}
