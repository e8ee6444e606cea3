"""Actions: what is sent, and how a reply, or none, comes back to the caller."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, TypeVar

import msgspec
import pytest
from structlog.typing import EventDict

from onebot_bot.errors import ActionError, ActionFailed, ActionUnknown, NotConnected
from onebot_bot.protocol.actions import Action, GetStatus, SendGroupMsg, SetInputStatus, UploadFileStream
from onebot_bot.protocol.segments import Image, Text
from onebot_bot.transport.account import BIG_FRAME, LARGEST_FRAME, Account
from onebot_bot.transport.client import Answer, Call, OneBotClient, failed, ok
from onebot_bot.transport.server import OneBotServer

T = TypeVar("T")
Dial = Callable[..., OneBotClient]
Lines = asyncio.Queue[EventDict]

HELLO = SendGroupMsg(20000, (Text("hello"),))
NT_TIMEOUT = "Timeout: NTEvent serviceAndMethod:NodeIKernelMsgService/sendMsg"


async def soon(awaitable: Awaitable[T]) -> T:
    """Wait, but not for ever."""
    return await asyncio.wait_for(awaitable, 5)


async def line(lines: Lines, start: str) -> EventDict:
    """The next log line that starts like that."""
    while True:
        event = await soon(lines.get())
        if str(event["event"]).startswith(start):
            return event


def no_answer(call: Call) -> None:
    """Answer no action; the test does."""


def answering(answer: Answer) -> Callable[[Call], Answer]:
    """Answer every action like that."""
    return lambda call: answer


def account_of(server: OneBotServer) -> Account:
    """The account under test."""
    return server.accounts[10000]


# --- replies -------------------------------------------------------------------------------------------


async def test_a_reply_gives_its_data(server: OneBotServer, dial: Dial) -> None:
    """What the client answered comes back."""
    async with dial(on_call=answering(ok({"message_id": 7}))):
        assert await soon(account_of(server).call(HELLO)) == {"message_id": 7}


async def test_an_action_without_data_gives_none(server: OneBotServer, dial: Dial) -> None:
    """NapCat leaves `data` out for actions that return nothing."""
    async with dial(on_call=answering(ok())):
        assert await soon(account_of(server).call(SetInputStatus(30000))) is None


async def test_a_refused_action_fails(server: OneBotServer, dial: Dial) -> None:
    """The error has the retcode and the client's words."""
    async with dial(on_call=answering(failed(1404, "不支持的Api"))):
        with pytest.raises(ActionFailed, match="不支持的Api") as caught:
            await soon(account_of(server).call(HELLO))
    assert (caught.value.action, caught.value.retcode) == ("send_group_msg", 1404)


async def test_a_thrown_error_is_a_plain_failure(server: OneBotServer, dial: Dial) -> None:
    """Retcode 1200 is unknown only when QQ's confirmation is what is missing."""
    async with dial(on_call=answering(failed(1200, "消息体无法解析"))):
        with pytest.raises(ActionFailed, match="无法解析"):
            await soon(account_of(server).call(HELLO))


async def test_a_missing_confirmation_is_unknown(server: OneBotServer, dial: Dial) -> None:
    """The message may have been sent: it is not sent again."""
    async with dial(on_call=answering(failed(1200, NT_TIMEOUT))) as client:
        with pytest.raises(ActionUnknown, match="NTEvent"):
            await soon(account_of(server).call(HELLO))
        assert len(client.calls) == 1


async def test_a_reply_that_never_comes_is_unknown(server: OneBotServer, dial: Dial) -> None:
    """The call has its own timeout; nothing is sent again and nothing is left behind."""
    async with dial(on_call=no_answer) as client:
        with pytest.raises(ActionUnknown, match=r"no reply within 0\.01 s"):
            await soon(account_of(server).call(HELLO, timeout=0.01))
        assert account_of(server).pending.echoes == []
        await soon(client.next_call())
        assert client._arrived.empty()


async def test_the_default_timeout_follows_config_and_size(server: OneBotServer, dial: Dial) -> None:
    """256 KiB more wait a second longer."""
    async with dial(on_call=no_answer):
        account = account_of(server)
        account.base_timeout = 0.01
        picture = Image(file="https://example.com/a.png", file_size=str(256 * 1024))
        with pytest.raises(ActionUnknown, match=r"within 0\.01"):
            await soon(account.call(HELLO))
        slow = asyncio.create_task(account.call(SendGroupMsg(20000, (picture,))))
        with pytest.raises(ActionUnknown, match=r"within 0\.01"):
            await soon(account.call(HELLO))
        assert not slow.done()
        slow.cancel()


async def test_without_a_link_nothing_is_sent(server: OneBotServer, dial: Dial) -> None:
    """Before that the account was there; now the error says what to check."""
    async with dial():
        account = account_of(server)
    with pytest.raises(NotConnected, match="NapCat"):
        await account.call(HELLO)
    assert account.pending.echoes == []


async def test_replies_may_come_in_any_order(server: OneBotServer, dial: Dial) -> None:
    """NapCat answers in the order of completion."""
    async with dial(on_call=no_answer) as client:
        calls = [asyncio.create_task(account_of(server).call(HELLO)) for _ in range(3)]
        asked = [await soon(client.next_call()) for _ in calls]
        for number in (2, 0, 1):
            await client.reply(asked[number], ok(number))
        assert await soon(asyncio.gather(*calls)) == [0, 1, 2]


async def test_a_late_reply_on_the_next_connection_counts(server: OneBotServer, dial: Dial, lines: Lines) -> None:
    """QQ finishes the action while the link is down; NapCat answers on the new one with the old echo."""
    async with dial(on_call=no_answer) as client:
        call = asyncio.create_task(account_of(server).call(HELLO))
        asked = await soon(client.next_call())
        await client.disconnect()
        await line(lines, "A OneBot client disconnected.")
        assert not call.done()
        await client.connect()
        await client.reply(asked, ok({"message_id": 7}))
        assert await soon(call) == {"message_id": 7}
        assert len(client.calls) == 1


async def test_a_reply_on_the_other_link_counts(server: OneBotServer, dial: Dial) -> None:
    """After NapCat's URL bug the reply to what the orphan got comes out of the live link."""
    async with dial(on_call=no_answer) as older, dial(on_call=no_answer) as newer:
        call = asyncio.create_task(account_of(server).call(HELLO))
        await older.reply(await soon(newer.next_call()), ok(1))
        assert await soon(call) == 1


async def test_a_second_reply_is_passed_over(server: OneBotServer, dial: Dial, lines: Lines) -> None:
    """It costs a line and nothing else."""
    async with dial(on_call=no_answer) as client:
        call = asyncio.create_task(account_of(server).call(HELLO))
        asked = await soon(client.next_call())
        await client.reply(asked, ok(1))
        await client.reply(asked, ok(2))
        assert await soon(call) == 1
        assert (await line(lines, "A reply came that nobody waits for"))["echo"] == asked.echo


async def test_a_stream_resolves_on_its_last_frame(server: OneBotServer, dial: Dial) -> None:
    """Frames before it belong to the same echo."""
    async with dial(on_call=no_answer) as client:
        action = UploadFileStream(stream_id="s", is_complete=True)
        call = asyncio.create_task(account_of(server).call(action))
        asked = await soon(client.next_call())
        for number in range(10):
            frame = {**ok({"type": "stream", "n": number}), "stream": "stream-action"}
            await client.reply(asked, frame)
        last = {"type": "response", "file_path": "/tmp/x"}
        await client.reply(asked, {**ok(last), "stream": "stream-action"})
        assert await soon(call) == last


async def test_a_cancelled_call_leaves_nothing_behind(server: OneBotServer, dial: Dial, lines: Lines) -> None:
    """Its reply finds nobody."""
    async with dial(on_call=no_answer) as client:
        call = asyncio.create_task(account_of(server).call(HELLO))
        asked = await soon(client.next_call())
        call.cancel()
        await asyncio.wait([call])
        assert account_of(server).pending.echoes == []
        await client.reply(asked, ok())
        await line(lines, "A reply came that nobody waits for")


# --- what is sent --------------------------------------------------------------------------------------


async def test_echoes_are_short_strings_and_never_repeat(server: OneBotServer, dial: Dial) -> None:
    """NapCat rounds large numbers, and turns a missing echo into an empty one."""
    async with dial() as client, dial(10001) as other:
        for account in (server.accounts[10000], server.accounts[10001]):
            for _ in range(50):
                await soon(account.call(GetStatus()))
        echoes = [call.echo for call in client.calls + other.calls]
    assert len(set(echoes)) == 100
    assert max(map(len, echoes)) < 16


async def test_messages_are_sent_as_arrays(server: OneBotServer, dial: Dial) -> None:
    """In a string NapCat would find CQ codes, and read files it should not."""
    async with dial() as client:
        text = "[CQ:image,file=file:///etc/passwd]"
        await soon(account_of(server).call(SendGroupMsg(20000, (Text(text),))))
        assert client.calls[0].params["message"] == [{"type": "text", "data": {"text": text}}]


async def test_an_action_beyond_the_list_is_never_sent(server: OneBotServer, dial: Dial) -> None:
    """A Struct made elsewhere is not enough to reach the client."""

    class BotExit(Action, frozen=True):
        name: ClassVar[str] = "bot_exit"

    async with dial() as client:
        with pytest.raises(ActionError, match="bot_exit"):
            await account_of(server).call(BotExit())
        await soon(account_of(server).call(GetStatus()))
        assert [call.action for call in client.calls] == ["get_status"]


def upload(size: int) -> UploadFileStream:
    """An action whose frame has a little over `size` bytes."""
    return UploadFileStream(stream_id="s", chunk_index=0, chunk_data="x" * size)


async def test_big_actions_go_one_at_a_time(server: OneBotServer, dial: Dial) -> None:
    """NapCat's loop stands still while it parses one; small ones are not held back."""
    async with dial(on_call=no_answer) as client:
        account = account_of(server)
        first = asyncio.create_task(account.call(upload(BIG_FRAME)))
        second = asyncio.create_task(account.call(upload(BIG_FRAME)))
        small = asyncio.create_task(account.call(GetStatus()))
        asked = await soon(client.next_call("upload_file_stream"))
        await client.reply(await soon(client.next_call()), ok("small"))
        assert await soon(small) == "small"
        assert len(client.calls) == 2
        await client.reply(asked, ok("first"))
        assert await soon(first) == "first"
        await client.reply(await soon(client.next_call()), ok("second"))
        assert await soon(second) == "second"


async def test_a_frame_that_would_end_the_connection_is_not_sent(server: OneBotServer, dial: Dial) -> None:
    """NapCat closes over 50 MiB and would lose every pending reply."""
    async with dial() as client:
        with pytest.raises(ActionError, match="at most 50"):
            await account_of(server).call(upload(LARGEST_FRAME))
        await soon(account_of(server).call(GetStatus()))
        assert client.close_code is None


async def test_a_reply_without_echo_resolves_nothing(server: OneBotServer, dial: Dial, lines: Lines) -> None:
    """LLOneBot loses the echo on a 1400: whose it is cannot be known."""
    async with dial(on_call=no_answer) as client:
        call = asyncio.create_task(account_of(server).call(HELLO))
        asked = await soon(client.next_call())
        await client.send_event(failed(1400, "bad request") | {"echo": ""})
        said: dict[str, Any] = dict(await line(lines, "A reply came that nobody waits for"))
        assert said["retcode"] == 1400
        assert not call.done()
        await client._socket.send(msgspec.json.encode({**ok(), "echo": asked.echo}))
        assert await soon(call) is None


async def test_a_link_that_is_gone_before_it_is_closed_harms_nobody(
    server: OneBotServer, dial: Dial, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is left of its transport: it is dropped, and the client comes back."""

    async def close(**_: object) -> None:
        raise AttributeError("'NoneType' object has no attribute 'remove_writer'")

    async with dial() as client:
        link = account_of(server).links[-1]
        monkeypatch.setattr(link.socket, "close", close)
        await soon(link.close("The heartbeats stopped."))
        await soon(client.wait_closed())
        assert link.socket.transport.is_closing()
