"""The memories that can be recalled, in the process: what the model's thread searches while it writes.

No SQLite here: a search in the decode loop must not wait for a disk.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Collection

import msgspec
import numpy as np

from onebot_bot.memory.vectors import Bytes, Floats, Selection, VectorIndex, View
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


class Bank:
    """Active memories whose keys the serving model made. Every method may be called from any thread."""

    def __init__(self, index: VectorIndex, view: View) -> None:
        self.view = view
        self._index = index
        self._memories: dict[int, Recallable] = {}
        self._by_chat: defaultdict[ChatId, set[int]] = defaultdict(set)
        self._shared: set[int] = set()
        self._selections: dict[ChatId, Selection] = {}  # made when first searched, dropped when it changes
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._memories)

    def know(self, memory_id: int, memory: Recallable) -> None:
        """Take in a memory whose vector the index already holds."""
        with self._lock:
            self._enter(memory_id, memory)

    def put(self, memory_id: int, memory: Recallable, key: Floats) -> None:
        """Add a memory, or replace it; `key` [D] is raw."""
        ids = np.array([memory_id], dtype=np.int64)
        row = self.view.compared(key[np.newaxis])
        with self._lock:
            self._leave(memory_id)
            self._index.remove(ids)
            self._index.add(ids, row)
            self._enter(memory_id, memory)

    def update(self, memory_id: int, memory: Recallable) -> None:
        """Say something else of a memory that is here; its key stays."""
        with self._lock:
            if memory_id in self._memories:
                self._leave(memory_id)
                self._enter(memory_id, memory)

    def drop(self, memory_id: int) -> None:
        """Remove a memory, if it is here."""
        with self._lock:
            self._leave(memory_id)
            self._index.remove(np.array([memory_id], dtype=np.int64))

    def search(self, query: Floats, scope: ChatId, k: int, among: Collection[int] | None = None) -> list[Hit]:
        """The at most `k` memories of `scope`, or shared, nearest to `query` [d], best first; only those of `among`.

        Raises:
            StoreError: another dimension, or NaN.
        """
        with self._lock:
            within = self._selection(scope) if among is None else _selected(among)
            return self._hits(query, within, k, lambda memory: memory.shared or memory.chat == scope)

    def near(self, key: Floats, chat: ChatId, k: int) -> list[Hit]:
        """The at most `k` memories of exactly `chat`, shared or not, nearest to a raw `key` [D], best first.

        Raises:
            StoreError: NaN.
        """
        row = self.view.compared(key[np.newaxis])[0]
        with self._lock:
            own = _selected(self._by_chat.get(chat, set()))
            return self._hits(row, own, k, lambda memory: memory.chat == chat)

    def serialized(self) -> tuple[Bytes, int]:
        """The index's bytes and how many vectors they hold."""
        with self._lock:
            return self._index.serialized(), len(self._index)

    def _hits(self, query: Floats, among: Selection, k: int, allowed: Callable[[Recallable], bool]) -> list[Hit]:
        ids, scores = self._index.search(query, among, k)
        found = (
            (self._memories[int(number)], int(number), float(score)) for number, score in zip(ids, scores, strict=True)
        )
        # The selection says the same; whose memory it is must not hang on a cache alone.
        return [Hit(number, score, memory.text, memory.value) for memory, number, score in found if allowed(memory)]

    def _selection(self, scope: ChatId) -> Selection:
        if scope not in self._selections:
            self._selections[scope] = _selected(self._shared | self._by_chat.get(scope, set()))
        return self._selections[scope]

    def _enter(self, memory_id: int, memory: Recallable) -> None:
        self._memories[memory_id] = memory
        self._by_chat[memory.chat].add(memory_id)
        if memory.shared:
            self._shared.add(memory_id)
        self._forget_selections(memory)

    def _leave(self, memory_id: int) -> None:
        memory = self._memories.pop(memory_id, None)
        if memory is None:
            return
        self._by_chat[memory.chat].discard(memory_id)
        self._shared.discard(memory_id)
        self._forget_selections(memory)

    def _forget_selections(self, memory: Recallable) -> None:
        if memory.shared:
            self._selections.clear()
        else:
            self._selections.pop(memory.chat, None)


def _selected(ids: Collection[int]) -> Selection:
    return Selection(np.fromiter(ids, dtype=np.int64, count=len(ids)))
