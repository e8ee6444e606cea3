"""What bench/crash.py plays with: a bot in a process of its own that can be killed, and the QQ that it talks to."""

import asyncio
import contextlib
import os
import random
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from bench.servers import ViolationError
from onebot_bot.errors import NotConnected
from onebot_bot.transport.client import Answer, Call, OneBotClient, ok

ROOT = Path(__file__).parents[1]
ACCOUNT, OWNER, GROUP = 10000, 1, 700
PEOPLE = (11, 12, 13)
PATIENCE = 120.0
"""Seconds until something that does not come counts as lost; a model is loaded in them, on whatever machine this is."""
START_MOST = 120.0
"""Seconds until a start counts as failed."""
CONFIG = """version = 1
[bot]
owners = [1]
language = "en"
[server]
port = {port}
token = ""
gap_messages = 200
[model]
path = "{model}"
dtype = "float32"
threads = 1
[generation]
max_new_tokens = 8
[chat]
merge_window = 0
typing_speed = 0
max_bubbles = 1
exchanges_per_minute = 0
[sending]
interval = 0
jitter = 0
per_minute = 0
[learning]
enabled = false
extract = "plain"
quiet_minutes = 0
refine_idle = false
[log]
level = "info"
file = ""
turns = ""
"""


class Qq:
    """What QQ has of one account: it keeps what is said while nobody listens, and everything that the bot sent."""

    def __init__(self) -> None:
        self.histories: dict[int, list[dict[str, Any]]] = {person: [] for person in PEOPLE}
        self.sent: Counter[str] = Counter()
        """How often each text came to a person."""
        self.told: asyncio.Queue[str] = asyncio.Queue()
        """What came to the owner."""
        self._writer = OneBotClient("", ACCOUNT)
        self._numbers = 0

    def write(self, person: int) -> dict[str, Any]:
        """Somebody writes something that nobody ever wrote; the event."""
        self._numbers += 1
        event = self._writer.private_message(person, f"m{self._numbers}")
        self.histories[person].append(event)
        return event

    @property
    def said(self) -> set[int]:
        """The ids of all that people wrote."""
        events = (event for history in self.histories.values() for event in history)
        return {event["message_id"] for event in events if event["post_type"] == "message"}

    def obey(self, call: Call) -> Answer:
        """Carry out an action."""
        match call.action, call.params:
            case "get_friend_msg_history", {"user_id": person}:
                return ok({"messages": self.histories.get(int(person), [])[-200:]})
            case "send_private_msg", {"user_id": person, "message": message}:
                return self._deliver(int(person), message[-1]["data"].get("text", ""), self._writer.succeed(call))
        return self._writer.succeed(call)

    def _deliver(self, person: int, text: str, answer: Answer) -> Answer:
        if person == OWNER:
            self.told.put_nowait(text)
        else:
            self.sent[text] += 1
            own = self._writer.private_message(ACCOUNT, text, target_id=person, **answer["data"])
            self.histories[person].append({**own, "post_type": "message_sent"})
        return answer

    def order(self, words: str) -> dict[str, Any]:
        """The owner gives a command."""
        return self._writer.private_message(OWNER, words)

    def fact(self, number: int) -> dict[str, Any]:
        """Somebody new says in a group where they live; nobody called the bot."""
        event = self._writer.group_message(GROUP, 5000 + number, f"I live in Town{number}.")
        event["sender"]["nickname"] = f"P{number}x"
        return event


_MADE = "SELECT 1 FROM sqlite_master WHERE name = 'messages'"


class Victim:
    """The bot of one folder."""

    def __init__(self, folder: Path, model: str = "echo") -> None:
        self.folder = folder
        self.store = folder / "memory_store"
        self.starts: list[float] = []
        """Seconds that each start took until it heard its client, database and index opened."""
        self.start_cpu: list[float] = []
        """And seconds of the processor: those do not hang on what else the machine does."""
        folder.mkdir(parents=True)
        self.port = _free_port()
        (folder / "config.toml").write_text(CONFIG.format(port=self.port, model=model), encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self, qq: Qq) -> OneBotClient:
        """Start it, connect as soon as it listens, and wait until it hears.

        Raises:
            ViolationError: it does not start; the text has the end of its log.
        """
        began = time.monotonic()
        self._process = self._spawn()
        client = await self._connected(qq, began + START_MOST)
        self.starts.append(time.monotonic() - began)
        used = psutil.Process(self._process.pid).cpu_times()
        self.start_cpu.append(used.user + used.system)
        return client

    def _spawn(self) -> "subprocess.Popen[bytes]":
        with (self.folder / "stderr.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "onebot_bot", "run", "--config", str(self.folder / "config.toml")],
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    async def _connected(self, qq: Qq, latest: float) -> OneBotClient:
        client = OneBotClient(f"ws://127.0.0.1:{self.port}/onebot/v11/ws", ACCOUNT, on_call=qq.obey)
        while True:
            with contextlib.suppress(NotConnected):
                await client.__aenter__()
                break
            self._check_starting(latest)
            await asyncio.sleep(0.02)
        while not client.calls:  # it asks for what it missed
            self._check_starting(latest)
            await asyncio.sleep(0.02)
        return client

    def _check_starting(self, latest: float) -> None:
        if not self.running or time.monotonic() > latest:
            raise ViolationError("damaged", f"it did not start:\n{self.log[-2000:]}")

    @property
    def running(self) -> bool:
        """Whether there is a process."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """What it wrote to standard error."""
        return (self.folder / "stderr.log").read_text(encoding="utf-8", errors="replace")

    def kill(self) -> None:
        """End it at once (SIGKILL)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    async def stop(self) -> None:
        """End it in order (SIGTERM)."""
        if self._process is not None:
            self._process.terminate()
            await asyncio.to_thread(self._process.wait, PATIENCE)

    def rows(self, sql: str, *values: object) -> list[Any]:
        """Ask the database, beside the running bot."""
        with contextlib.closing(sqlite3.connect(self.store / "memory.sqlite3", timeout=30)) as connection:
            return connection.execute(sql, values).fetchall()

    def has_database(self) -> bool:
        """The bot takes messages before its database is made."""
        return (self.store / "memory.sqlite3").exists() and bool(self.rows(_MADE))

    def recorded(self) -> set[int]:
        """The ids of the people's messages that are committed."""
        if not self.has_database():
            return set()
        return {row[0] for row in self.rows("SELECT message_id FROM messages WHERE role = 'user' AND kind = 'private'")}

    def fill(self, count: int) -> None:
        """Let the record hold so many old messages of somebody else, so that a copy takes its time."""
        sql = """INSERT INTO messages (account, kind, peer, user_id, name, role, text, time, placed, state, created)
            VALUES (?, 'private', 99, 99, 'old', 'user', ?, 1, 1, 'heard', 1)"""
        text = random.Random(1).randbytes(150).hex()
        with contextlib.closing(sqlite3.connect(self.store / "memory.sqlite3")) as connection, connection:
            connection.executemany(sql, [(ACCOUNT, f"{number} {text}") for number in range(count)])


async def until(holds: Callable[[], bool], kind: str, what: Callable[[], object]) -> None:
    """Wait until something holds; raises ViolationError when it does not within `PATIENCE`."""
    end = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > end:
            raise ViolationError(kind, str(what()))
        await asyncio.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
