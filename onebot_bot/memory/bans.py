"""Who is banned, until when and why: read once, since every message asks, and written through."""

import sqlite3
import time
from collections.abc import Callable

import msgspec
from msgspec import Struct

from onebot_bot.memory.database import Database

_ERASE = "DELETE FROM bans WHERE until IS NOT NULL AND until <= ?"


class Ban(Struct, frozen=True):
    """One person's."""

    user: int
    until: int | None
    """Unix second; None: until it is lifted."""
    reason: str
    by: int
    """The QQ number of who banned them."""
    since: int
    """Unix second."""


class Bans:
    """Everybody's bans; one that has run out is none."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock
        self._all: dict[int, Ban] = {}

    async def restore(self) -> None:
        """Read who was banned before this start, and erase what has run out."""
        now = int(self._clock())
        await self._database.write(lambda connection: connection.execute(_ERASE, (now,)).rowcount)
        rows = await self._database.read(
            lambda connection: connection.execute("SELECT user, until, reason, by_whom, since FROM bans").fetchall()
        )
        self._all = {row[0]: Ban(*row) for row in rows}

    def banned(self, user: int) -> bool:
        """Whether somebody is."""
        ban = self._all.get(user)
        return ban is not None and self._holds(ban)

    def current(self) -> list[Ban]:
        """All that hold, the latest first."""
        return sorted(filter(self._holds, self._all.values()), key=lambda ban: ban.since, reverse=True)

    async def put(self, user: int, seconds: int | None, reason: str, by: int) -> Ban:
        """Ban somebody for so long (None: until lifted), whatever was said before; what has run out is erased.

        Raises:
            StoreError: it could not be written, and does not hold.
        """
        now = int(self._clock())
        ban = Ban(user, None if seconds is None else now + seconds, reason, by, now)

        def write(connection: sqlite3.Connection) -> None:
            connection.execute(_ERASE, (now,))
            connection.execute("INSERT OR REPLACE INTO bans VALUES (?, ?, ?, ?, ?)", msgspec.structs.astuple(ban))

        await self._database.write(write)
        self._all = {other.user: other for other in self._all.values() if self._holds(other)} | {user: ban}
        return ban

    async def lift(self, user: int) -> bool:
        """Let somebody be heard again; whether they were banned.

        Raises:
            StoreError: it could not be written, and the ban still holds.
        """
        was = self.banned(user)
        sql = "DELETE FROM bans WHERE user = ?"
        await self._database.write(lambda connection: connection.execute(sql, (user,)).rowcount)
        self._all.pop(user, None)
        return was

    def _holds(self, ban: Ban) -> bool:
        return ban.until is None or ban.until > self._clock()
