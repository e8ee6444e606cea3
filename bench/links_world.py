"""What bench/links.py plays with: QQ's servers, NapCat processes that misbehave, and a whole bot for them to dial."""

import asyncio
import contextlib
import gc
import logging
import socket
import sqlite3
import struct
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

import msgspec
from msgspec import Struct
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.protocol import State

from bench.servers import ViolationError, free_port
from onebot_bot.app import App
from onebot_bot.protocol.segments import At, Text
from onebot_bot.transport.account import Account
from onebot_bot.transport.client import Call, OneBotClient, failed, ok

T = TypeVar("T")
Ending = Literal["close", "reset", "nonsense"]

PATIENCE = 20.0
"""Seconds until something that does not come counts as lost."""
ACTION_TIMEOUT = 0.2
"""Seconds; a reply that a program loses on purpose is waited for as long."""
IDLE_MINUTES = 0.0005
LOST = "Timeout: NTEvent serviceAndMethod:NodeIKernelMsgService/sendMsg"
CONFIG = """version = 1
[server]
port = {port}
token = ""
gap_messages = 200
[model]
path = "echo"
[chat]
merge_window = 0
typing_speed = 0
max_bubbles = 1
quote_in_group = false
history_messages = 0
exchanges_per_minute = 0
[sending]
interval = 0
jitter = 0
per_minute = 0
[backup]
enabled = false
[log]
level = "error"
file = ""
turns = ""
"""


async def until(holds: Callable[[], bool], kind: str, what: Callable[[], object]) -> None:
    """Wait until something holds; raises ViolationError when it does not within `PATIENCE`."""
    end = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > end:
            raise ViolationError(kind, str(what()))
        await asyncio.sleep(0.002)


# --- QQ ----------------------------------------------------------------------------------------------------------


class Sent(Struct, frozen=True):
    """A message of the bot that QQ has."""

    peer: int
    text: str
    message_id: int


class Qq:
    """What QQ's servers have of one account: they keep what is said while nobody is connected."""

    def __init__(self, account: int) -> None:
        self.account = account
        self.group = 10**9 + account
        self.friend = 2 * 10**9 + account
        self.histories: dict[int, list[dict[str, Any]]] = {self.group: [], self.friend: []}
        """Events by group or person, oldest first."""
        self.sent: list[Sent] = []
        self._writer = OneBotClient("", account)

    def write(self, *, private: bool) -> dict[str, Any]:
        """Somebody writes something that asks for an answer; the event. In the group it is always somebody new."""
        number = sum(map(len, self.histories.values())) + 1
        if private:
            event = self._writer.private_message(self.friend, f"friend {number}")
        else:
            words = (At(str(self.account)), Text(f" group {number}"))
            event = self._writer.group_message(self.group, 3 * 10**9 + number, words)
        self.histories[self.friend if private else self.group].append(event)
        return event

    @property
    def said(self) -> set[int]:
        """The ids of all that was said."""
        return {event["message_id"] for history in self.histories.values() for event in history}

    def do(self, call: Call) -> dict[str, Any]:
        """Carry out an action; the reply's frame without its echo."""
        match call.action, call.params:
            case "send_group_msg", {"group_id": peer, "message": message}:
                return self._send(int(peer), message)
            case "send_private_msg", {"user_id": peer, "message": message}:
                return self._send(int(peer), message)
            case "get_group_msg_history", {"group_id": peer, "count": count}:
                return ok({"messages": self.histories.get(int(peer), []), "count": count})
            case "get_friend_msg_history", {"user_id": peer, "count": count}:
                return ok({"messages": self.histories.get(int(peer), []), "count": count})
        return ok()

    def _send(self, peer: int, message: list[dict[str, Any]]) -> dict[str, Any]:
        text = "".join(part["data"].get("text", "") for part in message).strip()
        self.sent.append(Sent(peer, text, 10**6 + len(self.sent)))
        return ok({"message_id": self.sent[-1].message_id})


# --- NapCat ------------------------------------------------------------------------------------------------------


class NapCat:
    """One process of it. Connecting again leaves the older connection open and unused, as NapCat's bug does."""

    def __init__(self, url: str, qq: Qq) -> None:
        self._url = url
        self._qq = qq
        self._sockets: list[ClientConnection] = []
        """Oldest first."""
        self._frozen: set[ClientConnection] = set()
        self._readers: set[asyncio.Task[None]] = set()
        self._held: list[bytes] | None = None
        """Replies that are kept for the next connection; None: they go out at once."""
        self._losing = False
        """Whether the next reply never goes out."""
        self.online = True

    @property
    def open(self) -> list[ClientConnection]:
        """The connections that stand, oldest first."""
        return [one for one in self._sockets if one.state is State.OPEN and not one.transport.is_closing()]

    async def dial(self) -> None:
        """Make a new connection; replies that were kept go out on it."""
        try:
            new = await connect(
                self._url,
                additional_headers={"X-Self-ID": str(self._qq.account)},
                compression=None,
                proxy=None,
                ping_interval=None,
                close_timeout=0.05,
                max_queue=None,
            )
        except (OSError, InvalidHandshake) as error:
            raise ViolationError("refused", f"a connection was refused: {error}") from error
        self._sockets.append(new)
        reader = asyncio.create_task(self._read(new))
        self._readers.add(reader)
        reader.add_done_callback(self._readers.discard)
        await self._tell({"post_type": "meta_event", "meta_event_type": "lifecycle", "sub_type": "connect"})
        held, self._held = self._held or [], None
        for frame in held:
            await self.send(frame)

    async def send(self, frame: bytes) -> None:
        """Send one frame on the newest connection; without one it is dropped, as NapCat does."""
        with contextlib.suppress(ConnectionClosed, IndexError):
            await self.open[-1].send(frame, text=True)

    async def report(self, event: Mapping[str, Any]) -> None:
        """Tell of something that was said; while QQ is offline it is not known here."""
        if self.online:
            await self.send(msgspec.json.encode(event))

    async def beat(self, *, online: bool) -> None:
        """QQ goes offline or comes back, which a heartbeat tells."""
        self.online = online
        status = {"online": online, "good": True}
        await self._tell({"post_type": "meta_event", "meta_event_type": "heartbeat", "status": status, "interval": 0})

    async def _tell(self, event: dict[str, Any]) -> None:
        await self.send(msgspec.json.encode({"time": int(time.time()), "self_id": self._qq.account, **event}))

    async def sync(self) -> None:
        """Wait until the bot has taken in all that was sent on the newest connection, if it is one that reads."""
        with contextlib.suppress(ConnectionClosed, IndexError):
            if self.open[-1] not in self._frozen:
                await (await self.open[-1].ping())

    def freeze(self) -> None:
        """Read nothing more from any connection; they stay open, and can be written to."""
        for one in self.open:
            if one not in self._frozen:
                one.transport.pause_reading()
                self._frozen.add(one)

    def thaw(self) -> None:
        """Read on."""
        for one in self.open:
            if one in self._frozen:
                one.transport.resume_reading()
        self._frozen.clear()

    def keep_replies(self) -> None:
        """From now on replies wait for the next connection."""
        self._held = self._held or []

    def lose_reply(self) -> None:
        """The next action is done and never answered."""
        self._losing = True

    async def end(self, place: int, how: Ending) -> None:
        """End one of the open connections, from the oldest (0) to the newest (-1)."""
        if not self.open:
            return
        one = self.open[place]
        if how == "close":
            await one.close()
        elif how == "nonsense":
            one.transport.write(b"\xff\xff\xff\xff")
        else:
            linger = struct.pack("ii", 1, 0)
            one.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            one.transport.abort()

    async def quit(self) -> None:
        """End the process in good order; nothing of it is left."""
        self.thaw()
        for one in self._sockets:
            await one.close()
        await asyncio.gather(*self._readers)

    async def _read(self, one: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                call = msgspec.json.decode(await one.recv(decode=False), type=Call)
                answer = self._qq.do(call) if self.online or "send" not in call.action else failed(1200, LOST)
                await self._reply(msgspec.json.encode({**answer, "echo": call.echo}))

    async def _reply(self, frame: bytes) -> None:
        if self._losing:
            self._losing = False
        elif self._held is not None:
            self._held.append(frame)
        else:
            await self.send(frame)


# --- the bot -----------------------------------------------------------------------------------------------------


class Bot(App):
    """The whole application, whose accounts can be looked at."""

    @property
    def accounts(self) -> Mapping[int, Account]:
        """By number."""
        return self._accounts


class World:
    """A running bot and the loop it runs on. A context manager; one serves many programs, each with its account."""

    def __init__(self, loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None) -> None:
        self.counts: Counter[str] = Counter()
        """What was played, and how often."""
        self._numbers = iter(range(10001, 10**8))
        self._runner = asyncio.Runner(loop_factory=loop_factory)
        self._stack = contextlib.ExitStack()
        self._before: set[asyncio.Task[Any]] = set()
        """The bot's own."""
        self._files: Counter[str] = Counter()
        self.bot: Bot
        self._rows: sqlite3.Connection

    def __enter__(self) -> Self:
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self._stack.enter_context(self._runner)
        root = logging.getLogger()
        self._stack.callback(root.setLevel, root.level)
        path = folder / "config.toml"
        path.write_text(CONFIG.format(port=free_port()), encoding="utf-8")
        self.bot = self.run(self._start(path))
        self._stack.callback(lambda: self.run(self.bot.__aexit__(None, None, None)))
        self._rows = sqlite3.connect(folder / "memory_store" / "memory.sqlite3", isolation_level=None)
        self._stack.callback(self._rows.close)
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run to the end on the bot's loop; the bot goes on for as long."""
        return self._runner.run(work)

    async def _start(self, path: Path) -> Bot:
        bot = await Bot(path).__aenter__()
        self._before = asyncio.all_tasks() - {asyncio.current_task()}
        config = bot.config
        bot.configuration.apply(
            msgspec.structs.replace(
                config,
                server=msgspec.structs.replace(config.server, action_timeout=ACTION_TIMEOUT),
                chat=msgspec.structs.replace(config.chat, idle_minutes=IDLE_MINUTES),
            )
        )
        return bot

    def new_qq(self) -> Qq:
        """An account that never was."""
        return Qq(next(self._numbers))

    def dial(self, qq: Qq) -> NapCat:
        """A process for it, not connected yet."""
        return NapCat(self.bot.url, qq)

    def rows(self, sql: str, *values: object) -> list[Any]:
        """Ask the record, beside the bot."""
        return self._rows.execute(sql, values).fetchall()

    # --- what is left over ---

    async def note_rest(self) -> None:
        """What is open now, once no task is left of what was played so far, may be so after every program."""
        here = asyncio.current_task()
        await until(lambda: not self._tasks(here), "leaked", lambda: self._tasks(here))
        gc.collect()
        self._files = _open_files()

    async def check_rest(self) -> None:
        """Wait until nothing is left of a program; raises ViolationError when something stays."""
        here = asyncio.current_task()
        await until(lambda: not self._tasks(here), "leaked", lambda: self._tasks(here))
        try:
            await until(lambda: not _open_files() - self._files, "leaked", lambda: _open_files() - self._files)
        except ViolationError:
            self._files = _open_files()  # it is this program's alone
            raise

    def _tasks(self, here: "asyncio.Task[Any] | None") -> set["asyncio.Task[Any]"]:
        return asyncio.all_tasks() - self._before - {here}


def _open_files() -> Counter[str]:
    """What this process has open, by path or kind; nothing where the system does not tell."""
    folder = Path("/proc/self/fd")
    found = (_target(entry) for entry in folder.iterdir()) if folder.exists() else ()
    return Counter(name.partition(":")[0] for name in found if name)


def _target(entry: Path) -> str:
    try:
        return str(entry.readlink())
    except FileNotFoundError:  # it was that of the folder itself
        return ""
