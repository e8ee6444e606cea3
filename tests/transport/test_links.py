"""Several connections of one account: which one is used, and when one is given up."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import pytest
from structlog.typing import EventDict

from onebot_bot.protocol.actions import GetStatus
from onebot_bot.protocol.events import Event, GroupMessage, PrivateMessage, UnknownEvent
from onebot_bot.sections.server import ServerConfig
from onebot_bot.transport.account import MAX_LINKS, MESSAGES_REMEMBERED, REMEMBERED_SECONDS, Account
from onebot_bot.transport.client import OneBotClient
from onebot_bot.transport.server import OneBotServer

T = TypeVar("T")
Heard = asyncio.Queue[tuple[Account, Event]]
Dial = Callable[..., OneBotClient]
Lines = asyncio.Queue[EventDict]


async def soon(awaitable: Awaitable[T]) -> T:
    """Wait, but not for ever."""
    return await asyncio.wait_for(awaitable, 5)


async def next_event(heard: Heard) -> Event:
    """The next event handed on."""
    return (await soon(heard.get()))[1]


async def line(lines: Lines, start: str) -> EventDict:
    """The next log line that starts like that."""
    while True:
        event = await soon(lines.get())
        if str(event["event"]).startswith(start):
            return event


def notice(tag: str) -> dict[str, Any]:
    """A notice that can be told apart."""
    return {"time": 1, "self_id": 10000, "post_type": "notice", "notice_type": tag}


async def sync(client: OneBotClient, heard: Heard) -> list[Event]:
    """What was handed on up to here: a message of this client is the mark, since those always pass."""
    mark = client.private_message(1, "mark")
    await client.send_event(mark)
    found: list[Event] = []
    while True:
        event = await next_event(heard)
        if isinstance(event, PrivateMessage) and event.message_id == mark["message_id"]:
            return found
        found.append(event)


# --- which one is used ---------------------------------------------------------------------------------


async def test_the_newest_takes_actions_and_the_older_stays_open(
    server: OneBotServer, dial: Dial, heard: Heard
) -> None:
    """Closing the older one would make NapCat reconnect without end."""
    async with dial() as older, dial() as newer:
        await soon(server.accounts[10000].call(GetStatus()))
        assert len(newer.calls) == 1
        assert older.calls == []
        assert await sync(older, heard) == []
        assert older.close_code is None


async def test_the_older_takes_over_when_the_newest_ends(server: OneBotServer, dial: Dial, lines: Lines) -> None:
    """The bot is not mute until the next reconnect."""
    async with dial() as older:
        async with dial():
            pass
        assert (await line(lines, "A OneBot client disconnected."))["used_now"] == "127.0.0.1"
        await soon(server.accounts[10000].call(GetStatus()))
        assert len(older.calls) == 1


async def test_the_end_of_the_older_leaves_the_newest_alone(server: OneBotServer, dial: Dial, lines: Lines) -> None:
    """Links are removed by identity: by number, the newest would go and the bot receive but never send."""
    older = dial()
    await older.__aenter__()
    async with dial() as newer:
        await older.__aexit__(None, None, None)
        await line(lines, "A OneBot client disconnected.")
        assert len(server.accounts[10000].links) == 1
        await soon(server.accounts[10000].call(GetStatus()))
        assert len(newer.calls) == 1


async def test_a_message_is_heard_once(dial: Dial, heard: Heard) -> None:
    """Two clients of one account report the same message; either may be first."""
    async with dial() as older, dial() as newer:
        message = newer.group_message(20000, 30000, "twice")
        await older.send_event(message)
        assert [event for event in await sync(older, heard) if isinstance(event, GroupMessage)]
        await newer.send_event(message)
        assert await sync(newer, heard) == []


async def test_the_same_id_in_another_chat_is_another_message(dial: Dial, heard: Heard) -> None:
    """Ids have 31 bits and collide across chats, across kinds of chat too."""
    async with dial() as client:
        await client.send_event(client.group_message(20000, 30000, "a", message_id=7))
        await client.send_event(client.group_message(20001, 30000, "b", message_id=7))
        await client.send_event(client.private_message(20000, "c", message_id=7))
        assert len(await sync(client, heard)) == 3


async def test_the_memory_of_messages_is_bounded(server: OneBotServer, dial: Dial, heard: Heard) -> None:
    """The oldest is forgotten first."""
    async with dial() as client:
        await client.send_event(client.group_message(20000, 30000, "x", message_id=1))
        event = await next_event(heard)
        assert isinstance(event, GroupMessage)
        account = server.accounts[10000]
        assert not account.first_sight(event)
        for number in range(MESSAGES_REMEMBERED):
            assert account.first_sight(PrivateMessage(time=1, self_id=10000, user_id=1, message_id=number))
        assert account.first_sight(event)


def test_messages_are_remembered_for_a_day() -> None:
    """Where few write, months of them are not kept."""
    now = 0.0
    account = Account(10000, 1.0, lambda: now)
    first, second = (PrivateMessage(time=1, self_id=10000, user_id=1, message_id=number) for number in (1, 2))
    assert account.first_sight(first)
    now = REMEMBERED_SECONDS - 1
    assert not account.first_sight(first)
    now += 1
    assert account.first_sight(second)
    assert list(account._heard) == [(second.chat_id, 2)]


async def test_other_events_come_from_the_active_link_only(dial: Dial, heard: Heard) -> None:
    """They have no id, so two links would double them."""
    async with dial() as older, dial() as newer:
        await older.send_event(notice("old"))
        assert await sync(older, heard) == []
        await newer.send_event(notice("new"))
        assert [type(event) for event in await sync(newer, heard)] == [UnknownEvent]


async def test_every_new_connection_is_greeted(
    server: OneBotServer, dial: Dial, greeted: asyncio.Queue[Account], lines: Lines
) -> None:
    """Before a connection events may have been lost; a fallback to an older one is no new connection."""
    async with dial():
        assert (await soon(greeted.get())).self_id == 10000
        async with dial():
            await soon(greeted.get())
        await line(lines, "A OneBot client disconnected.")
        assert greeted.empty()
        async with dial(role="event"):
            await soon(server.accounts[10000].call(GetStatus()))
            assert greeted.empty()


async def test_a_ninth_connection_ends_the_oldest(server: OneBotServer, dial: Dial) -> None:
    """The list is capped; nobody else is touched."""
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(dial()) for _ in range(MAX_LINKS + 1)]
        assert await soon(clients[0].wait_closed()) == 1000
        assert len(server.accounts[10000].links) == MAX_LINKS
        await soon(server.accounts[10000].call(GetStatus()))
        assert [len(client.calls) for client in clients[1:]] == [0] * (MAX_LINKS - 1) + [1]
        assert {client.close_code for client in clients[1:]} == {None}


# --- heartbeats ----------------------------------------------------------------------------------------


async def test_an_active_link_without_heartbeats_is_closed(
    server: OneBotServer, dial: Dial, heard: Heard, now: list[float], lines: Lines
) -> None:
    """After three intervals and not before; the log says so."""
    async with dial() as client:
        server.close_stale_links()
        await client.send_heartbeat(interval=30_000)
        await sync(client, heard)
        now[0] += 90
        assert server.accounts[10000].stale_link() is None
        now[0] += 1
        server.close_stale_links()
        assert await soon(client.wait_closed()) == 1000
    assert (await line(lines, "The heartbeats stopped"))["interval"] == 30


async def test_each_heartbeat_counts_anew(server: OneBotServer, dial: Dial, heard: Heard, now: list[float]) -> None:
    """A link that keeps beating stays."""
    async with dial() as client:
        for _ in range(5):
            now[0] += 60
            await client.send_heartbeat(interval=30_000)
            await sync(client, heard)
            assert server.accounts[10000].stale_link() is None


async def test_a_link_that_never_beat_is_left_alone(
    server: OneBotServer, dial: Dial, heard: Heard, now: list[float]
) -> None:
    """Heartbeats may be switched off, by never sending one or by saying 0."""
    async with dial() as client:
        account = server.accounts[10000]
        assert account.stale_link() is None
        now[0] += 10**6
        assert account.stale_link() is None
        await client.send_heartbeat(interval=0)
        await sync(client, heard)
        now[0] += 10**6
        assert account.stale_link() is None


async def test_an_interval_in_seconds_is_understood(
    server: OneBotServer, dial: Dial, heard: Heard, now: list[float]
) -> None:
    """Lagrange writes 5 where the standard says 5000."""
    async with dial() as client:
        server.close_stale_links()
        await client.send_heartbeat(interval=5)
        await sync(client, heard)
        now[0] += 14
        assert server.accounts[10000].stale_link() is None
        now[0] += 2
        server.close_stale_links()
        assert await soon(client.wait_closed()) == 1000


async def test_a_passive_link_may_fall_silent(server: OneBotServer, dial: Dial, heard: Heard, now: list[float]) -> None:
    """An orphan of NapCat's sends nothing, and closing it would harm the live one."""
    async with dial() as older:
        await older.send_heartbeat()
        await sync(older, heard)
        async with dial() as newer:
            await sync(newer, heard)
            assert server.accounts[10000].stale_link() is None
            now[0] += 10**6
            assert server.accounts[10000].stale_link() is None


async def test_a_link_that_takes_over_gets_its_three_intervals(
    server: OneBotServer, dial: Dial, heard: Heard, now: list[float], lines: Lines
) -> None:
    """Its heartbeats went to the newer one meanwhile, so their absence proves nothing yet."""
    async with dial() as older:
        await older.send_heartbeat()
        await sync(older, heard)
        async with dial():
            assert server.accounts[10000].stale_link() is None
            now[0] += 10**6
        await line(lines, "A OneBot client disconnected.")
        assert server.accounts[10000].stale_link() is None
        now[0] += 91
        server.close_stale_links()
        assert await soon(older.wait_closed()) == 1000


async def test_stale_links_are_looked_for_without_being_asked() -> None:
    """The server looks by itself."""
    now = [0.0]
    heard: Heard = asyncio.Queue()
    async with (
        OneBotServer(
            ServerConfig(port=0),
            "",
            lambda account, event: heard.put_nowait((account, event)),
            lambda account: None,
            clock=lambda: now[0],
            check_interval=0.01,
        ) as server,
        OneBotClient(f"ws://127.0.0.1:{server.port}/", 10000) as client,
    ):
        await client.send_heartbeat()
        await sync(client, heard)
        server.close_stale_links()
        now[0] += 91
        assert await soon(client.wait_closed()) == 1000


async def test_qq_going_offline_is_told_once(server: OneBotServer, dial: Dial, heard: Heard, lines: Lines) -> None:
    """Every heartbeat repeats it; the log does not. Coming back is told too."""
    async with dial() as client:
        for online in (True, False, False, True, True):
            await client.send_heartbeat(online=online)
        await sync(client, heard)
        assert server.accounts[10000].online
    said = [str(lines.get_nowait()["event"]) for _ in range(lines.qsize())]
    assert [text[:12] for text in said if text.startswith("QQ")] == ["QQ itself is", "QQ is back o"]


@pytest.mark.parametrize("online", [True, False])
async def test_the_state_of_qq_is_kept(server: OneBotServer, dial: Dial, heard: Heard, *, online: bool) -> None:
    """The rest of the bot can ask."""
    async with dial() as client:
        await client.send_heartbeat(online=online)
        await sync(client, heard)
        assert online == server.accounts[10000].online
