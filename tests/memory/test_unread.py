"""How far each chat was read for memories."""

import pytest

from onebot_bot.memory.database import Database
from onebot_bot.memory.history import Entry, History
from onebot_bot.memory.unread import Unread
from onebot_bot.protocol.chat_id import ChatId

GROUP = ChatId(10000, "group", 20000)
PRIVATE = ChatId(10000, "private", 20000)


@pytest.fixture
def history(database: Database) -> History:
    """What is read."""
    return History(database)


@pytest.fixture
def unread(database: Database) -> Unread:
    """What of it was not read."""
    return Unread(database)


async def said(history: History, text: str, chat: ChatId = GROUP, *, time: int = 100, number: int | None = None) -> int:
    """One message; its row."""
    row = await history.append(chat, Entry(role="user", text=text, time=time, user_id=5, message_id=number))
    assert row is not None
    return row


async def test_messages_come_in_the_order_they_were_recorded(history: History, unread: Unread) -> None:
    """One that was fetched late, of an earlier time, still comes behind."""
    first = await said(history, "one")
    await said(history, "elsewhere", PRIVATE)
    await said(history, "two", time=200)
    await said(history, "late", time=50)
    assert [entry.text for entry in await unread.since(GROUP, first, 10)] == ["two", "late"]
    assert [entry.text for entry in await unread.since(GROUP, 0, 2)] == ["one", "two"]


async def test_what_was_withdrawn_is_not_read(history: History, unread: Unread) -> None:
    """A recalled message is neither news nor text."""
    await said(history, "oops", number=7)
    await history.withdraw(GROUP, 7)
    assert await unread.since(GROUP, 0, 10) == []
    assert await unread.chats_with_news() == []


async def test_chats_with_news_are_those_not_read_to_the_end(history: History, unread: Unread) -> None:
    """A chat leaves the list when it was read, and comes back with its next message."""
    await said(history, "a", PRIVATE)
    last = await said(history, "b", GROUP)
    assert await unread.chats_with_news() == [PRIVATE, GROUP]
    await unread.mark_extracted(GROUP, last)
    assert await unread.chats_with_news() == [PRIVATE]
    await said(history, "c", GROUP)
    assert await unread.chats_with_news() == [PRIVATE, GROUP]


async def test_the_cursor_never_goes_back(history: History, unread: Unread) -> None:
    """The later of two marks stays, each chat has its own; of a chat that is not on record nothing is noted."""
    await unread.mark_extracted(GROUP, 9)
    assert await unread.extracted_up_to(GROUP) == 0
    await said(history, "a", GROUP)
    await unread.mark_extracted(GROUP, 9)
    await unread.mark_extracted(GROUP, 4)
    assert await unread.extracted_up_to(GROUP) == 9
    assert await unread.extracted_up_to(PRIVATE) == 0
