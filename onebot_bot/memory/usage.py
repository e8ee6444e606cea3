"""How much was written today for each person and each group: in memory for every question, on the disk for restarts."""

import functools
import sqlite3
import threading
from collections.abc import Callable
from time import monotonic
from typing import Literal

from msgspec import Struct

from onebot_bot.memory.database import Database

Scope = Literal["user", "group"]
Peer = tuple[Scope, int]
"""A person or a group, by number; of all our accounts together."""

LOST = 10.0
"""Seconds after which what was to be written and is not was lost, as to a disk that is full: it is tried again."""

_ADD = """INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
    answers = answers + excluded.answers, tokens = tokens + excluded.tokens, told = max(told, excluded.told)"""


class Used(Struct, frozen=True):
    """By one peer, today."""

    answers: int = 0
    tokens: int = 0
    told: bool = False
    """Whether they were told that it is enough for today."""


NOTHING = Used()


class Usage:
    """Everybody's; a new day begins with nothing."""

    def __init__(self, database: Database, today: Callable[[], str], clock: Callable[[], float] = monotonic) -> None:
        self._database = database
        self._today = today  # a date, where the people live
        self._clock = clock  # seconds
        self._posted = clock()
        self._day = ""
        self._all: dict[Peer, Used] = {}
        self._fresh: dict[tuple[str, Scope, int], Used] = {}
        """By day and peer, what is not written yet."""
        self._lock = threading.Lock()
        """Held for as long as `_fresh` is changed."""

    async def restore(self) -> None:
        """Read what was used today before this start."""
        self._day = self._today()
        await self._database.write(functools.partial(_erase_others, day=self._day))
        sql = "SELECT scope, peer, answers, tokens, told FROM usage WHERE day = ?"
        values = (self._day,)
        rows = await self._database.read(lambda connection: connection.execute(sql, values).fetchall())
        self._all = {(scope, peer): Used(answers, tokens, bool(told)) for scope, peer, answers, tokens, told in rows}

    def of(self, peer: Peer) -> Used:
        """What a peer used today."""
        self._turn_page()
        return self._all.get(peer, NOTHING)

    def add(self, peer: Peer, *, answers: int = 0, tokens: int = 0, told: bool = False) -> None:
        """Count it; written to the disk by and by, since nobody waits for it."""
        self._turn_page()
        before = self._all.get(peer, NOTHING)
        self._all[peer] = Used(before.answers + answers, before.tokens + tokens, before.told or told)
        key = (self._day, *peer)
        with self._lock:
            idle = not self._fresh
            old = self._fresh.get(key, NOTHING)
            self._fresh[key] = Used(old.answers + answers, old.tokens + tokens, old.told or told)
        now = self._clock()
        if idle or now - self._posted >= LOST:
            self._posted = now
            self._database.post(self._write)

    def _write(self, connection: sqlite3.Connection) -> None:
        """All that was counted since the last time, each peer once; in the writer's thread."""
        with self._lock:
            fresh, self._fresh = self._fresh, {}
        connection.executemany(_ADD, [(*key, used.answers, used.tokens, used.told) for key, used in fresh.items()])

    def _turn_page(self) -> None:
        today = self._today()
        if today != self._day:
            self._day, self._all = today, {}
            self._database.post(functools.partial(_erase_others, day=today))


def _erase_others(connection: sqlite3.Connection, day: str) -> int:
    return connection.execute("DELETE FROM usage WHERE day <> ?", (day,)).rowcount
