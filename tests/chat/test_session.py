"""One chat: bursts, interrupts, order, and that nothing is lost."""

import asyncio
import threading
from collections.abc import Collection
from typing import Any

import msgspec
import pytest
from fakes import answer, until
from watching import concluded, seen, states
from world import World

from onebot_bot.chat.session import ChatSession
from onebot_bot.chat.turn import Load
from onebot_bot.engine.request import FinishReason
from onebot_bot.errors import StoreError
from onebot_bot.memory.history import Entry, State
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.events import FriendRecall
from onebot_bot.protocol.segments import At
from onebot_bot.protocol.segments import Text as Words

ALICE = ChatId(10000, "private", 1)
GROUP = ChatId(10000, "group", 77)


async def test_a_private_message_is_answered(world: World) -> None:
    """It is on record before the model is asked, and the answer after it was sent."""
    world.say(world.private("hi"))
    await world.quiet()
    generation = await world.engine.next()
    assert await states(world, ALICE) == [("user", "hi", "pending")]
    answer(generation, "hello!")
    sent = await world.account.next()
    assert (sent.user_id, sent.message) == (1, (Words("hello!"),))
    await concluded(world)
    assert await states(world, ALICE) == [("user", "hi", "answered"), ("assistant", "hello!", "heard")]


async def test_a_burst_is_one_turn(world: World) -> None:
    """Three quick messages get one answer that saw all three."""
    for text in ("one", "two", "three"):
        world.say(world.private(text))
    await world.quiet()
    generation = await world.engine.next()
    assert seen(generation) == ["one\ntwo\nthree"]
    answer(generation, "ok")
    await world.account.next()
    await concluded(world)
    assert world.engine.requests.empty()


async def test_each_message_restarts_the_merge_window_up_to_the_cap(world: World) -> None:
    """Somebody who never pauses is answered after `merge_cap` all the same."""
    world.configure("chat", merge_cap=3.0)
    for _ in range(3):
        world.say(world.private("more"))
        await world.quiet(0.9)
        assert world.engine.requests.empty()
    await world.quiet(0.5)
    assert seen(await world.engine.next()) == ["more\nmore\nmore"]


async def test_the_answer_sees_what_was_said_before(world: World) -> None:
    """Turn by turn the view grows, without a restart too."""
    for question, reply in (("a", "A"), ("b", "B")):
        world.say(world.private(question))
        await world.quiet()
        answer(await world.engine.next(), reply)
        await world.account.next()
        await concluded(world)
    world.say(world.private("c"))
    await world.quiet()
    assert seen(await world.engine.next()) == ["a", "A", "b", "B", "c"]


async def test_a_newer_message_interrupts_and_is_answered_together(world: World) -> None:
    """Nothing of the interrupted turn is lost."""
    world.say(world.private("first"))
    await world.quiet()
    generation = await world.engine.next()
    world.say(world.private("second"))
    assert generation.interrupted
    answer(generation, "half an ans", FinishReason.INTERRUPTED)
    await world.quiet()
    both = await world.engine.next()
    assert seen(both) == ["first\nsecond"]
    answer(both, "both")
    assert (await world.account.next()).message == (Words("both"),)
    await concluded(world)
    assert [state for _, _, state in await states(world, ALICE)] == ["answered", "answered", "heard"]


async def test_after_max_interrupts_the_answer_is_finished(world: World) -> None:
    """A person who keeps writing is answered in the end; the newest message is a turn of its own."""
    world.configure("chat", max_interrupts=1)
    world.say(world.private("1"))
    await world.quiet()
    first = await world.engine.next()
    world.say(world.private("2"))
    answer(first, "", FinishReason.INTERRUPTED)
    await world.quiet()
    second = await world.engine.next()
    world.say(world.private("3"))
    assert not second.interrupted
    answer(second, "answer to 1 and 2")
    assert (await world.account.next()).message == (Words("answer to 1 and 2"),)
    await world.quiet()
    assert seen(await world.engine.next()) == ["1\n2", "answer to 1 and 2", "3"]


async def test_others_do_not_interrupt(world: World) -> None:
    """Talk in the group goes on beside the answer, and is heard."""
    world.say(world.group((At("10000"), Words("question"))))
    await world.quiet()
    generation = await world.engine.next()
    world.say(world.group("chatter", user=2))
    world.say(world.group((At("10000"), Words("me too")), user=3))
    assert not generation.interrupted
    answer(generation, "answer")
    assert (await world.account.next()).message[-1] == Words("answer")
    await world.quiet()
    turns = seen(await world.engine.next())
    assert "chatter" in "\n".join(turns)
    assert turns[-1].endswith("[card3(3)] @小忆 me too")


async def test_the_same_persons_next_words_in_a_group_belong_to_the_turn(world: World) -> None:
    """An @ and the question sent apart are one turn."""
    world.say(world.group((At("10000"),)))
    world.say(world.group("what is up?"))
    await world.quiet()
    assert seen(await world.engine.next())[-1] == "[card1(1)] @小忆\n[card1(1)] what is up?"


@pytest.fixture
def forgetful(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """On a disk that was full for as long as "lost" was said."""
    append = world.history.append_nowait

    def failing(chat: ChatId, entry: Entry) -> "asyncio.Future[int | None]":
        if entry.text != "lost":
            return append(chat, entry)
        row: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        row.set_exception(StoreError("the disk is full"))
        return row

    monkeypatch.setattr(world.history, "append_nowait", failing)
    return world


async def test_what_cannot_be_recorded_takes_nothing_with_it(forgetful: World) -> None:
    """A full disk that was cleared within a burst: what is on record is answered, and the owner hears of the rest."""
    for text in ("lost", "kept"):
        forgetful.say(forgetful.private(text))
    await forgetful.quiet()
    assert seen(await forgetful.engine.next()) == ["kept"]
    kind, error = forgetful.reports.get_nowait()
    assert (kind, str(error)) == ("report.answer", "the disk is full")


async def test_what_was_stopped_and_cannot_be_recorded_takes_nothing_with_it(forgetful: World) -> None:
    """What comes behind a /stop is answered, and an /undo ends what there is."""
    forgetful.say(forgetful.private("lost"))
    assert forgetful.sessions[ALICE].stop()
    forgetful.say(forgetful.private("kept"))
    await forgetful.quiet()
    generation = await forgetful.engine.next()
    assert seen(generation) == ["kept"]
    forgetful.say(forgetful.private("lost"))
    halting = asyncio.create_task(forgetful.sessions[ALICE].halt())
    await until(lambda: generation.interrupted)
    answer(generation, "once", FinishReason.INTERRUPTED)
    assert len(await halting) == 1


async def test_what_was_stopped_takes_nothing_with_it_where_that_cannot_be_noted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full at that moment: the owner hears of it, and what comes next is answered."""
    mark, failures = world.history.mark, [StoreError("the disk is full")]

    async def failing(ids: Collection[int], state: State) -> None:
        if failures:
            raise failures.pop()
        await mark(ids, state)

    monkeypatch.setattr(world.history, "mark", failing)
    world.say(world.private("no, wait"))
    assert world.sessions[ALICE].stop()
    world.say(world.private("kept"))
    await world.quiet()
    assert seen(await world.engine.next())[-1] == "kept"
    kind, error = world.reports.get_nowait()
    assert (kind, str(error)) == ("report.answer", "the disk is full")


async def test_a_message_that_comes_while_the_turn_is_stored_interrupts_too(world: World) -> None:
    """It belongs to the same turn, and counts against the same limit."""
    world.configure("chat", merge_window=0.0, max_interrupts=1)
    world.say(world.private("a"))
    await until(lambda: world.sessions[ALICE]._turn is not None)
    world.say(world.private("b"))
    first = await world.engine.next()
    assert first.interrupted
    answer(first, "", FinishReason.INTERRUPTED)
    await until(lambda: (turn := world.sessions[ALICE]._turn) is not None and bool(turn.interrupts))
    world.say(world.private("c"))
    second = await world.engine.next()
    assert seen(second) == ["a\nb"]
    assert not second.interrupted


async def test_what_a_chat_is_busy_with_is_known(world: World) -> None:
    """That it waits, writes, sends, with how many messages and for how long; then nothing."""
    world.say(world.private("a"))
    world.say(world.private("b"))
    await until(lambda: bool(world.clock.sleeping))
    session = world.sessions[ALICE]
    world.clock.advance(0.5)
    assert session.load == Load("waiting", 2, 0.5)
    await world.quiet(0.5)
    generation = await world.engine.next()
    assert session.load == Load("writing", 2, 1.0)
    world.account.hold = asyncio.Event()
    answer(generation, "ok")
    await world.account.next()
    assert session.load == Load("sending", 2, 1.0)
    world.account.hold.set()
    await until(lambda: session.load is None)


async def test_stop_ends_the_answer_and_drops_what_waits(world: World) -> None:
    """Nothing is sent, and a restart does not answer it either."""
    world.say(world.private("long story please"))
    await world.quiet()
    generation = await world.engine.next()
    world.say(world.private("other", user=1))
    assert world.sessions[ALICE].stop()
    assert generation.interrupted
    answer(generation, "once", FinishReason.INTERRUPTED)
    await concluded(world)
    await world.settled()
    assert [state for _, _, state in await states(world, ALICE)] == ["dropped", "dropped"]
    assert world.account.sent.empty()


async def test_an_answer_waits_for_the_connection(world: World) -> None:
    """Cut off in the middle of a generation, it goes out after the reconnect, once."""
    world.say(world.private("hi"))
    await world.quiet()
    generation = await world.engine.next()
    link, world.account.active = world.account.active, None
    answer(generation, "hello again")
    await until(lambda: bool(world.router._outboxes[10000].waiting))
    world.account.active = link
    world.router.connected(world.account)
    assert (await world.account.next()).message == (Words("hello again"),)
    await concluded(world)
    assert world.account.sent.empty()
    assert world.engine.requests.empty()


async def test_a_session_idles_out_and_comes_back(world: World) -> None:
    """Its task ends after the quiet time; the history is still there afterwards."""
    world.configure("chat", idle_minutes=1e-6)
    world.say(world.private("remember me"))
    await world.quiet()
    answer(await world.engine.next(), "I will")
    await world.account.next()
    await until(lambda: ALICE not in world.sessions)
    world.configure("chat", idle_minutes=30.0)
    world.say(world.private("well?"))
    await world.quiet()
    assert seen(await world.engine.next()) == ["remember me", "I will", "well?"]


async def test_until_it_is_sent_an_answer_is_owed(world: World) -> None:
    """A process that ends during the typing pause, or while NapCat is away, answers after its restart."""
    world.configure("chat", typing_speed=1.0)
    world.say(world.private("hi"))
    await world.quiet()
    link, world.account.active = world.account.active, None
    answer(await world.engine.next(), "hello")
    await until(lambda: bool(world.clock.sleeping))
    assert [state for _, _, state in await states(world, ALICE)] == ["pending"]
    world.clock.advance(10)
    await until(lambda: bool(world.router._outboxes[10000].waiting))
    assert [state for _, _, state in await states(world, ALICE)] == ["pending"]
    world.account.active = link
    world.router.connected(world.account)
    await world.account.next()
    await concluded(world)
    assert [state for _, _, state in await states(world, ALICE)] == ["answered", "heard"]


async def test_a_message_taken_back_in_the_merge_window_is_not_answered(world: World) -> None:
    """Nor does the model ever see it."""
    secret = world.private("my password is hunter2")
    world.say(secret)
    await world.settled()
    world.router.dispatch(world.account, FriendRecall(time=2, self_id=10000, user_id=1, message_id=secret.message_id))
    world.say(world.private("hi"))
    await world.quiet()
    assert seen(await world.engine.next()) == ["hi"]


async def test_a_message_taken_back_while_it_is_answered_is_left_out(world: World) -> None:
    """The answer starts again without it; with nothing left there is none."""
    first, second = world.private("keep this"), world.private("forget this")
    for message in (first, second):
        world.say(message)
    await world.quiet()
    generation = await world.engine.next()
    for message, left in ((second, ["keep this"]), (first, None)):
        recall = FriendRecall(time=2, self_id=10000, user_id=1, message_id=message.message_id)
        world.router.dispatch(world.account, recall)
        await until(lambda generation=generation: generation.interrupted)  # type: ignore[misc]  # bound now
        answer(generation, "half", FinishReason.INTERRUPTED)
        if left is not None:
            generation = await world.engine.next()
            assert seen(generation) == left
    await concluded(world)
    await world.settled()
    assert world.account.sent.empty()
    assert await states(world, ALICE) == []


async def test_a_reset_during_the_sending_hides_that_answer_too(world: World) -> None:
    """What it answers is out of view, so it has to be as well."""
    world.account.hold = asyncio.Event()
    world.say(world.private("old"))
    await world.quiet()
    answer(await world.engine.next(), "old answer")
    await world.account.next()
    await world.history.reset(ALICE)
    world.account.hold.set()
    await concluded(world)
    world.say(world.private("fresh"))
    await world.quiet()
    assert seen(await world.engine.next()) == ["fresh"]


async def test_stop_before_the_model_begins_ends_the_turn(world: World) -> None:
    """In the moment in which the message is being stored."""
    world.configure("chat", merge_window=0.0)
    world.say(world.private("a"))
    await until(lambda: world.sessions[ALICE]._turn is not None)
    assert world.sessions[ALICE].stop()
    await concluded(world)
    assert world.engine.requests.empty()
    assert [state for _, _, state in await states(world, ALICE)] == ["dropped"]


async def test_who_reads_chats_hears_of_a_message_once_it_is_on_the_disk(world: World) -> None:
    """Before that they would find nothing, and where there is no quiet spell to wait for, not look again."""
    told: list[ChatId] = []
    nobody: Any = None
    session = ChatSession(ALICE, nobody, msgspec.structs.replace(world.services(), heard=told.append))
    go_on = threading.Event()
    world.history._database.submit(lambda _: go_on.wait(5))
    session.receive(Entry(role="user", text="hi", time=1, user_id=1), None)
    await asyncio.sleep(0)
    assert told == []
    go_on.set()
    await until(lambda: told == [ALICE])
    assert await states(world, ALICE) == [("user", "hi", "heard")]
