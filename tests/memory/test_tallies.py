"""What is counted by chat and day, and when it is written."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fakes import FakeClock

from onebot_bot.memory.database import Database
from onebot_bot.memory.tallies import SAVED_EVERY, Tallies
from onebot_bot.protocol.chat_id import ChatId

GROUP, ALICE = ChatId(10000, "group", 77), ChatId(10000, "private", 1)


class Book:
    """Tallies, the day that a test says it is, and what the disk has of them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.day = "2026-11-21"
        self.clock = FakeClock()
        self.tallies = self.opened()

    def opened(self) -> Tallies:
        """As after a restart."""
        return Tallies(self.database, lambda: self.day, self.clock.time)

    async def written(self) -> int:
        """Rows on the disk."""
        await self.database.write(lambda _: None)
        rows = await self.database.read(lambda c: c.execute("SELECT count(*) FROM tallies").fetchone())
        return int(rows[0])


@pytest.fixture
async def book(tmp_path: Path) -> AsyncIterator[Book]:
    """An empty book."""
    async with Database(tmp_path / "m.sqlite3") as database:
        yield Book(database)


async def test_counts_add_up_by_chat_and_day(book: Book) -> None:
    """Over restarts too."""
    book.tallies.count(GROUP, {"seen": 1})
    book.tallies.count(GROUP, {"seen": 1, "seconds": 0.5})
    book.tallies.count(ALICE, {"seen": 1})
    assert await book.tallies.of_day(book.day) == {GROUP: {"seen": 2, "seconds": 0.5}, ALICE: {"seen": 1}}
    again = book.opened()
    again.count(GROUP, {"seconds": 0.25})
    book.day = "2026-11-22"
    again.count(GROUP, {"seen": 4})
    assert await again.of_chat(GROUP, "2026-11-21") == {
        "2026-11-21": {"seen": 2, "seconds": 0.75},
        "2026-11-22": {"seen": 4},
    }
    assert await again.of_chat(GROUP, "2026-11-22") == {"2026-11-22": {"seen": 4}}
    assert await again.of_day("2026-11-20") == {}


async def test_what_was_counted_of_a_person_is_not_written_any_more(book: Book) -> None:
    """Of nobody else is anything lost."""
    book.tallies.count(ALICE, {"seen": 1})
    book.tallies.count(GROUP, {"seen": 1})
    book.tallies.forget(ALICE.peer)
    assert await book.tallies.of_day(book.day) == {GROUP: {"seen": 1}}


async def test_they_are_written_every_few_seconds(book: Book) -> None:
    """Not at every message: a busy group costs no more of the disk."""
    book.tallies.count(GROUP, {"seen": 1})
    assert await book.written() == 0
    book.clock.advance(SAVED_EVERY)
    book.tallies.count(GROUP, {"seen": 1})
    assert await book.written() == 1
    book.tallies.count(ALICE, {"seen": 1})
    book.tallies.save()
    assert await book.written() == 2


async def test_old_days_are_deleted(book: Book) -> None:
    """After more than a year."""
    book.tallies.count(GROUP, {"seen": 1})
    book.tallies.save()
    book.day = "2028-01-01"
    book.tallies.count(GROUP, {"seen": 1})
    assert await book.tallies.of_day("2028-01-01") == {GROUP: {"seen": 1}}
    assert await book.written() == 1
