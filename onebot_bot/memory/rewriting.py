"""What was said, said again: the rows of a chat's last exchange for /retry, of one's last message for /edit."""

# ruff: noqa: S608 - the statements are put together from constants; values are always bound
import sqlite3
from collections.abc import Collection, Sequence
from typing import Any

from msgspec import Struct

from onebot_bot.memory.database import Database, in_chat, listed
from onebot_bot.memory.history import COLUMNS, IN_VIEW, Entry, entry_of, take_out
from onebot_bot.memory.inserting import IN_BRANCH
from onebot_bot.memory.withdrawal import TakeBack
from onebot_bot.protocol.chat_id import ChatId

_GIVEN = "(SELECT value FROM json_each(?4))"

# The answer that came last, or what was stopped since.
_LAST = f"""SELECT turn, user_id, role FROM messages WHERE {IN_VIEW}
    AND ((role = 'assistant' AND turn IS NOT NULL) OR (role != 'assistant' AND state = 'dropped'))
    ORDER BY placed DESC, id DESC LIMIT 1"""

_ASKED = f"SELECT {COLUMNS} FROM messages WHERE {IN_VIEW} AND turn = ?4 AND role != 'assistant' ORDER BY placed, id"

_STOPPED = f"""SELECT {COLUMNS} FROM messages WHERE {IN_VIEW} AND state = 'dropped' AND user_id = ?4
    AND (placed, id) > (SELECT coalesce(max(placed), 0), coalesce(max(id), 0) FROM messages WHERE {IN_VIEW}
    AND role = 'assistant' AND turn IS NOT NULL) ORDER BY placed, id"""

_HIDE_ANSWERS = f"""UPDATE messages SET hidden = 1 WHERE {IN_BRANCH} AND role = 'assistant'
    AND turn IN (SELECT turn FROM messages WHERE id IN {_GIVEN})"""

_OPEN_AGAIN = f"UPDATE messages SET state = 'pending', turn = NULL WHERE {IN_BRANCH} AND id IN {_GIVEN} AND hidden = 0"

_OWN_LAST = f"""SELECT {COLUMNS}, turn FROM messages WHERE {IN_VIEW} AND role = 'user' AND user_id = ?4
    ORDER BY placed DESC, id DESC LIMIT 1"""

# The new words take the old ones' place, and their id: who recalls the message in QQ takes them back.
_REWORD = """INSERT INTO messages (account, kind, peer, message_id, user_id, name, role, text, reply_to, time, placed,
    state, created, turn, branch) SELECT account, kind, peer, ?1, user_id, name, role, ?2, reply_to, time, placed,
    state, created, turn, branch FROM messages WHERE id = ?3"""


class Edited(Struct, frozen=True):
    """A message in other words."""

    old: int
    """The row that it took the place of."""
    asked: tuple[Entry, ...]
    """What is to be answered anew."""


class Rewriting:
    """The ends of all chats, in the branches that they are in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def last_asked(self, chat: ChatId) -> list[Entry]:
        """What the last answer was to, or what was stopped since; oldest first."""
        return await self._database.read(lambda connection: _last_asked(connection, chat))

    async def ask_again(self, chat: ChatId, rows: Collection[int]) -> None:
        """Let rows await an answer again, and take the one that they got out of view."""
        await self._database.write(lambda connection: _ask_again(connection, chat, rows))

    async def edit(self, chat: ChatId, user: int, text: str, take_back: TakeBack | None = None) -> Edited | None:
        """Let the last message of `user` say something else, and what it was said with await an answer anew.

        `take_back` as in `History.undo`.
        """

        def hide(connection: sqlite3.Connection) -> tuple[Collection[int], Edited | None]:
            edited = _edit(connection, chat, user, text)
            return [] if edited is None else [edited.old], edited

        return await take_out(self._database, chat, hide, take_back)


def _last_asked(connection: sqlite3.Connection, chat: ChatId) -> list[Entry]:
    last = connection.execute(_LAST, in_chat(chat)).fetchone()
    if last is None:
        return []
    turn, user, role = last
    asked = (_ASKED, (*in_chat(chat), turn)) if role == "assistant" else (_STOPPED, (*in_chat(chat), user))
    return [entry_of(row) for row in connection.execute(*asked)]


def _ask_again(connection: sqlite3.Connection, chat: ChatId, rows: Collection[int]) -> None:
    given = (*in_chat(chat), listed(rows))
    connection.execute(_HIDE_ANSWERS, given)
    connection.execute(_OPEN_AGAIN, given)


def _edit(connection: sqlite3.Connection, chat: ChatId, user: int, text: str) -> Edited | None:
    found: Sequence[Any] | None = connection.execute(_OWN_LAST, (*in_chat(chat), user)).fetchone()
    if found is None:
        return None
    *columns, turn = found
    old = entry_of(columns)
    connection.execute("UPDATE messages SET hidden = 1, message_id = NULL WHERE id = ?", (old.id,))
    new = connection.execute(_REWORD, (old.message_id, text, old.id)).lastrowid
    # What clones have of it goes with it when it is recalled.
    connection.execute("UPDATE messages SET copy_of = ? WHERE copy_of = ?", (new, old.id))
    others = connection.execute(_ASKED, (*in_chat(chat), turn)).fetchall() if turn is not None else []
    rows = {new, *(entry_of(row).id for row in others)}
    _ask_again(connection, chat, [row for row in rows if row is not None])
    again = f"SELECT {COLUMNS} FROM messages WHERE {IN_BRANCH} AND id IN {_GIVEN} ORDER BY placed, id"
    asked = connection.execute(again, (*in_chat(chat), listed([row for row in rows if row is not None])))
    return Edited(old.id, tuple(entry_of(row) for row in asked))
