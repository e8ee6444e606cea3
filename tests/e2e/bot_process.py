"""A bot that runs as a process of its own, and the NapCat that a test plays to it."""

import asyncio
import json
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import IO, Any

import pytest
from msgspec import Struct

from onebot_bot.config_file import set_key
from onebot_bot.protocol.segments import At, Segment, Text
from onebot_bot.transport.client import Answer, Call, OneBotClient, ok

SHIPPED_CONFIG = Path(__file__).parents[2] / "config.toml"
START_SECONDS = 20.0
PATIENCE = 60.0
"""Seconds for one answer: the first one waits for the model to be loaded, on whatever machine this is."""
OWNER = 90001

QUICK: Mapping[str, object] = {
    "bot.owners": [OWNER],
    "chat.merge_window": 0.2,
    "chat.max_bubbles": 1,
    "chat.typing_speed": 0,
    "chat.name_chance": 1.0,
    "sending.interval": 0.0,
    "sending.jitter": 0.0,
    "sending.per_minute": 0,
    "generation.temperature": 0.0,
    "generation.max_new_tokens": 24,
    "guard.loops": False,  # ENDLESS
    "learning.refine_idle": False,  # it would take the processor from the tests beside
}
ENDLESS: Mapping[str, object] = {"generation.presence_penalty": -2.0, "generation.max_new_tokens": 2000}
"""The model repeats itself until it is stopped: nobody has to hurry to find it writing."""
BRIEF: Mapping[str, object] = {"generation.presence_penalty": 0.0, "generation.max_new_tokens": 24}


class Row(Struct, frozen=True):
    """A message as it is on record."""

    role: str
    text: str
    state: str
    turn: int | None
    message_id: int | None


class Bot:
    """The process of one folder; `start` and `kill` as often as a test likes."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.folder = folder
        self.config = folder / "config.toml"
        self.started = ""
        """What it printed when it began to listen."""
        folder.mkdir(parents=True)
        shutil.copy(SHIPPED_CONFIG, self.config)
        self.port = _free_port()
        self.write({**QUICK, "server.port": self.port, "model.path": str(model)})
        self._process: subprocess.Popen[str] | None = None
        self._scribe: threading.Thread | None = None
        self._lines = 0
        self._written = threading.Condition()

    def write(self, settings: Mapping[str, object]) -> None:
        """Put other settings into config.toml."""
        for key, value in settings.items():
            set_key(self.config, key, json.dumps(value))

    @property
    def command(self) -> list[str]:
        """What a person types to start it."""
        return [sys.executable, "-m", "onebot_bot", "run", "--config", str(self.config)]

    def save(self, text: str) -> None:
        """Replace config.toml, as an editor does."""
        edited = self.config.with_name("edited.toml")
        edited.write_text(text, encoding="utf-8")
        edited.replace(self.config)

    # --- the process -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the process, unless it runs, and return once it listens."""
        if self.running:
            return
        self._process = subprocess.Popen(
            self.command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
        )
        self._scribe = threading.Thread(target=self._write_log, args=(self._process.stderr,), daemon=True)
        self._scribe.start()
        overdue = threading.Timer(START_SECONDS, self._process.kill)
        overdue.start()
        self.started = _read_banner(self._process.stdout)
        overdue.cancel()
        if "Token" not in self.started:
            self.kill()
            pytest.fail(f"the bot did not start:\n{self.log}", pytrace=False)

    @property
    def running(self) -> bool:
        """Whether there is a process."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its number."""
        assert self._process is not None
        return self._process.pid

    async def listening(self) -> None:
        """Wait until it, having started itself anew, listens again."""
        assert self._process is not None
        async with asyncio.timeout(2 * START_SECONDS):
            self.started = await asyncio.to_thread(_read_next_banner, self._process.stdout)
        assert "Token" in self.started

    def kill(self) -> None:
        """End it at once, as a power cut would (SIGKILL)."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        if self._scribe is not None:
            self._scribe.join()
        if self._process.stdout is not None:
            self._process.stdout.close()

    async def stop(self, seconds: float = PATIENCE) -> int:
        """Ask it to end (SIGTERM) and wait; the exit status."""
        assert self._process is not None
        self._process.terminate()
        return await asyncio.to_thread(self._process.wait, seconds)

    # --- what it leaves --------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """What NapCat dials."""
        return f"ws://127.0.0.1:{self.port}/onebot/v11/ws"

    @property
    def token(self) -> str:
        """The one it made."""
        return (self.folder / "memory_store" / "token").read_text(encoding="utf-8").strip()

    @property
    def log(self) -> str:
        """Everything written to standard error, of every start."""
        return self._log_file.read_text(encoding="utf-8")

    @property
    def _log_file(self) -> Path:
        return self.folder / "stderr.log"

    def _write_log(self, errors: IO[str]) -> None:
        with errors, self._log_file.open("a", encoding="utf-8") as log:
            for line in errors:
                log.write(line)
                log.flush()
                with self._written:
                    self._lines += 1
                    self._written.notify_all()

    async def logs_until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds, looking whenever the process has written to its log."""
        seen = -1
        while not holds():
            seen = await asyncio.to_thread(self._next_line, seen)

    def _next_line(self, seen: int) -> int:
        """How many lines there are, once it is more than `seen`, or after a while."""
        with self._written:
            self._written.wait_for(lambda: self._lines > seen, PATIENCE)
            return self._lines

    def query(self, sql: str, *values: object) -> list[Any]:
        """Ask the database, beside the running bot."""
        with closing(sqlite3.connect(self.folder / "memory_store" / "memory.sqlite3")) as connection:
            return connection.execute(sql, values).fetchall()

    def dial(self, account: int, **options: Any) -> "NapCat":
        """NapCat of one account; connected while its `async with` block runs."""
        return NapCat(self, account, **options)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _read_banner(output: IO[str] | None) -> str:
    """Up to the line with the token, or to the end of what the process says."""
    assert output is not None
    lines = []
    for line in output:
        lines.append(line)
        if "Token" in line:
            break
    return "".join(lines)


def _read_next_banner(output: IO[str] | None) -> str:
    """Of a process that has said something already."""
    assert output is not None
    first = next((line for line in output if "onebot-bot" in line), "")
    return first + _read_banner(output)


class Sent(Struct, frozen=True):
    """A message that the bot sent."""

    text: str
    quoted: str | None
    """The message id that it quotes."""
    message_id: int
    """The id that it was told."""


class NapCat(OneBotClient):
    """One account, as NapCat reports it to the bot."""

    def __init__(self, bot: Bot, account: int, **options: Any) -> None:
        super().__init__(bot.url, account, bot.token, on_call=self._obey, **options)
        self.bot = bot
        self.histories: dict[int, list[dict[str, Any]]] = {}
        """What QQ's servers have, by group or person: events as NapCat gives them."""
        self.outgoing: defaultdict[int, list[Sent]] = defaultdict(list)
        """Everything the bot sent, by group or person."""
        self.unconfirmed: set[int] = set()
        """Groups and people to whom messages get through without the bot being told."""
        self._unread: defaultdict[int, asyncio.Queue[Sent]] = defaultdict(asyncio.Queue)

    def _obey(self, call: Call) -> Answer | None:
        match call.action, call.params:
            case "get_group_msg_history", {"group_id": peer}:
                return ok({"messages": self.histories.get(int(peer), [])})
            case "get_friend_msg_history", {"user_id": peer}:
                return ok({"messages": self.histories.get(int(peer), [])})
            case "send_group_msg", {"group_id": peer, "message": message}:
                return self._deliver(int(peer), message, self.succeed(call))
            case "send_private_msg", {"user_id": peer, "message": message}:
                return self._deliver(int(peer), message, self.succeed(call))
        return self.succeed(call)

    def _deliver(self, peer: int, message: list[dict[str, Any]], answer: Answer) -> Answer | None:
        data = {part["type"]: part["data"] for part in message}
        quoted = data.get("reply", {}).get("id")
        sent = Sent(data["text"]["text"], quoted, answer["data"]["message_id"])
        self.outgoing[peer].append(sent)
        self._unread[peer].put_nowait(sent)
        return None if peer in self.unconfirmed else answer

    # --- people ----------------------------------------------------------------------------------------

    async def tell(self, user: int, words: str, **fields: Any) -> int:
        """Somebody writes to the bot; the message's id."""
        event = self.private_message(user, words, **fields)
        await self.send_event(event)
        return int(event["message_id"])

    async def tell_group(self, group: int, user: int, message: str | Iterable[Segment], **fields: Any) -> int:
        """Somebody writes in a group; the message's id."""
        event = self.group_message(group, user, message, **fields)
        await self.send_event(event)
        return int(event["message_id"])

    def mention(self, words: str) -> tuple[Segment, ...]:
        """`@bot words`."""
        return (At(str(self.self_id)), Text(f" {words}"))

    async def answer(self, peer: int) -> Sent:
        """The next message the bot sends to a person or a group."""
        async with asyncio.timeout(PATIENCE):
            return await self._unread[peer].get()

    async def ask(self, user: int, words: str, name: str = "") -> str:
        """Somebody, who goes by `name` or a number, writes to the bot and reads what it sends next."""
        await self.tell(user, words, sender={"user_id": user, "nickname": name or str(user), "card": ""})
        return (await self.answer(user)).text

    async def ask_group(self, group: int, user: int, words: str) -> str:
        """Somebody mentions the bot in a group, or gives it a command there, and reads what it sends next."""
        await self.tell_group(group, user, words if words.startswith("/") else self.mention(words))
        return (await self.answer(group)).text

    # --- the owner -------------------------------------------------------------------------------------

    async def command(self, words: str) -> str:
        """The owner gives a command in private."""
        return await self.ask(OWNER, words)

    async def configure(self, settings: Mapping[str, object]) -> None:
        """The owner changes settings."""
        for key, value in settings.items():
            assert "config.toml" in await self.command(f"/config set {key} {json.dumps(value)}")

    async def until(self, command: str, words: str) -> None:
        """Give a command until its answer has `words`."""
        async with asyncio.timeout(PATIENCE):
            while words not in await self.command(command):
                continue

    async def status(self, words: str) -> None:
        """Look at /status until it says `words`."""
        await self.until("/status", words)

    async def settled(self) -> None:
        """Wait until the record of this account owes nobody an answer."""
        sql = "SELECT count(*) FROM messages WHERE account = ? AND state IN ('pending', 'sending')"
        async with asyncio.timeout(PATIENCE):
            while self.bot.query(sql, self.self_id) != [(0,)]:
                await self.command("/sid")

    def record(self, peer: int) -> list[Row]:
        """What is on record of a chat with a person or a group, in its order."""
        sql = """SELECT role, text, state, turn, message_id FROM messages
            WHERE account = ? AND peer = ? ORDER BY placed, id"""
        return [Row(*row) for row in self.bot.query(sql, self.self_id, peer)]

    async def logged(self, pattern: str) -> None:
        """Wait until the log has a line like that: it is written by a thread of its own."""
        async with asyncio.timeout(PATIENCE):
            await self.bot.logs_until(lambda: re.search(pattern, self.bot.log) is not None)
