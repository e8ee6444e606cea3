"""The index of unit vectors, searched exactly within a selection.

A search scans the vectors' bytes (codes.py) and compares in float32 all whose bytes may be so far off that they are
among the best. An inverted file that finds 97% of the nearest among 220,000 takes as long: what it skips it pays for by
jumping about. A search may go on while the index changes: chunks of vectors never move, what it is to find is told by
bitmaps that never change, and what is retired is overwritten only when told so.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from onebot_bot.errors import StoreError
from onebot_bot.memory.codes import ROWS, Codes, Part, Scan, by_chunk, one_thread
from onebot_bot.memory.members import slots_in
from onebot_bot.memory.slots import Slots
from onebot_bot.memory.vectors import Floats, Ids, checked

_SPARE = 64
"""Candidates of every chunk beyond those asked for: they cost next to nothing, and mostly hold all that may be best."""

_WIDENED = 16
"""How many times as many come next when they do not."""


Scanner = Callable[[Floats, Sequence[Part], int], Scan | None]
"""As `Codes.scan`, for a query [d] as it is and the best of all parts together; None: not this time."""


class Bytes(NamedTuple):
    """The bytes of an index in parts, in the order of the file.

    They are the index's own memory, for a copy of it would keep every search waiting: a change that comes while they
    are written may be among them in part. The stamp tells, since every change has a revision of its own.
    """

    parts: tuple[NDArray[Any], ...]


class VectorIndex:
    """Unit vectors [d] by id, each in a slot. Who shares it locks for every method but `search`."""

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self._rows: list[Floats] = []  # the vectors by slot, in chunks [ROWS, d]; those of empty slots are zero
        self._codes = Codes(dimension)
        self._slots = Slots()
        self._retired: set[int] = set()  # slots that are nobody's and not overwritten yet

    def __len__(self) -> int:
        return len(self._slots)

    def add(self, ids: Ids, vectors: Floats) -> Ids:
        """Add `vectors` [n, d] under `ids` [n], which must be new; their slots [n].

        Raises:
            StoreError: another dimension, or NaN.
        """
        vectors = self._fit(checked(vectors, rank=2, what="a memory's key"))
        starts = range(0, len(ids), ROWS)
        return np.concatenate([self._add(ids[at : at + ROWS], vectors[at : at + ROWS]) for at in starts])

    def find(self, ids: Ids) -> Ids:
        """The slots of those of `ids` that are here, in the order of memory."""
        return self._slots.find(np.unique(ids))

    def ids(self, slots: Ids) -> Ids:
        """Whose slots those are; -1: nobody's."""
        return self._slots.ids(slots)

    def retire(self, ids: Ids) -> Ids:
        """Let what is there of `ids` be found no more; its slots, to be erased when no search reads them."""
        slots = self.find(ids)
        self._slots.retire(slots)
        self._retired.update(slots.tolist())
        return slots

    def erase(self, slots: Ids) -> None:
        """Overwrite retired slots; others may have them from now on."""
        for chunk, _, places in by_chunk(slots):
            self._rows[chunk][places] = 0
        self._codes.erase(slots)
        self._retired.difference_update(slots.tolist())
        self._slots.release(slots)

    @property
    def reach(self) -> int:
        """Slots that there are, empty ones too."""
        return len(self._rows) * ROWS

    def taken(self) -> Ids:
        """The slots that are somebody's."""
        return np.flatnonzero(self._slots.used() >= 0)

    def vectors(self, slots: Ids) -> Floats:
        """What is under `slots` [n], copied: [n, d]."""
        found = np.empty((len(slots), self.dimension), np.float32)
        for chunk, own, places in by_chunk(slots):
            found[own] = self._rows[chunk][places]
        return found

    def search(
        self, query: Floats, among: Sequence[Part], k: int, scanner: Scanner | None = None
    ) -> tuple[Ids, Floats]:
        """The at most `k` slots of `among` whose vectors have the largest inner product with `query` [d], exactly.

        `scanner` knows the same vectors and scans in the place of their bytes where it can.

        Returns:
            Slots and scores, best first; of equals the lowest slots.

        Raises:
            StoreError: another dimension, or NaN.
        """
        row = self._fit(checked(query, rank=1, what="a query")[np.newaxis])
        if k < 1 or sum(part.members for part in among) <= k + _SPARE:
            return self._compared(row[0], slots_in(among), k)
        return self._scanned(row, among, k, scanner)

    def serialized(self) -> Bytes:
        """What `write_snapshot` writes; takes no longer for more vectors, but see `Bytes`."""
        ids = self._slots.used()
        rows = [self._without_retired(chunk)[: len(ids) - at] for chunk, at in enumerate(range(0, len(ids), ROWS))]
        return Bytes((ids, *rows))

    # --- changing ---

    def _add(self, ids: Ids, vectors: Floats) -> Ids:
        while self._slots.free < len(ids):
            self._grow()
        slots, turned = self._slots.take(ids), self._codes.rotate(vectors)
        for chunk, own, places in by_chunk(slots):
            self._rows[chunk][places] = vectors[own]
        self._codes.put(slots, turned)
        return slots

    def _grow(self) -> None:
        """Make room for another chunk; no vector that is there is copied."""
        self._rows.append(np.zeros((ROWS, self.dimension), np.float32))
        self._codes.grow()
        self._slots.grow(ROWS)

    def _without_retired(self, chunk: int) -> Floats:
        """A chunk's own memory; a copy while something is in it that no file may hold."""
        places = [slot - chunk * ROWS for slot in self._retired if slot // ROWS == chunk]
        if not places:
            return self._rows[chunk]
        rows = self._rows[chunk].copy()
        rows[places] = 0
        return rows

    # --- searching ---

    def _scanned(self, row: Floats, parts: Sequence[Part], k: int, scanner: Scanner | None) -> tuple[Ids, Floats]:
        query, most = row[0], k + _SPARE
        while True:
            scan = (scanner(query, parts, most) if scanner else None) or self._scan_bytes(row, parts, most)
            likely = scan.slots[np.argsort(-scan.scores)[:k]]
            # None of the best k scores less than the last of any k, nor do its bytes say so by more than the error.
            reach = float(self._compared(query, likely, k)[1][-1]) - scan.error
            if scan.rest < reach:
                return self._compared(query, scan.slots[scan.scores >= reach], k)
            most *= _WIDENED

    def _scan_bytes(self, row: Floats, parts: Sequence[Part], most: int) -> Scan:
        with one_thread():
            return self._codes.scan(self._codes.rotate(row)[0], parts, most)

    def _compared(self, query: Floats, slots: Ids, k: int) -> tuple[Ids, Floats]:
        """The best `k` of `slots` by their float32 vectors."""
        slots = np.sort(slots)
        scores = np.empty(len(slots), np.float32)
        for chunk, own, places in by_chunk(slots):
            # Not `@`: BLAS would wake its threads for so little.
            scores[own] = np.einsum("nd,d->n", self._rows[chunk][places], query)
        best = np.argsort(-scores, kind="stable")[:k]
        return slots[best], scores[best]

    def _fit(self, vectors: Floats) -> Floats:
        if vectors.shape[1] != self.dimension:
            raise StoreError(
                f"A vector of {vectors.shape[1]} numbers does not fit the memory index of {self.dimension}: "
                "the keys were made by another model."
            )
        return vectors
