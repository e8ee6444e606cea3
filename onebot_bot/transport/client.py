"""The other side: a small OneBot v11 client that connects and answers as NapCat does.

The console, the doctor, the tests and the benches speak to the bot through it.

    async with OneBotClient("ws://127.0.0.1:6790/onebot/v11/ws", 10000, token) as client:
        await client.send_event(client.group_message(20000, 30000, "hello"))
        call = await client.next_call("send_group_msg")
"""

import asyncio
import itertools
import secrets
import time
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from onebot_bot.errors import NotConnected
from onebot_bot.protocol.segments import Segment, Text, encode_message, to_cq

OPEN_TIMEOUT = 2.0
"""NapCat gives up on a handshake after this many seconds."""
MAX_FRAME = 50 * 2**20
"""NapCat's `maxPayload`, bytes."""


class Call(msgspec.Struct, frozen=True):
    """An action that the bot asked for."""

    action: str
    params: dict[str, Any] = {}
    echo: str = ""


Answer = dict[str, Any]
"""A reply frame without its echo."""


def ok(data: Any = None) -> Answer:
    """The reply to an action that was done; without data, NapCat leaves the key out."""
    answer = {"status": "ok", "retcode": 0, "message": "", "wording": "", "stream": "normal-action"}
    return answer if data is None else {**answer, "data": data}


def failed(retcode: int, wording: str) -> Answer:
    """The reply to an action that was not done."""
    return {
        "status": "failed",
        "retcode": retcode,
        "data": None,
        "message": wording,
        "wording": wording,
        "stream": "normal-action",
    }


class OneBotClient:
    """One account of a OneBot client; connected while its `async with` block runs.

    Args:
        url: where the bot listens, used as it is.
        self_id: the account's QQ number.
        token: sent as NapCat sends it: the bare word `Bearer` when empty.
        role: the `x-client-role` header; empty leaves it out.
        user_agent: the `User-Agent` header.
        on_call: called for each action; what it returns is sent as the reply, None sends nothing.
            By default every action succeeds.
        heartbeat: seconds between heartbeats; 0 sends none.

    Raises:
        NotConnected: on entering: the bot cannot be reached or refuses; the text has its status and words.
    """

    def __init__(  # noqa: PLR0913 - what NapCat's own form asks for
        self,
        url: str,
        self_id: int,
        token: str = "",
        *,
        role: str = "Universal",
        user_agent: str = "OneBot/11",
        on_call: Callable[[Call], Answer | None] | None = None,
        heartbeat: float = 0,
    ) -> None:
        self.url = url
        self.self_id = self_id
        self.calls: list[Call] = []
        """Every action asked for, in order; a client that runs for days clears it."""
        self.close_code: int | None = None
        """How the last connection ended; None while it stands."""
        self._token = token
        self._role = role
        self._user_agent = user_agent
        self._on_call = on_call or self.succeed
        self._heartbeat = heartbeat
        self._arrived: asyncio.Queue[Call] = asyncio.Queue()
        # Ids go on from a random number: the bot keeps history by id, across runs of this client.
        self._ids = itertools.count(secrets.randbelow(2**30) + 1)
        self._socket: ClientConnection
        self._standing: set[ClientConnection] = set()
        self._reader: asyncio.Task[None]
        self._tasks: asyncio.TaskGroup
        self._stack: AsyncExitStack

    async def __aenter__(self) -> Self:
        socket = await self._open()
        self._stack = AsyncExitStack()
        self._tasks = await self._stack.enter_async_context(asyncio.TaskGroup())
        self._stack.push_async_callback(self._close_all)
        self._adopt(socket)
        if self._heartbeat:
            self._stack.callback(self._tasks.create_task(self._beat()).cancel)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Not handed on: the group would wrap an error of the block's own.
        await self._stack.aclose()

    # --- the connection --------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Open a connection and announce it; as in NapCat, one that is still open stays so, unused.

        Raises:
            NotConnected: the bot cannot be reached or refuses.
        """
        self._adopt(await self._open())

    async def disconnect(self) -> None:
        """Close the connection and wait until it is gone."""
        await self._socket.close()
        await self._reader

    async def reconnect(self) -> None:
        """Close the connection and open a new one; replies still owed go out on that."""
        await self.disconnect()
        await self.connect()

    async def wait_closed(self) -> int | None:
        """Wait until the connection has ended; the close code."""
        await asyncio.shield(self._reader)
        return self.close_code

    def _adopt(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.close_code = None
        self._reader = self._tasks.create_task(self._read(socket))
        self._standing.add(socket)

    async def _close_all(self) -> None:
        for socket in [*self._standing]:
            await socket.close()

    async def _open(self) -> ClientConnection:
        try:
            socket = await connect(
                self.url,
                additional_headers=self._headers(),
                user_agent_header=self._user_agent or None,
                compression=None,
                proxy=None,
                open_timeout=OPEN_TIMEOUT,
                ping_interval=None,
                max_size=MAX_FRAME,
                max_queue=None,
            )
            await socket.send(msgspec.json.encode({**self._meta("lifecycle"), "sub_type": "connect"}), text=True)
        except InvalidStatus as error:
            body = (error.response.body or b"").decode(errors="replace").strip()
            raise NotConnected(f"{self.url} refused with {error.response.status_code}: {body}") from error
        except (OSError, InvalidHandshake, InvalidURI, ConnectionClosed) as error:
            raise NotConnected(f"{self.url} cannot be reached: {error}") from error
        return socket

    def _headers(self) -> dict[str, str]:
        headers = {"X-Self-ID": str(self.self_id), "Authorization": f"Bearer {self._token}".rstrip()}
        if self._role:
            headers["x-client-role"] = self._role
        return headers

    # --- actions ---------------------------------------------------------------------------------------

    async def next_call(self, action: str = "") -> Call:
        """The next action asked for, or the next of that name; those before it are passed over."""
        while True:
            call = await self._arrived.get()
            if action in {"", call.action}:
                return call

    async def reply(self, call: Call, answer: Answer) -> None:
        """Answer an action, on the connection that is up now."""
        await self.send_event({**answer, "echo": call.echo})

    def succeed(self, call: Call) -> Answer:
        """Do whatever is asked: the default `on_call`."""
        match call.action:
            case "send_group_msg" | "send_private_msg" | "send_group_forward_msg" | "send_private_forward_msg":
                return ok({"message_id": next(self._ids)})
            case "get_login_info":
                return ok({"user_id": self.self_id, "nickname": str(self.self_id)})
            case "get_status":
                return ok({"online": True, "good": True, "stat": {}})
            case "get_group_msg_history" | "get_friend_msg_history":
                return ok({"messages": []})
            case _:
                return ok()

    async def _read(self, socket: ClientConnection) -> None:
        try:
            while True:
                call = msgspec.json.decode(await socket.recv(decode=False), type=Call)
                self.calls.append(call)
                self._arrived.put_nowait(call)
                answer = self._on_call(call)
                if answer is not None:
                    await self.reply(call, answer)
        except (ConnectionClosed, NotConnected):
            # NotConnected: the bot went away while it was being answered; NapCat loses that answer too.
            self._standing.discard(socket)
            if socket is self._socket:
                self.close_code = socket.close_code

    # --- events ----------------------------------------------------------------------------------------

    async def send_event(self, event: dict[str, Any]) -> None:
        """Send one frame.

        Raises:
            NotConnected: the connection is gone; like NapCat, the event is dropped.
        """
        try:
            await self._socket.send(msgspec.json.encode(event), text=True)
        except ConnectionClosed as error:
            raise NotConnected(f"The connection to {self.url} is gone.") from error

    async def send_heartbeat(self, *, online: bool = True, interval: int = 30_000) -> None:
        """Send one heartbeat; `interval` is in milliseconds, as NapCat's is."""
        status = {"online": online, "good": True}
        await self.send_event({**self._meta("heartbeat"), "status": status, "interval": interval})

    def group_message(
        self, group_id: int, user_id: int, message: str | Iterable[Segment], **fields: Any
    ) -> dict[str, Any]:
        """A group message as NapCat reports it; `fields` replace or add keys."""
        event = self._message("group", user_id, message)
        event["sender"]["role"] = "member"
        return {**event, "sub_type": "normal", "group_id": group_id, "group_name": str(group_id), **fields}

    def private_message(self, user_id: int, message: str | Iterable[Segment], **fields: Any) -> dict[str, Any]:
        """A friend's message as NapCat reports it; `fields` replace or add keys."""
        event = self._message("private", user_id, message)
        return {**event, "sub_type": "friend", "target_id": self.self_id, **fields}

    def _message(self, kind: str, user_id: int, message: str | Iterable[Segment]) -> dict[str, Any]:
        segments: tuple[Segment, ...] = (Text(message),) if isinstance(message, str) else tuple(message)
        number = next(self._ids)
        return {
            "self_id": self.self_id,
            "user_id": user_id,
            "time": int(time.time()),
            "message_id": number,
            "message_seq": number,
            "real_id": number,
            "real_seq": str(number),
            "message_type": kind,
            "sender": {"user_id": user_id, "nickname": str(user_id), "card": ""},
            "raw_message": to_cq(segments),
            "font": 14,
            "message": encode_message(segments),
            "message_format": "array",
            "post_type": "message",
        }

    def _meta(self, kind: str) -> dict[str, Any]:
        return {
            "time": int(time.time()),
            "self_id": self.self_id,
            "post_type": "meta_event",
            "meta_event_type": kind,
        }

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat)
            try:
                await self.send_heartbeat(interval=int(self._heartbeat * 1000))
            except NotConnected:
                continue  # NapCat's timer runs on between connections
