"""An inverted file: each vector belongs to the nearest of many centroids; a search looks at the nearest lists only.

The method is that of Jégou, Douze and Schmid, "Product quantization for nearest neighbor search", PAMI 2011, part IV.
"""

from collections.abc import Sequence
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from onebot_bot.memory.codes import ROWS, Floats, Ids, Part, by_chunk, part_of, unpacked

_FAISS: Any = faiss  # as in codes.py

WIDTH = 256
"""Numbers of a rotated vector that are compared with the centroids; any part of them keeps angles well enough."""

_COUNT = 1024
"""Lists: comparing with so many centroids costs as much as scanning a few hundred vectors."""

_PROBED = 128
"""Of them looked at: an eighth of the vectors."""

_ROUNDS = 6
"""Of k-means; later ones hardly move the centroids."""

_PER_LIST = 64
"""Vectors that k-means looks at for each of its centroids."""


class Lists:
    """Which vectors lie near which centroid."""

    def __init__(self, turned: Floats, *, probed: int = _PROBED) -> None:
        """Find centroids for the leading `WIDTH` numbers of rotated vectors [n, width]; `sample` names enough."""
        count = min(_COUNT, max(1, len(turned) // _PER_LIST))
        leading = np.ascontiguousarray(turned[:, :WIDTH])
        clusters = _FAISS.Kmeans(
            leading.shape[1], count, niter=_ROUNDS, spherical=True, seed=0, max_points_per_centroid=_PER_LIST
        )
        clusters.train(leading)
        self._centroids: Floats = clusters.centroids
        self._probed = min(probed, count)
        self._list: list[NDArray[np.int16]] = []  # by slot, in chunks [ROWS], which never move

    @property
    def chunks(self) -> int:
        """For how many there is room."""
        return len(self._list)

    def grow(self) -> None:
        """Make room for `ROWS` more."""
        self._list.append(np.zeros(ROWS, np.int16))

    def put(self, slots: Ids, turned: Floats) -> None:
        """Note where rotated vectors [n, width] belong."""
        nearest = (turned[:, :WIDTH] @ self._centroids.T).argmax(axis=1)
        for chunk, own, places in by_chunk(slots):
            self._list[chunk][places] = nearest[own]

    def probe(self, turned: Floats, parts: Sequence[Part]) -> list[Part]:
        """Of `parts`, the vectors whose lists are nearest to a rotated query [width]."""
        scores = self._centroids @ turned[:WIDTH]
        near = np.zeros(len(scores), dtype=bool)
        near[np.argpartition(-scores, self._probed - 1)[: self._probed]] = True
        kept = [(part.chunk, unpacked(part) & near[self._list[part.chunk]]) for part in parts]
        return [part_of(chunk, np.packbits(member, bitorder="little")) for chunk, member in kept if member.any()]


def sample(slots: Ids) -> Ids:
    """As many of `slots` [n] as finding the centroids looks at, evenly drawn."""
    most = _COUNT * _PER_LIST
    if len(slots) <= most:
        return slots
    return np.sort(np.random.default_rng(0).choice(slots, most, replace=False))
