"""FAISS: an exact inner-product index of unit vectors that is searched within a selection, and its file.

The file is a snapshot that SQLite can always rebuild, so a reader that has any doubt about it throws it away.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import faiss
import msgspec
import numpy as np
from numpy.typing import NDArray

from onebot_bot.errors import StoreError

# Its Python layer takes numpy arrays and keywords that its type stubs do not know.
_FAISS: Any = faiss

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]
Bytes = NDArray[np.uint8]

_LEAST_NORM = 1e-12
"""Below this a vector has no direction; it stays as it is and scores nothing."""


class Stamp(msgspec.Struct, frozen=True):
    """What an index on disk was made from; it is usable only while SQLite says the same."""

    count: int
    """Vectors in the index."""
    fingerprint: str
    """The model that made the keys."""
    revision: int
    """How many changes the bank had seen."""


class _Header(msgspec.Struct, frozen=True):
    stamp: Stamp
    digest: str
    """BLAKE2b of the index's bytes."""


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


class Selection:
    """A set of ids that a search stays within; made once and used for many searches."""

    def __init__(self, ids: Ids) -> None:
        member = np.zeros(int(ids.max(initial=0)) + 1, dtype=bool)
        member[ids] = True
        self._bits = np.packbits(member, bitorder="little")  # faiss keeps a pointer to it
        self.parameters = _FAISS.SearchParameters(sel=_FAISS.IDSelectorBitmap(self._bits))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let this thread search alone: one query gives several threads nothing to share but their waiting.

    On two cores beside a busy process that was 8 ms a search instead of 0.03-2 ms (10,000 vectors of 2,560). The
    number is put back, because torch counts its threads in the same place where the two share an OpenMP library.
    """
    threads = _FAISS.omp_get_max_threads()
    _FAISS.omp_set_num_threads(1)
    try:
        yield
    finally:
        _FAISS.omp_set_num_threads(threads)


class VectorIndex:
    """Unit vectors [d] by id. Not thread-safe: who shares it locks."""

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self._index: Any = _FAISS.IndexIDMap2(_FAISS.IndexFlatIP(dimension))

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def add(self, ids: Ids, vectors: Floats) -> None:
        """Add `vectors` [n, d] under `ids` [n], which must be new.

        Raises:
            StoreError: another dimension, or NaN.
        """
        self._fit(checked(vectors, rank=2, what="a memory's key"))
        self._index.add_with_ids(vectors, ids)

    def remove(self, ids: Ids) -> int:
        """Remove what is there of `ids`; how many that was."""
        return int(self._index.remove_ids(ids))

    def search(self, query: Floats, selection: Selection, k: int) -> tuple[Ids, Floats]:
        """The at most `k` ids of `selection` whose vectors have the largest inner product with `query` [d].

        Returns:
            Ids and scores, best first.

        Raises:
            StoreError: another dimension, or NaN.
        """
        row = self._fit(checked(query, rank=1, what="a query")[np.newaxis])
        if not len(self) or k < 1:
            return np.empty(0, np.int64), np.empty(0, np.float32)  # faiss takes no k of 0
        with _one_thread():
            scores, ids = self._index.search(row, min(k, len(self)), params=selection.parameters)
        found = ids[0] >= 0
        return ids[0][found], scores[0][found]

    def serialized(self) -> Bytes:
        """The index as faiss writes it: a copy, which later changes do not touch."""
        return np.asarray(_FAISS.serialize_index(self._index), dtype=np.uint8)

    def _fit(self, vectors: Floats) -> Floats:
        if vectors.shape[1] != self.dimension:
            raise StoreError(
                f"A vector of {vectors.shape[1]} numbers does not fit the memory index of {self.dimension}: "
                "the keys were made by another model."
            )
        return vectors


def write_snapshot(path: Path, payload: Bytes, stamp: Stamp) -> None:
    """Write what `VectorIndex.serialized` gave to `path` (mode 600), headed by what it was made from.

    Raises:
        StoreError: the file cannot be written; an older one is left as it was.
    """
    header = msgspec.json.encode(_Header(stamp, _digest(payload)))
    temporary = _temporary(path)
    try:
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(header + b"\n")
            file.write(payload.data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}.") from error


def discard_snapshot(path: Path) -> None:
    """Remove the file, if there is one, and what a failed save may have left of it.

    Raises:
        StoreError: it cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
        _temporary(path).unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{path} cannot be removed: {error.strerror}. Close what reads it.") from error


def load_index(path: Path, stamp: Stamp, dimension: int) -> VectorIndex:
    """Read the index at `path`.

    Raises:
        StoreError: it is missing, damaged, or not made from what `stamp` says; the text is the reason.
    """
    try:
        with path.open("rb") as file:
            header = msgspec.json.decode(file.readline(), type=_Header)
            payload = np.frombuffer(file.read(), dtype=np.uint8)
    except FileNotFoundError as error:
        raise StoreError("there is none") from error
    except (OSError, msgspec.MsgspecError) as error:
        raise StoreError(f"it cannot be read: {error}") from error
    if header.stamp != stamp:
        raise StoreError(f"it was made from {header.stamp}, the database holds {stamp}")
    # Checked before faiss sees it: faiss trusts the lengths it reads.
    if header.digest != _digest(payload):
        raise StoreError("it is damaged")
    index = VectorIndex(dimension)
    index._index = _FAISS.deserialize_index(payload)  # noqa: SLF001 - its own class
    return index


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.tmp")


def _digest(payload: Bytes) -> str:
    return hashlib.blake2b(payload.data, digest_size=32).hexdigest()
