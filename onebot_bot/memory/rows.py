"""One memory as a value and as a row: the SQL of the memories, all of it run in the database's threads."""

# ruff: noqa: S608 - the statements are put together from this file's constants; values are always bound
import sqlite3
from collections.abc import Collection, Sequence
from typing import Any, Literal

import msgspec
import numpy as np

from onebot_bot.errors import StoreError
from onebot_bot.memory.database import in_chat, listed
from onebot_bot.memory.vectors import Floats, checked
from onebot_bot.memory.views import require_dimension
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
    """What made the key: the chat model, or a model for embeddings."""
    value: Floats | None = None
    """What is injected, [n, width of the chat model]; None: not made yet."""
    maker: str = ""
    """The adapter that the value was made for; empty: a projector nobody trained."""
    exact: bool | None = None
    """Whether greedy decoding under `maker` returned the text exactly; None: not checked."""
    speaker: int | None = None
    """QQ number of who said it."""
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


class Extracted(msgspec.Struct, frozen=True, kw_only=True):
    """A fact found in a chat, not stored yet; the fields of `NewMemory` mean the same here."""

    text: str
    chat: ChatId
    speaker: int
    subjects: tuple[int, ...] = ()
    source_ids: tuple[int, ...] = ()
    event_time: int | None = None
    importance: float = 0.5
    supersedes: tuple[int, ...] = ()
    """Memories of the same chat that are no longer so."""


class Rekeyed(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Vectors made anew for a memory, good only while it still says `text`."""

    id: int
    text: str
    key: Floats
    value: Floats | None


class Memory(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One stored memory; the fields of `NewMemory` mean the same here."""

    id: int
    text: str
    chat: ChatId
    key: Floats | None
    """None once forgotten."""
    fingerprint: str
    value: Floats | None
    maker: str
    exact: bool | None
    speaker: int | None
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


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """How many memories there are of what kind."""

    active: int
    superseded: int
    forgotten: int
    pinned: int
    """Active ones, as the next two."""
    exact: int
    """The model reads them out word for word."""
    unchecked: int
    """Nobody has tried."""
    recalled: int
    """How often any of them came to mind."""


COLUMNS = """id, account, kind, peer, shared, pinned, status, superseded_by, importance, speaker, event_time, created,
    recalled_at, recall_count, fingerprint, maker, exact, subjects, source_ids, text, value_rows, value, key"""

_NAMES = COLUMNS.replace(",", " ").split()

_INSERT = f"""INSERT INTO memories (account, kind, peer, shared, pinned, status, importance, speaker, event_time,
    created, fingerprint, maker, exact, subjects, source_ids, text, value_rows, value, key)
    VALUES (?, ?, ?, ?, ?, 'active', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING {COLUMNS}"""

_VECTORS = "value_rows = ?, value = ?, key = ?, fingerprint = ?, maker = ?, exact = NULL"

_REKEY = f"UPDATE memories SET {_VECTORS} WHERE id = ? AND status = 'active' AND text = ? RETURNING {COLUMNS}"

_EDIT = f"UPDATE memories SET {_VECTORS}, text = ? WHERE id = ? AND status = 'active' RETURNING {COLUMNS}"

_REFINE = f"""UPDATE memories SET value_rows = ?, value = ?, exact = ?, maker = ?
    WHERE id = ? AND status = 'active' AND text = coalesce(?, text) RETURNING {COLUMNS}"""

# Only while the value is the one that was seen: a refined one must not be lost to a slower projector.
_PROJECT = f"""UPDATE memories SET value_rows = ?, value = ?, maker = ?, exact = NULL
    WHERE id = ? AND status = 'active' AND text = ? AND value IS ? RETURNING {COLUMNS}"""

_MERGE = f"""UPDATE memories SET source_ids = ?, importance = max(importance, ?),
    event_time = coalesce(event_time, ?), speaker = coalesce(speaker, ?) WHERE id = ? RETURNING {COLUMNS}"""

_SHARE = f"UPDATE memories SET shared = ? WHERE id = ? AND status = 'active' RETURNING {COLUMNS}"

_PIN = f"UPDATE memories SET pinned = ? WHERE id = ? AND status = 'active' RETURNING {COLUMNS}"

# Of one chat: forgetting erases what a memory took the place of, and that must not reach into another.
_SUPERSEDE = f"""UPDATE memories SET status = 'superseded', superseded_by = ?1
    WHERE id = ?2 AND status = 'active' AND id != ?1 AND (account, kind, peer) =
    (SELECT account, kind, peer FROM memories WHERE id = ?1 AND status = 'active') RETURNING {COLUMNS}"""

_CHAIN = """WITH RECURSIVE chain (id) AS (SELECT ? UNION
    SELECT memories.id FROM memories JOIN chain ON memories.superseded_by = chain.id)"""

_BAR = f"""{_CHAIN} INSERT OR IGNORE INTO barred_sources SELECT sources.value
    FROM memories, json_each(memories.source_ids) AS sources WHERE memories.id IN chain"""

_FORGET = f"""{_CHAIN} UPDATE memories SET status = 'forgotten', text = '', key = NULL, value = NULL, value_rows = 0,
    subjects = '[]', source_ids = '[]', event_time = NULL, speaker = NULL, exact = NULL, shared = 0, pinned = 0
    WHERE id IN chain AND status != 'forgotten' RETURNING id"""

_STATS = """SELECT count(*) FILTER (WHERE status = 'active'), count(*) FILTER (WHERE status = 'superseded'),
    count(*) FILTER (WHERE status = 'forgotten'), count(*) FILTER (WHERE status = 'active' AND pinned),
    count(*) FILTER (WHERE status = 'active' AND exact), count(*) FILTER (WHERE status = 'active' AND exact IS NULL),
    total(recall_count) FROM memories WHERE """


def sound(new: NewMemory) -> NewMemory:
    """`new` with contiguous float32 vectors.

    Raises:
        StoreError: a vector is empty, of another rank, or holds NaN.
    """
    return msgspec.structs.replace(new, key=_sound_key(new.key), value=_sound_value(new.value))


def sound_vectors(new: Rekeyed) -> Rekeyed:
    """`new` with contiguous float32 vectors.

    Raises:
        StoreError: as `sound`.
    """
    return msgspec.structs.replace(new, key=_sound_key(new.key), value=_sound_value(new.value))


def _sound_key(key: Floats) -> Floats:
    return checked(key, rank=1, what="a memory's key")


def _sound_value(value: Floats | None) -> Floats | None:
    return None if value is None else checked(value, rank=2, what="a memory's value")


def matrix(blob: bytes | None, rows: int) -> Floats | None:
    """What was stored as a value, [rows, d]."""
    if blob is None:
        return None
    # One object for each of the many values that are kept, where `frombuffer` and `reshape` make two.
    return np.ndarray((rows, len(blob) // (4 * rows)), np.float32, blob)


def select(
    connection: sqlite3.Connection, where: str, values: Sequence[Any], limit: int = -1, order: str = "id DESC"
) -> list[Memory]:
    """Memories that satisfy `where`, newest first or by `order`, at most `limit` (-1: all)."""
    # Sorted as ids: sorting whole rows would carry their vectors about (129 ms for 10,000 memories, instead of 23).
    ids = f"SELECT id FROM memories WHERE {where} ORDER BY {order} LIMIT ?"
    sql = f"SELECT {COLUMNS} FROM memories WHERE id IN ({ids}) ORDER BY {order}"
    return [_memory(row) for row in connection.execute(sql, (*values, limit))]


def insert(connection: sqlite3.Connection, new: NewMemory, created: int, supersedes: Collection[int] = ()) -> Memory:
    """Store `new`, which must be sound, and put it in the place of others.

    Raises:
        StoreError: the key does not fit, a source is barred, or one of `supersedes` is no active memory of the chat.
    """
    require_dimension(connection, new.fingerprint, new.key.size)
    _require_sources(connection, new.source_ids)
    memory = _insert(connection, new, created)
    for old in supersedes:
        supersede(connection, old, memory.id)
    return memory


def _insert(connection: sqlite3.Connection, new: NewMemory, created: int) -> Memory:
    scope = (*in_chat(new.chat), new.shared, new.pinned)
    facts = (
        new.importance,
        new.speaker,
        new.event_time,
        created,
        new.fingerprint,
        new.maker,
        new.exact,
        listed(new.subjects),
        listed(new.source_ids),
    )
    row = connection.execute(_INSERT, (*scope, *facts, new.text, *_value_blob(new.value), new.key.tobytes()))
    return _memory(row.fetchone())


def rekey(connection: sqlite3.Connection, made: Sequence[Rekeyed], fingerprint: str, maker: str) -> list[Memory]:
    """Give memories other vectors, which must be sound; those that meanwhile ended or say something else stay.

    Raises:
        StoreError: a key does not fit.
    """
    for new in made:
        require_dimension(connection, fingerprint, new.key.size)
    vectors = ((*_value_blob(new.value), new.key.tobytes(), fingerprint, maker, new.id, new.text) for new in made)
    found = (connection.execute(_REKEY, values).fetchone() for values in vectors)
    return [_memory(row) for row in found if row is not None]


def edit(connection: sqlite3.Connection, new: Rekeyed, fingerprint: str, maker: str) -> Memory:
    """Let an active memory say something else.

    Raises:
        StoreError: the key does not fit, or there is no such memory.
    """
    require_dimension(connection, fingerprint, new.key.size)
    vectors = (*_value_blob(new.value), new.key.tobytes(), fingerprint, maker)
    return _one(connection, _EDIT, (*vectors, new.text, new.id), new.id)


def refine(  # noqa: PLR0913 - the columns
    connection: sqlite3.Connection, memory_id: int, value: Floats, *, exact: bool | None, maker: str, text: str | None
) -> list[Memory]:
    """Give an active memory another value; empty when there is none, or it no longer says `text`."""
    found = connection.execute(_REFINE, (*_value_blob(value), exact, maker, memory_id, text)).fetchall()
    return [_memory(row) for row in found]


def project(connection: sqlite3.Connection, made: Sequence[tuple[Memory, Floats]], maker: str) -> list[Memory]:
    """Give memories another value; those that changed meanwhile stay."""
    seen = ((memory.id, memory.text, _value_blob(memory.value)[1], value) for memory, value in made)
    found = (
        connection.execute(_PROJECT, (*_value_blob(value), maker, number, text, old)).fetchone()
        for number, text, old, value in seen
    )
    return [_memory(row) for row in found if row is not None]


def merge(connection: sqlite3.Connection, memory_id: int, new: Extracted) -> Memory:
    """Let an active memory stand for `new` too, and for what that supersedes.

    Raises:
        StoreError: as `insert`; or there is no such memory.
    """
    _require_sources(connection, new.source_ids)
    found = select(connection, "id = ? AND status = 'active'", (memory_id,))
    sources = (*found[0].source_ids, *new.source_ids) if found else ()
    known = (listed(tuple(dict.fromkeys(sources))), new.importance, new.event_time, new.speaker)
    memory = _one(connection, _MERGE, (*known, found[0].id if found else None), memory_id)
    for old in set(new.supersedes) - {memory_id}:
        supersede(connection, old, memory_id)
    return memory


def share(connection: sqlite3.Connection, memory_id: int, *, shared: bool) -> Memory:
    """Set who may recall an active memory.

    Raises:
        StoreError: there is no such memory.
    """
    return _one(connection, _SHARE, (shared, memory_id), memory_id)


def pin(connection: sqlite3.Connection, memory_id: int, *, pinned: bool) -> Memory:
    """Set whether an active memory is pinned.

    Raises:
        StoreError: there is no such memory.
    """
    return _one(connection, _PIN, (pinned, memory_id), memory_id)


def supersede(connection: sqlite3.Connection, old: int, new: int) -> Memory:
    """Put `new` in the place of `old`; both must be active, in one chat.

    Raises:
        StoreError: one of them is not.
    """
    return _one(connection, _SUPERSEDE, (new, old), old)


def forget(connection: sqlite3.Connection, memory_id: int) -> list[int]:
    """Empty the row and those it took the place of, and bar their sources; the ids of those emptied."""
    connection.execute(_BAR, (memory_id,))
    return [row[0] for row in connection.execute(_FORGET, (memory_id,)).fetchall()]


def stats(connection: sqlite3.Connection, where: str, values: Sequence[Any]) -> Stats:
    """Count the memories that satisfy `where`."""
    counts = (int(count) for count in connection.execute(_STATS + where, values).fetchone())
    return Stats(**dict(zip(Stats.__struct_fields__, counts, strict=True)))


def barred(connection: sqlite3.Connection, source_ids: Collection[int]) -> set[int]:
    """Those of `source_ids` that nothing may be learned from: what was said is forgotten, or who said it opted out."""
    given = "(SELECT value FROM json_each(?1))"
    sql = f"""SELECT source_id FROM barred_sources WHERE source_id IN {given} UNION SELECT id FROM messages
        WHERE id IN {given} AND role = 'user' AND user_id IN (SELECT user_id FROM opted_out)"""
    return {row[0] for row in connection.execute(sql, (listed(source_ids),))}


def _require_sources(connection: sqlite3.Connection, source_ids: Collection[int]) -> None:
    if barred(connection, source_ids):
        raise StoreError("A message this memory was taken from is barred: it is forgotten, or its author opted out.")


def _one(connection: sqlite3.Connection, sql: str, values: Sequence[Any], memory_id: int) -> Memory:
    row = connection.execute(sql, values).fetchone()
    if row is None:
        raise StoreError(f"There is no active memory {memory_id} that this could be done to.")
    return _memory(row)


def _value_blob(value: Floats | None) -> tuple[int, bytes | None]:
    return (0, None) if value is None else (len(value), value.tobytes())


def _memory(row: Sequence[Any]) -> Memory:
    fields = dict(zip(_NAMES, row, strict=True))
    key, exact, height = fields.pop("key"), fields.pop("exact"), fields.pop("value_rows")
    return Memory(
        chat=ChatId(fields.pop("account"), fields.pop("kind"), fields.pop("peer")),
        key=None if key is None else np.frombuffer(key, np.float32),
        value=matrix(fields.pop("value"), height),
        exact=None if exact is None else bool(exact),
        shared=bool(fields.pop("shared")),
        pinned=bool(fields.pop("pinned")),
        subjects=msgspec.json.decode(fields.pop("subjects"), type=tuple[int, ...]),
        source_ids=msgspec.json.decode(fields.pop("source_ids"), type=tuple[int, ...]),
        **fields,
    )
