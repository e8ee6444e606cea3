"""The memories that can be recalled, in the process: what the model's thread searches while it writes.

No SQLite here: a search in the decode loop must not wait for a disk. Nor does it wait for a change, or a change for it:
a search finds what was there when it began.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import msgspec
import numpy as np

from onebot_bot.memory.codes import Part
from onebot_bot.memory.index import Bytes, Scanner, VectorIndex
from onebot_bot.memory.members import Limbo, Members, parts_of
from onebot_bot.memory.mirror import Find, Mirror
from onebot_bot.memory.vectors import Floats, Ids, View
from onebot_bot.protocol.chat_id import ChatId


class Hit(msgspec.Struct, frozen=True, eq=False):
    """A memory that came to mind."""

    memory_id: int
    score: float
    """Cosine of the query and the compared key."""
    text: str
    value: Floats | None
    """What is injected, [n, d]; None while the memory has none."""


class Recallable(msgspec.Struct, frozen=True, eq=False):
    """What a search needs to know of one active memory."""

    text: str
    chat: ChatId
    shared: bool
    value: Floats | None


class _Known(NamedTuple):
    memory_id: int
    memory: Recallable


class Bank:
    """Active memories whose keys the serving model made. Every method may be called from any thread."""

    def __init__(self, index: VectorIndex, view: View) -> None:
        self.view = view
        self._index = index
        self._slots: dict[int, int] = {}  # by id
        self._known: dict[int, _Known] = {}  # by slot, and those in limbo too
        self._own: defaultdict[ChatId, Members] = defaultdict(Members)
        self._given: defaultdict[ChatId, Members] = defaultdict(Members)  # those of a chat that it shares
        self._shared = Members()
        self._limbo = Limbo()
        self._mirror: Mirror | None = None
        self._lock = threading.Lock()  # of changes, and of where a search begins and ends

    def __len__(self) -> int:
        return len(self._slots)

    def same(self, memory_id: int, memory: Recallable) -> Recallable:
        """The memory as it is here, if that says the same: what is loaded anew then takes no room twice."""
        with self._lock:
            slot = self._slots.get(memory_id)
            here = None if slot is None else self._known[slot].memory
        return memory if here is None or not _says_the_same(here, memory) else here

    def know(self, memory_id: int, memory: Recallable) -> None:
        """Take in a memory whose vector the index already holds."""
        with self._lock:
            for slot in self._index.find(_array(memory_id)).tolist():
                self._enter(slot, _Known(memory_id, memory))

    def put(self, memory_id: int, memory: Recallable, key: Floats) -> None:
        """Add a memory, or replace it; `key` [D] is raw."""
        row = self.view.compared(key[np.newaxis])
        with self._lock:
            self._give_up(memory_id)
            slot = int(self._index.add(_array(memory_id), row)[0])
            self._note_changed([slot])
            self._enter(slot, _Known(memory_id, memory))

    def update(self, memory_id: int, memory: Recallable) -> None:
        """Say something else of a memory that is here; its key stays."""
        with self._lock:
            if (slot := self._slots.get(memory_id)) is not None:
                self._leave(slot)
                self._enter(slot, _Known(memory_id, memory))

    def drop(self, memory_id: int) -> None:
        """Remove a memory, if it is here."""
        with self._lock:
            self._give_up(memory_id)

    def search(self, query: Floats, scope: ChatId, k: int, among: Collection[int] | None = None) -> list[Hit]:
        """The at most `k` memories of `scope`, or shared, nearest to `query` [d], best first; only those of `among`.

        Raises:
            StoreError: another dimension, or NaN.
        """

        def within() -> list[Part]:
            if among is not None:
                return parts_of(self._index.find(np.fromiter(among, np.int64, len(among))))
            return self._parts(self._own, scope) + self._shared.parts()

        return self._hits(query, within, k, lambda memory: memory.shared or memory.chat == scope)

    def near(self, key: Floats, chat: ChatId, k: int) -> list[Hit]:
        """The at most `k` memories of exactly `chat`, shared or not, nearest to a raw `key` [D], best first.

        Raises:
            StoreError: NaN.
        """

        def within() -> list[Part]:
            return self._parts(self._own, chat) + self._parts(self._given, chat)

        row = self.view.compared(key[np.newaxis])[0]
        return self._hits(row, within, k, lambda memory: memory.chat == chat)

    @property
    def uncopied(self) -> bool:
        """Whether `catch_up` may have something to do."""
        mirror = self._mirror
        return mirror is None or mirror.gone or len(mirror) > 0

    def catch_up(self, find: Find, most: int) -> int:
        """Write at most `most` keys to the copy that this thread searches with; how many it still lacks.

        `find` is asked for one where there is none; where it has none either, the index is searched as ever.
        """
        with self._lock:
            mirror = self._mirror = self._mirrored(find)
            if mirror is None:
                return 0
            due = mirror.take(self._index, most)
        due.write()
        return len(mirror)

    def _mirrored(self, find: Find) -> Mirror | None:
        if self._mirror is not None and not self._mirror.gone:
            return self._mirror
        copy = find(self._index.dimension, self._index.reach)
        return None if copy is None else Mirror(copy, self._index.taken())

    def serialized(self) -> tuple[Bytes, int]:
        """The index's bytes and how many vectors they hold."""
        with self._lock:
            return self._index.serialized(), len(self._index)

    # --- searching ---

    def _hits(
        self, query: Floats, within: Callable[[], Sequence[Part]], k: int, allowed: Callable[[Recallable], bool]
    ) -> list[Hit]:
        with self._reading(within) as (parts, scanner):
            slots, scores = self._index.search(query, parts, k, scanner)
            found = [(*self._known[slot], score) for slot, score in zip(slots.tolist(), scores.tolist(), strict=True)]
        # The parts say the same; whose memory it is must not hang on a bitmap alone.
        return [Hit(number, score, memory.text, memory.value) for number, memory, score in found if allowed(memory)]

    @contextmanager
    def _reading(self, within: Callable[[], Sequence[Part]]) -> Iterator[tuple[Sequence[Part], Scanner | None]]:
        """What is to be searched, as it is now, and with what; nothing of it is overwritten before the end."""
        with self._lock:
            parts, number = within(), self._limbo.enter()
            due = self._mirror.ready(self._index) if self._mirror else None
        try:
            yield parts, due and due.scanner()
        finally:
            with self._lock:
                self._limbo.leave(number)
                self._reclaim()

    @staticmethod
    def _parts(members: defaultdict[ChatId, Members], chat: ChatId) -> list[Part]:
        return members[chat].parts() if chat in members else []

    # --- changing ---

    def _enter(self, slot: int, known: _Known) -> None:
        self._slots[known.memory_id], self._known[slot] = slot, known
        for members in self._members_of(known.memory):
            members.put(slot)

    def _leave(self, slot: int) -> None:
        memory = self._known[slot].memory
        for members in self._members_of(memory):
            members.drop(slot)
        for of_chats in (self._own, self._given):
            if memory.chat in of_chats and not of_chats[memory.chat]:
                del of_chats[memory.chat]  # a chat that is forgotten leaves nothing

    def _members_of(self, memory: Recallable) -> list[Members]:
        return [self._shared, self._given[memory.chat]] if memory.shared else [self._own[memory.chat]]

    def _give_up(self, memory_id: int) -> None:
        """Let no search that begins from now on find a memory; it is overwritten when the last that may has ended."""
        slot = self._slots.pop(memory_id, None)
        if slot is None:
            return
        self._leave(slot)
        self._limbo.put(self._index.retire(_array(memory_id)))
        self._reclaim()

    def _note_changed(self, slots: Sequence[int]) -> None:
        """For the copy: an erased key is overwritten there too."""
        if self._mirror is not None:
            self._mirror.note(slots)

    def _reclaim(self) -> None:
        for slots in self._limbo.freed():
            self._index.erase(slots)
            self._note_changed(slots.tolist())
            for slot in slots.tolist():
                del self._known[slot]


def _says_the_same(one: Recallable, other: Recallable) -> bool:
    if (one.text, one.chat, one.shared) != (other.text, other.chat, other.shared):
        return False
    if one.value is None or other.value is None:
        return one.value is other.value
    return np.array_equal(one.value, other.value)


def _array(memory_id: int) -> Ids:
    return np.array([memory_id], np.int64)
