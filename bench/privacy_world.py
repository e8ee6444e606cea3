"""A whole bot and people who talk to it, at random: whatever they do, no prompt has what its chat may not see."""

import asyncio
import socket
import sqlite3
from contextlib import AsyncExitStack
from datetime import UTC
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, Self

import numpy as np
from msgspec import Struct

from bench.privacy_book import TOKEN, Asked, Book, Exchange, Known
from bench.privacy_engine import WIDTH, Prying
from onebot_bot.app import App
from onebot_bot.errors import StoreError
from onebot_bot.importing.importer import Job, bring_in
from onebot_bot.memories import Memories
from onebot_bot.memory.rows import Extracted
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
EXPORT = """消息记录（此消息记录为文本格式，不支持重新导入）

================================================================
消息分组:我的QQ群
================================================================
消息对象:{chat}
================================================================

2023-01-02 12:34:{second:02} someone({user})
{words}
"""
DEEDS = {
    "say": 16,
    "off_record": 1,
    "undo": 2,
    "edit": 2,
    "go_on": 1,
    "recall": 2,
    "reset": 1,
    "branch_off": 3,
    "delete_branch": 1,
    "refer": 3,
    "opt": 2,
    "learn": 8,
    "forget_memory": 2,
    "share": 1,
    "forget_person": 1,
    "ban": 1,
    "bring_in": 1,
    "restart": 1,
}
"""What people and the operator do, and how often."""
PATIENCE = 60.0
"""Seconds for one answer, on whatever machine this is."""


class Reply(Struct, frozen=True):
    """What came back when somebody said something."""

    message: int
    """The id of what was said."""
    answers: tuple[str, ...]
    """Tokens of what the engine said to it."""


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


class World:
    """One bot in one folder. An async context manager."""

    def __init__(self, folder: Path) -> None:
        self.book = Book()
        self.leaks: list[str] = []
        self.done: list[str] = []
        """The names of the deeds that came about."""
        self.recalled = 0
        """Memories that came to mind."""
        self._numbers = count(1)
        self.engine = Prying(self._numbers)
        self._folder = folder
        self._banned: set[int] = set()
        self._unsaved: set[str] = set()
        """What may be shown once."""
        self._stack = AsyncExitStack()
        self._app: Opened
        self._clients: dict[int, OneBotClient] = {}

    async def __aenter__(self) -> Self:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            text = CONFIG.format(port=probe.getsockname()[1])
        await asyncio.to_thread((self._folder / "config.toml").write_text, text, encoding="utf-8")
        await self._start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _start(self) -> None:
        engine: Any = self.engine
        self._app = await self._stack.enter_async_context(Opened(self._folder / "config.toml", engine=engine))
        await self._app.memories.vectors.prepare("prying", centre=np.zeros(WIDTH, np.float32))
        for account in ACCOUNTS:
            client = OneBotClient(self._app.url, account, self._app.token)
            self._clients[account] = await self._stack.enter_async_context(client)

    async def do(self, seed: int) -> None:
        """Something that somebody does somewhere, as the seed says."""
        rng = Random(seed)
        name = rng.choices(list(DEEDS), list(DEEDS.values()))[0]
        chat = rng.choices(CHATS, (8, 6, 1, 4, 1, 4, 1, 1, 2, 1))[0]
        user = chat.peer if chat.kind == "private" else rng.choice(PEOPLE)
        if await getattr(self, f"_{name}")(chat, user, rng):
            self.done.append(name)

    # --- looking ---

    async def _exchange(self, chat: ChatId, user: int, words: str) -> Reply:
        """Say something and wait for what comes back; look at all that the engine is shown meanwhile."""
        client, before = self._clients[chat.account], len(self.engine.prompts)
        if chat.kind == "private":
            event = client.private_message(user, words)
        else:
            called = () if words.startswith("/") else (At(str(chat.account)),)
            event = client.group_message(chat.peer, user, (*called, Text(words)))
            event["sender"]["role"] = "admin"
        await client.send_event(event)
        async with asyncio.timeout(PATIENCE):
            while _target(await client.next_call()) != (chat.kind, chat.peer):
                pass  # somebody else is told of it, too
        self._look(chat, before)
        return Reply(event["message_id"], tuple(self.engine.answers[before:]))

    def _look(self, chat: ChatId, before: int) -> None:
        allowed = self._unsaved | self.book.allowed(chat, self._branch(chat), {one: self._branch(one) for one in CHATS})
        for number, prompt in enumerate(self.engine.prompts[before:], before):
            strange = {*TOKEN.findall(prompt)} - allowed
            self.leaks += [f"{token} was shown in {chat}, prompt {number}" for token in sorted(strange)]
        recallable = self.book.recallable(chat)
        for text, own in self.engine.hits:
            if not own or TOKEN.findall(text)[0] not in recallable:
                self.leaks.append(f"{text} came to mind in {chat}")
        self.recalled += len(self.engine.hits)
        self.engine.hits.clear()

    def _branch(self, chat: ChatId) -> int:
        return self._app.stores.branches.current(chat).number

    def _words(self, kind: str) -> str:
        return f"{kind}{next(self._numbers):06}"

    # --- talking ---

    async def _say(self, chat: ChatId, user: int, _rng: Random) -> bool:
        token = self._words("q")
        if user in self._banned:
            return await self._say_unheard(chat, user, token)
        exchange = Exchange([Asked(token, user, None)], [])
        self.book.own(chat, self._branch(chat)).append(exchange)
        reply = await self._exchange(chat, user, f"{token} is on my mind")
        exchange.asked[0].message = reply.message
        if user in self.book.opted_out:
            self.book.unlearnable.add(reply.message)
        exchange.answers += reply.answers
        assert token in self.engine.prompts[-1]
        return True

    async def _say_unheard(self, chat: ChatId, user: int, token: str) -> bool:
        """A banned person speaks: neither now nor ever is it shown."""
        client = self._clients[chat.account]
        group = chat.kind == "group"
        await client.send_event(
            client.group_message(chat.peer, user, (At(str(chat.account)), Text(token)))
            if group
            else client.private_message(user, token)
        )
        before = len(self.engine.prompts)
        await self._exchange(ChatId(chat.account, "private", OWNER), OWNER, "/sid")
        assert len(self.engine.prompts) == before
        return True

    async def _off_record(self, chat: ChatId, user: int, _rng: Random) -> bool:
        if user in self._banned:
            return False
        self._unsaved = {token := self._words("n")}
        await self._exchange(chat, user, f"/nosave {token} is a secret")
        assert token in self.engine.prompts[-1]
        self._unsaved = set()
        return True

    async def _go_on(self, chat: ChatId, user: int, _rng: Random) -> bool:
        if user in self._banned:
            return False
        reply = await self._exchange(chat, user, "/continue")
        if reply.answers:
            self.book.own(chat, self._branch(chat)).append(Exchange([], list(reply.answers)))
        return bool(reply.answers)

    async def _undo(self, chat: ChatId, user: int, _rng: Random) -> bool:
        if user in self._banned:
            return False
        await self._exchange(chat, user, "/undo")
        self.book.undo(chat, self._branch(chat))
        return True

    async def _edit(self, chat: ChatId, user: int, _rng: Random) -> bool:
        exchanges = self.book.own(chat, self._branch(chat))
        last = exchanges[-1] if exchanges else None
        # Of the last exchange only, and while it is whole: else it is less certain what is said anew.
        if user in self._banned or last is None or not last.answers or [one.author for one in last.asked] != [user]:
            return False
        self._unsaved = {token := self._words("q")}
        reply = await self._exchange(chat, user, f"/edit {token} is what I meant")
        self._unsaved = set()
        self.book.edit(chat, self._branch(chat), user, token, reply.answers[0])
        return True

    async def _recall(self, chat: ChatId, _user: int, rng: Random) -> bool:
        said = [one for exchange in self.book.own(chat, self._branch(chat)) for one in exchange.asked]
        found = rng.choice(said) if said else None
        if found is None or found.message is None:
            return False
        await self._take_back(chat, found.author, found.message)
        self.book.recall(chat, found.message)
        return True

    async def _take_back(self, chat: ChatId, user: int, message: int) -> None:
        event = {"time": 1, "self_id": chat.account, "post_type": "notice", "user_id": user, "message_id": message}
        group = {"notice_type": "group_recall", "group_id": chat.peer, "operator_id": user}
        await self._clients[chat.account].send_event(
            {**event, **(group if chat.kind == "group" else {"notice_type": "friend_recall"})}
        )
        async with asyncio.timeout(PATIENCE):
            # Nothing tells when it is done; each look is a query that takes its turn behind it.
            while not await self._app.stores.database.read(lambda connection: _hidden(connection, chat, message)):  # noqa: ASYNC110 - see above
                await asyncio.sleep(0)

    # --- branches and people ---

    async def _reset(self, chat: ChatId, user: int, _rng: Random) -> bool:
        if user in self._banned:
            return False
        await self._exchange(chat, user, "/reset")
        self.book.own(chat, self._branch(chat)).clear()
        return True

    async def _branch_off(self, chat: ChatId, user: int, rng: Random) -> bool:
        if user in self._banned:
            return False
        known, before = self._app.stores.branches.of(chat), self._branch(chat)
        verb = rng.choice(["new", "clone", f"switch {rng.choice(known.all).number}"])
        await self._exchange(chat, user, f"/branch {verb}")
        now = self._branch(chat)
        if verb == "clone" and now != before:
            self.book.clone(chat, before, now)
        return now != before

    async def _delete_branch(self, chat: ChatId, user: int, rng: Random) -> bool:
        number = rng.choice(self._app.stores.branches.of(chat).all).number
        if user in self._banned or number == 1:
            return False
        await self._exchange(chat, user, f"/branch delete {number} -y")
        self.book.own(chat, number).clear()
        return True

    async def _refer(self, chat: ChatId, user: int, rng: Random) -> bool:
        """Two people agree that one sees the other's chat, or one of them no longer does."""
        account, owner = chat.account, rng.choice([other for other in PEOPLE if other != user])
        if {user, owner} & self._banned:
            return False
        mine, theirs = ChatId(account, "private", user), ChatId(account, "private", owner)
        if (link := (account, user, owner)) in self.book.links:
            await self._exchange(mine, user, f"/ref revoke {owner}")
            self.book.links -= {link, (account, owner, user)}
            return True
        await self._exchange(mine, user, f"/ref ask {owner}")
        await self._exchange(theirs, owner, f"/ref allow {user}")
        self.book.links.add(link)
        return True

    async def _opt(self, chat: ChatId, user: int, _rng: Random) -> bool:
        if user in self._banned:
            return False
        out = user not in self.book.opted_out
        await self._exchange(chat, user, "/optout" if out else "/optin")
        self.book.opted_out ^= {user}
        self.book.unlearnable |= self._heard_of(user)
        return True

    def _heard_of(self, user: int) -> set[int]:
        said = [one for exchanges in self.book.said.values() for exchange in exchanges for one in exchange.asked]
        return {one.message for one in said if one.author == user and one.message is not None}

    async def _forget_person(self, chat: ChatId, user: int, _rng: Random) -> bool:
        if user in self._banned:
            return False
        await self._exchange(chat, user, "/forget me -y")
        self.book.forget_person(user)
        return True

    async def _ban(self, chat: ChatId, user: int, _rng: Random) -> bool:
        verb = "unban" if user in self._banned else "ban"
        await self._exchange(ChatId(chat.account, "private", OWNER), OWNER, f"/{verb} {user}")
        self._banned ^= {user}
        return True

    # --- memories ---

    async def _learn(self, chat: ChatId, _user: int, rng: Random) -> bool:
        """As a reading of the chat does it; now and then something older is no longer so."""
        exchanges = self.book.own(chat, self._branch(chat))
        said = [one for exchange in exchanges for one in exchange.asked if one.message is not None and not one.copied]
        if not said:
            return False
        source = rng.choice(said)
        row = await self._app.stores.database.read(lambda connection: _row(connection, chat, source.message))
        older = [n for n, one in self.book.memories.items() if one.chat == chat and not one.gone and not one.successor]
        old = tuple(rng.sample(older, 1)) if older and rng.random() < 0.3 else ()
        token = self._words("m")
        text = f"{token} {rng.getrandbits(64):x} {rng.getrandbits(64):x}"
        self.engine.probes.add(text)
        try:
            memory = await self._app.memories.learn(
                Extracted(text=text, chat=chat, speaker=source.author, source_ids=(row,), supersedes=old)
            )
        except StoreError:
            assert source.message in self.book.unlearnable
            return False
        assert source.message not in self.book.unlearnable
        self.book.memories[memory.id] = Known(token, chat, source.author, source.message or 0)
        for number in old:
            self.book.memories[number].successor = memory.id
        return True

    def _active(self, chat: ChatId, rng: Random) -> int | None:
        found = [n for n, one in self.book.memories.items() if one.chat == chat and not one.gone and not one.successor]
        return rng.choice(found) if found else None

    async def _forget_memory(self, chat: ChatId, _user: int, rng: Random) -> bool:
        number = self._active(chat, rng)
        if number is not None:
            await self._app.memories.forget(chat, number)
            self.book.forget_memory(number)
        return number is not None

    async def _share(self, chat: ChatId, _user: int, rng: Random) -> bool:
        number = self._active(chat, rng)
        if number is not None:
            known = self.book.memories[number]
            known.shared = not known.shared
            await self._app.stores.memories.share(number, shared=known.shared)
        return number is not None

    # --- the operator ---

    async def _bring_in(self, chat: ChatId, user: int, _rng: Random) -> bool:
        token = self._words("i")
        text = EXPORT.format(chat=chat.peer, user=user, words=f"{token} was long ago", second=next(self._numbers) % 60)
        file = self._folder / f"{token}.txt"
        await asyncio.to_thread(file.write_text, text, encoding="utf-8")
        job = Job(file=file, chat=chat, me=frozenset([str(chat.account)]), zone=UTC, language="en")
        assert await bring_in(job, self._app.stores.history) == 1
        self.book.imported.append((chat, user, token))
        return True

    async def _restart(self, _chat: ChatId, _user: int, _rng: Random) -> bool:
        await self._stack.aclose()
        self._stack = AsyncExitStack()
        await self._start()
        return True


def _target(call: Call) -> tuple[str, int]:
    """Where a message goes; nowhere where it is none."""
    match call.action:
        case "send_private_msg":
            return "private", call.params["user_id"]
        case "send_group_msg":
            return "group", call.params["group_id"]
    return "", 0


def _hidden(connection: sqlite3.Connection, chat: ChatId, message: int) -> bool:
    """Whether a message and all copies of it are out of view."""
    sql = """SELECT count(*) FROM messages WHERE hidden = 0 AND account = ? AND kind = ? AND peer = ?
        AND (message_id = ? OR copy_of IN (SELECT id FROM messages WHERE account = ? AND kind = ? AND peer = ?
        AND message_id = ?))"""
    values = (chat.account, chat.kind, chat.peer, message)
    return int(connection.execute(sql, (*values, *values)).fetchone()[0]) == 0


def _row(connection: sqlite3.Connection, chat: ChatId, message: int | None) -> int:
    sql = "SELECT id FROM messages WHERE account = ? AND kind = ? AND peer = ? AND message_id = ?"
    return int(connection.execute(sql, (chat.account, chat.kind, chat.peer, message)).fetchone()[0])
