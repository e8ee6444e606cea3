"""Which place in memory a vector has: found by its id, kept while it lives, then given to another."""

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]


class Slots:
    """Places 0, 1, 2, ... by id. Ids are small: there is a table as long as the largest."""

    def __init__(self) -> None:
        self._ids: Ids = np.empty(0, np.int64)  # by slot; -1: empty
        self._slot_of: Ids = np.empty(0, np.int64)  # by id; -1: none
        self._empty: Ids = np.empty(0, np.int64)  # the next one last; as many as are `free` mean something
        self._free = 0
        self._taken = 0

    def __len__(self) -> int:
        return self._taken

    @property
    def free(self) -> int:
        """How many can be taken before `grow` must be called."""
        return self._free

    def grow(self, count: int) -> None:
        """Add so many empty ones after the last."""
        first = len(self._ids)
        self._ids = np.concatenate([self._ids, np.full(count, -1)])
        room = np.empty(len(self._ids), np.int64)
        room[:count] = np.arange(first + count - 1, first - 1, -1)
        room[count : count + self._free] = self._empty[: self._free]
        self._empty, self._free = room, self._free + count

    def take(self, ids: Ids) -> Ids:
        """Give each of `ids` [n], n >= 1, which must be new, an empty slot."""
        self._free -= len(ids)
        slots = self._empty[self._free : self._free + len(ids)][::-1].copy()
        self._reach(int(ids.max()))
        self._ids[slots] = ids
        self._slot_of[ids] = slots
        self._taken += len(ids)
        return slots

    def retire(self, slots: Ids) -> None:
        """Let taken slots be nobody's, so that nobody finds them; no new id gets them before they are released."""
        self._slot_of[self._ids[slots]] = -1
        self._ids[slots] = -1
        self._taken -= len(slots)

    def release(self, slots: Ids) -> None:
        """Let retired slots be empty."""
        self._empty[self._free : self._free + len(slots)] = slots
        self._free += len(slots)

    def find(self, ids: Ids) -> Ids:
        """The slots of those of `ids`, each named once, that have one; in the order of memory."""
        slots = self._slot_of[ids[(ids >= 0) & (ids < len(self._slot_of))]]
        return np.sort(slots[slots >= 0])

    def ids(self, slots: Ids) -> Ids:
        """Whose slots those are."""
        return self._ids[slots]

    def used(self) -> Ids:
        """The ids by slot up to the last that is taken, -1 for empty ones: a copy."""
        last = int(np.flatnonzero(self._ids >= 0).max(initial=-1))
        return self._ids[: last + 1].copy()

    def _reach(self, largest: int) -> None:
        missing = largest + 1 - len(self._slot_of)
        if missing > 0:
            room = max(missing, len(self._slot_of))  # doubled: ids that only grow are seldom copied
            self._slot_of = np.concatenate([self._slot_of, np.full(room, -1)])
