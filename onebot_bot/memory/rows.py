"""One memory as a value and as a row: the SQL of the memories, all of it run in the database's threads."""

# ruff: noqa: S608 - the statements are put together from this file's constants; values are always bound
import sqlite3
from collections.abc import Collection, Sequence
from typing import Any, Literal

import msgspec
import numpy as np

from onebot_bot.errors import StoreError
from onebot_bot.memory.database import in_chat, listed
from onebot_bot.memory.vectors import Floats, Ids, checked
from onebot_bot.protocol.chat_id import ChatId

Status = Literal["active", "superseded", "forgotten"]


class NewMemory(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One atomic fact to remember."""

    text: str
    """At most about 40 tokens, understandable by itself: who, what, when."""
    chat: ChatId
    """Where it was told: the only chat it may come up in, unless shared."""
    key: Floats
    """What search compares, raw, [d]."""
    fingerprint: str
    """The model that made key and value."""
    value: Floats | None = None
    """What is injected, [n, width of the chat model]; None: not made yet."""
    shared: bool = False
    """May come up in every chat; only the owner decides so."""
    subjects: tuple[int, ...] = ()
    """QQ numbers of the people it is about."""
    source_ids: tuple[int, ...] = ()
    """Rows of the history it was taken from."""
    event_time: int | None = None
    """When it happened, unix seconds."""
    importance: float = 0.5
    pinned: bool = False


class Memory(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One stored memory; the fields of `NewMemory` mean the same here."""

    id: int
    text: str
    chat: ChatId
    key: Floats | None
    """None once forgotten."""
    fingerprint: str
    value: Floats | None
    shared: bool
    subjects: tuple[int, ...]
    source_ids: tuple[int, ...]
    event_time: int | None
    importance: float
    pinned: bool
    created: int
    """Unix seconds."""
    recalled_at: int | None
    """When it last came to mind, unix seconds."""
    recall_count: int
    status: Status
    superseded_by: int | None


COLUMNS = """id, account, kind, peer, shared, pinned, status, superseded_by, importance, event_time, created,
    recalled_at, recall_count, fingerprint, subjects, source_ids, text, value_rows, value, key"""

_INSERT = f"""INSERT INTO memories (account, kind, peer, shared, pinned, status, importance, event_time,
    created, fingerprint, subjects, source_ids, text, value_rows, value, key)
    VALUES (?, ?, ?, ?, ?, 'active', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING {COLUMNS}"""

_REKEY = f"""UPDATE memories SET value_rows = ?, value = ?, key = ?, fingerprint = ?
    WHERE id = ? AND status = 'active' RETURNING {COLUMNS}"""

_SHARE = f"UPDATE memories SET shared = ? WHERE id = ? AND status = 'active' RETURNING {COLUMNS}"

_SUPERSEDE = f"""UPDATE memories SET status = 'superseded', superseded_by = ?1
    WHERE id = ?2 AND status = 'active' AND id != ?1
    AND EXISTS (SELECT 1 FROM memories WHERE id = ?1 AND status = 'active') RETURNING {COLUMNS}"""

_FORGET = """UPDATE memories SET status = 'forgotten', text = '', key = NULL, value = NULL, value_rows = 0,
    subjects = '[]', source_ids = '[]', event_time = NULL, shared = 0 WHERE id = ?"""


def sound(new: NewMemory) -> NewMemory:
    """`new` with contiguous float32 vectors.

    Raises:
        StoreError: a vector is empty, of another rank, or holds NaN.
    """
    return msgspec.structs.replace(new, key=sound_key(new.key), value=sound_value(new.value))


def sound_key(key: Floats) -> Floats:
    """A key [d] as contiguous float32.

    Raises:
        StoreError: as `sound`.
    """
    return checked(key, rank=1, what="a memory's key")


def sound_value(value: Floats | None) -> Floats | None:
    """A value [n, d] as contiguous float32, or None.

    Raises:
        StoreError: as `sound`.
    """
    return None if value is None else checked(value, rank=2, what="a memory's value")


def matrix(blob: bytes | None, rows: int) -> Floats | None:
    """What was stored as a value, [rows, d]."""
    return None if blob is None else np.frombuffer(blob, np.float32).reshape(rows, -1)


def misfit(fingerprint: str, known: int, given: int) -> StoreError:
    """The error for vectors of two widths under one fingerprint."""
    return StoreError(f"The keys made by {fingerprint} have {known} numbers; one of {given} does not fit.")


def select(connection: sqlite3.Connection, where: str, values: Sequence[Any], limit: int = -1) -> list[Memory]:
    """Memories that satisfy `where`, newest first, at most `limit` (-1: all)."""
    sql = f"SELECT {COLUMNS} FROM memories WHERE {where} ORDER BY id DESC LIMIT ?"
    return [_memory(row) for row in connection.execute(sql, (*values, limit))]


def insert(connection: sqlite3.Connection, new: NewMemory, created: int) -> Memory:
    """Store `new`, which must be sound.

    Raises:
        StoreError: the key does not fit, or a source is barred.
    """
    require_dimension(connection, new.fingerprint, new.key.size)
    if barred(connection, new.source_ids):
        raise StoreError("A message this memory was taken from is barred: what it said was forgotten on demand.")
    scope = (*in_chat(new.chat), new.shared, new.pinned)
    facts = (
        new.importance,
        new.event_time,
        created,
        new.fingerprint,
        listed(new.subjects),
        listed(new.source_ids),
    )
    row = connection.execute(_INSERT, (*scope, *facts, new.text, *_value_blob(new.value), new.key.tobytes()))
    return _memory(row.fetchone())


def rekey(
    connection: sqlite3.Connection, memory_id: int, key: Floats, value: Floats | None, fingerprint: str
) -> Memory:
    """Give an active memory other vectors, which must be sound.

    Raises:
        StoreError: the key does not fit, or there is no such memory.
    """
    require_dimension(connection, fingerprint, key.size)
    return _one(connection, _REKEY, (*_value_blob(value), key.tobytes(), fingerprint, memory_id), memory_id)


def share(connection: sqlite3.Connection, memory_id: int, *, shared: bool) -> Memory:
    """Set who may recall an active memory.

    Raises:
        StoreError: there is no such memory.
    """
    return _one(connection, _SHARE, (shared, memory_id), memory_id)


def supersede(connection: sqlite3.Connection, old: int, new: int) -> Memory:
    """Put `new` in the place of `old`; both must be active.

    Raises:
        StoreError: one of them is not.
    """
    return _one(connection, _SUPERSEDE, (new, old), old)


def forget(connection: sqlite3.Connection, memory_id: int) -> bool:
    """Empty the row and bar its sources; False when there is nothing left to forget."""
    bar = """INSERT OR IGNORE INTO barred_sources SELECT sources.value
        FROM memories, json_each(memories.source_ids) AS sources WHERE memories.id = ?"""
    connection.execute(bar, (memory_id,))
    return connection.execute(f"{_FORGET} AND status != 'forgotten'", (memory_id,)).rowcount > 0


def barred(connection: sqlite3.Connection, source_ids: Collection[int]) -> set[int]:
    """Those of `source_ids` that nothing may be learned from."""
    sql = "SELECT source_id FROM barred_sources WHERE source_id IN (SELECT value FROM json_each(?))"
    return {row[0] for row in connection.execute(sql, (listed(source_ids),))}


def keys(connection: sqlite3.Connection, fingerprint: str) -> tuple[Ids, Floats]:
    """Ids [n] and raw keys [n, d] of the active memories made by that model."""
    where = "status = 'active' AND fingerprint = ?"
    count = connection.execute(f"SELECT count(*) FROM memories WHERE {where}", (fingerprint,)).fetchone()[0]
    ids, vectors = (
        np.empty(count, np.int64),
        np.empty((count, dimension(connection, fingerprint) or 0), np.float32),
    )
    rows = connection.execute(f"SELECT id, key FROM memories WHERE {where} ORDER BY id", (fingerprint,))
    for at, (number, blob) in enumerate(rows):
        ids[at], vectors[at] = number, np.frombuffer(blob, np.float32)
    return ids, vectors


def dimension(connection: sqlite3.Connection, fingerprint: str) -> int | None:
    """How wide that model's keys are; None while it has made none."""
    sql = "SELECT length(centre) / 4 FROM centres WHERE fingerprint = ?"  # 4 bytes a number
    row = connection.execute(sql, (fingerprint,)).fetchone()
    return None if row is None else int(row[0])


def require_dimension(connection: sqlite3.Connection, fingerprint: str, given: int) -> None:
    """Check that a key of `given` numbers fits; a model's first one sets the width, and a centre of zero.

    Raises:
        StoreError: it does not.
    """
    known = dimension(connection, fingerprint)
    if known is None:
        zero = np.zeros(given, np.float32).tobytes()
        connection.execute("INSERT INTO centres VALUES (?, ?, 0)", (fingerprint, zero))
    elif known != given:
        raise misfit(fingerprint, known, given)


def serve(connection: sqlite3.Connection, fingerprint: str, given: int) -> None:
    """Make that model the one whose keys are searched.

    Raises:
        StoreError: its keys are not `given` numbers wide.
    """
    require_dimension(connection, fingerprint, given)
    connection.execute("UPDATE centres SET serving = (fingerprint = ?)", (fingerprint,))


def set_centre(connection: sqlite3.Connection, fingerprint: str, centre: Floats) -> None:
    """Set what that model's keys are centred by.

    Raises:
        StoreError: its keys have another width.
    """
    require_dimension(connection, fingerprint, centre.size)
    connection.execute("UPDATE centres SET centre = ? WHERE fingerprint = ?", (centre.tobytes(), fingerprint))


def _one(connection: sqlite3.Connection, sql: str, values: Sequence[Any], memory_id: int) -> Memory:
    row = connection.execute(sql, values).fetchone()
    if row is None:
        raise StoreError(f"There is no active memory {memory_id} that this could be done to.")
    return _memory(row)


def _value_blob(value: Floats | None) -> tuple[int, bytes | None]:
    return (0, None) if value is None else (len(value), value.tobytes())


def _memory(row: Sequence[Any]) -> Memory:
    number, account, kind, peer, shared, pinned, status, superseded_by, importance, event_time, *rest = row
    created, recalled_at, recall_count, fingerprint, subjects, source_ids, text, value_rows, value, key = rest
    return Memory(
        id=number,
        text=text,
        chat=ChatId(account, kind, peer),
        key=None if key is None else np.frombuffer(key, np.float32),
        fingerprint=fingerprint,
        value=matrix(value, value_rows),
        shared=bool(shared),
        subjects=msgspec.json.decode(subjects, type=tuple[int, ...]),
        source_ids=msgspec.json.decode(source_ids, type=tuple[int, ...]),
        event_time=event_time,
        importance=importance,
        pinned=bool(pinned),
        created=created,
        recalled_at=recalled_at,
        recall_count=recall_count,
        status=status,
        superseded_by=superseded_by,
    )


class Extracted(msgspec.Struct, frozen=True, kw_only=True):
    """One fact that was taken from a chat, before it has vectors; `NewMemory` says what the shared fields mean."""

    text: str
    """Self-contained: names who said it, and dates instead of "yesterday"."""
    chat: ChatId
    speaker: int
    """QQ number of the person who said it."""
    subjects: tuple[int, ...] = ()
    source_ids: tuple[int, ...] = ()
    event_time: int | None = None
    importance: float = 0.5
    """From 0 to 1."""
    supersedes: tuple[int, ...] = ()
    """Ids of the memories that it takes the place of."""
