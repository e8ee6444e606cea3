"""The branches of each chat: history, prompt and settings side by side, of which one is in use."""

# ruff: noqa: S608 - the statements are put together from constants; values are always bound
import asyncio
import functools
import sqlite3
from collections.abc import Callable, Mapping

import msgspec
from msgspec import Struct

from onebot_bot.memory.database import Database, in_chat
from onebot_bot.memory.erasing import erase_messages
from onebot_bot.memory.history import IN_VIEW
from onebot_bot.protocol.chat_id import ChatId

COPIED = 2000
"""Messages that a clone begins with at most: no model is shown more."""

Value = float | int | bool


class Branch(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One branch of a chat."""

    number: int = 1
    name: str = ""
    """Empty: the first one's, which nobody named."""
    prompt: str = ""
    """In place of the persona; empty: the persona."""
    settings: Mapping[str, Value] = {}
    """By key of [generation]."""


FIRST = Branch()


class Branches(Struct, frozen=True):
    """All of a chat's, in the order of their numbers, and the number of the one in use."""

    all: tuple[Branch, ...] = (FIRST,)
    active: int = 1

    @property
    def current(self) -> Branch:
        """The one in use."""
        if len(self.all) == 1:
            return self.all[0]
        return next(branch for branch in self.all if branch.number == self.active)

    def with_new(self, branch: Branch) -> "Branches":
        """With one more, which is in use from now on; it gets the next number."""
        number = self.all[-1].number + 1
        return Branches((*self.all, msgspec.structs.replace(branch, number=number)), number)

    def with_changed(self, branch: Branch) -> "Branches":
        """With `branch` in place of the one of its number."""
        return Branches(tuple(branch if b.number == branch.number else b for b in self.all), self.active)

    def without(self, number: int) -> "Branches":
        """With one less; if it was in use, the first one is now."""
        left = tuple(branch for branch in self.all if branch.number != number)
        return Branches(left, left[0].number if self.active == number else self.active)


ONE = Branches()


class BranchStore:
    """The branches of all chats: read once, since each turn asks for them, and written through."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._all: dict[ChatId, Branches] = {}

    async def restore(self) -> None:
        """Read what there was before this start."""
        sql = "SELECT account, kind, peer, number, name, active, prompt, settings FROM branches ORDER BY number"
        rows = await self._database.read(lambda connection: connection.execute(sql).fetchall())
        self._all = {}
        for account, kind, peer, number, name, active, prompt, settings in rows:
            chat = ChatId(account, kind, peer)
            values = msgspec.json.decode(settings, type=dict[str, Value])
            branch = Branch(number=number, name=name, prompt=prompt, settings=values)
            known = self._all.get(chat, Branches((), 1))
            self._all[chat] = Branches((*known.all, branch), number if active else known.active)

    def of(self, chat: ChatId) -> Branches:
        """A chat's branches."""
        return self._all.get(chat, ONE)

    def current(self, chat: ChatId) -> Branch:
        """The branch that a chat is in."""
        known = self._all.get(chat)
        return FIRST if known is None else known.current

    def private(self, user: int) -> dict[ChatId, Branches]:
        """The branches of a person's private chats, where there are any but the first."""
        return {chat: known for chat, known in self._all.items() if (chat.kind, chat.peer) == ("private", user)}

    async def put(self, chat: ChatId, branches: Branches) -> None:
        """Let a chat have these branches from now on.

        Raises:
            StoreError: they could not be written; those before still hold. So do the others.
        """
        await self._put(chat, branches, lambda _: None)

    async def clone(self, chat: ChatId, name: str) -> None:
        """Add a branch that begins as the one in use is now, and use it."""
        before = self.of(chat)
        after = before.with_new(msgspec.structs.replace(before.current, name=name))
        # Copied first: what is in view is asked of the branch that is in use until then.
        await self._put(chat, after, lambda connection: _copy(connection, chat, after.active))

    async def delete(self, chat: ChatId, number: int) -> None:
        """Delete a branch with all that was said in it; what was learned from that stays."""
        await self._put(chat, self.of(chat).without(number), lambda connection: _delete(connection, chat, number))
        await self._database.scrub()

    async def sizes(self, chat: ChatId) -> dict[int, int]:
        """How many messages are to be seen in each branch, by number; those without any are left out."""
        sql = """SELECT branch, count(*) FROM messages WHERE account = ? AND kind = ? AND peer = ? AND hidden = 0
            GROUP BY branch"""
        return dict(await self._database.read(lambda connection: connection.execute(sql, in_chat(chat)).fetchall()))

    def forget(self, user: int) -> None:
        """Follow `erasing.forget_person`, which has deleted the rows."""
        self._all = {chat: known for chat, known in self._all.items() if (chat.kind, chat.peer) != ("private", user)}

    async def _put(self, chat: ChatId, branches: Branches, first: Callable[[sqlite3.Connection], object]) -> None:
        def write(connection: sqlite3.Connection) -> None:
            first(connection)
            _write(connection, chat, branches)

        future = self._database.submit(write)
        # A callback, not the line after an await: what is written behind this is in the new branch, and answered by it.
        future.add_done_callback(functools.partial(self._follow, chat, branches))
        await asyncio.shield(future)

    def _follow(self, chat: ChatId, branches: Branches, written: asyncio.Future[None]) -> None:
        if not written.cancelled() and written.exception() is None:
            self._all[chat] = branches


def _write(connection: sqlite3.Connection, chat: ChatId, branches: Branches) -> None:
    connection.execute("DELETE FROM branches WHERE account = ? AND kind = ? AND peer = ?", in_chat(chat))
    connection.executemany(
        "INSERT INTO branches VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (*in_chat(chat), b.number, b.name, b.number == branches.active, b.prompt, msgspec.json.encode(b.settings))
            for b in branches.all
        ],
    )


def _copy(connection: sqlite3.Connection, chat: ChatId, number: int) -> None:
    """Copies have no message id, of which there is one in a chat; what is recalled in QQ is found by `copy_of`."""
    last = f"SELECT id FROM messages WHERE {IN_VIEW} ORDER BY placed DESC, id DESC LIMIT {COPIED}"
    copy = f"""INSERT INTO messages (account, kind, peer, user_id, name, role, text, segments, reply_to, time, placed,
        state, created, turn, emotion, branch, copy_of) SELECT account, kind, peer, user_id, name, role, text, segments,
        reply_to, time, placed, iif(state IN ('pending', 'sending'), 'heard', state), created, turn, emotion, ?4,
        coalesce(copy_of, id) FROM messages WHERE id IN ({last}) ORDER BY placed, id"""
    connection.execute(copy, (*in_chat(chat), number))
    pictures = """INSERT INTO message_pictures SELECT messages.id, segment, frame, digest FROM messages
        JOIN message_pictures ON message = copy_of
        WHERE account = ? AND kind = ? AND peer = ? AND branch = ? AND copy_of IS NOT NULL"""
    connection.execute(pictures, (*in_chat(chat), number))
    read = """INSERT INTO readings (message, kind, place, title, pages, read, cut, text)
        SELECT messages.id, readings.kind, place, title, pages, read, cut, readings.text FROM messages
        JOIN readings ON message = copy_of WHERE account = ? AND messages.kind = ? AND peer = ? AND branch = ?"""
    connection.execute(read, (*in_chat(chat), number))


def _delete(connection: sqlite3.Connection, chat: ChatId, number: int) -> None:
    where = "account = ? AND kind = ? AND peer = ? AND branch = ?"
    erase_messages(connection, where, (*in_chat(chat), number))
    connection.execute(f"DELETE FROM resets WHERE {where}", (*in_chat(chat), number))
