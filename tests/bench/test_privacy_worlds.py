"""No text, vector or history of one chat reaches another's prompt, whatever people do: the whole application."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.privacy import deeds_of, play
from bench.privacy_book import Asked, Book, Exchange
from bench.privacy_bot import CHATS, OWNER
from bench.privacy_world import World
from onebot_bot.engine.request import RecallHit, Vector
from onebot_bot.memories import Memories
from onebot_bot.memory.personal import PersonalData
from onebot_bot.protocol.chat_id import ChatId

HERE, THERE = CHATS[0], CHATS[1]


@settings(max_examples=3, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 2**32 - 1), min_size=30, max_size=50))
def test_nothing_leaks_whatever_is_done(deeds: list[int]) -> None:
    """Any deeds in any order; what fails is made as short as it can be."""
    assert asyncio.run(play(0, deeds)).leaks == []


async def test_a_long_evening_leaks_nothing() -> None:
    """Every kind of deed comes about, and memories come to mind."""
    played = await play(1, [*deeds_of(1), *deeds_of(2)])
    assert played.leaks == []
    assert played.recalled > 0
    assert played.prompts > 30
    assert len(played.done) > 14


async def test_commands_tell_of_the_memories_of_their_chat_alone(tmp_path: Path) -> None:
    """Of lists, searches and what came to mind."""
    async with World(tmp_path) as world:
        for deed in deeds_of(4)[:80]:
            await world.do(deed)
        assert any(not memory.gone for memory in world.book.memories.values())
        for chat in CHATS:
            asker = chat.peer if chat.kind == "private" else OWNER
            for words in (
                ()
                if asker in world.banned
                else ("/why", "/memory list", "/memory search is what I say", "/memory stats")
            ):
                await world.ask(chat, asker, words)
    assert world.leaks == []


async def test_a_search_of_all_chats_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The world is worth something: it finds a leak where there is one."""
    search_in = Memories.search_in

    def anywhere(self: Memories, chat: ChatId, temperature: float = 0.0) -> Callable[[Vector], RecallHit | None]:
        return search_in(self, HERE, temperature)

    monkeypatch.setattr(Memories, "search_in", anywhere)
    assert any("came to mind" in leak for leak in (await play(1, deeds_of(1)[:60])).leaks)


async def test_a_chat_that_is_shown_unasked_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same of history."""
    monkeypatch.setattr(PersonalData, "shown", lambda _, chat: [HERE] if chat == THERE else ())
    assert any("was shown" in leak for leak in (await play(1, deeds_of(1)[:60])).leaks)


def test_the_book_knows_what_goes_with_what() -> None:
    """A recall takes a message out of clones, a forgotten person out of everything; undoing takes the last."""
    book = Book()
    for number in range(3):
        asked = [Asked(f"q00000{number}", 5 + number % 2, number)]
        book.own(HERE, 1).append(Exchange(asked, [f"a00000{number}"]))
    book.clone(HERE, 1, 2)
    book.undo(HERE, 2)
    assert book.allowed(HERE, 2, {}) == {"q000000", "a000000", "q000001", "a000001"}
    book.recall(HERE, 1)
    assert book.allowed(HERE, 2, {}) == {"q000000", "a000000", "a000001"}
    assert book.allowed(HERE, 1, {}) == {"q000000", "a000000", "a000001", "q000002", "a000002"}
    book.edit(HERE, 1, 5, "q000009").answers.append("a000009")
    assert {"q000009", "a000009"} < book.allowed(HERE, 1, {})
    assert not {"q000002", "a000002"} & book.allowed(HERE, 1, {})
    book.forget_person(5)
    assert book.allowed(HERE, 1, {}) == {"a000001"}
    assert book.allowed(THERE, 1, {}) == set()
