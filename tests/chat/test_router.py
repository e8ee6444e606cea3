"""From events to sessions: who is meant, what is on record, what happens after an outage."""

import asyncio
import time

import pytest
from fakes import FakeAccount, answer, until
from world import World

from onebot_bot.chat.intake import CLAIM_SECONDS, CLAIMS
from onebot_bot.engine.request import Text
from onebot_bot.memory.history import Entry
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.events import FriendRecall, GroupRecall
from onebot_bot.protocol.segments import At, Image, Reply
from onebot_bot.protocol.segments import Text as Words

ALICE = ChatId(10000, "private", 1)
GROUP = ChatId(10000, "group", 77)


async def texts(world: World, chat: ChatId) -> list[str]:
    """Everything on record."""
    await world.settled()
    return [entry.text for entry in await world.history.recent(chat, 100)]


async def last_turn(world: World) -> str:
    """What the model is asked next."""
    await world.quiet()
    turns = (await world.engine.next()).request.conversation.turns
    return "".join(part.text for part in turns[-1].parts if isinstance(part, Text))


async def test_group_talk_is_heard_but_not_answered(world: World) -> None:
    """It is on record for context, and no model runs."""
    world.say(world.group("just chatting"))
    assert await texts(world, GROUP) == ["just chatting"]
    assert world.engine.requests.empty()


@pytest.mark.parametrize("message", [(At("10000"), Words("hi")), (Words("小忆在吗"),)])
async def test_a_mention_and_the_name_are_answered(world: World, message: tuple[At | Words, ...]) -> None:
    """By @ or by name."""
    world.say(world.group(message))
    assert "card1(1)" in await last_turn(world)


async def test_a_reply_to_the_bot_is_answered_and_shows_the_quote(world: World) -> None:
    """Without an @ too, since the record knows who wrote the quoted message."""
    mine = Entry(role="assistant", text="I like tea", time=1, user_id=10000, message_id=4242)
    await world.history.append(GROUP, mine)
    world.say(world.group((Reply("4242"), Words("me too"))))
    assert "I like tea" in await last_turn(world)


async def test_a_reply_to_somebody_else_is_only_heard(world: World) -> None:
    """Quoting another person is not for the bot; the quote is on record all the same."""
    await world.history.append(GROUP, Entry(role="user", text="tea?", time=1, user_id=2, name="Bo", message_id=42))
    world.say(world.group((Reply("42"), Words("yes"))))
    await until(lambda: bool(world.sessions))
    assert "Bo" in (await texts(world, GROUP))[1]
    assert world.engine.requests.empty()


async def test_a_quote_of_an_unknown_message_is_still_answered(world: World) -> None:
    """A reply id that is not on record, or is no number, does not lose the message."""
    world.say(world.private((Reply("nonsense"), Words("hello"))))
    assert await last_turn(world) == "hello"


async def test_own_messages_and_other_bots_are_never_answered(world: World) -> None:
    """Neither by self id, nor as another account of ours, nor when listed as a bot."""
    world.configure("chat", bots=[66])
    world.accounts[10001] = FakeAccount(10001)
    for user in (10000, 10001, 66):
        world.say(world.private("小忆", user=user, post_type="message_sent" if user == 10000 else "message"))
        world.say(world.group((At("10000"), Words("hi")), user=user))
    await world.settled()
    assert world.engine.requests.empty()
    assert not world.clock.sleeping


async def test_claims_are_kept_for_a_day(world: World) -> None:
    """And never too many of them."""
    intake = world.router._intake
    assert all(intake._claim(world.group("x", real_seq=str(number))) for number in range(CLAIMS + 1))
    assert len(intake._claimed) == CLAIMS
    assert not intake._claim(world.group("x", real_seq=str(CLAIMS), self_id=10001))
    world.clock.advance(CLAIM_SECONDS)
    assert intake._claim(world.group("x", real_seq="new", self_id=10001))
    assert len(intake._claimed) == 1


async def test_two_accounts_in_one_group_answer_a_name_once(world: World) -> None:
    """Called by name the first to hear it answers; an @ goes to the one that is meant."""
    other = FakeAccount(10001)
    world.accounts[10001] = other
    world.say(world.group("小忆?", real_seq="9"))
    world.say(world.group("小忆?", real_seq="9", self_id=10001), other)
    await world.settled()
    assert world.clock.sleeping == 1


async def test_accounts_have_sessions_of_their_own(world: World) -> None:
    """The same person writing to two accounts is two chats."""
    other = FakeAccount(10001)
    world.accounts[10001] = other
    world.say(world.private("to the first"))
    world.say(world.private("to the second", self_id=10001), other)
    assert await texts(world, ALICE) == ["to the first"]
    assert await texts(world, ChatId(10001, "private", 1)) == ["to the second"]


async def test_commands_bypass_the_model_and_the_record(world: World) -> None:
    """They are carried out at once."""
    world.say(world.private("/status"))
    assert await asyncio.wait_for(world.commands.get(), 5) == "/status"
    assert await texts(world, ALICE) == []


async def test_an_empty_message_triggers_nothing(world: World) -> None:
    """Forged gray tips arrive as messages without segments."""
    world.say(world.private(()))
    assert await texts(world, ALICE) == []


async def test_a_picture_is_kept_with_its_segments(world: World) -> None:
    """What the model cannot see yet is on record whole."""
    world.say(world.private((Image(file="a.png", url="https://example.org/a.png"), Words("look"))))
    await world.settled()
    entry = (await world.history.recent(ALICE, 1))[0]
    assert entry.text == "[图片]look"
    assert entry.segments is not None
    assert entry.segments[0]["data"]["url"] == "https://example.org/a.png"


@pytest.mark.parametrize("kind", ["private", "group"])
async def test_a_recalled_message_leaves_the_view(world: World, kind: str) -> None:
    """Taken back in QQ, the model no longer sees it, nor remembers what it said."""
    message = world.private("oops") if kind == "private" else world.group("oops")
    world.say(message)
    chat = message.chat_id
    assert await texts(world, chat) == ["oops"]
    recall = (
        FriendRecall(time=2, self_id=10000, user_id=1, message_id=message.message_id)
        if kind == "private"
        else GroupRecall(time=2, self_id=10000, group_id=77, user_id=1, operator_id=1, message_id=message.message_id)
    )
    world.router.dispatch(world.account, recall)
    await until(lambda: not world.router._owned or len(world.router._owned) == 1)
    assert await texts(world, chat) == []
    assert world.unlearned == [(chat, [1])]


async def test_what_was_left_unanswered_by_a_killed_process_is_answered(world: World) -> None:
    """Pending rows are taken up when the account connects; what was being sent is not sent twice."""
    now = int(time.time())
    for number, state in ((1, "pending"), (2, "sending"), (3, "answered")):
        entry = Entry(role="user", text=state, time=now, user_id=number, message_id=number, state=state)  # type: ignore[arg-type]  # a Literal
        await world.history.append(ChatId(10000, "private", number), entry)
    world.router.connected(world.account)
    assert await last_turn(world) == "pending"
    await until(lambda: len(world.router._owned) == len(world.sessions))
    assert world.engine.requests.empty()
    assert (await world.history.recent(ChatId(10000, "private", 2), 1))[0].state == "answered"


async def test_a_reconnect_does_not_answer_twice_what_is_being_answered(world: World) -> None:
    """The row is still pending, but its session owes it already."""
    world.say(world.private("hi", time=int(time.time())))
    await world.quiet()
    generation = await world.engine.next()
    world.router.connected(world.account)
    for _ in range(20):
        await world.settled()
    answer(generation, "hello")
    await world.account.next()
    assert world.engine.requests.empty()
    assert not world.clock.sleeping


async def test_missed_messages_are_answered_when_recent_and_recorded_when_old(world: World) -> None:
    """What is known already is neither answered nor stored again."""
    now = int(time.time())
    known = world.private("known", user=5, time=now)
    world.say(known)
    await world.quiet()
    answer(await world.engine.next(), "to known")
    await world.account.next()
    old, recent = world.private("old", user=6, time=now - 9999), world.private("recent", user=7, time=now)
    world.missed = [known, old, recent]
    world.router.connected(world.account)
    assert await last_turn(world) == "recent"
    assert await texts(world, ChatId(10000, "private", 6)) == ["old"]
    assert await texts(world, ChatId(10000, "private", 5)) == ["known", "to known"]
    assert world.engine.requests.empty()


async def test_missed_commands_are_not_carried_out(world: World) -> None:
    """They may have been carried out before the restart; a stale /reset would surprise."""
    world.missed = [world.private("/reset", time=int(time.time())), world.private("after", user=2)]
    world.router.connected(world.account)
    await until(lambda: ChatId(10000, "private", 2) in world.sessions)
    assert await texts(world, ALICE) == []
    assert world.commands.empty()


@pytest.mark.parametrize("number", ["99999999999999999999", "²", "-", ""])
async def test_a_quote_with_an_odd_id_loses_nothing(world: World, number: str) -> None:
    """Beyond 64 bits, or no number at all."""
    world.say(world.private((Reply(number), Words("hello"))))
    assert await last_turn(world) == "hello"


async def test_other_bots_and_second_accounts_give_no_commands(world: World) -> None:
    """A listed bot is heard and never answered; of two accounts in a group one carries a command out."""
    world.configure("chat", bots=[66])
    other = FakeAccount(10001)
    world.accounts[10001] = other
    world.say(world.private("/status", user=66))
    world.say(world.group("/status", real_seq="9"))
    world.say(world.group("/status", real_seq="9", self_id=10001), other)
    await asyncio.wait_for(world.commands.get(), 5)
    await world.settled()
    assert world.commands.empty()


async def test_what_was_never_answered_in_time_stops_counting_as_owed(world: World) -> None:
    """It is shown to the model again, as said and not answered."""
    stale = Entry(role="user", text="my cat is called Fog", time=1, user_id=1, message_id=999_999, state="pending")
    await world.history.append(ALICE, stale)
    world.router.connected(world.account)
    await until(lambda: len(world.router._owned) == len(world.sessions))
    assert (await world.history.counts()).unanswered == 0
    world.say(world.private("what did I tell you?"))
    await world.quiet()
    turns = (await world.engine.next()).request.conversation.turns
    assert "Fog" in "".join(part.text for turn in turns for part in turn.parts if isinstance(part, Text))
