"""What was said during an outage."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from structlog.typing import EventDict

from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.events import Event
from onebot_bot.transport.account import Account
from onebot_bot.transport.client import Answer, Call, OneBotClient, failed, ok
from onebot_bot.transport.gapfill import fill_gap
from onebot_bot.transport.server import OneBotServer

T = TypeVar("T")
Heard = asyncio.Queue[tuple[Account, Event]]
Dial = Callable[..., OneBotClient]

GROUP = ChatId(10000, "group", 20000)
FRIEND = ChatId(10000, "private", 30000)


async def soon(awaitable: Awaitable[T]) -> T:
    """Wait, but not for ever."""
    return await asyncio.wait_for(awaitable, 5)


def make(self_id: int = 10000) -> OneBotClient:
    """A client that is never connected, to write messages with."""
    return OneBotClient("", self_id)


async def test_messages_of_several_chats_come_in_the_order_of_time(server: OneBotServer, dial: Dial) -> None:
    """Both kinds of chat are asked, with the count, and merged."""
    writer = make()
    groups = [writer.group_message(20000, 30000, text, time=at) for text, at in (("a", 1), ("d", 4))]
    friends = [writer.private_message(30000, text, time=at) for text, at in (("b", 2), ("c", 2), ("e", 5))]

    def history(call: Call) -> Answer:
        return ok({"messages": groups if call.action == "get_group_msg_history" else friends})

    async with dial(on_call=history) as client:
        found = await soon(fill_gap(server.accounts[10000], [GROUP, FRIEND], 20))
        assert [message.raw_message for message in found] == ["a", "b", "c", "d", "e"]
        asked = {call.action: call.params for call in client.calls}
    assert asked["get_group_msg_history"] == {"group_id": 20000, "count": 20}
    assert asked["get_friend_msg_history"] == {"user_id": 30000, "count": 20}


async def test_what_was_heard_is_left_out(server: OneBotServer, dial: Dial, heard: Heard) -> None:
    """What came live is dropped, and what is found here is not heard again later."""
    writer = make()
    seen, missed, after = (writer.group_message(20000, 30000, text) for text in ("seen", "missed", "after"))
    async with dial(on_call=lambda call: ok({"messages": [seen, missed]})) as client:
        await client.send_event(seen)
        account, _ = await soon(heard.get())
        found = await soon(fill_gap(account, [GROUP], 20))
        assert [message.raw_message for message in found] == ["missed"]
        assert await soon(fill_gap(account, [GROUP], 20)) == []
        await client.send_event(missed)
        await client.send_event(after)
        _, event = await soon(heard.get())
        assert getattr(event, "raw_message", "") == "after"


async def test_one_chat_that_fails_does_not_stop_the_others(
    server: OneBotServer, dial: Dial, lines: asyncio.Queue[EventDict]
) -> None:
    """It is logged by name."""
    message = make().private_message(30000, "missed")

    def history(call: Call) -> Answer:
        return failed(1200, "no") if call.action == "get_group_msg_history" else ok({"messages": [message]})

    async with dial(on_call=history):
        found = await soon(fill_gap(server.accounts[10000], [GROUP, FRIEND], 20))
        assert [message.raw_message for message in found] == ["missed"]
        said = [lines.get_nowait() for _ in range(lines.qsize())]
    assert [event["chat"] for event in said if event["level"] == "warning"] == [str(GROUP)]


async def test_odd_histories_are_empty(server: OneBotServer, dial: Dial) -> None:
    """Nothing a client answers is an error here."""
    odd: list[Any] = [None, [], {}, {"messages": None}, {"messages": ["x", {}, {"post_type": "notice"}]}]
    answers = iter(odd)
    async with dial(on_call=lambda call: ok(next(answers))):
        for _ in odd:
            assert await soon(fill_gap(server.accounts[10000], [GROUP], 20)) == []


async def test_a_count_of_zero_asks_nothing(server: OneBotServer, dial: Dial) -> None:
    """server.gap_messages = 0 switches it off."""
    async with dial() as client:
        assert await soon(fill_gap(server.accounts[10000], [GROUP], 0)) == []
        assert client.calls == []


async def test_few_chats_are_asked_at_a_time(server: OneBotServer, dial: Dial) -> None:
    """Forty chats do not become forty requests at once."""
    chats = [ChatId(10000, "group", number) for number in range(1, 41)]
    async with dial(on_call=lambda call: None) as client:
        filling = asyncio.create_task(fill_gap(server.accounts[10000], chats, 20))
        for _ in chats:
            call = await soon(client.next_call())
            assert len(server.accounts[10000].pending.echoes) <= 4
            await client.reply(call, ok({"messages": []}))
        assert await soon(filling) == []
