"""Erasing for good: the messages of a branch, and everything that is kept of one person.

The database overwrites what is deleted (`secure_delete`); who calls this empties its log afterwards (`scrub`).
"""

# ruff: noqa: S608 - the statements are put together from constants; values are always bound
import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from onebot_bot.memory.database import listed
from onebot_bot.memory.quoting import without_quote

ALONG = "quoted_along"
"""The type of a segment of ours: whom a message quotes, where that is on no record, and what can be read of it.

Its data: `user`, `name` and `text` as the quote has them, and `message`, segments.
"""

_GIVEN = "(SELECT value FROM json_each(?))"

# QQ would hand a message out again after an outage, so its id stays known; nothing else does.
_EMPTY = f"""UPDATE messages SET user_id = 0, name = '', role = 'event', text = '', segments = NULL, reply_to = NULL,
    state = 'heard', turn = NULL, hidden = 1, branch = 0, copy_of = NULL, emotion = '' WHERE id IN {_GIVEN}"""

# Nothing may be learned from what was not read for memories yet, or is being read this moment.
_BAR_UNREAD = """INSERT OR IGNORE INTO barred_sources SELECT id FROM messages
    LEFT JOIN extracted USING (account, kind, peer) WHERE role = 'user' AND id > coalesce(up_to, 0) AND """

BY_PERSON = "((kind = 'group' AND role <> 'assistant' AND user_id = ?1) OR (kind = 'private' AND peer = ?1))"
"""SQL for the messages of the person given first: what they said and did in groups, and their private chats."""

_OF_PERSON = """status != 'forgotten' AND (speaker = ?1 OR (kind = 'private' AND peer = ?1)
    OR (json_array_length(subjects) = 1 AND json_extract(subjects, '$[0]') = ?1))"""

ABOUT_PERSON = f"(({_OF_PERSON}) OR (status != 'forgotten' AND ?1 IN (SELECT value FROM json_each(subjects))))"
"""SQL for the memories by or about the person given first, or of their private chats."""

_FORGET_MEMORIES = f"""UPDATE memories SET status = 'forgotten', text = '', key = NULL, value = NULL, value_rows = 0,
    subjects = '[]', source_ids = '[]', event_time = NULL, speaker = NULL, exact = NULL, shared = 0, pinned = 0
    WHERE id IN {_GIVEN}"""

_UNNAMED = """UPDATE memories SET subjects = (SELECT json_group_array(value) FROM json_each(subjects) WHERE value != ?1)
    WHERE ?1 IN (SELECT value FROM json_each(subjects))"""

PERSONAL = (
    "DELETE FROM branches WHERE kind = 'private' AND peer = ?1",
    "DELETE FROM resets WHERE kind = 'private' AND peer = ?1",
    "DELETE FROM extracted WHERE kind = 'private' AND peer = ?1",
    "DELETE FROM chat_settings WHERE kind = 'private' AND peer = ?1",
    "DELETE FROM personas_chosen WHERE user = ?1 OR (kind = 'private' AND peer = ?1)",
    "DELETE FROM moods WHERE user = ?1 OR (kind = 'private' AND peer = ?1)",
    "DELETE FROM first_words WHERE kind = 'private' AND peer = ?1",
    "DELETE FROM tallies WHERE kind = 'private' AND peer = ?1",
    "DELETE FROM shown_to WHERE ?1 IN (reader, owner)",
    "DELETE FROM opted_out WHERE user_id = ?1",
    "DELETE FROM requests WHERE user = ?1",
    # What was counted today is still known until the bot ends: this is no way to have more than one's share.
    "DELETE FROM usage WHERE scope = 'user' AND peer = ?1",
    # The rows stay, so that their numbers are known to be forgotten, but nobody's.
    "UPDATE memories SET account = 0, peer = 0 WHERE kind = 'private' AND peer = ?1",
)
"""What else is kept of the person given first: whoever adds a table about people adds a line here."""


class Forgotten(Struct, frozen=True):
    """What was erased of a person."""

    messages: int
    memories: tuple[int, ...]
    """Ids."""


def bar_unread(connection: sqlite3.Connection, user: int) -> None:
    """See to it that nothing is learned from what a person said and nobody has read for memories yet."""
    connection.execute(f"{_BAR_UNREAD} {BY_PERSON} AND user_id = ?1", (user,))


def opt_out(connection: sqlite3.Connection, user: int) -> None:
    """Learn nothing from a person."""
    connection.execute("INSERT OR IGNORE INTO opted_out VALUES (?)", (user,))
    bar_unread(connection, user)


def opt_in(connection: sqlite3.Connection, user: int) -> None:
    """Learn from a person again, but not from what they said until now."""
    connection.execute("DELETE FROM opted_out WHERE user_id = ?", (user,))
    bar_unread(connection, user)


def opted_out(connection: sqlite3.Connection) -> set[int]:
    """The people of whom nothing is learned."""
    return {row[0] for row in connection.execute("SELECT user_id FROM opted_out")}


def erase_messages(connection: sqlite3.Connection, where: str, values: Sequence[Any]) -> int:
    """Erase the messages that satisfy `where`; how many there were."""
    connection.execute(f"{_BAR_UNREAD} {where}", values)
    found = connection.execute(f"SELECT id, message_id IS NULL FROM messages WHERE {where}", values).fetchall()
    unknown_to_qq = [row for row, nameless in found if nameless]
    connection.execute(f"DELETE FROM message_pictures WHERE message IN {_GIVEN}", (listed([r for r, _ in found]),))
    connection.execute(f"DELETE FROM messages WHERE id IN {_GIVEN}", (listed(unknown_to_qq),))
    connection.execute(_EMPTY, (listed([row for row, nameless in found if not nameless]),))
    return len(found)


def forget_person(connection: sqlite3.Connection, user: int) -> Forgotten:
    """Erase all that is kept of a person, in every chat of every account; what other people said stays."""
    memories = _forget_memories(connection, user)
    _strip_quotes(connection, user)
    _strip_foreign_quotes(connection, user)
    count = _erase_said(connection, user) + _erase_private(connection, user)
    for statement in PERSONAL:
        connection.execute(statement, (user,))
    return Forgotten(count, tuple(memories))


def _forget_memories(connection: sqlite3.Connection, user: int) -> list[int]:
    found = [row[0] for row in connection.execute(f"SELECT id FROM memories WHERE {_OF_PERSON}", (user,))]
    # What others said of them stays on record, but it is not learned a second time.
    connection.execute(
        f"""INSERT OR IGNORE INTO barred_sources SELECT sources.value FROM memories,
            json_each(memories.source_ids) AS sources WHERE memories.id IN {_GIVEN}""",
        (listed(found),),
    )
    connection.execute(_FORGET_MEMORIES, (listed(found),))
    connection.execute(_UNNAMED, (user,))
    return found


def _strip_quotes(connection: sqlite3.Connection, user: int) -> None:
    """Take a person's words and name out of the messages that quote them."""
    sql = """SELECT quoting.id, quoting.text, quoted.name, quoted.user_id, quoted.text FROM messages AS quoted
        JOIN messages AS quoting ON quoting.account = quoted.account AND quoting.kind = quoted.kind
        AND quoting.peer = quoted.peer AND quoting.reply_to = quoted.message_id
        WHERE quoted.kind = 'group' AND quoted.role = 'user' AND quoted.user_id = ? AND quoted.message_id IS NOT NULL"""
    for row, text, name, user_id, words in connection.execute(sql, (user,)).fetchall():
        bare = without_quote(text, name or str(user_id), words)
        connection.execute("UPDATE messages SET text = ?, reply_to = NULL WHERE id = ?", (bare, row))


def _strip_foreign_quotes(connection: sqlite3.Connection, user: int) -> None:
    """The same where what they quote is on no record: what was kept of it goes, too, with what was read and seen."""
    sql = "SELECT id, text, segments FROM messages WHERE segments LIKE ?"
    for row, text, segments in connection.execute(sql, (f"%{ALONG}%",)).fetchall():
        bare, kept = _without_person(text, json.loads(segments), user)
        if kept is not None:
            left = json.dumps(kept, ensure_ascii=False)
            connection.execute(
                "UPDATE messages SET text = ?, segments = ?, reply_to = NULL WHERE id = ?", (bare, left, row)
            )
            connection.execute("DELETE FROM readings WHERE message = ?", (row,))
            connection.execute("DELETE FROM message_pictures WHERE message = ?", (row,))


def _without_person(text: str, segments: Sequence[Any], user: int) -> tuple[str, list[Any] | None]:
    """A message without the quote of that person; None for its segments where it quotes somebody else."""
    for segment in segments:
        data = segment.get("data") if isinstance(segment, dict) and segment.get("type") == ALONG else None
        if isinstance(data, dict) and data.get("user") == user:
            bare = without_quote(text, str(data.get("name")), str(data.get("text")))
            return bare, [other for other in segments if other is not segment]
    return text, None


def _erase_said(connection: sqlite3.Connection, user: int) -> int:
    """What a person said and did in groups, and what the bot answered them there."""
    said = "kind = 'group' AND role <> 'assistant' AND user_id = ?"
    turns = connection.execute(
        f"SELECT DISTINCT account, kind, peer, turn FROM messages WHERE {said} AND turn IS NOT NULL", (user,)
    ).fetchall()
    count = 0
    for turn in turns:
        where = "account = ? AND kind = ? AND peer = ? AND turn = ? AND role = 'assistant'"
        count += erase_messages(connection, where, turn)
    return count + erase_messages(connection, said, (user,))


def _erase_private(connection: sqlite3.Connection, user: int) -> int:
    """Their private chats go without a trace, since each row would name them."""
    where = "kind = 'private' AND peer = ?"
    connection.execute(f"{_BAR_UNREAD} {where}", (user,))
    pictures = f"DELETE FROM message_pictures WHERE message IN (SELECT id FROM messages WHERE {where})"
    connection.execute(pictures, (user,))
    return connection.execute(f"DELETE FROM messages WHERE {where}", (user,)).rowcount


def count_person(connection: sqlite3.Connection, user: int) -> tuple[int, int]:
    """How many messages and memories `forget_person` would erase, the bot's answers in groups left out."""
    messages = connection.execute(f"SELECT count(*) FROM messages WHERE {BY_PERSON}", (user,)).fetchone()[0]
    memories = connection.execute(f"SELECT count(*) FROM memories WHERE {_OF_PERSON}", (user,)).fetchone()[0]
    return messages, memories
