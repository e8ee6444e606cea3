"""No text, vector or history of one chat reaches another's prompt, whatever people do: the whole application."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import pytest
from fakes import until
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import privacy
from bench.privacy import Played, deeds_of, figures_of, play, play_together
from bench.privacy_book import Asked, Book, Exchange
from bench.privacy_bot import CHATS, OWNER
from bench.privacy_shaken import Shaken
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
    played = asyncio.run(play(0, deeds))
    assert (played.leaks, played.unasked) == ([], [])


async def test_a_long_evening_leaks_nothing() -> None:
    """Every kind of deed comes about, and memories come to mind."""
    played = await play(1, [*deeds_of(1), *deeds_of(2)])
    assert (played.leaks, played.unasked) == ([], [])
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


async def test_an_answer_that_nobody_asked_for_is_told_of_as_that(tmp_path: Path) -> None:
    """It is no leak: each prompt is held against its own chat, whoever is waited for meanwhile."""
    rng = Random(1)  # noqa: S311 - what is done is not drawn
    async with World(tmp_path) as world:
        await world._say(HERE, HERE.peer, rng)
        asked = (await world.app.stores.history.recent(HERE, 2))[0]
        world.app._sessions[HERE].resume(asked)
        await until(lambda: len(world.engine.prompts) == 2)
        await world._say(THERE, THERE.peer, rng)
        await world._say(HERE, HERE.peer, rng)
        assert (world.leaks, world.unasked) == ([], ["a000003 was said in 10000/private/20001, prompt 1"])
        assert [exchange.answers for exchange in world.book.own(HERE, 1)] == [["a000002"], ["a000003"], ["a000007"]]


async def test_who_is_waited_for_too_long_ends_a_world_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other worlds are played all the same."""

    async def play_or_fail(seed: int, _deeds: Sequence[int]) -> Played:
        if seed == 8:
            raise TimeoutError("nothing came back")
        return Played(prompts=3)

    monkeypatch.setattr(privacy, "play", play_or_fail)
    played = await asyncio.to_thread(play_together, [7, 8])
    assert [[*one.failed] for one in played] == [[], ["world 8: TimeoutError('nothing came back')"]]
    figures = figures_of(played)
    assert (figures["worlds"], figures["prompts"], figures["failed"]) == (1.0, 3.0, 1.0)


def test_a_machine_that_holds_tasks_up_changes_nothing() -> None:
    """What is said and what follows from it overlap in other ways than on an idle machine."""
    with asyncio.Runner(loop_factory=lambda: Shaken(3)) as runner:
        played = runner.run(play(3, deeds_of(3)[:50]))
    assert (played.leaks, played.unasked) == ([], [])


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
