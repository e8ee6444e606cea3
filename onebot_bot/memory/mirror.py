"""A copy of the compared keys where they are searched faster, as on a card: kept up with the index, never its truth.

Who searches brings the copy up first, in the same thread, so that no search meets a change half done.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import NamedTuple, Protocol

import numpy as np

from onebot_bot.memory.codes import Part, Scan
from onebot_bot.memory.index import Scanner, VectorIndex
from onebot_bot.memory.vectors import Floats, Ids

AT_ONCE = 256
"""Keys that a search writes before it begins; where the copy lacks more, the index is scanned instead."""


class KeyCopy(Protocol):
    """Keys by their slots somewhere else; one thread has it."""

    @property
    def gone(self) -> bool:
        """Whether it is empty for good: what it took is given back, and nothing is written or found any more."""

    def write(self, slots: Ids, rows: Floats) -> None:
        """Put `rows` [n, d] under `slots` [n], whatever was there; it is gone where it has no room, or raises."""

    def scan(self, query: Floats, parts: Sequence[Part], most: int) -> Scan | None:
        """The best `most` of all parts together for a query [d]; None: the index is faster, or the copy is gone."""


Find = Callable[[int, int], KeyCopy | None]
"""A new copy for keys of so many numbers, in so many slots; None: there is to be none."""


class Due(NamedTuple):
    """What is to be written to a copy, read at one moment."""

    copy: KeyCopy
    slots: Ids
    rows: Floats

    def write(self) -> None:
        """Bring the copy up to that moment."""
        if self.slots.size:
            self.copy.write(self.slots, self.rows)

    def scanner(self) -> Scanner:
        """What to search with, brought up."""
        self.write()
        return self.copy.scan


class Mirror:
    """What a copy lacks of an index. Not thread-safe: who shares it locks."""

    def __init__(self, copy: KeyCopy, slots: Ids) -> None:
        self._copy = copy
        self._lacking = set(slots.tolist())
        self._thread = threading.get_ident()

    def __len__(self) -> int:
        """Slots that it lacks."""
        return len(self._lacking)

    @property
    def gone(self) -> bool:
        """Whether there is no copy any more."""
        return self._copy.gone

    def note(self, slots: Iterable[int]) -> None:
        """They hold something else now."""
        self._lacking.update(slots)

    def take(self, index: VectorIndex, most: int) -> Due:
        """The next of what it lacks, to be written by the thread that made this."""
        taken = np.array(sorted(islice(self._lacking, most)), np.int64)
        self._lacking.difference_update(taken.tolist())
        return Due(self._copy, taken, index.vectors(taken))

    def ready(self, index: VectorIndex) -> Due | None:
        """What a search has to write first; None: another thread's copy, or it lacks too much."""
        own = threading.get_ident() == self._thread
        return self.take(index, AT_ONCE) if own and len(self._lacking) <= AT_ONCE else None
