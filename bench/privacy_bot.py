"""A whole bot that people talk to, whose every prompt is compared with what its chat may see."""

import asyncio
import socket
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path
from typing import Any, Self

import numpy as np
from msgspec import Struct

from bench.privacy_book import TOKEN, Book
from bench.privacy_engine import WIDTH, Prying
from onebot_bot.app import App
from onebot_bot.memories import Memories
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.segments import At, Text
from onebot_bot.stores import Stores
from onebot_bot.transport.client import Call, OneBotClient

ACCOUNTS, PEOPLE, OWNER = (10000, 10001), (20001, 20002, 30003), 90009
CHATS = tuple(
    chat  # some differ in one field only
    for account in ACCOUNTS
    for chat in (
        *(ChatId(account, "private", user) for user in PEOPLE),
        *(ChatId(account, "group", group) for group in (PEOPLE[-1], 40004)),
    )
)
CONFIG = """version = 1
[bot]
owners = [90009]
language = "en"
[server]
port = {port}
[chat]
merge_window = 0
exchanges_per_minute = 0
typing_speed = 0
[sending]
interval = 0
jitter = 0
per_minute = 0
[memory]
recall = "on"
floor = -1
max_recalls = 16
[log]
file = ""
turns = ""
"""
PATIENCE = 60.0
"""Seconds for one answer, on whatever machine this is."""


class Reply(Struct, frozen=True):
    """What came back when somebody said something."""

    message: int
    """The id of what was said."""
    answers: tuple[str, ...]
    """Tokens of what the engine said to it."""
    words: str
    """Of the first thing that was said."""


class Opened(App):
    """A bot whose stores can be reached, as its nights reach them."""

    @property
    def stores(self) -> Stores:
        """What is on the disk."""
        return self._stores

    @property
    def memories(self) -> Memories:
        """What is learned goes there."""
        return self._memories


class Bot:
    """One bot in one folder. An async context manager."""

    def __init__(self, folder: Path) -> None:
        self.book = Book()
        self.leaks: list[str] = []
        self.recalled = 0
        """Memories that came to mind."""
        self.numbers = count(1)
        self.engine = Prying(self.numbers)
        self.folder = folder
        self.banned: set[int] = set()
        self.unsaved: set[str] = set()
        """What may be shown once."""
        self.stack = AsyncExitStack()
        self.app: Opened
        self.clients: dict[int, OneBotClient] = {}

    async def __aenter__(self) -> Self:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            text = CONFIG.format(port=probe.getsockname()[1])
        await asyncio.to_thread((self.folder / "config.toml").write_text, text, encoding="utf-8")
        await self._start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stack.aclose()

    async def restart(self) -> None:
        """End it in order, and open it anew."""
        await self.stack.aclose()
        self.stack = AsyncExitStack()
        await self._start()

    async def _start(self) -> None:
        engine: Any = self.engine
        self.app = await self.stack.enter_async_context(Opened(self.folder / "config.toml", engine=engine))
        await self.app.memories.vectors.prepare("prying", centre=np.zeros(WIDTH, np.float32))
        for account in ACCOUNTS:
            client = OneBotClient(self.app.url, account, self.app.token)
            self.clients[account] = await self.stack.enter_async_context(client)

    # --- looking ---

    async def exchange(self, chat: ChatId, user: int, words: str) -> Reply:
        """Say something and wait for what comes back; look at all that the engine is shown meanwhile."""
        client, before = self.clients[chat.account], len(self.engine.prompts)
        if chat.kind == "private":
            event = client.private_message(user, words)
        else:
            called = () if words.startswith("/") else (At(str(chat.account)),)
            event = client.group_message(chat.peer, user, (*called, Text(words)))
            event["sender"]["role"] = "admin"
        await client.send_event(event)
        async with asyncio.timeout(PATIENCE):
            while _target(call := await client.next_call()) != (chat.kind, chat.peer):
                pass  # somebody else is told of it, too
        self._look(chat, before)
        return Reply(event["message_id"], tuple(self.engine.answers[before:]), str(call.params["message"]))

    def _look(self, chat: ChatId, before: int) -> None:
        allowed = self.unsaved | self.book.allowed(chat, self.branch(chat), {one: self.branch(one) for one in CHATS})
        for number, prompt in enumerate(self.engine.prompts[before:], before):
            strange = {*TOKEN.findall(prompt)} - allowed
            self.leaks += [f"{token} was shown in {chat}, prompt {number}" for token in sorted(strange)]
        recallable = self.book.recallable(chat)
        for text, own in self.engine.hits:
            if not own or TOKEN.findall(text)[0] not in recallable:
                self.leaks.append(f"{text} came to mind in {chat}")
        self.recalled += len(self.engine.hits)
        self.engine.hits.clear()

    def branch(self, chat: ChatId) -> int:
        """The number of the branch that a chat is in."""
        return self.app.stores.branches.current(chat).number

    def new_token(self, kind: str) -> str:
        """A word that nobody said before."""
        return f"{kind}{next(self.numbers):06}"

    async def ask(self, chat: ChatId, user: int, words: str) -> None:
        """Give a command that tells of memories; it may tell of those of its chat, and shared ones."""
        reply = await self.exchange(chat, user, words)
        strange = {*TOKEN.findall(reply.words)} - self.book.tellable(chat)
        self.leaks += [f"{token} was told of in {chat} on {words}" for token in sorted(strange)]


def _target(call: Call) -> tuple[str, int]:
    """Where a message goes; nowhere where it is none."""
    match call.action:
        case "send_private_msg":
            return "private", call.params["user_id"]
        case "send_group_msg":
            return "group", call.params["group_id"]
    return "", 0
