"""One chat: bursts, interrupts, order, failures, and that nothing is lost."""

import asyncio

import msgspec
import pytest
from fakes import answer, until
from world import World

from onebot_bot.engine.request import FinishReason, Generation, Recalled, RecallPolicy, Text, Usage
from onebot_bot.errors import ActionFailed, ActionUnknown, ModelError
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.events import FriendRecall
from onebot_bot.protocol.segments import At, Reply
from onebot_bot.protocol.segments import Text as Words

ALICE = ChatId(10000, "private", 1)
GROUP = ChatId(10000, "group", 77)


def seen(generation: Generation) -> list[str]:
    """What the model is shown, turn by turn, the persona left out."""
    turns = generation.request.conversation.turns
    return ["".join(p.text for p in t.parts if isinstance(p, Text)) for t in turns if t.role != "system"]


async def states(world: World, chat: ChatId) -> list[tuple[str, str, str]]:
    """Role, text and state of everything on record."""
    return [(e.role, e.text, e.state) for e in await world.history.recent(chat, 100)]


async def concluded(world: World, chat: ChatId = ALICE) -> None:
    """Until no turn is open in the chat."""
    session = world.sessions.get(chat)
    await until(lambda: session is None or not (session._turn or session._pending or session._discarded))


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


async def test_a_group_answer_quotes_the_message(world: World) -> None:
    """Only the first bubble does."""
    message = world.group((At("10000"), Words("tell me everything")))
    world.say(message)
    await world.quiet()
    long = "这句话说得比较长一点，凑够了字数。" * 5
    answer(await world.engine.next(), long)
    first, second = await world.account.next(), await world.account.next()
    assert first.message[0] == Reply(str(message.message_id))
    assert all(not isinstance(segment, Reply) for segment in second.message)


async def test_bubbles_wait_for_each_others_reply(world: World) -> None:
    """The second goes out only after the first was confirmed."""
    world.account.hold = asyncio.Event()
    world.say(world.private("go"))
    await world.quiet()
    answer(await world.engine.next(), "这是很长的一句话，说了很多很多。" * 5)
    await world.account.next()
    await world.settled()
    assert world.account.sent.empty()
    world.account.hold.set()
    await world.account.next()


async def test_the_typing_delay_leaves_out_the_time_spent_writing(world: World) -> None:
    """Ten characters at five a second are two seconds, of which the model took one and a half."""
    world.configure("chat", typing_speed=5.0)
    world.say(world.private("hi"))
    await world.quiet()
    generation = await world.engine.next()
    answer(generation, "0123456789", usage=Usage(total=1.5))
    await until(lambda: bool(world.clock.sleeping))
    assert world.clock.slept[-1] == pytest.approx(0.5)


async def test_typing_is_shown_in_private_while_the_model_writes(world: World) -> None:
    """In groups QQ has no such thing."""
    world.say(world.group((At("10000"), Words("hi"))))
    await world.quiet()
    await world.engine.next()
    world.say(world.private("hi"))
    await world.quiet()
    await world.engine.next()
    await until(lambda: bool(world.account.typing))
    assert world.account.typing == [1]


async def test_no_reply_sends_nothing_and_is_no_turn(world: World) -> None:
    """The model may choose silence; the question counts as dealt with."""
    world.say(world.private("hm"))
    await world.quiet()
    answer(await world.engine.next(), "<think>dull</think><no_reply>")
    await concluded(world)
    assert world.account.sent.empty()
    assert await states(world, ALICE) == [("user", "hm", "answered")]


@pytest.mark.parametrize(
    ("reason", "text", "fix"),
    [(FinishReason.LENGTH, "<think>so long", "max_new_tokens"), (FinishReason.TIMEOUT, "", "generation.timeout")],
)
async def test_an_answer_cut_off_before_its_first_word_is_told_to_the_owner(
    world: World, reason: FinishReason, text: str, fix: str
) -> None:
    """With the key to change; the chat sees nothing."""
    world.say(world.private("hi"))
    await world.quiet()
    answer(await world.engine.next(), text, reason)
    _, error = await asyncio.wait_for(world.reports.get(), 5)
    assert fix in str(error)
    await concluded(world)
    assert world.account.sent.empty()


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


async def test_a_failing_answer_is_told_to_the_owner_and_the_chat_goes_on(world: World) -> None:
    """Nothing reaches the chat; the next message is answered."""
    world.say(world.private("boom"))
    await world.quiet()
    (await world.engine.next()).finish(ModelError("out of memory"))
    kind, error = await asyncio.wait_for(world.reports.get(), 5)
    assert (kind, str(error)) == ("report.answer", "out of memory")
    assert world.account.sent.empty()
    await concluded(world)
    world.say(world.private("still there?"))
    await world.quiet()
    answer(await world.engine.next(), "yes")
    assert (await world.account.next()).message == (Words("yes"),)


async def test_an_ambiguous_send_is_never_repeated(world: World) -> None:
    """QQ did not confirm: it counts as sent, once."""
    world.account.failures = [ActionUnknown("Timeout")]
    world.say(world.private("hi"))
    await world.quiet()
    answer(await world.engine.next(), "hello there")
    await world.account.next()
    await concluded(world)
    assert world.account.sent.empty()
    assert await states(world, ALICE) == [("user", "hi", "answered"), ("assistant", "hello there", "heard")]


async def test_a_refused_send_is_told_to_the_owner(world: World) -> None:
    """Muted, say: the rest is not sent after it."""
    world.account.failures = [ActionFailed("send_private_msg", 1200, "muted")]
    world.say(world.private("hi"))
    await world.quiet()
    answer(await world.engine.next(), "hello")
    kind, error = await asyncio.wait_for(world.reports.get(), 5)
    assert kind == "report.send"
    assert "muted" in str(error)


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


async def test_recalls_are_kept_for_why(world: World) -> None:
    """What the last answer recalled is noted and shown on request."""
    world.say(world.private("hi"))
    await world.quiet()
    recalled = Recalled(at=1, memory_id=7, score=0.9, text="a fact")
    answer(await world.engine.next(), "hello", recalls=(recalled,))
    await world.account.next()
    assert world.sessions[ALICE].last_recalls == (recalled,)
    assert world.noted == [recalled]


@pytest.mark.parametrize(
    ("mode", "trained", "expected"),
    [("auto", False, False), ("auto", True, True), ("on", False, True), ("always", False, True), ("off", True, False)],
)
async def test_recall_follows_the_setting(world: World, mode: str, trained: bool, expected: bool) -> None:  # noqa: FBT001 - parameters
    """`auto` asks whether the model was trained to."""
    world.configure("memory", recall=mode)
    world.engine.status = msgspec.structs.replace(world.engine.status, trained_recall=trained)
    world.say(world.private("hi"))
    await world.quiet()
    request = (await world.engine.next()).request
    assert isinstance(request.recall, RecallPolicy) == expected
    assert bool(request.conversation.opening) == (mode == "always")


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


async def test_settings_apply_to_the_next_turn(world: World) -> None:
    """A saved config is seen by the next turn without a restart."""
    world.configure("bot", persona="Speak like a pirate.")
    world.configure("generation", temperature=0.1)
    world.say(world.private("hi"))
    await world.quiet()
    request = (await world.engine.next()).request
    assert request.sampling.temperature == 0.1
    assert request.conversation.turns[0].parts == (Text("Speak like a pirate.\nYou are talking with n1."),)


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


async def test_a_refused_answer_is_not_taken_for_said(world: World) -> None:
    """The same words may go out when they are written again."""
    world.account.failures = [ActionFailed("send_private_msg", 1200, "muted")]
    for _ in range(2):
        world.say(world.private("hi"))
        await world.quiet()
        answer(await world.engine.next(), "exactly the same long answer")
        await world.account.next()
        await concluded(world)


async def test_the_first_bubble_may_be_quoted_while_the_last_is_still_coming(world: World) -> None:
    """A reply to it is a reply to the bot, although the record does not have it yet."""
    world.say(world.group((At("10000"), Words("go"))))
    await world.quiet()
    world.configure("chat", typing_speed=1.0)
    answer(await world.engine.next(), "这句话说得比较长一点，凑够了字数。" * 5)
    await until(lambda: bool(world.clock.sleeping))
    world.clock.advance(10)
    await world.account.next()
    await until(lambda: bool(world.clock.sleeping))
    world.say(world.group((Reply("5000"), Words("really?")), user=2))
    await until(lambda: bool(world.sessions[GROUP]._pending))
