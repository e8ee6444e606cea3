"""The index of unit vectors, searched exactly within a selection, and its file.

A search scans the vectors' bytes (codes.py) and compares in float32 all whose bytes may be so far off that they are
among the best. The file is a snapshot that SQLite can always rebuild, so a reader that doubts it throws it away.
"""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from onebot_bot.errors import StoreError
from onebot_bot.memory.codes import ROWS, Codes, Part, by_chunk, one_thread
from onebot_bot.memory.lists import Lists, sample
from onebot_bot.memory.slots import Slots

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]

EXACT_BYTES = 2**29
"""Bytes that a search scans all of, in some 15 ms: those of 210,000 vectors of 2,560. Among more it looks at lists."""

_SPARE = 64
"""Candidates of every chunk beyond those asked for: they cost next to nothing, and mostly hold all that may be best."""

_WIDENED = 16
"""How many times as many come next when they do not."""

_DIGEST = 32
"""Bytes of BLAKE2b at the end of the file."""

_ALIGNED = 8
"""The header fills as many bytes as some times this: the numbers after it are read where they lie."""

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


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    stamp: Stamp
    slots: int
    """Ids that follow, -1 for those of empty slots, and as many vectors."""


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


class _Resolved(NamedTuple):
    """Where an index has the vectors of a selection."""

    state: object
    """Of the index: another one makes this void."""
    slots: Ids
    parts: Sequence[Part]
    """For a scan of all of them; none while they are few or too many for that."""


class Selection:
    """A set of ids that a search stays within; made once and used for many searches."""

    def __init__(self, ids: Ids) -> None:
        self.ids: Ids = np.unique(ids)
        self.resolved: _Resolved | None = None
        """Kept by the index that was searched last."""


class Bytes(NamedTuple):
    """The bytes of an index in parts, in the order of the file.

    They are the index's own memory, for a copy of it would keep every search waiting: a change that comes while they
    are written may be among them in part. The stamp tells, since every change has a revision of its own.
    """

    parts: tuple[NDArray[Any], ...]


class VectorIndex:
    """Unit vectors [d] by id. Not thread-safe: who shares it locks."""

    def __init__(self, dimension: int, exact_most: int | None = None) -> None:
        self.dimension = dimension
        self._exact_most = EXACT_BYTES // dimension if exact_most is None else exact_most
        self._rows: list[Floats] = []  # the vectors by slot, in chunks [ROWS, d]; those of empty slots are zero
        self._codes = Codes(dimension)
        self._lists: Lists | None = None
        self._slots = Slots()
        self._state = object()  # another after every change

    def __len__(self) -> int:
        return len(self._slots)

    def add(self, ids: Ids, vectors: Floats) -> None:
        """Add `vectors` [n, d] under `ids` [n], which must be new.

        As many at once as are not all compared get lists (lists.py), which takes seconds; of single ones none does.

        Raises:
            StoreError: another dimension, or NaN.
        """
        vectors = self._fit(checked(vectors, rank=2, what="a memory's key"))
        if self._lists is None and len(ids) > self._exact_most:
            self._list_all(vectors)
        for start in range(0, len(ids), ROWS):
            self._add(ids[start : start + ROWS], vectors[start : start + ROWS])

    def remove(self, ids: Ids) -> int:
        """Remove what is there of `ids`, and overwrite it; how many that was."""
        slots = self._slots.find(np.unique(ids))
        for chunk, _, places in by_chunk(slots):
            self._rows[chunk][places] = 0
        self._codes.erase(slots)
        self._slots.release(slots)
        self._state = object()
        return len(slots)

    def search(self, query: Floats, selection: Selection, k: int) -> tuple[Ids, Floats]:
        """The at most `k` ids of `selection` whose vectors have the largest inner product with `query` [d].

        Exactly those, unless the selection has more than `exact_most` of an index that has lists.

        Returns:
            Ids and scores, best first.

        Raises:
            StoreError: another dimension, or NaN.
        """
        row = self._fit(checked(query, rank=1, what="a query")[np.newaxis])
        slots, scores = self._best(row, self._resolve(selection), k)
        return self._slots.ids(slots), scores

    def serialized(self) -> Bytes:
        """What `write_snapshot` writes; takes no longer for more vectors, but see `Bytes`."""
        ids = self._slots.used()
        rows = [chunk[: len(ids) - at] for at, chunk in zip(range(0, len(ids), ROWS), self._rows, strict=False)]
        return Bytes((ids, *rows))

    # --- changing ---

    def _list_all(self, vectors: Floats) -> None:
        self._lists = Lists(self._codes.rotate(sample(vectors)))
        for chunk, rows in enumerate(self._rows):
            self._lists.grow()
            self._lists.put(np.arange(ROWS) + chunk * ROWS, self._codes.rotate(rows))

    def _add(self, ids: Ids, vectors: Floats) -> None:
        while self._slots.free < len(ids):
            self._grow()
        slots, turned = self._slots.take(ids), self._codes.rotate(vectors)
        for chunk, own, places in by_chunk(slots):
            self._rows[chunk][places] = vectors[own]
        self._codes.put(slots, turned)
        if self._lists is not None:
            self._lists.put(slots, turned)
        self._state = object()

    def _grow(self) -> None:
        """Make room for another chunk; no vector that is there is copied."""
        self._rows.append(np.zeros((ROWS, self.dimension), np.float32))
        self._codes.grow()
        self._slots.grow(ROWS)
        if self._lists is not None:
            self._lists.grow()

    # --- searching ---

    def _resolve(self, selection: Selection) -> _Resolved:
        known = selection.resolved
        if known is None or known.state is not self._state:
            slots = self._slots.find(selection.ids)
            scanned = len(slots) > _SPARE and not self._is_listed(slots)
            known = _Resolved(self._state, slots, self._codes.parts(slots) if scanned else ())
            selection.resolved = known
        return known

    def _is_listed(self, slots: Ids) -> bool:
        return self._lists is not None and len(slots) > self._exact_most

    def _best(self, row: Floats, among: _Resolved, k: int) -> tuple[Ids, Floats]:
        """Slots and scores of the best `k`."""
        few = k + _SPARE
        if k < 1 or len(among.slots) <= few:
            return self._compared(row[0], among.slots, k)
        turned, parts = self._codes.rotate(row)[0], among.parts
        if self._lists is not None and self._is_listed(among.slots):
            near = self._lists.probe(turned, among.slots)
            if len(near) <= few:
                return self._compared(row[0], near, k)
            parts = self._codes.parts(near)
        return self._scanned(row[0], turned, parts, k)

    def _scanned(self, query: Floats, turned: Floats, parts: Sequence[Part], k: int) -> tuple[Ids, Floats]:
        most = k + _SPARE
        while True:
            with one_thread():
                scan = self._codes.scan(turned, parts, most)
            likely = scan.slots[np.argsort(-scan.scores)[:k]]
            # None of the best k scores less than the last of any k, nor do its bytes say so by more than the error.
            reach = float(self._compared(query, likely, k)[1][-1]) - scan.error
            if scan.rest < reach:
                return self._compared(query, scan.slots[scan.scores >= reach], k)
            most *= _WIDENED

    def _compared(self, query: Floats, slots: Ids, k: int) -> tuple[Ids, Floats]:
        """The best `k` of `slots` by their float32 vectors."""
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


# --- the file: a line of JSON, ids, vectors, and a digest of all that ---


def write_snapshot(path: Path, payload: Bytes, stamp: Stamp) -> None:
    """Write what `VectorIndex.serialized` gave to `path` (mode 600), headed by what it was made from.

    Raises:
        StoreError: the file cannot be written; an older one is left as it was.
    """
    header = _Header(stamp, len(payload.parts[0]))
    temporary = _temporary(path)
    try:
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            _write(file, [_line(header), *(part.data for part in payload.parts)])
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
        whole = path.read_bytes()
        line = whole.index(b"\n") + 1
        header = msgspec.json.decode(whole[:line], type=_Header)
    except FileNotFoundError as error:
        raise StoreError("there is none") from error
    except (OSError, ValueError) as error:  # msgspec's errors are ValueErrors
        raise StoreError(f"it cannot be read: {error}") from error
    if header.stamp != stamp:
        raise StoreError(f"it was made from {header.stamp}, the database holds {stamp}")
    body = memoryview(whole)[:-_DIGEST]
    if _hash(body).digest() != whole[-_DIGEST:]:
        raise StoreError("it is damaged")
    return _index(body[line:], header.slots, dimension)


def _index(body: memoryview, slots: int, dimension: int) -> VectorIndex:
    ids = np.frombuffer(body[: slots * 8], np.int64)
    vectors = np.frombuffer(body[slots * 8 :], np.float32).reshape(slots, dimension)
    index = VectorIndex(dimension)
    if len(taken := np.flatnonzero(ids >= 0)):
        index.add(ids[taken], vectors if len(taken) == slots else vectors[taken])
    return index


def _write(file: BinaryIO, parts: Sequence[bytes | memoryview]) -> None:
    digest = _hash()
    for part in parts:
        digest.update(part)
        file.write(part)
    file.write(digest.digest())


def _line(header: _Header) -> bytes:
    text = msgspec.json.encode(header)
    return text + b" " * (-(len(text) + 1) % _ALIGNED) + b"\n"


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.tmp")


def _hash(start: bytes | memoryview = b"") -> "hashlib.blake2b":
    return hashlib.blake2b(start, digest_size=_DIGEST)
