"""What was said in each chat: the bot's own record, from which the model's view of a chat is taken.

Nothing is deleted here: a reset, an undo and a recall in QQ only take messages out of view.
"""

# ruff: noqa: S608 - the statements are put together from this file's constants; values are always bound
import asyncio
import functools
import sqlite3
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from onebot_bot.memory.database import Database, in_chat, listed
from onebot_bot.memory.inserting import BRANCH, CHAT, GIVEN, IN_BRANCH, answer, insert
from onebot_bot.memory.leaving import Leaving
from onebot_bot.memory.withdrawal import Hide, TakeBack
from onebot_bot.protocol.chat_id import ChatId

T = TypeVar("T")

Role = Literal["user", "assistant", "event"]

State = Literal["heard", "pending", "sending", "answered", "dropped"]
"""`pending`: awaits an answer; `sending`: the first part of it may be out; `dropped`: will get none."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a chat, or one event that the model is told of."""

    role: Role
    text: str
    """As the model sees it."""
    time: int
    """Unix seconds, by QQ's clock; of what the bot sent, by ours."""
    user_id: int = 0
    name: str = ""
    message_id: int | None = None
    """None for events, and for what was sent without learning its id."""
    segments: list[Any] | None = None
    """The message as OneBot gave it, each `{"type", "data"}`."""
    reply_to: int | None = None
    """The message id that this one quotes."""
    state: State = "heard"
    emotion: str = ""
    """What the bot felt as it wrote an answer, on the first message of it; empty: nothing that it told."""
    id: int = 0
    """The row; 0 before it is stored."""


class Undone(msgspec.Struct, frozen=True):
    """What an undo took out of view."""

    turns: int
    rows: tuple[int, ...]


class Counts(msgspec.Struct, frozen=True):
    """How much is recorded, of all accounts."""

    messages: int
    chats: int
    unanswered: int


LONGEST = 20_000
"""Characters of a message that are kept; QQ's own are shorter."""

LATELY = 2000
"""Messages among which `speakers` looks."""

COLUMNS = "role, text, time, user_id, name, message_id, segments, reply_to, state, emotion, id"

IN_VIEW = f"""{IN_BRANCH} AND hidden = 0
    AND id > coalesce((SELECT after_id FROM resets WHERE {IN_BRANCH}), 0)
    AND placed >= coalesce((SELECT placed FROM resets WHERE {IN_BRANCH}), 0)"""
"""The same for the messages that the model may see."""

_RECENT = f"SELECT {COLUMNS} FROM messages WHERE {IN_VIEW} ORDER BY placed DESC, id DESC LIMIT ?4"

# Of the aggregated rows SQLite gives those that max() found.
_SPEAKERS = f"""SELECT user_id, name, message_id, max(id) FROM
    (SELECT * FROM messages WHERE {CHAT} AND hidden = 0 ORDER BY placed DESC, id DESC LIMIT ?)
    WHERE role <> 'assistant' AND name <> '' GROUP BY user_id ORDER BY max(id) DESC"""

# Word for word the condition of the index on it, which SQLite otherwise does not use.
_UNANSWERED = "state IN ('pending', 'sending') AND hidden = 0"


class History:
    """The messages of all chats.

    Messages are ordered by QQ's clock (`placed`), so what is fetched after an outage or imported lands where it
    belongs; what the bot says is placed right behind what it answers, whatever our clock says.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock
        self._leaving = Leaving(Path())

    async def resume(self, leaving: Leaving) -> None:
        """Note from now on there what is being sent; what a process that was killed had noted goes on record.

        Raises:
            StoreError: SQLite could not write.
        """
        if leaving.left:
            sql = f"UPDATE messages SET state = 'sending' WHERE state = 'pending' AND id IN {GIVEN}"
            values = (listed(leaving.left),)
            await self._database.write(lambda connection: connection.execute(sql, values).rowcount)
        leaving.begin()
        self._leaving = leaving

    def append_nowait(self, chat: ChatId, entry: Entry) -> "asyncio.Future[int | None]":
        """Queue one message.

        Returns:
            A future, done once it is on the disk: the row id, or None when its `message_id` is known in this chat.
        """
        row = self._row(chat, entry)
        return self._database.submit(functools.partial(insert, row=row), single=True, beside=True)

    async def append(self, chat: ChatId, entry: Entry) -> int | None:
        """Store one message and return its row id, or None when its `message_id` is known in this chat.

        Raises:
            StoreError: SQLite could not write.
        """
        return await asyncio.shield(self.append_nowait(chat, entry))

    async def recent(self, chat: ChatId, limit: int) -> list[Entry]:
        """The last `limit` messages the model may see, oldest first."""
        rows = await self._rows(_RECENT, (*in_chat(chat), limit))
        return [entry_of(row) for row in reversed(rows)]

    async def find(self, chat: ChatId, message_id: int) -> Entry | None:
        """The message with that OneBot id, unless it was recalled or undone."""
        sql = f"SELECT {COLUMNS} FROM messages WHERE {CHAT} AND message_id = ? AND hidden = 0"
        rows = await self._rows(sql, (*in_chat(chat), message_id))
        return entry_of(rows[0]) if rows else None

    async def find_all(self, chat: ChatId, message_ids: Collection[int]) -> list[Entry]:
        """The messages with those OneBot ids, unless they were recalled or undone."""
        sql = f"SELECT {COLUMNS} FROM messages WHERE {CHAT} AND message_id IN {GIVEN} AND hidden = 0"
        return [entry_of(row) for row in await self._rows(sql, (*in_chat(chat), listed(message_ids)))]

    async def speakers(self, chat: ChatId) -> list[tuple[int, str, int | None]]:
        """Who wrote in a chat lately: number, name and last message id, who wrote last first."""
        return [
            (user, name, message) for user, name, message, _ in await self._rows(_SPEAKERS, (*in_chat(chat), LATELY))
        ]

    async def mark(self, ids: Collection[int], state: State) -> None:
        """Give the rows `ids` another state; it survives the death of this process, not a power cut.

        `sending` stands between the finished answer and its sending: an fsync there would be felt, and the worst that
        a power cut at that instant can do is to have the answer sent twice.
        """
        if state == "sending" and self._leaving.add(ids):
            return
        sql = f"UPDATE messages SET state = ? WHERE id IN {GIVEN}"
        values = (state, listed(ids))
        await asyncio.shield(
            self._database.submit(lambda c: c.execute(sql, values).rowcount, single=True, lasting=False, beside=True)
        )
        if state != "sending":
            self._leaving.discard(ids)

    async def answered(self, chat: ChatId, turn_ids: Collection[int], sent: Sequence[Entry]) -> list[int]:
        """Store an answer and mark what it answers, both or neither.

        Args:
            chat: Where it was said.
            turn_ids: Rows that the answer is to; empty when the bot spoke first.
            sent: What went out; empty when the model chose to say nothing.

        Returns:
            The row ids of what was new.
        """
        rows = [self._row(chat, entry) for entry in sent]
        stored = await self._database.write(lambda c: answer(c, chat, turn_ids, rows), beside=True)
        self._leaving.discard(turn_ids)
        return stored

    async def settle(self, ids: Collection[int]) -> None:
        """Count the rows `ids` as answered, all by one answer that is out but on no record: an undo takes them back."""
        if not ids:
            return
        sql = f"UPDATE messages SET state = 'answered', turn = ? WHERE id IN {GIVEN}"
        await self._database.write(lambda connection: connection.execute(sql, (max(ids), listed(ids))).rowcount)
        self._leaving.discard(ids)

    async def pending(self, account: int, since: int) -> list[tuple[ChatId, Entry]]:
        """What is of unix second `since` or later and has no answer, oldest first.

        `sending` is among it: the bot ended before it could note that the answer was out. It is looked for behind all
        that is queued to be written, so whatever is found, who wrote it knows its row, and nobody recalled it before.
        """
        sql = f"""SELECT kind, peer, {COLUMNS} FROM messages
            WHERE account = ? AND time >= ? AND {_UNANSWERED} ORDER BY placed, id"""
        values = (account, since)
        rows = await self._database.write(lambda c: c.execute(sql, values).fetchall(), lasting=False)
        return [(ChatId(account, kind, peer), self._as_it_stands(entry_of(row))) for kind, peer, *row in rows]

    def _as_it_stands(self, entry: Entry) -> Entry:
        """With its state as it is noted, where it is on its way."""
        return msgspec.structs.replace(entry, state="sending") if entry.id in self._leaving else entry

    async def expire(self, account: int, before: int, but: Collection[int]) -> None:
        """Drop what nobody answered before unix second `before`, except the rows `but`: it will not be answered now."""
        sql = f"""UPDATE messages SET state = 'dropped' WHERE account = ? AND time < ?
            AND state IN ('pending', 'sending') AND hidden = 0 AND id NOT IN {GIVEN}"""
        values = (account, before, listed(but))
        await self._database.write(lambda connection: connection.execute(sql, values).rowcount)

    async def reset(self, chat: ChatId) -> None:
        """Let the model start afresh: what was said so far stays on record but is no longer shown to it."""
        await self._database.write(lambda connection: _reset(connection, chat))

    async def undo(
        self, chat: ChatId, turns: int, unanswered: Collection[int] = (), take_back: TakeBack | None = None
    ) -> Undone:
        """Take the last `turns` answers out of view, with what they answered; the rows `unanswered` count as the last.

        What was learned from them goes by `take_back`; None: nobody learns from this history.
        """

        def hide(connection: sqlite3.Connection) -> tuple[Collection[int], Undone]:
            undone = _undo(connection, chat, turns, unanswered)
            return undone.rows, undone

        return await take_out(self._database, chat, hide, take_back)

    async def withdraw(self, chat: ChatId, message_id: int, take_back: TakeBack | None = None) -> int | None:
        """Take a message that was recalled in QQ out of view; its row id, or None when it is not known.

        `take_back` as in `undo`.
        """

        def hide(connection: sqlite3.Connection) -> tuple[Collection[int], int | None]:
            row = _withdraw(connection, chat, message_id)
            return [] if row is None else [row], row

        return await take_out(self._database, chat, hide, take_back)

    async def begins(self, chat: ChatId) -> int | None:
        """When the first message of a chat was said, unix seconds; None when there is none that was not taken back."""
        sql = f"SELECT min(placed) FROM messages WHERE {CHAT} AND hidden = 0"
        return (await self._rows(sql, in_chat(chat)))[0][0]  # type: ignore[no-any-return]  # SQLite's own

    async def recent_chats(self, account: int, since: int) -> list[ChatId]:
        """Chats with a message since unix second `since`, the latest first."""
        sql = """SELECT kind, peer FROM messages WHERE account = ? AND time >= ?
            GROUP BY kind, peer ORDER BY max(time) DESC"""
        return [ChatId(account, kind, peer) for kind, peer in await self._rows(sql, (account, since))]

    async def known_ids(self, chat: ChatId, message_ids: Collection[int]) -> set[int]:
        """Those of `message_ids` that are stored, recalled ones too."""
        sql = f"SELECT message_id FROM messages WHERE {CHAT} AND message_id IN {GIVEN}"
        return {row[0] for row in await self._rows(sql, (*in_chat(chat), listed(message_ids)))}

    async def counts(self) -> Counts:
        """How much is recorded."""
        sql = f"""SELECT (SELECT count(*) FROM messages),
            (SELECT count(*) FROM (SELECT DISTINCT account, kind, peer FROM messages)),
            (SELECT count(*) FROM messages WHERE {_UNANSWERED})"""
        return Counts(*(await self._rows(sql, ()))[0])

    async def unknown(self, chat: ChatId, entries: Sequence[Entry]) -> list[Entry]:
        """Those of `entries` that are not on record, fit to be appended.

        Known is what has its `message_id`, or, where one of the two has no id, its time, speaker and text. An id that
        is taken by another message, which happens in 31 bits, is left out.
        """
        return await self._database.read(lambda connection: _unknown(connection, chat, entries))

    async def _rows(self, sql: str, values: Sequence[Any]) -> list[Any]:
        return await self._database.read(lambda connection: connection.execute(sql, values).fetchall())

    def _row(self, chat: ChatId, entry: Entry) -> tuple[Any, ...]:
        segments = None if entry.segments is None else msgspec.json.encode(entry.segments).decode()
        return (
            chat.account,
            chat.kind,
            chat.peer,
            entry.message_id,
            entry.user_id,
            entry.name,
            entry.role,
            entry.text,
            segments,
            entry.reply_to,
            entry.time,
            entry.time,
            entry.state,
            int(self._clock()),
            entry.emotion,
            None,  # the branch: the one that the chat is in
        )


async def take_out(database: Database, chat: ChatId, hide: Hide[T], take_back: TakeBack | None) -> T:
    """Take messages out of view, by `take_back` where something may have been learned from them."""
    return (await database.write(hide))[1] if take_back is None else await take_back(chat, hide)


def entry_of(row: Sequence[Any]) -> Entry:
    """The message whose `COLUMNS` these are."""
    role, text, when, user_id, name, message_id, segments, reply_to, state, emotion, number = row
    return Entry(
        role=role,
        text=text,
        time=when,
        user_id=user_id,
        name=name,
        message_id=message_id,
        segments=None if segments is None else msgspec.json.decode(segments),
        reply_to=reply_to,
        state=state,
        emotion=emotion,
        id=number,
    )


def _reset(connection: sqlite3.Connection, chat: ChatId) -> None:
    connection.execute(
        f"""INSERT OR REPLACE INTO resets SELECT ?1, ?2, ?3, {BRANCH}, coalesce(max(id), 0), coalesce(max(placed), 0)
            FROM messages WHERE {IN_BRANCH}""",
        in_chat(chat),
    )
    unanswered = f"UPDATE messages SET state = 'dropped' WHERE {CHAT} AND {_UNANSWERED}"
    connection.execute(unanswered, in_chat(chat))


def _undo(connection: sqlite3.Connection, chat: ChatId, turns: int, unanswered: Collection[int]) -> Undone:
    turns = max(turns, 0)
    first = list(unanswered)[: len(unanswered) if turns else 0]
    last = f"SELECT DISTINCT turn FROM messages WHERE {IN_VIEW} AND turn IS NOT NULL ORDER BY turn DESC LIMIT ?4"
    limit = turns - bool(first)
    found = [row[0] for row in connection.execute(last, (*in_chat(chat), limit))]
    hide = f"""UPDATE messages SET hidden = 1 WHERE {IN_BRANCH} AND hidden = 0
        AND (turn IN (SELECT value FROM json_each(?4)) OR id IN (SELECT value FROM json_each(?5))) RETURNING id"""
    hidden = connection.execute(hide, (*in_chat(chat), listed(found), listed(first))).fetchall()
    return Undone(len(found) + bool(first), tuple(row[0] for row in hidden))


def _withdraw(connection: sqlite3.Connection, chat: ChatId, message_id: int) -> int | None:
    sql = f"UPDATE messages SET hidden = 1 WHERE {CHAT} AND message_id = ? RETURNING id"
    found = connection.execute(sql, (*in_chat(chat), message_id)).fetchone()
    if found is None:
        return None
    connection.execute("UPDATE messages SET hidden = 1 WHERE copy_of = ?", found)
    return int(found[0])


SAME_MESSAGE = 600
"""Seconds between two clocks' times of one message, at most: what the bot sent is dated by ours, elsewhere by QQ's."""

_TIME_OF_ID = f"SELECT time FROM messages WHERE {CHAT} AND message_id = ?"

_SAID_THEN = f"""SELECT 1 FROM messages WHERE {CHAT} AND time = ? AND user_id = ? AND text = ?
    AND (user_id <> 0 OR name = ?) AND (message_id IS NULL OR ? IS NULL)"""


def _unknown(connection: sqlite3.Connection, chat: ChatId, entries: Sequence[Entry]) -> list[Entry]:
    here = in_chat(chat)
    found: dict[object, Entry] = {}
    for entry in entries:
        if entry.message_id is not None:
            first = found.get(entry.message_id)
            row = (first.time,) if first else connection.execute(_TIME_OF_ID, (*here, entry.message_id)).fetchone()
            if row is not None and abs(row[0] - entry.time) <= SAME_MESSAGE:
                continue
            entry = entry if row is None else msgspec.structs.replace(entry, message_id=None)  # noqa: PLW2901 - taken
        said = (entry.time, entry.user_id, entry.text, entry.name, entry.message_id)
        key = said if entry.message_id is None else entry.message_id
        if key not in found and connection.execute(_SAID_THEN, (*here, *said)).fetchone() is None:
            found[key] = entry
    return list(found.values())
