"""Made-up vectors, and an index asked by ids."""

from collections.abc import Sequence

import numpy as np

from onebot_bot.memory.codes import Part, Scan
from onebot_bot.memory.index import VectorIndex
from onebot_bot.memory.members import parts_of, slots_in
from onebot_bot.memory.vectors import Floats, Ids, unit

D = 16


def ids_of(*numbers: int) -> Ids:
    """An array of ids."""
    return np.array(numbers, dtype=np.int64)


def random_units(count: int, seed: int = 0) -> Floats:
    """`count` random unit vectors [count, D]."""
    raw = np.random.default_rng(seed).normal(size=(count, D)).astype(np.float32)
    return unit(raw)


def small_index() -> VectorIndex:
    """Three vectors under the ids 3, 50 and 1000."""
    filled = VectorIndex(D)
    filled.add(ids_of(3, 50, 1000), random_units(3))
    return filled


def numbered(vectors: Floats) -> tuple[VectorIndex, Ids]:
    """An index of `vectors` [n, d] under 1, 2, ..., and all ids."""
    index, numbers = VectorIndex(vectors.shape[1]), np.arange(1, len(vectors) + 1)
    index.add(numbers, vectors)
    return index, numbers


def search(index: VectorIndex, query: Floats, among: Ids, k: int) -> tuple[Ids, Floats]:
    """The ids found among those, and their scores."""
    slots, scores = index.search(query, parts_of(index.find(among)), k)
    return index.ids(slots), scores


def remove(index: VectorIndex, *numbers: int) -> int:
    """Where no search is going on; how many were there."""
    slots = index.retire(ids_of(*numbers))
    index.erase(slots)
    return len(slots)


class CopiedRows:
    """Keys by slot in a dictionary: a copy as the bank asks of it, with its writes and scans counted."""

    def __init__(self) -> None:
        self.gone = False
        self.rows: dict[int, Floats] = {}
        self.scans = 0

    def write(self, slots: Ids, rows: Floats) -> None:
        """Kept as they are."""
        self.rows.update(zip(slots.tolist(), rows, strict=True))

    def scan(self, query: Floats, parts: Sequence[Part], most: int) -> Scan | None:
        """All of them compared."""
        if self.gone:
            return None
        self.scans += 1
        slots = slots_in(parts)
        scores = np.array([self.rows[slot] @ query for slot in slots.tolist()], np.float32)
        best = np.argsort(-scores)[:most]
        rest = float(scores[best[-1]]) if len(slots) > most else -np.inf
        return Scan(slots[best], scores[best], rest, 1e-5)
