"""How connections end, each way told apart in the log, and how they begin while much else goes on."""

import asyncio
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TypeVar

import msgspec
import pytest
from structlog.typing import EventDict
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from onebot_bot.protocol.actions import GetStatus
from onebot_bot.protocol.events import Event
from onebot_bot.transport.account import MAX_LINKS, Account
from onebot_bot.transport.client import OPEN_TIMEOUT, Call, OneBotClient, ok
from onebot_bot.transport.server import OneBotServer

T = TypeVar("T")
Dial = Callable[..., OneBotClient]
Heard = asyncio.Queue[tuple[Account, Event]]
Lines = asyncio.Queue[EventDict]


async def soon(awaitable: Awaitable[T]) -> T:
    """Wait, but not for ever."""
    return await asyncio.wait_for(awaitable, 5)


async def line(lines: Lines, start: str) -> EventDict:
    """The next log line that starts like that."""
    while True:
        event = await soon(lines.get())
        if str(event["event"]).startswith(start):
            return event


async def raw(server: OneBotServer) -> ClientConnection:
    """A connection that a test ends by hand."""
    headers = {"X-Self-ID": "10000", "Authorization": "Bearer secret"}
    return await connect(f"ws://127.0.0.1:{server.port}/ws", additional_headers=headers, close_timeout=0.01, proxy=None)


def no_answer(call: Call) -> None:
    """Answer no action; the test does."""


def reset(peer: ClientConnection) -> None:
    """End it by RST, as a process does that is killed with data unread."""
    linger = struct.pack("ii", 1, 0)
    peer.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    peer.transport.abort()


# --- endings -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "reason", "cause"),
    [
        (1000, "", "closed by the client (1000)"),
        (1001, "going away", "closed by the client (1001) going away"),
        (1011, "out of memory", "closed by the client (1011) out of memory"),
        (4000, "插件重载", "closed by the client (4000) 插件重载"),
    ],
)
async def test_the_clients_own_code_is_told(
    server: OneBotServer, lines: Lines, code: int, reason: str, cause: str
) -> None:
    """With its reason, which NapCat never writes down itself."""
    peer = await raw(server)
    await peer.close(code, reason)
    assert (await line(lines, "A OneBot client disconnected."))["cause"] == cause
    assert server.accounts[10000].links == []


@pytest.mark.parametrize("end", [reset, lambda peer: peer.transport.abort()], ids=["RST", "FIN"])
async def test_an_end_without_a_code_is_told(
    server: OneBotServer, lines: Lines, end: Callable[[ClientConnection], None]
) -> None:
    """A process that was killed says nothing; its link is gone all the same."""
    peer = await raw(server)
    end(peer)
    assert (await line(lines, "A OneBot client disconnected."))["cause"] == "it broke off"
    assert server.accounts[10000].links == []


async def test_what_is_no_websocket_frame_ends_the_link(server: OneBotServer, lines: Lines) -> None:
    """The stream cannot be followed any more; the client sees 1002 and makes a new connection."""
    peer = await raw(server)
    peer.transport.write(b"\xff\xff\xff\xff")
    with pytest.raises(ConnectionClosed) as caught:
        await soon(peer.recv())
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1002
    assert (await line(lines, "A OneBot client disconnected."))["cause"].startswith("closed by the bot (1002)")


async def test_what_came_before_a_reset_is_kept(server: OneBotServer, heard: Heard, lines: Lines) -> None:
    """Messages that were handed on stay handed on, and those behind the break are nobody's."""
    peer, writer = await raw(server), OneBotClient("", 10000)
    for number in range(50):
        await peer.send(msgspec.json.encode(writer.group_message(20000, 30000, str(number))), text=True)
    await soon(await peer.ping())
    reset(peer)
    await line(lines, "A OneBot client disconnected.")
    assert heard.qsize() == 50


async def test_an_end_amid_a_frame_hands_on_nothing_of_it(server: OneBotServer, heard: Heard, lines: Lines) -> None:
    """Half a message is none."""
    peer = await raw(server)
    peer.transport.write(bytes([0x81, 0x80 | 100]) + b"\0\0\0\0" + b'{"post_type":"message",')
    peer.transport.close()
    assert (await line(lines, "A OneBot client disconnected."))["cause"] == "it broke off"
    assert heard.empty()


# --- NapCat's own ways -----------------------------------------------------------------------------------


async def test_the_orphan_of_a_changed_url_harms_nobody(server: OneBotServer, dial: Dial, heard: Heard) -> None:
    """NapCat's bug: the second connection is forgotten, the third lives; what the second gets is answered there."""
    async with dial(on_call=no_answer) as napcat:
        await napcat.disconnect()
        await napcat.connect()
        orphaned = asyncio.create_task(server.accounts[10000].call(GetStatus()))
        asked = await soon(napcat.next_call())
        await napcat.connect()
        await napcat.reply(asked, ok("orphaned"))
        assert await soon(orphaned) == "orphaned"
        live = asyncio.create_task(server.accounts[10000].call(GetStatus()))
        await napcat.reply(await soon(napcat.next_call()), ok("live"))
        assert await soon(live) == "live"
        await napcat.send_event(napcat.group_message(20000, 30000, "hello"))
        await soon(heard.get())
        assert len(server.accounts[10000].links) == 2


async def test_two_clients_of_one_account_do_not_chase_each_other(server: OneBotServer, dial: Dial) -> None:
    """Neither is closed for the other, however often one of them comes anew."""
    async with dial() as one, dial() as other:
        for _ in range(5):
            await one.reconnect()
        await soon(server.accounts[10000].call(GetStatus()))
        assert (one.close_code, other.close_code) == (None, None)
        assert (len(one.calls), len(other.calls)) == (1, 0)
        assert len(server.accounts[10000].links) == 2


async def test_a_storm_of_reconnects_leaves_one_link(server: OneBotServer, dial: Dial, lines: Lines) -> None:
    """A client that comes and goes without a pause costs what it costs, and nothing stays of it."""
    async with dial() as client:
        for _ in range(60):
            await client.reconnect()
        await soon(server.accounts[10000].call(GetStatus()))
        assert len(client.calls) == 1
        assert len(server.accounts[10000].links) == 1
    for _ in range(61):
        await line(lines, "A OneBot client disconnected.")
    assert server.accounts[10000].links == []
    assert server.accounts[10000].pending.echoes == []


async def test_a_storm_that_leaves_its_links_open_is_capped(server: OneBotServer, dial: Dial, lines: Lines) -> None:
    """A client that never closes is left its last eight."""
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(dial())
        for _ in range(30):
            await client.connect()
        for _ in range(31 - MAX_LINKS):
            await line(lines, "A OneBot client disconnected.")
        assert len(server.accounts[10000].links) == MAX_LINKS
        await soon(server.accounts[10000].call(GetStatus()))
        assert client.close_code is None


# --- beginnings ------------------------------------------------------------------------------------------


async def test_a_handshake_amid_a_burst_is_in_time(server: OneBotServer, dial: Dial, heard: Heard) -> None:
    """NapCat gives up after two seconds; thousands of messages of another account do not hold it up so long."""
    async with dial() as busy:
        frames = [msgspec.json.encode(busy.group_message(20000, 30000, "x" * 500)) for _ in range(3000)]
        sending = asyncio.create_task(send_all(busy, frames))
        await soon(heard.get())
        began = time.monotonic()
        async with dial(10001):
            assert time.monotonic() - began < OPEN_TIMEOUT
        await soon(sending)
        for _ in range(len(frames) - 1):
            await soon(heard.get())


async def send_all(client: OneBotClient, frames: list[bytes]) -> None:
    """One after the other, as fast as the connection takes them."""
    for frame in frames:
        await client._socket.send(frame, text=True)
