"""The client that stands in for NapCat."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.protocol import State

from onebot_bot.errors import NotConnected
from onebot_bot.protocol.actions import GetGroupList, GetLoginInfo, GetStatus, SendPrivateMsg
from onebot_bot.protocol.events import Event, GroupMessage, Heartbeat, Lifecycle, PrivateMessage
from onebot_bot.protocol.frames import decode_event, decode_frame
from onebot_bot.protocol.segments import At, Text
from onebot_bot.transport.account import Account
from onebot_bot.transport.client import OneBotClient
from onebot_bot.transport.server import OneBotServer

T = TypeVar("T")
Heard = asyncio.Queue[tuple[Account, Event]]
Dial = Callable[..., OneBotClient]


async def soon(awaitable: Awaitable[T]) -> T:
    """Wait, but not for ever."""
    return await asyncio.wait_for(awaitable, 5)


async def test_it_connects_as_napcat_does() -> None:
    """The headers, the bare word Bearer, and the first frame."""
    met: asyncio.Queue[tuple[dict[str, str], bytes]] = asyncio.Queue()

    async def meet(socket: ServerConnection) -> None:
        assert socket.request is not None
        headers = {name.lower(): value for name, value in socket.request.headers.raw_items()}
        met.put_nowait((headers, await socket.recv(decode=False)))

    async with serve(meet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with OneBotClient(f"ws://127.0.0.1:{port}/any?x=1", 10000):
            headers, frame = await soon(met.get())
    assert headers["x-self-id"] == "10000"
    assert headers["authorization"] == "Bearer"
    assert headers["x-client-role"] == "Universal"
    assert headers["user-agent"] == "OneBot/11"
    assert "sec-websocket-extensions" not in headers
    assert isinstance(decode_frame(frame), Lifecycle)


def test_a_group_message_decodes_as_one() -> None:
    """It has what NapCat's has."""
    client = OneBotClient("", 10000)
    event = decode_event(client.group_message(20000, 30000, (At("10000"), Text(" hi")), group_name="g"))
    assert isinstance(event, GroupMessage)
    assert (event.self_id, event.group_id, event.user_id) == (10000, 20000, 30000)
    assert event.message == (At("10000"), Text(" hi"))
    assert event.raw_message == "[CQ:at,qq=10000] hi"
    assert (event.group_name, event.sender.role, event.sub_type) == ("g", "member", "normal")


def test_a_private_message_decodes_as_one() -> None:
    """It comes from the person and goes to the account."""
    client = OneBotClient("", 10000)
    event = decode_event(client.private_message(30000, "hi"))
    assert isinstance(event, PrivateMessage)
    assert (event.user_id, event.target_id, event.sub_type) == (30000, 10000, "friend")
    assert not event.sent_by_self


def test_ids_go_up() -> None:
    """Each message has its own id and sequence number."""
    client = OneBotClient("", 10000)
    first, second = (client.private_message(30000, "hi") for _ in range(2))
    assert second["message_id"] == first["message_id"] + 1
    assert second["real_seq"] == str(second["message_id"])


async def test_it_answers_by_itself_and_keeps_what_was_asked(server: OneBotServer, dial: Dial) -> None:
    """Sent messages get fresh ids, questions get plausible answers."""
    async with dial() as client:
        account = server.accounts[10000]
        ids = [(await soon(account.call(SendPrivateMsg(1, (Text("x"),)))))["message_id"] for _ in range(2)]
        assert ids[0] != ids[1]
        assert (await soon(account.call(GetLoginInfo())))["user_id"] == 10000
        assert (await soon(account.call(GetStatus())))["online"] is True
        assert await soon(account.call(GetGroupList())) is None
        assert [call.action for call in client.calls[:2]] == ["send_private_msg"] * 2
        assert (await soon(client.next_call("get_status"))).params == {}


async def test_it_reconnects(server: OneBotServer, dial: Dial, heard: Heard) -> None:
    """After that it is the same client on a new connection."""
    async with dial() as client:
        await client.reconnect()
        assert client.close_code is None
        await client.send_event(client.private_message(30000, "again"))
        _, event = await soon(heard.get())
        assert isinstance(event, PrivateMessage)
        await soon(server.accounts[10000].call(GetStatus()))
        assert len(client.calls) == 1


async def test_a_connection_that_is_gone_is_let_go(dial: Dial) -> None:
    """The console reconnects for weeks."""
    async with dial() as client:
        for _ in range(3):
            await client.reconnect()
        assert client._standing == {client._socket}
        await client.connect()  # as in NapCat, the one before stays
        before = client._standing - {client._socket}
    assert {socket.state for socket in before} == {State.CLOSED}
    assert client._standing == set()


async def test_an_event_without_connection_is_an_error(dial: Dial) -> None:
    """NapCat drops it; whoever writes a test should know."""
    async with dial() as client:
        await client.disconnect()
        with pytest.raises(NotConnected, match="gone"):
            await client.send_event(client.private_message(30000, "lost"))
        assert await client.wait_closed() == 1000


async def test_heartbeats_are_sent_by_themselves() -> None:
    """At the interval, which they name in milliseconds."""
    frames: asyncio.Queue[bytes] = asyncio.Queue()

    async def meet(socket: ServerConnection) -> None:
        async for frame in socket:
            frames.put_nowait(frame if isinstance(frame, bytes) else frame.encode())

    async with serve(meet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with OneBotClient(f"ws://127.0.0.1:{port}/", 10000, heartbeat=0.002):
            kinds = [decode_frame(await soon(frames.get())) for _ in range(3)]
    assert [type(kind) for kind in kinds] == [Lifecycle, Heartbeat, Heartbeat]
    assert msgspec.structs.asdict(kinds[1])["interval"] == 2


@pytest.mark.parametrize("url", ["ws://127.0.0.1:1/", "http://127.0.0.1/", "nonsense"])
async def test_what_cannot_be_reached_is_an_ordinary_error(url: str) -> None:
    """A wrong address does not come out as a library's exception."""
    with pytest.raises(NotConnected, match="cannot be reached"):
        await OneBotClient(url, 10000).__aenter__()
