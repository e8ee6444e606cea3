"""The episodic memories: rows in SQLite, which is the truth, and the searched bank, which follows it."""

import asyncio
import functools
import sqlite3
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import structlog

from onebot_bot.errors import StoreError
from onebot_bot.memory import erasing, rows, views, withdrawal
from onebot_bot.memory.bank import Bank, Hit, Recallable
from onebot_bot.memory.database import Database, listed
from onebot_bot.memory.listing import listed_by
from onebot_bot.memory.loading import Loaded, load_bank, save_bank
from onebot_bot.memory.mirror import Find
from onebot_bot.memory.records import MemoryRecords
from onebot_bot.memory.rows import Extracted, Memory, NewMemory, Rekeyed
from onebot_bot.memory.snapshot import discard_snapshot
from onebot_bot.memory.vectors import Floats, View, checked, sound_view
from onebot_bot.protocol.chat_id import ChatId

log = structlog.get_logger(__name__)

T = TypeVar("T")
U = TypeVar("U")


class MemoryStore(MemoryRecords):
    """All memories. An async context manager: entering loads the index or rebuilds it, leaving saves it.

    Every method runs on the event loop, except `search` and `note_recalled`, which any thread may call, and `catch_up`.
    """

    def __init__(
        self,
        database: Database,
        index_path: Path,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(database)
        self._index_path = index_path
        self._clock = clock
        self._bank: Bank | None = None  # None until a view is set
        self._revision = 0  # changes the bank has followed
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

    async def search_about(self, query: Floats, scope: ChatId, subject: int, k: int) -> list[Hit]:
        """As `search`, but only what was said about this QQ number, or by it."""
        conditions, values = listed_by(scope, "active", "", subject, None)
        sql = f"SELECT id FROM memories WHERE {conditions}"  # noqa: S608 - constants
        ids = await self._database.read(lambda connection: connection.execute(sql, values).fetchall())
        return [] if self._bank is None else self._bank.search(query, scope, k, among=[row[0] for row in ids])

    def near(self, chat: ChatId, key: Floats, k: int) -> list[Hit]:
        """The at most `k` memories of exactly `chat` nearest to a raw key [D] of the serving model, best first.

        Raises:
            StoreError: NaN.
        """
        return [] if self._bank is None else self._bank.near(key, chat, k)

    @property
    def uncopied(self) -> bool:
        """Whether `catch_up` may have something to do."""
        bank = self._bank
        return bank is not None and bank.uncopied

    def catch_up(self, find: Find, most: int) -> int:
        """Bring the copy that the model's thread searches up by `most` keys, on that thread; how many it still lacks.

        `find` makes one where there is none yet; see `Bank.catch_up`.
        """
        bank = self._bank
        return 0 if bank is None else bank.catch_up(find, most)

    def note_recalled(self, ids: Collection[int]) -> None:
        """Count that these came to mind just now; returns at once, from any thread."""
        sql = """UPDATE memories SET recalled_at = ?, recall_count = recall_count + 1
            WHERE id IN (SELECT value FROM json_each(?))"""
        values = (int(self._clock()), listed(ids))
        self._database.post(lambda connection: connection.execute(sql, values))

    @property
    def view(self) -> View | None:
        """Whose keys are searched, and how they are compared; None until `set_view`."""
        return None if self._bank is None else self._bank.view

    # --- changing ---

    async def add(self, new: NewMemory, supersedes: Collection[int] = ()) -> Memory:
        """Store a memory, in the place of others if given; it can be recalled when this returns.

        Raises:
            StoreError: a vector holds NaN or has another dimension than the model's other keys; a source is barred,
                because something learned from it was forgotten on demand; or one of `supersedes` is no active memory
                of the chat. Nothing is stored then.
        """
        new = rows.sound(new)
        created = int(self._clock())

        def follow(memory: Memory) -> None:
            self._put(memory)
            for old in supersedes:
                self._drop(old)

        return await self._change(lambda connection: rows.insert(connection, new, created, supersedes), follow)

    async def merge(self, memory_id: int, new: Extracted) -> Memory:
        """Let an active memory that says the same stand for `new` too, and take the place of what that supersedes.

        Raises:
            StoreError: as `add`; or there is no such active memory.
        """

        def follow(_: Memory) -> None:
            for old in set(new.supersedes) - {memory_id}:
                self._drop(old)

        return await self._change(lambda connection: rows.merge(connection, memory_id, new), follow)

    async def rekey(self, made: Sequence[Rekeyed], fingerprint: str, maker: str) -> int:
        """Give memories the vectors that another model made; those that changed meanwhile are left; how many it took.

        Raises:
            StoreError: a vector holds NaN or has another dimension than that model's other keys.
        """
        made = [rows.sound_vectors(new) for new in made]

        def follow(memories: list[Memory]) -> None:
            for memory in memories:
                self._put(memory)

        memories = await self._change(lambda c: rows.rekey(c, made, fingerprint, maker), follow)
        return len(memories)

    async def refine(
        self, memory_id: int, value: Floats, *, exact: bool | None, maker: str, text: str | None = None
    ) -> bool:
        """Give an active memory a better value; False when there is none, or it no longer says `text`.

        Args:
            memory_id: Which.
            value: What is injected from now on, [n, width of the chat model].
            exact: Whether greedy decoding returns the text exactly; None: not checked.
            maker: The adapter under which that was found.
            text: What the value was made for; None: whatever it says.

        Raises:
            StoreError: the value holds NaN.
        """
        value = checked(value, rank=2, what="a memory's value")

        def write(connection: sqlite3.Connection) -> list[Memory]:
            return rows.refine(connection, memory_id, value, exact=exact, maker=maker, text=text)

        refined = await self._change(write, self._update)
        return bool(refined)

    async def project(self, made: Sequence[tuple[Memory, Floats]], maker: str) -> int:
        """Give memories, as they were read, other values [n, d]; those that changed meanwhile stay; how many it took.

        Raises:
            StoreError: a value holds NaN.
        """
        made = [(memory, checked(value, rank=2, what="a memory's value")) for memory, value in made]

        def write(connection: sqlite3.Connection) -> list[Memory]:
            return rows.project(connection, made, maker)

        memories = await self._change(write, self._update)
        return len(memories)

    async def edit(  # noqa: PLR0913, PLR0917 - a memory's text and all that is made of it
        self, memory_id: int, text: str, key: Floats, value: Floats | None, fingerprint: str, maker: str
    ) -> Memory:
        """Let an active memory say something else; what it said is gone from the disk.

        Raises:
            StoreError: as `rekey`; or there is no such active memory.
        """
        new = rows.sound_vectors(Rekeyed(id=memory_id, text=text, key=key, value=value))
        memory = await self._change(lambda c: rows.edit(c, new, fingerprint, maker), self._put)
        await self._scrub()
        return memory

    async def pin(self, memory_id: int, *, pinned: bool) -> Memory:
        """Mark a memory as one that matters, or no longer.

        Raises:
            StoreError: there is no such active memory.
        """
        return await self._database.write(lambda connection: rows.pin(connection, memory_id, pinned=pinned))

    async def share(self, memory_id: int, *, shared: bool) -> Memory:
        """Let every chat recall it, or again only its own.

        Raises:
            StoreError: there is no such active memory.
        """
        return (await self._change(lambda c: [rows.share(c, memory_id, shared=shared)], self._update))[0]

    async def supersede(self, old: int, new: int) -> None:
        """Let memory `new` take the place of `old`, which stays on record but no longer comes up.

        Raises:
            StoreError: one of the two is no active memory, or they are of two chats.
        """
        await self._change(lambda connection: rows.supersede(connection, old, new), lambda _: self._drop(old))

    async def forget(self, memory_id: int) -> bool:
        """Erase what a memory says, from database, index and disk, and bar its sources; False when there is none.

        What it took the place of goes with it. The rows stay, empty, so that their ids are known to be forgotten.
        """

        def follow(forgotten: list[int]) -> None:
            for number in forgotten:
                self._drop(number)

        forgotten = await self._change(lambda connection: rows.forget(connection, memory_id), follow)
        await self._scrub()
        return bool(forgotten)

    async def take_back(self, chat: ChatId, hide: withdrawal.Hide[U]) -> U:
        """Hide messages of a chat, and with them, both or neither, what was learned from them alone.

        Nothing is learned from them any more. What such a memory took the place of comes up again.
        """

        def change(connection: sqlite3.Connection) -> tuple[list[int], list[Memory], U]:
            sources, told = hide(connection)
            return *withdrawal.withdraw(connection, chat, sources), told

        def follow(changed: tuple[list[int], list[Memory], U]) -> None:
            gone, back, _ = changed
            for number in gone:
                self._drop(number)
            for memory in back:
                self._put(memory)

        gone, _, told = await self._change(change, follow)
        if gone:
            await self._scrub()
        return told

    async def forget_person(self, user: int) -> erasing.Forgotten:
        """Erase all that is kept of a person, messages too, from database, index and disk."""

        def follow(forgotten: erasing.Forgotten) -> None:
            for number in forgotten.memories:
                self._drop(number)

        forgotten = await self._change(lambda connection: erasing.forget_person(connection, user), follow)
        await self._scrub()
        return forgotten

    async def set_view(self, fingerprint: str, centre: Floats, head: Floats | None = None) -> None:
        """Search that model's keys from now on, relative to `centre` [D] and through `head` [d, D].

        The bank is made anew beside the old one, which serves until then, and takes its place whole.

        Raises:
            StoreError: NaN, or other widths than its keys have.
        """
        view = sound_view(fingerprint, centre, head)
        if self._bank is not None and self._bank.view.same(view):
            return
        await self._change(lambda connection: views.set_view(connection, view), _nothing)
        await self._reload()

    def suspend(self) -> None:
        """Find nothing until a view is set: the queries to come are not for the keys that are here."""
        self._bank = None

    async def save(self) -> None:
        """Write the index to disk, to spare the next start a rebuild; a failure is logged."""
        async with self._file:
            bank, revision = self._bank, self._revision
            if bank is None:
                return
            try:
                await asyncio.to_thread(save_bank, bank, revision, self._index_path)
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
            self._on_disk = False
            follow(future.result())

    async def _scrub(self) -> None:
        """Leave no trace on the disk of what was overwritten."""
        await self._database.scrub()
        async with self._file:
            # The snapshot still holds the vector; closing writes one without it.
            await asyncio.to_thread(discard_snapshot, self._index_path)
            self._on_disk = False

    def _update(self, memories: Sequence[Memory]) -> None:
        for memory in memories:
            if self._bank is not None:
                self._bank.update(memory.id, _recallable(memory))

    def _put(self, memory: Memory) -> None:
        if self._bank is None or memory.key is None:
            return
        if memory.fingerprint == self._bank.view.fingerprint:
            self._bank.put(memory.id, _recallable(memory), memory.key)
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

    async def _load(self) -> Loaded:
        before = self._bank
        return await self._database.read(lambda connection: load_bank(connection, self._index_path, before))

    def _take(self, loaded: Loaded) -> None:
        self._bank, self._revision = loaded.bank, loaded.revision
        self._on_disk = loaded.from_file


def _nothing(_: object) -> None:
    """A change that is followed by loading the bank anew."""


def _revise(connection: sqlite3.Connection, fn: Callable[[sqlite3.Connection], T]) -> T:
    result = fn(connection)
    connection.execute("UPDATE bank SET revision = revision + 1")
    return result


def _recallable(memory: Memory) -> Recallable:
    return Recallable(memory.text, memory.chat, memory.shared, memory.value)
