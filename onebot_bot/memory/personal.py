"""What is kept of a person, for that person: all of it to be read, whether they may be learned from, who sees them."""

# ruff: noqa: S608 - the statements are put together from constants; values are always bound
import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Literal

from msgspec import Struct

from onebot_bot.memory import erasing, rows
from onebot_bot.memory.database import Database
from onebot_bot.memory.erasing import ABOUT_PERSON, BY_PERSON
from onebot_bot.memory.history import COLUMNS, Entry, entry_of
from onebot_bot.memory.rows import Memory
from onebot_bot.protocol.chat_id import ChatId

MOST_READ = 50_000
"""Messages of a person that are read at once, the latest."""
MOST_LINKS = 50
"""People whose chat one may ask to see, or whom one may let see one's own."""


Side = Literal["reader", "owner"]
"""Of a link."""


class Kept(Struct, frozen=True):
    """One message of a person, or one of their private chat."""

    chat: ChatId
    branch: int
    hidden: bool
    """Taken back: the model does not see it."""
    entry: Entry


class Link(Struct, frozen=True):
    """Of two people, who may see the other's private chat with the bot."""

    account: int
    reader: int
    owner: int
    reader_agrees: bool
    owner_agrees: bool

    @property
    def open(self) -> bool:
        """Whether both want it."""
        return self.reader_agrees and self.owner_agrees


class PersonalData:
    """What is kept of people."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._links: tuple[Link, ...] = ()
        self._opted_out: frozenset[int] = frozenset()

    async def restore(self) -> None:
        """Read who agreed to what before this start."""
        links = await self._rows("SELECT account, reader, owner, reader_agrees, owner_agrees FROM shown_to")
        self._links = tuple(Link(*row[:3], *map(bool, row[3:])) for row in links)
        self._opted_out = frozenset(row[0] for row in await self._rows("SELECT user_id FROM opted_out"))

    async def messages(self, user: int) -> list[Kept]:
        """What a person said in groups, and all of their private chats, oldest first; the latest `MOST_READ`."""
        sql = f"""SELECT account, kind, peer, branch, hidden, {COLUMNS} FROM messages WHERE {BY_PERSON}
            AND copy_of IS NULL ORDER BY placed DESC, id DESC LIMIT {MOST_READ}"""
        found = await self._rows(sql, user)
        return [Kept(ChatId(*row[:3]), row[3], bool(row[4]), entry_of(row[5:])) for row in reversed(found)]

    async def message_ids(self, user: int) -> list[int]:
        """The ids, by QQ, of what a person said, and of all in their private chats."""
        sql = f"SELECT DISTINCT message_id FROM messages WHERE {BY_PERSON} AND message_id IS NOT NULL"
        return [row[0] for row in await self._rows(sql, user)]

    async def memories(self, user: int) -> list[Memory]:
        """What is remembered by or about a person, or of their private chats, oldest first."""
        return await self._database.read(lambda c: rows.select(c, ABOUT_PERSON, (user,), order="id"))

    async def counts(self, user: int) -> tuple[int, int]:
        """How many messages and memories would be forgotten with a person."""
        return await self._database.read(lambda connection: erasing.count_person(connection, user))

    def forget(self, user: int) -> None:
        """Follow `erasing.forget_person`, which has deleted the rows."""
        self._links = tuple(link for link in self._links if user not in (link.reader, link.owner))
        self._opted_out -= {user}

    # --- not to be learned from ---

    @property
    def opted_out(self) -> frozenset[int]:
        """The people of whom nothing is learned."""
        return self._opted_out

    async def opt_out(self, user: int) -> None:
        """Learn nothing from what a person says from now on, nor from what was not read for memories yet."""
        await self._database.write(lambda connection: erasing.opt_out(connection, user))
        self._opted_out |= {user}

    async def opt_in(self, user: int) -> None:
        """Learn from what a person says from now on; what they said meanwhile stays unread."""
        await self._database.write(lambda connection: erasing.opt_in(connection, user))
        self._opted_out -= {user}

    # --- who sees whose chat ---

    def links(self, account: int, user: int) -> list[Link]:
        """All that a person asked for or was asked for."""
        return [link for link in self._links if link.account == account and user in (link.reader, link.owner)]

    def shown(self, chat: ChatId) -> Sequence[ChatId]:
        """The private chats that a private chat may see: both people agreed."""
        if chat.kind != "private":
            return ()
        mine = [link for link in self._links if link.open and (link.account, link.reader) == (chat.account, chat.peer)]
        return [ChatId(chat.account, "private", link.owner) for link in mine]

    def link(self, account: int, reader: int, owner: int) -> Link:
        """How the two stand."""
        pair = (account, reader, owner)
        found = (link for link in self._links if (link.account, link.reader, link.owner) == pair)
        return next(found, Link(*pair, reader_agrees=False, owner_agrees=False))

    async def writes(self, account: int, user: int) -> bool:
        """Whether a person has a private chat with the bot."""
        sql = "SELECT 1 FROM messages WHERE account = ? AND kind = 'private' AND peer = ? AND hidden = 0 LIMIT 1"
        return bool(await self._rows(sql, account, user))

    async def agree(self, link: Link, side: Side) -> Link:
        """Let one of the two want it, whatever the other wants by now; how they stand then."""
        return await self._change(lambda connection: _agree(connection, link, side))

    async def revoke(self, link: Link) -> None:
        """Let neither want it any more; nothing is kept of it."""
        await self._change(lambda connection: _revoke(connection, link))

    async def _change(self, change: Callable[[sqlite3.Connection], Link]) -> Link:
        future = self._database.submit(change)
        # A callback, not the line after an await: of two changes at once the one that is written last holds.
        future.add_done_callback(self._follow)
        return await asyncio.shield(future)

    def _follow(self, written: asyncio.Future[Link]) -> None:
        if written.cancelled() or written.exception() is not None:
            return
        link = written.result()
        others = tuple(one for one in self._links if _pair(one) != _pair(link))
        self._links = (*others, link) if link.reader_agrees or link.owner_agrees else others

    async def _rows(self, sql: str, *values: Any) -> list[Any]:
        return await self._database.read(lambda connection: connection.execute(sql, values).fetchall())


def _pair(link: Link) -> tuple[int, int, int]:
    return link.account, link.reader, link.owner


def _agree(connection: sqlite3.Connection, link: Link, side: Side) -> Link:
    # What the other side wants is what is written now: it may have been revoked, or forgotten, since it was read.
    sql = """INSERT INTO shown_to VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
        SET reader_agrees = max(reader_agrees, excluded.reader_agrees),
            owner_agrees = max(owner_agrees, excluded.owner_agrees)
        RETURNING reader_agrees, owner_agrees"""
    values = (*_pair(link), int(side == "reader"), int(side == "owner"))
    return Link(*_pair(link), *map(bool, connection.execute(sql, values).fetchone()))


def _revoke(connection: sqlite3.Connection, link: Link) -> Link:
    connection.execute("DELETE FROM shown_to WHERE account = ? AND reader = ? AND owner = ?", _pair(link))
    return Link(*_pair(link), reader_agrees=False, owner_agrees=False)
