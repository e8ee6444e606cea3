"""The episodic memories: rows in SQLite, which is the truth, and the searched bank, which follows it."""

import asyncio
import functools
import sqlite3
import sys
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

import numpy as np
import structlog

from onebot_bot.errors import StoreError
from onebot_bot.memory import rows
from onebot_bot.memory.bank import Bank, Hit, Recallable
from onebot_bot.memory.database import Database, in_chat, listed
from onebot_bot.memory.rows import Memory, NewMemory, Status
from onebot_bot.memory.vectors import (
    Floats,
    Ids,
    Stamp,
    VectorIndex,
    checked,
    discard_snapshot,
    load_index,
    unit,
    write_snapshot,
)
from onebot_bot.protocol.chat_id import ChatId

log = structlog.get_logger(__name__)

T = TypeVar("T")

SNAPSHOT_EVERY = 1000
"""Changes after which the index is written to disk; until then a killed bot rebuilds it at its next start."""

MAY_RECALL = "(shared OR (account = ? AND kind = ? AND peer = ?))"
"""SQL that holds for the memories of a chat and the shared ones."""


class MemoryStore:
    """All memories. An async context manager: entering loads the index or rebuilds it, leaving saves it.

    Every method runs on the event loop, except `search` and `note_recalled`, which any thread may call.
    """

    def __init__(
        self,
        database: Database,
        index_path: Path,
        clock: Callable[[], float] = time.time,
        snapshot_every: int = SNAPSHOT_EVERY,
    ) -> None:
        self._database = database
        self._index_path = index_path
        self._clock = clock
        self._snapshot_every = snapshot_every
        self._bank: Bank | None = None  # None until a model's fingerprint is known
        self._revision = 0  # changes the bank has followed
        self._unsaved = 0  # changes since the index was last written
        self._on_disk = False  # whether the file holds what the bank holds
        self._file = asyncio.Lock()  # held by who writes or removes the index file

    async def __aenter__(self) -> Self:
        """Load the bank.

        Raises:
            StoreError: SQLite cannot be read.
        """
        self._take(await self._load())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._on_disk:
            await self.save()
        self._bank = None

    # --- recalling ---

    def search(self, query: Floats, scope: ChatId, k: int) -> list[Hit]:
        """The at most `k` memories nearest to `query` [d] (length 1), best first; from any thread.

        Only memories of exactly the chat `scope`, or shared ones, are ever compared.

        Raises:
            StoreError: `query` has another dimension than the keys, or holds NaN.
        """
        bank = self._bank
        return [] if bank is None else bank.search(query, scope, k)

    def note_recalled(self, ids: Collection[int]) -> None:
        """Count that these came to mind just now; returns at once, from any thread."""
        sql = """UPDATE memories SET recalled_at = ?, recall_count = recall_count + 1
            WHERE id IN (SELECT value FROM json_each(?))"""
        values = (int(self._clock()), listed(ids))
        self._database.post(lambda connection: connection.execute(sql, values))

    @property
    def serving(self) -> str | None:
        """The model whose keys are searched; None until `set_fingerprint`."""
        return None if self._bank is None else self._bank.fingerprint

    @property
    def centre(self) -> Floats | None:
        """What keys [d] are compared relative to; None until a model's fingerprint is set."""
        return None if self._bank is None else self._bank.centre

    # --- reading ---

    async def get(self, memory_id: int) -> Memory | None:
        """The memory of that id, whatever its status."""
        found = await self._select("id = ?", (memory_id,))
        return found[0] if found else None

    async def page(  # noqa: PLR0913 - filters by keyword, each of them optional
        self,
        chat: ChatId | None,
        *,
        status: Status = "active",
        words: str = "",
        subject: int | None = None,
        before: int | None = None,
        limit: int = 20,
        offset: int = 0,
    ) -> list[Memory]:
        """Memories that `chat` may recall (None: of all chats), newest first.

        Args:
            chat: Whose; its own and the shared ones.
            status: Which of them.
            words: Only those whose text contains this.
            subject: Only those about this QQ number.
            before: Only ids below this one: the last of the page before.
            limit: Most of them; -1: all.
            offset: How many of the newest to leave out.
        """
        where: list[str] = ["status = ?"]
        values: list[Any] = [status]
        for condition, given in (
            (MAY_RECALL, in_chat(chat) if chat else None),
            ("instr(text, ?)", (words,) if words else None),
            ("? IN (SELECT value FROM json_each(subjects))", None if subject is None else (subject,)),
            ("id < ?", None if before is None else (before,)),
        ):
            if given is not None:
                where.append(condition)
                values.extend(given)
        conditions = " AND ".join(where)
        ids = f"SELECT id FROM memories WHERE {conditions} ORDER BY id DESC LIMIT ? OFFSET ?"  # noqa: S608 - constants
        # SQLite counts in 64 bits, Python without end.
        return await self._select(f"id IN ({ids})", (*values, limit, min(offset, sys.maxsize)))

    async def count(self, chat: ChatId | None) -> int:
        """How many active memories `chat` may recall (None: how many there are in all chats)."""
        where, values = (MAY_RECALL, in_chat(chat)) if chat else ("true", ())
        sql = f"SELECT count(*) FROM memories WHERE status = 'active' AND {where}"  # noqa: S608 - constants only
        found: int = await self._database.read(lambda connection: connection.execute(sql, values).fetchone()[0])
        return found

    async def stale(self, fingerprint: str, limit: int = 256) -> list[Memory]:
        """Active memories whose key another model made: `rekey` them, and ask again until there are none."""
        return await self._select("status = 'active' AND fingerprint != ?", (fingerprint,), limit)

    async def keys(self, fingerprint: str) -> tuple[Ids, Floats]:
        """Ids [n] and raw keys [n, d] of the active memories which that model made."""
        return await self._database.read(lambda connection: rows.keys(connection, fingerprint))

    async def barred(self, source_ids: Collection[int]) -> set[int]:
        """Those rows of the history that nothing may be learned from again."""
        return await self._database.read(lambda connection: rows.barred(connection, source_ids))

    async def counts(self) -> dict[str, int]:
        """How many memories there are, by status."""
        sql = "SELECT status, count(*) FROM memories GROUP BY status"
        return dict(await self._database.read(lambda connection: connection.execute(sql).fetchall()))

    # --- changing ---

    async def add(self, new: NewMemory) -> Memory:
        """Store a memory; it can be recalled when this returns.

        Raises:
            StoreError: a vector holds NaN or has another dimension than the model's other keys; or a source is
                barred, because something learned from it was forgotten on demand.
        """
        new = rows.sound(new)
        created = int(self._clock())
        memory = await self._change(lambda connection: rows.insert(connection, new, created), self._put)
        if self._unsaved >= self._snapshot_every:
            await self.save()
        return memory

    async def rekey(self, memory_id: int, key: Floats, value: Floats | None, fingerprint: str) -> Memory:
        """Give an active memory the vectors that another model, or a refinement, made.

        Raises:
            StoreError: as `add`; or there is no such active memory.
        """
        key, value = rows.sound_key(key), rows.sound_value(value)
        return await self._change(lambda c: rows.rekey(c, memory_id, key, value, fingerprint), self._put)

    async def share(self, memory_id: int, *, shared: bool) -> Memory:
        """Let every chat recall it, or again only its own.

        Raises:
            StoreError: there is no such active memory.
        """
        return await self._change(lambda c: rows.share(c, memory_id, shared=shared), self._put)

    async def supersede(self, old: int, new: int) -> None:
        """Let memory `new` take the place of `old`, which stays on record but no longer comes up.

        Raises:
            StoreError: one of the two is no active memory.
        """
        await self._change(lambda connection: rows.supersede(connection, old, new), lambda _: self._drop(old))

    async def forget(self, memory_id: int) -> bool:
        """Erase what a memory says, from database, index and disk, and bar its sources; False when there is none.

        The row stays, empty, so that its id is known to be forgotten.
        """
        forgotten = await self._change(
            lambda connection: rows.forget(connection, memory_id), lambda _: self._drop(memory_id)
        )
        await self._database.scrub()
        async with self._file:
            # The snapshot still holds the vector; closing writes one without it.
            await asyncio.to_thread(discard_snapshot, self._index_path)
            self._on_disk = False
        return forgotten

    async def set_fingerprint(self, fingerprint: str, dimension: int) -> None:
        """Say which model makes the queries, and how wide they are: only its keys are compared with them.

        Raises:
            StoreError: that model's keys have another dimension.
        """
        if self._bank is None or self._bank.fingerprint != fingerprint:
            await self._change(lambda c: rows.serve(c, fingerprint, dimension), _nothing)
            await self._reload()
        elif self._bank.dimension != dimension:
            raise rows.misfit(fingerprint, self._bank.dimension, dimension)

    async def set_centre(self, centre: Floats, fingerprint: str) -> None:
        """Compare that model's keys from now on relative to `centre` [d].

        Raises:
            StoreError: NaN, or another dimension than its keys.
        """
        centre = checked(centre, rank=1, what="a centre")
        await self._change(lambda connection: rows.set_centre(connection, fingerprint, centre), _nothing)
        if self._bank is not None and self._bank.fingerprint == fingerprint:
            await self._reload()

    async def save(self) -> None:
        """Write the index to disk, to spare the next start a rebuild; a failure is logged."""
        async with self._file:
            bank, revision = self._bank, self._revision
            if bank is None:
                return
            self._unsaved = 0
            try:
                await asyncio.to_thread(_save, bank, revision, self._index_path)
            except StoreError as error:
                log.warning("memory index not saved", reason=str(error))
            else:
                self._on_disk = revision == self._revision

    # --- following the database ---

    async def _change(self, fn: Callable[[sqlite3.Connection], T], follow: Callable[[T], None]) -> T:
        future = self._database.submit(functools.partial(_revise, fn=fn))
        # A callback, not the lines after an await: the bank follows also when the caller is cancelled meanwhile.
        future.add_done_callback(functools.partial(self._follow, follow))
        return await asyncio.shield(future)

    def _follow(self, follow: Callable[[T], None], future: asyncio.Future[T]) -> None:
        if not future.cancelled() and future.exception() is None:
            self._revision += 1
            self._unsaved += 1
            self._on_disk = False
            follow(future.result())

    def _put(self, memory: Memory) -> None:
        if self._bank is None or memory.key is None:
            return
        if memory.fingerprint == self._bank.fingerprint:
            known = Recallable(memory.text, memory.chat, memory.shared, memory.value)
            self._bank.put(memory.id, known, memory.key)
        else:
            self._bank.drop(memory.id)

    def _drop(self, memory_id: int) -> None:
        if self._bank is not None:
            self._bank.drop(memory_id)

    async def _reload(self) -> None:
        loaded = await self._load()
        while loaded.revision != self._revision:  # something changed while it was read
            loaded = await self._load()
        self._take(loaded)

    async def _load(self) -> "_Loaded":
        return await self._database.read(lambda connection: _load(connection, self._index_path))

    def _take(self, loaded: "_Loaded") -> None:
        self._bank, self._revision = loaded.bank, loaded.revision
        self._unsaved = 0
        self._on_disk = loaded.from_file

    async def _select(self, where: str, values: Sequence[Any], limit: int = -1) -> list[Memory]:
        return await self._database.read(lambda connection: rows.select(connection, where, values, limit))


def _nothing(_: object) -> None:
    """A change that is followed by loading the bank anew."""


def _revise(connection: sqlite3.Connection, fn: Callable[[sqlite3.Connection], T]) -> T:
    result = fn(connection)
    connection.execute("UPDATE bank SET revision = revision + 1")
    return result


# --- loading and saving, in other threads ---


class _Loaded(NamedTuple):
    bank: Bank | None
    revision: int
    from_file: bool


def _load(connection: sqlite3.Connection, path: Path) -> _Loaded:
    revision = connection.execute("SELECT revision FROM bank").fetchone()[0]
    serving = connection.execute("SELECT fingerprint, centre FROM centres WHERE serving").fetchone()
    if serving is None:
        return _Loaded(None, revision, from_file=False)
    fingerprint, centre = serving[0], np.frombuffer(serving[1], np.float32)
    count = "SELECT count(*) FROM memories WHERE status = 'active' AND fingerprint = ?"
    stamp = Stamp(connection.execute(count, (fingerprint,)).fetchone()[0], fingerprint, revision)
    try:
        index, from_file = load_index(path, stamp, centre.size), True
    except StoreError as error:
        index, from_file = _rebuilt(connection, path, centre, stamp, str(error)), False
    bank = Bank(index, centre, fingerprint)
    _introduce(connection, bank)
    return _Loaded(bank, revision, from_file)


def _rebuilt(connection: sqlite3.Connection, path: Path, centre: Floats, stamp: Stamp, reason: str) -> VectorIndex:
    # The old file goes at once: it may hold what has been forgotten since.
    discard_snapshot(path)
    index = VectorIndex(centre.size)
    if stamp.count:
        ids, keys = rows.keys(connection, stamp.fingerprint)
        index.add(ids, unit(keys, centre))
        log.info("memory index rebuilt", memories=stamp.count, file=str(path), reason=reason)
    return index


def _introduce(connection: sqlite3.Connection, bank: Bank) -> None:
    sql = """SELECT id, account, kind, peer, shared, text, value_rows, value FROM memories
        WHERE status = 'active' AND fingerprint = ?"""
    for number, account, kind, peer, shared, text, height, value in connection.execute(sql, (bank.fingerprint,)):
        known = Recallable(text, ChatId(account, kind, peer), bool(shared), rows.matrix(value, height))
        bank.know(number, known)


def _save(bank: Bank, revision: int, path: Path) -> None:
    payload, count = bank.serialized()
    write_snapshot(path, payload, Stamp(count, bank.fingerprint, revision))
