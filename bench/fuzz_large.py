"""A target of fuzz.py: frames of many MiB over a real socket, beside another account's connection."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import msgspec
from structlog.testing import capture_logs
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from bench.fuzz_wire import ANSWER, EVENTS, SELF
from onebot_bot.protocol.events import Event, MessageBase
from onebot_bot.protocol.frames import LARGEST_EVENT
from onebot_bot.protocol.large import TOO_LARGE
from onebot_bot.protocol.segments import UnknownSegment
from onebot_bot.sections.server import ServerConfig
from onebot_bot.transport.account import Account
from onebot_bot.transport.server import OneBotServer

LIMIT_MIB = 64
"""`server.max_frame_mib`, by its default."""
OTHER = 20001
TOO_BIG = 1009
"""The close code for a frame over the limit."""
PATIENCE = 60.0
"""Seconds of the wall clock for what comes next; the machine may be busy with others."""
Heard = asyncio.Queue[tuple[Account, Event]]


def send_large(random: Random) -> None:
    """A frame is heard, dropped, or ends its connection by 1009; whatever it is, both accounts go on."""
    with capture_logs():
        asyncio.run(_send(random))


async def _send(random: Random) -> None:
    heard: Heard = asyncio.Queue()
    config = ServerConfig(port=0, max_frame_mib=LIMIT_MIB)
    async with OneBotServer(config, "", lambda account, event: heard.put_nowait((account, event)), _ignore) as server:
        url = f"ws://127.0.0.1:{server.port}/"
        async with _dial(url, SELF) as link, _dial(url, OTHER) as other:
            kind = random.choice(sorted(FRAMES))
            frame = FRAMES[kind](LIMIT_MIB * 2**20 * random.choice((0.1, 0.6, 0.99, 1.01)))
            await _sent(link, frame)
            too_big = len(frame) > LIMIT_MIB * 2**20
            if too_big:
                await asyncio.wait_for(link.wait_closed(), PATIENCE)
                assert link.close_code == TOO_BIG
            elif kind in MESSAGES:
                cut = UnknownSegment(TOO_LARGE) in (await _next(heard)).message
                assert cut == (len(frame) > LARGEST_EVENT)
            await _speaks(other, OTHER, heard)
            if too_big:
                async with _dial(url, SELF) as again:
                    await _speaks(again, SELF, heard)
            else:
                await _speaks(link, SELF, heard)


@asynccontextmanager
async def _dial(url: str, account: int) -> AsyncIterator[ClientConnection]:
    headers = {"X-Self-ID": str(account)}
    link = await connect(url, additional_headers=headers, max_size=None, proxy=None, compression=None)
    yield link
    if link.state is State.OPEN:  # closing again what was lost while bytes were waiting upsets CPython 3.11
        await link.close()


async def _sent(link: ClientConnection, frame: bytes) -> None:
    try:
        await link.send(frame, text=True)
    except ConnectionClosed:
        return  # the bot has seen its length, and need not see the rest


async def _speaks(link: ClientConnection, account: int, heard: Heard) -> None:
    """A small message of the account is heard, and nothing before it."""
    await link.send(msgspec.json.encode({**EVENTS["private message"], "self_id": account, "message_id": 7}), text=True)
    found = await _next(heard)
    assert (found.self_id, found.message_id) == (account, 7)


async def _next(heard: Heard) -> MessageBase:
    _, event = await asyncio.wait_for(heard.get(), PATIENCE)
    assert isinstance(event, MessageBase)
    return event


def _ignore(_account: Account) -> None:
    """No action is asked for."""


# --- frames --------------------------------------------------------------------------------------------------------

MESSAGES = ("segments", "lists in lists", "words")
"""The kinds of frame that are a message."""


def _with(wire: dict[str, Any], key: str, piece: bytes, size: float) -> bytes:
    """An object with a value for the key that makes it so large: pieces in a list."""
    head = msgspec.json.encode({name: value for name, value in wire.items() if name != key})
    return head[:-1] + b',"' + key.encode() + b'":[' + b",".join([piece] * int(size / (len(piece) + 1))) + b"]}"


_SAID = EVENTS["group message"]
FRAMES: dict[str, Callable[[float], bytes]] = {
    "segments": lambda size: _with(_SAID, "message", b'{"type":"text","data":{"text":"hello"}}', size),
    "lists in lists": lambda size: _with(_SAID, "message", b"[" * 40 + b"1" + b"]" * 40, size),
    "words": lambda size: msgspec.json.encode(
        {**_SAID, "raw_message": "[CQ:at,qq=10000]" + "[CQ:face,id=1]hello" * int(size / 40)}
    ),
    "a notice": lambda size: _with({"post_type": "notice", "notice_type": "?"}, "x", b'{"a":[1,2,3]}', size),
    "an answer": lambda size: msgspec.json.encode({**ANSWER, "data": {"base64": "A" * int(size)}}),
    "no JSON": lambda size: b'{"post_type":"message","message":"' + b"\\ud83d" * int(size / 6),
}
"""Frames of about so many bytes."""
