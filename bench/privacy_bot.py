"""A whole bot that people talk to, whose every prompt is compared with what its chat may see."""

import asyncio
import contextlib
import re
import socket
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
from msgspec import Struct

from bench.privacy_book import TOKEN, Book, Exchange
from bench.privacy_engine import WIDTH, Prompt, Prying
from onebot_bot.app import App
from onebot_bot.errors import NotConnected
from onebot_bot.memories import Memories
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.segments import At, Text
from onebot_bot.stores import Stores
from onebot_bot.transport.client import Call, OneBotClient

T = TypeVar("T")

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
CHAT_NAMED = {str(chat): chat for chat in CHATS}
ASKING = ("/edit", "/nosave", "/continue")
"""Commands that the model answers."""
ANSWER = re.compile(r"\ba\d{6}\b")
ATTEMPTS = 30
"""Handshakes that may fail, of 2 s each."""
PATIENCE = 120
"""Seconds for one answer that this process lived through."""


class Reply(Struct, frozen=True):
    """What came back when somebody said something."""

    message: int
    """The id of what was said."""
    shown: str
    """What the engine was shown for it; empty: nothing."""
    answers: tuple[str, ...]
    """The token of what the engine said to it, if it was asked."""
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

    @property
    def busy(self) -> bool:
        """Whether somebody is being answered, or the answer is not on record yet."""
        return any(session.busy for session in self._sessions.values())


class Bot:
    """One bot in one folder. An async context manager."""

    def __init__(self, folder: Path) -> None:
        self.book = Book()
        self.leaks: list[str] = []
        self.unasked: list[str] = []
        """Answers that nobody waited for: of what was said once, the second."""
        self.recalled = 0
        """Memories that came to mind."""
        self.numbers = count(1)
        self.engine = Prying(self.numbers)
        self.folder = folder
        self.banned: set[int] = set()
        self.unsaved: set[str] = set()
        """What may be shown once."""
        self.looked = 0
        """Prompts that were looked at."""
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
        """End it in order, and open it anew; of an answer that is out but not on record the book knows too much."""
        await patiently(self._rest())
        await self.stack.aclose()
        self.stack = AsyncExitStack()
        await self._start()

    async def _start(self) -> None:
        engine: Any = self.engine
        self.app = await self.stack.enter_async_context(Opened(self.folder / "config.toml", engine=engine))
        await self.app.memories.vectors.prepare("prying", centre=np.zeros(WIDTH, np.float32))
        for account in ACCOUNTS:
            self.clients[account] = await self._connected(account)

    async def _connected(self, account: int) -> OneBotClient:
        """A client that tries again, as NapCat does: on a busy machine a handshake may take too long for it."""
        for _ in range(ATTEMPTS):
            with contextlib.suppress(NotConnected):
                return await self.stack.enter_async_context(OneBotClient(self.app.url, account, self.app.token))
        return await self.stack.enter_async_context(OneBotClient(self.app.url, account, self.app.token))

    async def _rest(self) -> None:
        while self.app.busy:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0)

    # --- looking ---

    async def exchange(self, chat: ChatId, user: int, words: str) -> Reply:
        """Say something and wait for what comes back; look at all that the engine is shown meanwhile."""
        client, begin = self.clients[chat.account], len(self.engine.prompts)
        due = not words.startswith("/") or words.split(maxsplit=1)[0] in ASKING
        if chat.kind == "private":
            event = client.private_message(user, words)
        else:
            called = () if words.startswith("/") else (At(str(chat.account)),)
            event = client.group_message(chat.peer, user, (*called, Text(words)))
            event["sender"]["role"] = "admin"
        await client.send_event(event)
        said = await patiently(self._said(chat, begin, due=due))
        own = self._own(chat, begin, due=due)
        self._look(chat, own)
        return Reply(event["message_id"], own.words if own else "", (own.answer,) if own else (), said)

    async def _said(self, chat: ChatId, begin: int, *, due: bool) -> str:
        """What is said there next, unless it is an answer to something else; others are told of it, too."""
        while True:
            call = await self.clients[chat.account].next_call()
            if _target(call) != (chat.kind, chat.peer):
                continue
            words, own = str(call.params["message"]), self._own(chat, begin, due=due)
            if {*ANSWER.findall(words)} <= ({own.answer} if own else set()):
                return words

    def _own(self, chat: ChatId, begin: int, *, due: bool) -> Prompt | None:
        """The prompt of what was said when there were `begin` prompts; the first there was, if one was due."""
        return next((prompt for prompt in self.engine.prompts[begin:] if due and prompt.chat == str(chat)), None)

    def _look(self, chat: ChatId, own: Prompt | None) -> None:
        """Look at all that the engine was shown since the last look, each by what its own chat may see."""
        for number, prompt in enumerate(self.engine.prompts[self.looked :], self.looked):
            where = CHAT_NAMED[prompt.chat]
            branch, unsaved = self.branch(where), self.unsaved if where == chat else set()
            allowed = unsaved | self.book.allowed(where, branch, {one: self.branch(one) for one in CHATS})
            if prompt is not own:
                self.unasked.append(f"{prompt.answer} was said in {where}, prompt {number}")
                allowed |= {own.answer} if own and where == chat else set()
                self.book.own(where, branch).append(Exchange([], [prompt.answer]))
            strange = {*TOKEN.findall(prompt.words)} - allowed
            self.leaks += [f"{token} was shown in {where}, prompt {number}" for token in sorted(strange)]
        self.looked = len(self.engine.prompts)
        for hit in self.engine.hits:
            if not hit.own or TOKEN.findall(hit.text)[0] not in self.book.recallable(CHAT_NAMED[hit.chat]):
                self.leaks.append(f"{hit.text} came to mind in {hit.chat}")
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


async def patiently(work: Coroutine[Any, Any, T]) -> T:
    """Wait for it; TimeoutError when it takes too long.

    Only seconds count in which this process got anywhere: a machine that was stopped, or is too busy, is waited for.
    """
    task = asyncio.create_task(work)
    try:
        for _ in range(PATIENCE):
            await asyncio.wait([task], timeout=1.0)
            if task.done():
                return task.result()
    finally:
        task.cancel()
    raise TimeoutError(f"nothing came back within {PATIENCE} s")


def _target(call: Call) -> tuple[str, int]:
    """Where a message goes; nowhere where it is none."""
    match call.action:
        case "send_private_msg":
            return "private", call.params["user_id"]
        case "send_group_msg":
            return "group", call.params["group_id"]
    return "", 0
