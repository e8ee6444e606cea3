"""Counts of each chat and day, for /stats: gathered in memory, written every few seconds and when asked for."""

import functools
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any

from onebot_bot.memory.database import Database, in_chat
from onebot_bot.protocol.chat_id import ChatId

DAYS_KEPT = 400
SAVED_EVERY = 10.0
"""Seconds: what a kill may cost."""

Counts = Mapping[str, float]
"""Amounts by what was counted."""
_Row = tuple[str, int, str, int, str, float]

_ADD = "INSERT INTO tallies VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET amount = amount + excluded.amount"


class Tallies:
    """What was counted; days are those of the people's time zone."""

    def __init__(self, database: Database, today: Callable[[], str], clock: Callable[[], float]) -> None:
        self._database = database
        self._today = today
        self._clock = clock  # monotonic seconds
        self._fresh: defaultdict[tuple[str, ChatId, str], float] = defaultdict(float)
        """What is not written yet."""
        self._saved = clock()
        self._pruned = ""
        """The day on which old days were last deleted."""

    def count(self, chat: ChatId, counts: Counts) -> None:
        """Add to today's counts; never waits."""
        day = self._today()
        for what, amount in counts.items():
            self._fresh[day, chat, what] += amount
        if self._clock() - self._saved >= SAVED_EVERY:
            self.save()

    def forget(self, user: int) -> None:
        """Follow `erasing.forget_person`, which has deleted the rows: what is not written yet is not to come after."""
        for key in [key for key in self._fresh if (key[1].kind, key[1].peer) == ("private", user)]:
            del self._fresh[key]

    def save(self) -> None:
        """Have what was counted written; returns at once."""
        if (job := self._job()) is not None:
            self._database.post(job)

    async def of_day(self, day: str) -> dict[ChatId, Counts]:
        """What was counted in each chat on a day, `YYYY-MM-DD`; raises StoreError."""
        sql = "SELECT account, kind, peer, what, amount FROM tallies WHERE day = ?"
        found: dict[ChatId, dict[str, float]] = {}
        for account, kind, peer, what, amount in await self._rows(sql, day):
            found.setdefault(ChatId(account, kind, peer), {})[what] = amount
        return dict(found)

    async def of_chat(self, chat: ChatId, since: str) -> dict[str, Counts]:
        """What was counted in a chat on each day from `since` on, oldest first; raises StoreError."""
        sql = """SELECT day, what, amount FROM tallies
            WHERE account = ? AND kind = ? AND peer = ? AND day >= ? ORDER BY day"""
        found: dict[str, dict[str, float]] = {}
        for day, what, amount in await self._rows(sql, *in_chat(chat), since):
            found.setdefault(day, {})[what] = amount
        return dict(found)

    async def _rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        if (job := self._job()) is not None:
            await self._database.write(job, lasting=False)
        return await self._database.read(lambda connection: connection.execute(sql, values).fetchall())

    def _job(self) -> Callable[[sqlite3.Connection], None] | None:
        """What writes all that is not written yet."""
        self._saved = self._clock()
        if not self._fresh:
            return None
        rows: list[_Row] = [(day, *in_chat(chat), what, amount) for (day, chat, what), amount in self._fresh.items()]
        self._fresh.clear()
        return functools.partial(_write, rows=rows, before=self._before())

    def _before(self) -> str:
        """The first day to keep, once a day; else empty."""
        today = self._today()
        if today == self._pruned:
            return ""
        self._pruned = today
        return (date.fromisoformat(today) - timedelta(days=DAYS_KEPT)).isoformat()


def _write(connection: sqlite3.Connection, rows: list[_Row], before: str) -> None:
    connection.executemany(_ADD, rows)
    if before:
        connection.execute("DELETE FROM tallies WHERE day < ?", (before,))
