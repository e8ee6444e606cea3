"""Who belongs to what: for each chat, and for all of them, a bitmap of every chunk of vectors (codes.py).

A change touches one bitmap, however many memories there are. What a search was given stays as it was.
"""

from collections import deque
from collections.abc import Iterable

import numpy as np

from onebot_bot.memory.codes import ROWS, Bits, Ids, Part, by_chunk, part_of, unpacked


class Members:
    """A set of slots, kept so that a search within it can begin at once."""

    def __init__(self) -> None:
        self._bits: dict[int, Bits] = {}
        self._parts: dict[int, Part] = {}  # of the bitmaps that were asked for and did not change since

    def __bool__(self) -> bool:
        return bool(self._bits)

    def put(self, slot: int) -> None:
        """Take one in."""
        chunk, place = divmod(slot, ROWS)
        bits = self._bits.get(chunk)
        if bits is None:
            bits = self._bits[chunk] = np.zeros(ROWS // 8, np.uint8)
        bits[place // 8] |= 1 << place % 8
        self._parts.pop(chunk, None)

    def drop(self, slot: int) -> None:
        """Leave one out that is here."""
        chunk, place = divmod(slot, ROWS)
        bits = self._bits[chunk]
        bits[place // 8] &= 255 - (1 << place % 8)
        self._parts.pop(chunk, None)
        if not bits.any():
            del self._bits[chunk]

    def parts(self) -> list[Part]:
        """All of them as they are now, for a search; later changes are made to copies."""
        for chunk in self._bits.keys() - self._parts.keys():
            self._parts[chunk] = part_of(chunk, self._bits[chunk].copy())
        return list(self._parts.values())


class Limbo:
    """Slots that were given up while searches that may read them go on: RCU, as kernels have it.

    McKenney and Slingwine, "Read-Copy Update: Using Execution History to Solve Concurrency Problems", PDCS 1998. Not
    thread-safe: who shares it locks.
    """

    def __init__(self) -> None:
        self._next = 0
        self._reading: set[int] = set()
        self._waiting: deque[tuple[int, Ids]] = deque()  # with the first search that cannot read them any more

    def enter(self) -> int:
        """A search begins: the number to `leave` by."""
        self._next += 1
        self._reading.add(self._next)
        return self._next

    def leave(self, number: int) -> None:
        """It has ended."""
        self._reading.remove(number)

    def put(self, slots: Ids) -> None:
        """Give up slots, which no search that begins from now on is told of."""
        self._waiting.append((self._next + 1, slots))

    def freed(self) -> list[Ids]:
        """Those that nobody reads any more; each once."""
        first = min(self._reading, default=self._next + 1)
        found = []
        while self._waiting and self._waiting[0][0] <= first:
            found.append(self._waiting.popleft()[1])
        return found


def parts_of(slots: Ids) -> list[Part]:
    """The same for slots that are named one by one."""
    found = []
    for chunk, _, places in by_chunk(slots):
        member = np.zeros(ROWS, dtype=bool)
        member[places] = True
        found.append(part_of(chunk, np.packbits(member, bitorder="little")))
    return found


def slots_in(parts: Iterable[Part]) -> Ids:
    """All slots of these parts."""
    found = [np.flatnonzero(unpacked(part)) + part.chunk * ROWS for part in parts]
    return np.concatenate(found) if found else np.empty(0, np.int64)
