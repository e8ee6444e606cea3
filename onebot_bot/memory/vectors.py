"""Vectors as they are compared: checked, seen relative to the other keys of their model, of length 1."""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from onebot_bot.errors import StoreError

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]

_LEAST_NORM = 1e-12
"""Below this a vector has no direction; it stays as it is and scores nothing."""


class View(msgspec.Struct, frozen=True, eq=False):
    """How one model's raw keys [n, D] are seen when they are compared.

    Pooled states of a causal model are almost parallel: without the centring, every score is close to 1.
    """

    fingerprint: str
    """What made the raw keys."""
    centre: Floats
    """Taken off every raw key, [D]."""
    head: Floats | None = None
    """Then applied to it, [d, D]; None: the identity."""

    @property
    def width(self) -> int:
        """How many numbers a compared key has: d."""
        return int(self.centre.size if self.head is None else self.head.shape[0])

    def compared(self, raw: Floats) -> Floats:
        """Raw keys [n, D] as they are compared: [n, d], each row of length 1."""
        moved: Floats = raw - self.centre
        return unit(moved if self.head is None else np.matmul(moved, self.head.T))

    def same(self, other: "View") -> bool:
        """Whether both see every key alike."""
        return (
            self.fingerprint == other.fingerprint
            and np.array_equal(self.centre, other.centre)
            and alike(self.head, other.head)
        )


def alike(one: Floats | None, other: Floats | None) -> bool:
    """Whether two heads are the same, None among them."""
    return one is other if one is None or other is None else np.array_equal(one, other)


def unit(rows: Floats) -> Floats:
    """`rows` [n, d], each scaled to length 1."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.ascontiguousarray(rows / np.maximum(norms, _LEAST_NORM), dtype=np.float32)


def checked(vector: Any, *, rank: int, what: str) -> Floats:
    """`vector` as a contiguous float32 array.

    Raises:
        StoreError: it has another rank, is empty, or holds NaN or infinity.
    """
    array = np.ascontiguousarray(vector, dtype=np.float32)
    if array.ndim != rank or not array.size:
        raise StoreError(f"{what} has the shape {list(array.shape)}; {rank} non-empty axes are expected.")
    if not np.isfinite(array).all():
        raise StoreError(f"{what} holds NaN or infinity: the model that made it is broken.")
    return array


def sound_view(fingerprint: str, centre: Any, head: Any) -> View:
    """A view of contiguous float32 arrays.

    Raises:
        StoreError: one is of another rank, empty or holds NaN, or they do not fit each other.
    """
    centre = checked(centre, rank=1, what="a centre")
    head = None if head is None else checked(head, rank=2, what="a key head")
    if head is not None and head.shape[1] != centre.size:
        raise StoreError(f"A key head for keys of {head.shape[1]} numbers does not fit a centre of {centre.size}.")
    return View(fingerprint, centre, head)
