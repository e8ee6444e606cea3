"""The memories that can be recalled, in the process: what the model's thread searches while it writes.

No SQLite here: a search in the decode loop must not wait for a disk.
"""

import threading
from collections import defaultdict

import msgspec
import numpy as np

from onebot_bot.memory.vectors import Bytes, Floats, Selection, VectorIndex, unit
from onebot_bot.protocol.chat_id import ChatId


class Hit(msgspec.Struct, frozen=True, eq=False):
    """A memory that came to mind."""

    memory_id: int
    score: float
    """Cosine of the query and the centred key."""
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

    def __init__(self, index: VectorIndex, centre: Floats, fingerprint: str) -> None:
        self.fingerprint = fingerprint
        self.dimension = index.dimension
        self._index = index
        self.centre = centre
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
        """Add a memory, or replace it; `key` [d] is raw."""
        ids = np.array([memory_id], dtype=np.int64)
        row = unit(key[np.newaxis], self.centre)
        with self._lock:
            self._leave(memory_id)
            self._index.remove(ids)
            self._index.add(ids, row)
            self._enter(memory_id, memory)

    def share(self, memory_id: int, *, shared: bool) -> None:
        """Let other chats recall it, or no longer."""
        with self._lock:
            if memory_id in self._memories:
                memory = msgspec.structs.replace(self._memories[memory_id], shared=shared)
                self._leave(memory_id)
                self._enter(memory_id, memory)

    def drop(self, memory_id: int) -> None:
        """Remove a memory, if it is here."""
        with self._lock:
            self._leave(memory_id)
            self._index.remove(np.array([memory_id], dtype=np.int64))

    def search(self, query: Floats, scope: ChatId, k: int) -> list[Hit]:
        """The at most `k` memories of `scope`, or shared, nearest to `query` [d], best first.

        Raises:
            StoreError: another dimension, or NaN.
        """
        with self._lock:
            ids, scores = self._index.search(query, self._selection(scope), k)
            return [
                Hit(int(number), float(score), memory.text, memory.value)
                for number, score in zip(ids, scores, strict=True)
                # The selection says the same; whose memory it is must not hang on a cache alone.
                if (memory := self._memories[int(number)]).shared or memory.chat == scope
            ]

    def serialized(self) -> tuple[Bytes, int]:
        """The index's bytes and how many vectors they hold."""
        with self._lock:
            return self._index.serialized(), len(self._index)

    def _selection(self, scope: ChatId) -> Selection:
        if scope not in self._selections:
            ids = self._shared | self._by_chat.get(scope, set())
            self._selections[scope] = Selection(np.fromiter(ids, dtype=np.int64, count=len(ids)))
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
