"""Messages and answers into the record, inside of a transaction."""

# ruff: noqa: S608 - the statements are put together from this file's constants; values are always bound

import sqlite3
from collections.abc import Collection
from typing import Any

from onebot_bot.memory.database import in_chat, listed
from onebot_bot.protocol.chat_id import ChatId

BRANCH = "coalesce((SELECT number FROM branches WHERE account = ?1 AND kind = ?2 AND peer = ?3 AND active), 1)"
"""SQL for the number of the branch that a chat, given as the first three values, is in."""

CHAT = "account = ? AND kind = ? AND peer = ?"
"""SQL that holds for the rows of a chat."""

IN_BRANCH = f"account = ?1 AND kind = ?2 AND peer = ?3 AND branch = {BRANCH}"
"""SQL that holds for the rows of the branch that a chat, given as the first three values, is in."""

GIVEN = "(SELECT value FROM json_each(?))"
"""SQL for the numbers of a list that is given as one value, see `listed`."""

_INSERT = f"""INSERT INTO messages
    (account, kind, peer, message_id, user_id, name, role, text, segments, reply_to, time, placed, state, created,
    emotion, branch) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15,
    coalesce(?16, {BRANCH}))
    ON CONFLICT (account, kind, peer, message_id) WHERE message_id IS NOT NULL DO NOTHING"""

_PLACED = 11
"""Where `placed` stands among the inserted values."""

# SQLite takes the branch from the row that has the greatest place.
_PLACE_OF_TURN = f"""SELECT max(placed), branch, EXISTS (SELECT 1 FROM resets WHERE {CHAT} AND after_id >= ?),
    count(DISTINCT branch) > 1 FROM messages WHERE id IN {GIVEN}"""

_CLOSE_TURN = f"""UPDATE messages SET turn = coalesce(?, turn), state = iif(role = 'assistant', state, 'answered')
    WHERE id IN {GIVEN}"""

_BRING_TOGETHER = f"UPDATE messages SET branch = ? WHERE id IN {GIVEN}"

_HIDE_AFTER_RESET = f"""UPDATE messages SET hidden = 1 WHERE id IN {GIVEN}
    AND EXISTS (SELECT 1 FROM resets WHERE {CHAT} AND branch = messages.branch AND after_id >= ?)"""

_LATEST = f"SELECT max(placed), branch, FALSE, FALSE FROM messages WHERE {IN_BRANCH} AND hidden = 0"


def insert(connection: sqlite3.Connection, row: tuple[Any, ...]) -> int | None:
    """Its row id; None: the message is on record."""
    cursor = connection.execute(_INSERT, row)
    return cursor.lastrowid if cursor.rowcount else None


def answer(
    connection: sqlite3.Connection, chat: ChatId, turn_ids: Collection[int], rows: list[tuple[Any, ...]]
) -> list[int]:
    """Insert an answer, where what it answers stands, and close that turn; the row ids of what was new.

    In as few statements as can be: each hands the interpreter over to the event loop and back.
    """
    here = in_chat(chat)
    place = (_PLACE_OF_TURN, (*here, max(turn_ids), listed(turn_ids))) if turn_ids else (_LATEST, here)
    placed, branch, reset, apart = connection.execute(*place).fetchone() if rows else (None, None, False, False)
    if turn_ids and rows and placed is None:
        return []  # what it answers was forgotten meanwhile
    moved = rows if placed is None else [(*row[:_PLACED], placed, *row[_PLACED + 1 : -1], branch) for row in rows]
    sent = [number for row in moved if (number := insert(connection, row)) is not None]
    connection.execute(_CLOSE_TURN, (sent[0] if sent else None, listed([*turn_ids, *sent])))
    if apart:
        connection.execute(_BRING_TOGETHER, (branch, listed(turn_ids)))
    if reset and sent:
        # A reset while it was being sent: what it answers is out of view, so it has to be too.
        connection.execute(_HIDE_AFTER_RESET, (listed(sent), *here, max(turn_ids)))
    return sent
