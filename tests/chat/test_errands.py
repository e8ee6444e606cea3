"""What messages refer to: quotes and bundles that are asked for."""

import asyncio
from typing import Any

import pytest
from fakes import FakeAccount, FakeClock, until
from world import World

from onebot_bot.chat.errands import AT_ONCE, FETCHES, MOST_WAITING, SECONDS, Errand, Gate
from onebot_bot.chat.readable import readable
from onebot_bot.engine.request import Text
from onebot_bot.errors import ActionFailed
from onebot_bot.memory.history import Entry
from onebot_bot.protocol.actions import Action, GetForwardMsg, GetMsg
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.events import FriendRecall
from onebot_bot.protocol.segments import At, Forward, Reply
from onebot_bot.protocol.segments import Text as Words

ME = 10000
GROUP, ALICE = ChatId(ME, "group", 77), ChatId(ME, "private", 1)


class Archive(FakeAccount):
    """An account that can look up messages and bundles."""

    def __init__(self, clock: FakeClock | None = None) -> None:
        super().__init__()
        self.messages: dict[int, Any] = {}
        self.bundles: dict[str, Any] = {}
        self.asked: list[Action] = []
        self.clock = clock

    async def call(self, action: Action, timeout: float | None = None) -> Any:  # noqa: ASYNC109 - the real one's
        """Answer questions about messages; what is not there fails, as NapCat has it."""
        if not isinstance(action, GetMsg | GetForwardMsg):
            return await super().call(action, timeout)
        self.asked.append(action)
        if self.clock is not None:
            self.clock.advance(1.0)
        if self.hold is not None:
            await self.hold.wait()
        found = self.messages.get(action.message_id) if isinstance(action, GetMsg) else self.bundles.get(action.id)
        if found is None:
            raise ActionFailed(action.name, 1200, "消息不存在")
        return found


def said(text: str, name: str = "Bo", **fields: object) -> dict[str, Any]:
    """An event-shaped message of a bundle."""
    return {"sender": {"nickname": name}, "message": [{"type": "text", "data": {"text": text}}], **fields}


def nested(number: str, name: str = "Cy") -> dict[str, Any]:
    """A message that is a bundle."""
    return {"sender": {"nickname": name}, "message": [{"type": "forward", "data": {"id": number}}]}


def kept(message_id: int, text: str = "tea?", user: int = 2, group: int = 77) -> dict[str, Any]:
    """A group message as `get_msg` has it."""
    kind = "message_sent" if user == ME else "message"
    head = {"time": 5, "self_id": ME, "post_type": kind, "message_type": "group", "sub_type": "normal"}
    return {**head, "group_id": group, "user_id": user, "message_id": message_id, **said(text)}


async def last_turn(world: World) -> str:
    """What the model is asked next."""
    await world.quiet()
    turns = (await world.engine.next()).request.conversation.turns
    return "".join(part.text for part in turns[-1].parts if isinstance(part, Text))


async def recorded(world: World, chat: ChatId = GROUP) -> list[Entry]:
    """Everything on record, once nothing is being asked for."""
    await until(lambda: len(world.router._owned) == len(world.sessions))
    await world.settled()
    return await world.history.recent(chat, 100)


# --- bundles ---


async def test_a_bundle_is_opened_before_the_model_sees_it(world: World) -> None:
    """NapCat leaves out what it holds until it is asked."""
    account = Archive()
    account.bundles["9"] = {"messages": [said("one"), said("two", "Cy")]}
    world.say(world.private((Forward("9"),)), account)
    assert await last_turn(world) == "[聊天记录]\n> Bo: one\n> Cy: two"


async def test_bundles_in_bundles_are_asked_for_three_deep() -> None:
    """By clients that do not send them along; go-cqhttp says `messages`, the standard `message`."""
    account = Archive()
    account.bundles = {
        "1": {"message": [nested("2")]}, "2": {"messages": [nested("3")]}, "3": {"messages": [nested("4"), said("in")]},
        "4": {"messages": [said("too deep")]},
    }  # fmt: skip
    opened = await Errand(account, FakeClock(), Gate()).opened((Forward("1"), Words("!")))  # type: ignore[arg-type]
    assert readable(opened, "en", str).splitlines() == [
        *("[forwarded messages]", "> Cy: [forwarded messages]", "> > Cy: [forwarded messages]"),
        *("> > > Cy: [forwarded messages]", "> > > Bo: in", "!"),
    ]
    assert [action.id for action in account.asked if isinstance(action, GetForwardMsg)] == ["1", "2", "3"]


async def test_one_message_costs_so_many_questions_and_no_more() -> None:
    """A bundle of a hundred bundles; those that were not asked for stay closed."""
    account = Archive()
    account.bundles = {"1": {"messages": [nested(f"n{number}") for number in range(100)]}}
    account.bundles |= {f"n{number}": {"messages": [said("in")]} for number in range(100)}
    opened = await Errand(account, FakeClock(), Gate()).opened((Forward("1"),))  # type: ignore[arg-type]
    assert len(account.asked) == FETCHES
    assert readable(opened, "en", str).count("> > Bo: in") == FETCHES - 1


async def test_one_message_takes_so_long_and_no_longer() -> None:
    """A slow client: what came in time is shown."""
    clock = FakeClock()
    account = Archive(clock)
    account.bundles = {"1": {"messages": [nested("2") for _ in range(20)]}, "2": {"messages": [said("in")]}}
    opened = await Errand(account, clock, Gate()).opened((Forward("1"),))  # type: ignore[arg-type]
    assert len(account.asked) == SECONDS
    assert readable(opened, "en", str).count("> > Bo: in") == SECONDS - 1


async def test_too_many_at_once_are_taken_as_they_are(world: World) -> None:
    """Few are asked about side by side, few wait, and what needs no asking waits for nobody."""
    account: Any = Archive()
    account.hold = asyncio.Event()
    for number in range(MOST_WAITING):
        world.say(world.private((Forward(str(number)),), user=100 + number), account)
    await until(lambda: world.router._gate.crowded)
    assert len(account.asked) == AT_ONCE
    await world.history.append(GROUP, Entry(role="user", text="tea?", time=1, user_id=2, name="Bo", message_id=42))
    world.say(world.group((Reply("42"), Forward("x"))), account)
    await until(lambda: GROUP in world.sessions)
    await world.settled()
    assert (await world.history.recent(GROUP, 1))[0].text == "（回复 Bo：“tea?”）[聊天记录]"


@pytest.mark.parametrize("answer", [None, {}, {"messages": "x"}, {"messages": [1, None, {}]}, [], "x"])
async def test_what_cannot_be_opened_stays_closed(answer: object) -> None:
    """Refused, or nonsense."""
    account = Archive()
    account.bundles = {"1": answer}
    opened = await Errand(account, FakeClock(), Gate()).opened((Forward("1"),))  # type: ignore[arg-type]
    assert readable(opened, "en", str) == "[forwarded messages]"


async def test_what_is_recalled_while_it_is_asked_about_is_not_taken(world: World) -> None:
    """It would come after its own end."""
    account: Any = Archive()
    account.hold = asyncio.Event()
    message = world.private((Forward("9"),))
    world.say(message, account)
    await until(lambda: bool(account.asked))
    world.router.dispatch(account, FriendRecall(time=2, self_id=ME, user_id=1, message_id=message.message_id))
    await until(lambda: len(world.router._owned) == 1)
    account.hold.set()
    assert await recorded(world, ALICE) == []


# --- quotes ---


async def test_a_quote_of_what_the_record_lacks_is_asked_for(world: World) -> None:
    """From before the bot was there."""
    account = Archive()
    account.messages[42] = kept(42)
    world.say(world.group((Reply("42"), At(str(ME)), Words("well?"))), account)
    assert "（回复 Bo：“tea?”）@小忆 well?" in await last_turn(world)


async def test_a_quote_of_the_bot_that_the_record_lacks_calls_it(world: World) -> None:
    """Without an @."""
    account = Archive()
    account.messages[42] = kept(42, "I like tea", user=ME)
    world.say(world.group((Reply("42"), Words("me too"))), account)
    assert "I like tea" in await last_turn(world)


@pytest.mark.parametrize("found", [kept(42, group=78), kept(43), {"message_id": 42}, None])
async def test_no_other_message_is_shown_for_it(world: World, found: object) -> None:
    """Of another chat, with another id, or of no shape at all: the words stand alone."""
    account = Archive()
    account.messages[42] = found
    world.say(world.group((Reply("42"), Words("well?"))), account)
    assert [entry.text for entry in await recorded(world)] == ["well?"]
    assert account.asked == [GetMsg(42)]


async def test_what_was_taken_back_is_not_asked_for(world: World) -> None:
    """NapCat may still have it."""
    account = Archive()
    account.messages[42] = kept(42)
    await world.history.append(GROUP, Entry(role="user", text="tea?", time=1, user_id=2, name="Bo", message_id=42))
    await world.history.withdraw(GROUP, 42)
    world.say(world.group((Reply("42"), Words("well?"))), account)
    assert [entry.text for entry in await recorded(world)] == ["well?"]
    assert account.asked == []
