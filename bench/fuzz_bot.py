"""A target of fuzz.py: the whole bot in this process, with the echo engine, behind a client that has gone mad.

It sends frames of every kind, commands among them, and answers actions with whatever comes; now and then a person
says something and is to be answered.
"""

import asyncio
import contextlib
import logging
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, MutableMapping
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import structlog
from websockets.asyncio.client import ClientConnection, connect

from bench import fuzz_values as values
from bench.fuzz_wire import ANSWER, EVENTS, SELF, USER, event
from onebot_bot.app import App
from onebot_bot.commands.dispatcher import build_registry

CONFIG = """version = 1
[bot]
owners = [1]
admins = [2]
[server]
port = {port}
token = ""
action_timeout = 2
[model]
path = "echo"
[chat]
merge_window = 0
typing_speed = 0
talk_value = 0.5
exchanges_per_minute = 0
[sending]
interval = 0
jitter = 0
per_minute = 0
[reading]
links = false
[log]
file = ""
"""
PEOPLE = (1, 2, USER, USER, USER)
BETWEEN = 100
"""Frames between two times that a person asks."""
PATIENCE = 60.0
"""Seconds of the wall clock within which they are answered; the machine may be busy with others."""
PERSON = 424242
VERBS = (
    "", "", "list", "add", "show 1", "edit 1", "search", "forget 1", "pin 1", "stats", "export", "on", "default", "new",
    "switch 1", "delete 1", "me", "accept 1", "reject 1", "ask 2", "allow 3", "10m", "0.3", "1", "-1",
    "99999999999999999999",
    "set bot.names", "set chat.talk_value 0.5", "status", "use", "cancel", "20001 10m", "today", "chat", "20000",
)  # fmt: skip
"""What commands are followed by; nothing that keeps the person out who asks."""
COMMANDS = tuple(name for command in build_registry().commands for name in command.names)


class Mad:
    """The client."""

    def __init__(self, link: ClientConnection, random: Random) -> None:
        self.link = link
        self.random = random
        self.answered = asyncio.Event()
        self.expected = ""

    async def read(self) -> None:
        """Answer what is asked, rightly or not."""
        async for frame in self.link:
            call = msgspec.json.decode(frame)
            if call["params"].get("user_id") == PERSON and self.expected in str(call["params"].get("message")):
                self.answered.set()
            await self.link.send(self._answer(call))

    def _answer(self, call: dict[str, Any]) -> bytes:
        right = {**ANSWER, "echo": call["echo"], "data": {"message_id": self.random.getrandbits(31)}}
        if call["action"].startswith("send_") and self.random.random() < 0.9:
            return msgspec.json.encode(right)
        wrong = self.random.choice((event, lambda random: {"messages": [event(random)]}, values.value))(self.random)
        return values.written(self.random, {**right, "data": wrong})

    async def send(self) -> None:
        """One frame more."""
        await self.link.send(self._frame(), text=True)

    def _frame(self) -> bytes:
        random = self.random
        if random.random() < 0.6:
            return values.written(random, self._stamped(event(random)))
        words = f"{random.choice('/／')}{random.choice(COMMANDS)} {random.choice(VERBS)} {values.text(random, 4)}"
        wire = EVENTS[random.choice(("group message", "private message"))]
        message = [{"type": "text", "data": {"text": words}}]
        sender = {**wire["sender"], "role": random.choice(("admin", "member"))}
        said = {**wire, "message": message, "user_id": random.choice(PEOPLE), "sender": sender}
        return values.written(random, self._stamped(said))

    def _stamped(self, wire: dict[str, Any]) -> dict[str, Any]:
        """As news: another id than those before."""
        return {**wire, "message_id": self.random.getrandbits(31)} if wire.get("message_id") == 12345 else wire

    async def ask(self) -> None:
        """A person says something in private and is answered, as ever; raises TimeoutError."""
        self.expected = f"hello {self.random.getrandbits(60)}"
        self.answered.clear()
        wire = EVENTS["private message"]
        message = [{"type": "text", "data": {"text": self.expected}}]
        said = {**wire, "message": message, "user_id": PERSON, "message_id": self.random.getrandbits(31)}
        await self.link.send(msgspec.json.encode(said), text=True)
        async with asyncio.timeout(PATIENCE):
            await self.answered.wait()


@contextlib.asynccontextmanager
async def bot(random: Random, folder: Path) -> AsyncIterator[Mad]:
    """The bot and its client."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    path = folder / "config.toml"
    path.write_text(CONFIG.format(port=port), encoding="utf-8")
    url = f"ws://127.0.0.1:{port}/ws"
    async with (
        App(path),
        connect(url, additional_headers={"X-Self-ID": str(SELF)}, max_size=None, proxy=None) as link,
        asyncio.TaskGroup() as tasks,
    ):
        mad = Mad(link, random)
        reading = tasks.create_task(mad.read())
        yield mad
        reading.cancel()


def watch_logs(crashed: Callable[[str], None]) -> None:
    """Have every error told that nobody expected: what a log line has a traceback of."""

    def look(_logger: Any, _method: str, entry: MutableMapping[str, Any]) -> str:
        if entry.get("exc_info"):
            crashed(f"{entry.get('event')}: {structlog.processors.format_exc_info(_logger, _method, entry)}")
        raise structlog.DropEvent

    structlog.configure(processors=[look], cache_logger_on_first_use=False)
    logging.getLogger().setLevel(logging.CRITICAL)


async def drive(seed: str, cases: int, step: Callable[[int], None], crashed: Callable[[str], None]) -> None:
    """Send so many frames.

    Args:
        seed: of all of them.
        cases: how many.
        step: told of each, as it is sent.
        crashed: told what went wrong.
    """
    watch_logs(crashed)
    asyncio.get_running_loop().set_exception_handler(lambda _, context: crashed(repr(context)))
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        async with bot(Random(seed), Path(folder)) as mad:
            for case in range(cases):
                step(case)
                await mad.send()
                if case % BETWEEN == BETWEEN - 1:
                    try:
                        await mad.ask()
                    except TimeoutError:
                        crashed(f"nobody answered within {PATIENCE:g} s")
