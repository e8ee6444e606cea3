"""Taking memories back: those taken from nothing but messages that were withdrawn, as by /undo or /edit."""

import sqlite3
from collections.abc import Callable, Collection
from typing import Protocol, TypeVar

import msgspec

from onebot_bot.memory import rows
from onebot_bot.memory.database import in_chat, listed
from onebot_bot.memory.rows import Memory
from onebot_bot.protocol.chat_id import ChatId

T = TypeVar("T")

Hide = Callable[[sqlite3.Connection], tuple[Collection[int], T]]
"""Takes messages out of view; their rows, and what to tell of it."""


class TakeBack(Protocol):
    """`MemoryStore.take_back`."""

    async def __call__(self, chat: ChatId, hide: Hide[T]) -> T:
        """What `hide` tells, once it has hidden rows of that chat and nothing is known from them alone any more."""


_TOUCHED = """SELECT id, status, superseded_by, source_ids FROM memories
    WHERE account = ? AND kind = ? AND peer = ? AND status != 'forgotten'
    AND EXISTS (SELECT 1 FROM json_each(memories.source_ids) WHERE value IN (SELECT value FROM json_each(?)))
    ORDER BY id"""

_GIVEN = "(SELECT value FROM json_each(?))"


def withdraw(connection: sqlite3.Connection, chat: ChatId, sources: Collection[int]) -> tuple[list[int], list[Memory]]:
    """Bar the history's rows `sources`, and forget what a chat remembers from them alone.

    What such a memory took the place of is true again: nobody ever said otherwise.

    Returns:
        The ids of what was forgotten, and the memories that are in force again.
    """
    connection.execute("INSERT OR IGNORE INTO barred_sources SELECT value FROM json_each(?)", (listed(sources),))
    gone: list[int] = []
    back: set[int] = set()
    for number, status, successor, known in connection.execute(_TOUCHED, (*in_chat(chat), listed(sources))).fetchall():
        left = [source for source in msgspec.json.decode(known, type=list[int]) if source not in sources]
        if left:
            connection.execute("UPDATE memories SET source_ids = ? WHERE id = ?", (listed(left), number))
            continue
        back |= _hand_back(connection, number, status, successor)
        rows.forget(connection, number)
        gone.append(number)
    restored = rows.select(connection, f"id IN {_GIVEN} AND status = 'active'", (listed(back),)) if back else []
    return gone, restored


def _hand_back(connection: sqlite3.Connection, number: int, status: str, successor: int | None) -> set[int]:
    """Let what memory `number` took the place of come before its own successor, or be in force again."""
    freed = """UPDATE memories SET status = iif(? = 'active', 'active', status), superseded_by = ?
        WHERE superseded_by = ? AND status = 'superseded' RETURNING id"""
    found = connection.execute(freed, (status, successor, number)).fetchall()
    return {row[0] for row in found}
