"""The endpoint as a OneBot client meets it: opening, frames in, closing."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
import pytest
from structlog.typing import EventDict
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from onebot_bot.errors import ActionUnknown, ConfigError, NotConnected
from onebot_bot.protocol.actions import GetStatus, SendGroupMsg
from onebot_bot.protocol.events import Event, GroupMessage, PokeNotice, PrivateMessage, UnknownEvent
from onebot_bot.protocol.large import TOO_LARGE
from onebot_bot.protocol.segments import At, Text, UnknownSegment
from onebot_bot.sections.server import ServerConfig
from onebot_bot.transport.account import Account
from onebot_bot.transport.client import Call, OneBotClient
from onebot_bot.transport.server import OneBotServer

T = TypeVar("T")
Heard = asyncio.Queue[tuple[Account, Event]]
Dial = Callable[..., OneBotClient]
Lines = asyncio.Queue[EventDict]


async def soon(awaitable: Awaitable[T]) -> T:
    """Wait, but not for ever."""
    return await asyncio.wait_for(awaitable, 5)


async def next_text(heard: Heard) -> str:
    """The raw text of the next event, which must be a message."""
    _, event = await soon(heard.get())
    assert isinstance(event, GroupMessage | PrivateMessage)
    return event.raw_message


async def line(lines: Lines, start: str) -> EventDict:
    """The next log line that starts like that."""
    while True:
        event = await soon(lines.get())
        if str(event["event"]).startswith(start):
            return event


def ignore(*args: Any) -> None:
    """Take what comes."""


def no_answer(call: Call) -> None:
    """Answer no action."""


# --- opening -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/onebot/v11/ws", "/onebot/v11/ws/", "/ws", "/ws/", "/", "", "/onebot/v11"])
async def test_a_message_arrives_over_every_path(dial: Dial, heard: Heard, path: str) -> None:
    """The usual paths are served, with and without slash."""
    async with dial(path=path) as client:
        await client.send_event(client.group_message(20000, 30000, "hello"))
        account, event = await soon(heard.get())
    assert account.self_id == 10000
    assert isinstance(event, GroupMessage)
    assert event.message == (Text("hello"),)


async def test_a_connection_is_told_in_one_line(dial: Dial, lines: Lines) -> None:
    """The line names the account, where it came from and what it is."""
    async with dial():
        said = await line(lines, "A OneBot client connected.")
    assert said["account"] == 10000
    assert said["peer"] == "127.0.0.1"
    assert said["client"] == "'OneBot/11'"


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        ({"path": "/onebot/v12"}, 404, "/onebot/v11/ws"),
        ({"token": ""}, 401, "no access token"),
        ({"token": "hunter2"}, 401, "token is wrong"),
        ({"self_id": 0}, 400, "X-Self-ID"),
    ],
)
async def test_a_refusal_has_its_own_status_and_one_line(
    dial: Dial, lines: Lines, options: dict[str, Any], status: int, words: str
) -> None:
    """NapCat shows the status only; our log names cause and fix, and what arrived."""
    with pytest.raises(NotConnected, match=f"refused with {status}: .*{words}"):
        await dial(**options).__aenter__()
    said = lines.get_nowait()
    assert lines.empty()
    assert said["level"] == "warning"
    assert words in said["event"]
    assert said["status"] == status
    assert said["peer"] == "127.0.0.1"
    assert "hunter2" not in str(said)


async def test_accounts_do_not_pile_up(dial: Dial, lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has the token may make up QQ numbers; those that are known get in again."""
    monkeypatch.setattr("onebot_bot.transport.server.MOST_ACCOUNTS", 2)
    for self_id in (10000, 10001, 10000):
        async with dial(self_id=self_id):
            pass
    with pytest.raises(NotConnected, match=r"refused with 507: .*2 accounts have connected"):
        await dial(self_id=10002).__aenter__()
    assert (await line(lines, "A connection was refused"))["status"] == 507


async def test_a_newcomer_is_told_that_the_bot_shuts_down(server: OneBotServer, dial: Dial) -> None:
    """While the rest finishes, those who are there stay and others get a 503."""
    async with dial() as client:
        server.draining = True
        with pytest.raises(NotConnected, match="refused with 503"):
            await dial().__aenter__()
        await soon(server.accounts[10000].call(GetStatus()))
        assert client.close_code is None


async def test_a_browser_is_told_what_to_use(server: OneBotServer, lines: Lines) -> None:
    """A plain page request is answered 426, without a line that looks like trouble."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    status = await soon(reader.readline())
    writer.close()
    assert status.startswith(b"HTTP/1.1 426 ")
    assert lines.empty()


async def test_a_client_without_role_and_agent_is_universal(server: OneBotServer, heard: Heard) -> None:
    """Only X-Self-ID and the token are needed."""
    url = f"ws://127.0.0.1:{server.port}/?access_token=secret"
    async with connect(url, additional_headers={"X-Self-ID": "10000"}, user_agent_header=None, proxy=None) as raw:
        await raw.send('{"post_type":"notice","notice_type":"new_thing","time":1,"self_id":10000}')
        _, event = await soon(heard.get())
        assert isinstance(event, UnknownEvent)
        assert server.accounts[10000].links[0].role == "universal"


@pytest.mark.parametrize("first", ["API", "Event"])
async def test_api_and_event_roles_share_an_account(server: OneBotServer, dial: Dial, heard: Heard, first: str) -> None:
    """go-cqhttp's two connections: events from one, actions on the other, whichever came first."""
    api, events = dial(role="API", path="/ws/api"), dial(role="Event", path="/ws/event")
    one, other = (api, events) if first == "API" else (events, api)
    async with one, other:
        await events.send_event(events.private_message(30000, "hi"))
        await events.send_event(poke())
        assert await next_text(heard) == "hi"
        assert isinstance((await soon(heard.get()))[1], PokeNotice)
        await soon(server.accounts[10000].call(SendGroupMsg(20000, (Text("yo"),))))
        assert [call.action for call in api.calls] == ["send_group_msg"]
        assert events.calls == []


async def test_an_event_link_alone_takes_no_actions(server: OneBotServer, dial: Dial) -> None:
    """Nothing is sent where nothing would be read."""
    async with dial(role="event") as client:
        with pytest.raises(NotConnected):
            await server.accounts[10000].call(GetStatus())
    assert client.calls == []


async def test_accounts_live_side_by_side(server: OneBotServer, dial: Dial, heard: Heard) -> None:
    """Events carry their account; actions go to it and to no other."""
    async with dial(10000) as first, dial(10001) as second:
        await second.send_event(second.group_message(20000, 30000, "for the second"))
        account, _ = await soon(heard.get())
        assert account.self_id == 10001
        await soon(account.call(SendGroupMsg(20000, (Text("yo"),))))
        assert first.calls == []
        assert len(second.calls) == 1
        assert sorted(server.accounts) == [10000, 10001]


# --- frames --------------------------------------------------------------------------------------------


def poke(**fields: Any) -> dict[str, Any]:
    """A poke in a group."""
    return {
        "time": 1,
        "self_id": 10000,
        "post_type": "notice",
        "notice_type": "notify",
        "sub_type": "poke",
        "user_id": 30000,
        "target_id": 10000,
        "group_id": 20000,
        **fields,
    }


async def test_events_keep_their_order(dial: Dial, heard: Heard) -> None:
    """A burst is handed on as it came."""
    async with dial() as client:
        for number in range(200):
            await client.send_event(client.group_message(20000, 30000, str(number)))
        assert [await next_text(heard) for _ in range(200)] == [str(number) for number in range(200)]


async def test_a_burst_on_one_link_leaves_the_others_their_turn(server: OneBotServer, dial: Dial, heard: Heard) -> None:
    """What came in one piece is not handled in one piece."""
    async with dial(10000) as one, dial(10001) as busy, dial(10002) as two:
        for client in (one, busy, two):
            await client.send_event(client.group_message(20000, 30000, "hi"))
            await next_text(heard)
        sockets = [account.links[0].socket.transport for account in server.accounts.values()]
        for transport in sockets:
            transport.pause_reading()
        for number in range(300):
            await busy.send_event(busy.group_message(20000, 30000, str(number)))
        for client in (one, two):
            await client.send_event(client.group_message(20000, 30000, "me too"))
        for transport in sockets:
            transport.resume_reading()
        texts = [await next_text(heard) for _ in range(302)]
    assert [place < 50 for place, text in enumerate(texts) if text == "me too"] == [True, True]


async def test_meta_events_and_typing_end_here(dial: Dial, heard: Heard) -> None:
    """Lifecycle, heartbeat and input_status are never handed on."""
    async with dial() as client:
        await client.send_heartbeat()
        typing = {"notice_type": "notify", "sub_type": "input_status", "event_type": 1, "status_text": "..."}
        await client.send_event(poke(**typing))
        await client.send_event(client.group_message(20000, 30000, "after"))
        assert await next_text(heard) == "after"
    assert heard.empty()


@pytest.mark.parametrize("frame", ["", "not json", "[]", '"x"', "{", b"\xff\xfe"])
async def test_a_bad_frame_is_dropped_and_told(
    server: OneBotServer, dial: Dial, heard: Heard, lines: Lines, frame: str | bytes
) -> None:
    """What is not OneBot costs one line, not the connection."""
    async with dial() as client:
        await client._socket.send(frame)
        await client.send_event(client.group_message(20000, 30000, "after"))
        assert await next_text(heard) == "after"
    assert (await line(lines, "A frame could not be read"))["account"] == 10000


async def test_a_binary_frame_counts_as_text(dial: Dial, heard: Heard) -> None:
    """Some clients do not care for the difference."""
    async with dial() as client:
        await client._socket.send(msgspec.json.encode(client.private_message(30000, "bytes")))
        assert await next_text(heard) == "bytes"


async def test_a_frame_of_more_than_a_mebibyte_arrives(dial: Dial, heard: Heard) -> None:
    """websockets' own limit of 1 MiB is lifted; an event may have two."""
    text = "字" * 2**18
    async with dial() as client:
        await client.send_event(client.group_message(20000, 30000, text))
        assert await next_text(heard) == text


async def test_of_a_message_too_large_to_be_read_the_beginning_is_heard(
    server: OneBotServer, dial: Dial, heard: Heard, lines: Lines
) -> None:
    """Whom it calls, and that there was more; the connection stays, and the log says how large it was."""
    many = [{"type": "text", "data": {"text": "x" * 2**20}}] * 3
    raw = "[CQ:at,qq=10000] look:" + "x" * 3 * 2**20
    async with dial() as client:
        await client.send_event({**client.group_message(20000, 30000, "hi"), "message": many, "raw_message": raw})
        _, event = await soon(heard.get())
        await client.send_event(client.group_message(20000, 30000, "after"))
        assert await next_text(heard) == "after"
    assert isinstance(event, GroupMessage)
    assert event.message == (At("10000"), Text(raw[16:4000]), UnknownSegment(TOO_LARGE))
    assert event.raw_message == ""
    assert (await line(lines, "A message is too large"))["bytes"] > 6 * 2**20


async def test_a_frame_over_the_limit_names_the_key(lines: Lines) -> None:
    """The client sees only 1009; our log says which key to raise."""
    config = ServerConfig(port=0, max_frame_mib=1)
    async with OneBotServer(config, "", ignore, ignore) as server:
        client = OneBotClient(f"ws://127.0.0.1:{server.port}/", 10000)
        async with client:
            await client._socket.send("x" * (2**20 + 1))
            assert await soon(client.wait_closed()) == 1009
            said = await line(lines, "A OneBot client disconnected.")
    assert "server.max_frame_mib" in said["cause"]


async def test_a_failing_handler_costs_one_event(lines: Lines) -> None:
    """An error in the rest of the bot does not take the connection with it."""
    heard: asyncio.Queue[Event] = asyncio.Queue()

    def handle(account: Account, event: Event) -> None:
        heard.put_nowait(event)
        raise RuntimeError("boom")

    def greet(account: Account) -> None:
        raise RuntimeError("boom")

    async with (
        OneBotServer(ServerConfig(port=0), "", handle, greet) as server,
        OneBotClient(f"ws://127.0.0.1:{server.port}/", 10000) as client,
    ):
        for _ in range(2):
            await client.send_event(poke())
            assert isinstance(await soon(heard.get()), PokeNotice)
    assert (await line(lines, "A connection's start could not be handled."))["level"] == "error"
    assert (await line(lines, "An event could not be handled."))["level"] == "error"


# --- starting and stopping -----------------------------------------------------------------------------


async def test_without_token_only_loopback_is_served() -> None:
    """The server does not even start listening."""
    with pytest.raises(ConfigError, match=r"server\.token"):
        await OneBotServer(ServerConfig(host="0.0.0.0", port=0), "", ignore, ignore).__aenter__()


async def test_a_taken_port_names_the_key(server: OneBotServer) -> None:
    """The operator learns which key to change."""
    with pytest.raises(ConfigError, match=r"server\.port: cannot listen on 127\.0\.0\.1"):
        await OneBotServer(ServerConfig(port=server.port), "", ignore, ignore).__aenter__()


async def test_an_address_of_another_machine_names_the_key() -> None:
    """Nothing uses the port: the host is what is to be changed."""
    with pytest.raises(ConfigError, match=r'192\.0\.2\.1:.*Set server\.host in config\.toml to "127\.0\.0\.1"'):
        await OneBotServer(ServerConfig(host="192.0.2.1", port=0), "token", ignore, ignore).__aenter__()


async def test_shutting_down_ends_links_and_waiting_actions() -> None:
    """Clients see 1001; whoever waits for a reply learns that none will come; the port is free again."""
    async with OneBotServer(ServerConfig(port=0), "", ignore, ignore) as server:
        port = server.port
        client = OneBotClient(f"ws://127.0.0.1:{port}/", 10000, on_call=no_answer)
        await client.__aenter__()
        waiting = asyncio.create_task(server.accounts[10000].call(GetStatus()))
        await soon(client.next_call())
    with pytest.raises(ActionUnknown, match="shut down"):
        await soon(waiting)
    assert await soon(client.wait_closed()) == 1001
    await client.__aexit__(None, None, None)
    async with OneBotServer(ServerConfig(port=port), "", ignore, ignore) as again:
        assert again.port == port


async def test_what_comes_before_anybody_hears_is_kept() -> None:
    """A client is let in while the rest of the bot is being built; then all it sent is heard."""
    heard: asyncio.Queue[Event] = asyncio.Queue()
    greeted: list[int] = []
    async with (
        OneBotServer(ServerConfig(port=0), "") as server,
        OneBotClient(f"ws://127.0.0.1:{server.port}/", 10000) as client,
    ):
        for text in "abc":
            await client.send_event(client.private_message(5, text))
        await (await client._socket.ping())
        assert (server.accounts, heard.empty()) == ({}, True)
        server.hear(lambda _, event: heard.put_nowait(event), lambda account: greeted.append(account.self_id))
        said = [await soon(heard.get()) for _ in range(3)]
    assert [event.raw_message for event in said if isinstance(event, PrivateMessage)] == ["a", "b", "c"]
    assert greeted == [10000]


async def test_an_end_before_anybody_hears() -> None:
    """A start that fails ends the links; nobody waits for ever."""
    async with OneBotServer(ServerConfig(port=0), "") as server:
        client = OneBotClient(f"ws://127.0.0.1:{server.port}/", 10000)
        await client.__aenter__()
    assert await soon(client.wait_closed()) == 1001
    await client.__aexit__(None, None, None)


async def test_an_error_of_the_block_comes_out_unwrapped() -> None:
    """The task groups inside do not show."""
    with pytest.raises(KeyError):
        async with (
            OneBotServer(ServerConfig(port=0), "", ignore, ignore) as server,
            OneBotClient(f"ws://127.0.0.1:{server.port}/", 10000),
        ):
            raise KeyError


async def test_a_changed_timeout_reaches_accounts(server: OneBotServer, dial: Dial) -> None:
    """server.action_timeout is live, for accounts there and to come."""
    async with dial(10000), dial(10001):
        server.configure(ServerConfig(port=0, action_timeout=7))
        async with dial(10002):
            assert [account.base_timeout for account in server.accounts.values()] == [7, 7, 7]


async def test_the_end_of_a_link_is_told(dial: Dial, lines: Lines) -> None:
    """One line says how it ended and what is left."""
    async with dial():
        pass
    said = await line(lines, "A OneBot client disconnected.")
    assert said["cause"] == "closed by the client (1000)"
    assert said["used_now"].startswith("none")


async def test_a_link_that_answers_no_ping_is_dropped(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    """A half-open connection, or a frozen peer, is found out and named."""
    monkeypatch.setattr("onebot_bot.transport.server.CLOSE_TIMEOUT", 0.02)
    config = ServerConfig(port=0, ping_interval=0.02, ping_timeout=0.02)
    async with OneBotServer(config, "", ignore, ignore) as server:
        url = f"ws://127.0.0.1:{server.port}/"
        raw = await connect(url, additional_headers={"X-Self-ID": "10000"}, close_timeout=0.01, proxy=None)
        raw.transport.pause_reading()
        said = await line(lines, "A OneBot client disconnected.")
        assert server.accounts[10000].active is None
        raw.transport.resume_reading()
        with pytest.raises(ConnectionClosed):
            await soon(raw.recv())
    assert "ping" in said["cause"]


async def test_a_refused_client_sees_the_status_itself(server: OneBotServer) -> None:
    """The refusal comes before the upgrade, as an HTTP status and not as a close code."""
    with pytest.raises(InvalidStatus) as caught:
        await connect(f"ws://127.0.0.1:{server.port}/ws", proxy=None)
    assert caught.value.response.status_code == 401
