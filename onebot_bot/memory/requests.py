"""Friend requests and invitations: what was asked, and what became of it."""

import sqlite3
from typing import Literal

from msgspec import Struct

from onebot_bot.memory.database import Database
from onebot_bot.texts import Language, say

Kind = Literal["friend", "doubt", "group"]
"""`doubt`: a friend request that QQ itself holds back as doubtful."""
State = Literal["waiting", "ignored", "accepted", "rejected"]

MOST_KEPT = 1000
"""Requests on record, the latest; whoever sends more pushes out the oldest."""
_COLUMNS = "id, account, kind, flag, user, grp, comment, came"


class Asked(Struct, frozen=True, kw_only=True):
    """One request."""

    account: int
    """Which of our accounts is asked."""
    kind: Kind
    flag: str
    """What QQ's answer has to carry."""
    user: int
    """Who asks, or invites."""
    group: int = 0
    """Into which group; 0 for a friend request."""
    comment: str = ""
    came: int
    """Unix second."""
    id: int = 0
    """0 before it is on record."""


def line_of(asked: Asked, number: int, language: Language) -> str:
    """A request on one line, with the id that it has on record."""
    comment = say(language, "request.comment", comment=asked.comment) if asked.comment else ""
    return say(language, f"request.{asked.kind}", id=number, user=asked.user, group=asked.group, comment=comment)


class RequestStore:
    """Every request on record."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, asked: Asked) -> int | None:
        """Put a request on record; its id, or None when it is known.

        The same person's second one for the same thing takes the place of one that still waits: QQ reports some
        requests several times, and may give them another flag.
        """
        return await self._database.write(lambda connection: _add(connection, asked))

    async def find(self, number: int) -> Asked | None:
        """One that waits."""
        sql = f"SELECT {_COLUMNS} FROM requests WHERE id = ? AND state = 'waiting'"  # noqa: S608 - constants
        rows = await self._database.read(lambda connection: connection.execute(sql, (number,)).fetchall())
        return _asked(rows[0]) if rows else None

    async def waiting(self, limit: int) -> list[Asked]:
        """The latest that wait, oldest first."""
        sql = f"SELECT {_COLUMNS} FROM requests WHERE state = 'waiting' ORDER BY id DESC LIMIT ?"  # noqa: S608 - constants
        rows = await self._database.read(lambda connection: connection.execute(sql, (limit,)).fetchall())
        return [_asked(row) for row in reversed(rows)]

    async def dealt_with(self, day: str) -> int:
        """How many the bot dealt with by itself on that day."""
        sql = "SELECT count(*) FROM requests WHERE day = ?"
        rows = await self._database.read(lambda connection: connection.execute(sql, (day,)).fetchall())
        return int(rows[0][0])

    async def mark(self, number: int, state: State, day: str = "") -> None:
        """Note what became of one, and, if the bot dealt with it by itself, on which day."""
        sql = "UPDATE requests SET state = ?, day = iif(? = '', day, ?) WHERE id = ?"
        values = (state, day, day, number)
        await self._database.write(lambda connection: connection.execute(sql, values).rowcount)


def _add(connection: sqlite3.Connection, asked: Asked) -> int | None:
    who = (asked.account, asked.kind, asked.user, asked.group)
    again = "UPDATE requests SET flag = ? WHERE account = ? AND kind = ? AND user = ? AND grp = ? AND state = 'waiting'"
    if connection.execute(again, (asked.flag, *who)).rowcount:
        return None
    cursor = connection.execute(
        "INSERT OR IGNORE INTO requests (account, kind, user, grp, flag, comment, came, state, day) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, 'waiting', '')",
        (*who, asked.flag, asked.comment, asked.came),
    )
    if not cursor.rowcount:
        return None
    number = int(cursor.lastrowid or 0)
    connection.execute("DELETE FROM requests WHERE id <= ?", (number - MOST_KEPT,))
    return number


def _asked(row: tuple[int, int, Kind, str, int, int, str, int]) -> Asked:
    number, account, kind, flag, user, group, comment, came = row
    return Asked(account=account, kind=kind, flag=flag, user=user, group=group, comment=comment, came=came, id=number)
