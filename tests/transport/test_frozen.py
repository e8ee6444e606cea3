"""A peer that reads nothing while it goes on sending: what it is sent is bounded, and it is found out and let go."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import msgspec
import pytest
from structlog.typing import EventDict
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from onebot_bot.errors import ActionUnknown, NotConnected
from onebot_bot.protocol.actions import GetStatus, SendGroupMsg
from onebot_bot.protocol.events import Event, PrivateMessage
from onebot_bot.protocol.segments import Text
from onebot_bot.sections.server import ServerConfig
from onebot_bot.transport.account import Account
from onebot_bot.transport.client import OneBotClient
from onebot_bot.transport.server import OneBotServer

T = TypeVar("T")
Lines = asyncio.Queue[EventDict]
Heard = asyncio.Queue[tuple[Account, Event]]

IMPATIENT = ServerConfig(port=0, ping_interval=0.02, ping_timeout=0.02)
PATIENT = ServerConfig(port=0)
LONG = SendGroupMsg(20000, (Text("x" * 2**19),))
"""Smaller than what goes one at a time; a dozen of them are more than any system buffers by itself."""


async def soon(awaitable: Awaitable[T]) -> T:
    """Wait, but not for ever."""
    return await asyncio.wait_for(awaitable, 5)


async def line(lines: Lines, start: str) -> EventDict:
    """The next log line that starts like that."""
    while True:
        event = await soon(lines.get())
        if str(event["event"]).startswith(start):
            return event


@pytest.fixture(autouse=True)
def short_goodbye(monkeypatch: pytest.MonkeyPatch) -> None:
    """The closing handshake is not waited for."""
    monkeypatch.setattr("onebot_bot.transport.server.CLOSE_TIMEOUT", 0.02)


@asynccontextmanager
async def listening(config: ServerConfig, heard: Heard | None = None) -> AsyncIterator[OneBotServer]:
    """A server without a token."""
    queue = heard or asyncio.Queue()
    async with OneBotServer(config, "", lambda account, event: queue.put_nowait((account, event)), ignore) as server:
        yield server


def ignore(account: Account) -> None:
    """Nobody waits for connections."""


@asynccontextmanager
async def frozen(server: OneBotServer) -> AsyncIterator[ClientConnection]:
    """A peer that has connected and stopped reading."""
    url, headers = f"ws://127.0.0.1:{server.port}/", {"X-Self-ID": "10000"}
    peer = await connect(url, additional_headers=headers, ping_interval=None, close_timeout=0.01, proxy=None)
    peer.transport.pause_reading()
    try:
        yield peer
    finally:
        peer.transport.abort()
        await peer.wait_closed()


@asynccontextmanager
async def unanswered(account: Account, count: int) -> AsyncIterator[list["asyncio.Task[Any]"]]:
    """So many long messages on their way to a peer that answers none."""
    tasks = [asyncio.create_task(account.call(LONG, timeout=60)) for _ in range(count)]
    await asyncio.sleep(0)  # every task has begun: it writes without waiting
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def linked(server: OneBotServer, lines: Lines) -> Account:
    """The account, once the server has its link."""
    await line(lines, "A OneBot client connected.")
    return server.accounts[10000]


async def test_it_is_found_out_behind_a_full_buffer(lines: Lines) -> None:
    """The ping that finds it out must not wait until what lies before it is read."""
    async with listening(IMPATIENT) as server, frozen(server):
        account = await linked(server, lines)
        async with unanswered(account, 12):
            said = await line(lines, "A OneBot client disconnected.")
            assert "ping" in said["cause"]
            assert account.links == []


async def test_the_bot_ends_in_spite_of_it(lines: Lines) -> None:
    """A farewell that nobody reads holds up no shutdown, and who waits for a reply is told."""
    async with listening(PATIENT) as server, frozen(server):
        account = await linked(server, lines)
        async with unanswered(account, 12) as tasks:
            await soon(server._stop())
            found = await soon(asyncio.gather(*tasks, return_exceptions=True))
    assert {type(error) for error in found} == {ActionUnknown}


async def test_what_lies_unread_is_bounded(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the bound the link goes at once; what was not sent says so, and what was may have been done."""
    monkeypatch.setattr("onebot_bot.transport.account.MOST_UNREAD", 2**21)
    async with listening(PATIENT) as server, frozen(server):
        account = await linked(server, lines)
        link = account.links[0]
        async with unanswered(account, 40) as tasks:
            assert 2**21 < (await line(lines, "The OneBot client reads nothing"))["unread"] < 2**21 + 2**20
            assert (await line(lines, "A OneBot client disconnected."))["cause"] == "it broke off"
            refused = [task for task in tasks if task.done()]
            assert 0 < len(refused) < len(tasks)
            assert {type(task.exception()) for task in refused} == {NotConnected}
            assert link.unread == 0


async def test_the_older_link_takes_over_from_it(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the same call: nothing is lost that another connection can still carry."""
    async with listening(PATIENT) as server, OneBotClient(f"ws://127.0.0.1:{server.port}/", 10000) as older:
        await line(lines, "A OneBot client connected.")
        async with frozen(server):
            account = await linked(server, lines)
            async with unanswered(account, 12):
                assert account.links[0].unread > 0
                monkeypatch.setattr("onebot_bot.transport.account.MOST_UNREAD", 0)
                await soon(account.call(GetStatus()))
                assert [call.action for call in older.calls] == ["get_status"]


async def test_what_it_says_is_heard(lines: Lines) -> None:
    """NapCat's reading may stand still while its heartbeats and events go on."""
    heard: Heard = asyncio.Queue()
    async with listening(PATIENT, heard) as server, frozen(server) as peer:
        account = await linked(server, lines)
        async with unanswered(account, 12):
            event = OneBotClient("", 10000).private_message(30000, "still here")
            await peer.send(msgspec.json.encode(event), text=True)
            _, found = await soon(heard.get())
            assert isinstance(found, PrivateMessage)


async def test_once_it_reads_again_all_goes_on(lines: Lines) -> None:
    """A pause shorter than the patience with pings costs nothing: every action arrives, and is answered."""
    async with listening(PATIENT) as server, frozen(server) as peer:
        account = await linked(server, lines)
        async with unanswered(account, 12) as tasks:
            peer.transport.resume_reading()
            for _ in tasks:
                call = msgspec.json.decode(await soon(peer.recv(decode=False)))
                reply = {"status": "ok", "retcode": 0, "data": call["action"], "echo": call["echo"]}
                await peer.send(msgspec.json.encode(reply), text=True)
            assert set(await soon(asyncio.gather(*tasks))) == {"send_group_msg"}
            assert account.links[0].unread == 0


async def test_its_successor_gets_what_comes_after(lines: Lines) -> None:
    """The client is started anew beside its frozen self: that one stays, unused, until its pings are missed."""
    async with listening(PATIENT) as server, frozen(server) as peer:
        account = await linked(server, lines)
        async with unanswered(account, 12), OneBotClient(f"ws://127.0.0.1:{server.port}/", 10000) as fresh:
            await soon(account.call(GetStatus()))
            assert [call.action for call in fresh.calls] == ["get_status"]
            assert len(account.links) == 2
            peer.transport.abort()
            with pytest.raises(ConnectionClosed):
                await soon(peer.recv())
            await soon(account.call(GetStatus()))
