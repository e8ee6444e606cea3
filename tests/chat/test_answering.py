"""How one turn is answered: sent as it should be, told of when it fails, on record either way."""

import asyncio

import msgspec
import pytest
from fakes import answer, until
from watching import concluded, states
from world import World

from onebot_bot.engine.request import FinishReason, Recalled, RecallPolicy, Text, Usage
from onebot_bot.errors import ActionFailed, ActionUnknown, ModelError
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.segments import At, Reply
from onebot_bot.protocol.segments import Text as Words

ALICE = ChatId(10000, "private", 1)
GROUP = ChatId(10000, "group", 77)


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


async def test_recalls_are_kept_for_why(world: World) -> None:
    """What the last answer recalled is noted and shown on request."""
    world.say(world.private("hi"))
    await world.quiet()
    recalled = Recalled(at=1, memory_id=7, score=0.9, text="a fact")
    answer(await world.engine.next(), "hello", recalls=(recalled,))
    await world.account.next()
    assert world.sessions[ALICE].answerer.last_recalls == (recalled,)
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


async def test_settings_apply_to_the_next_turn(world: World) -> None:
    """A saved config is seen by the next turn without a restart."""
    world.configure("bot", persona="Speak like a pirate.")
    world.configure("generation", temperature=0.1)
    world.say(world.private("hi"))
    await world.quiet()
    request = (await world.engine.next()).request
    assert request.sampling.temperature == 0.1
    assert request.conversation.turns[0].parts == (Text("Speak like a pirate.\nYou are talking with n1."),)


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
