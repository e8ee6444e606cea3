"""Vectors as one byte a number, which FAISS scans with an error that is known: a quarter of what float32 is to read.

One query against many vectors waits for memory and for nothing else, so bytes read are time taken. To lose little by
rounding, vectors are first turned by a fixed rotation that makes all their numbers about equally large (the randomized
Hadamard transform of Ailon and Chazelle, "Approximate nearest neighbors and the fast Johnson-Lindenstrauss transform",
STOC 2006): else the few numbers that a language model makes huge would set the scale for the rest.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import faiss
import numpy as np
from numpy.typing import NDArray

# Its Python layer takes numpy arrays and keywords that its type stubs do not know.
_FAISS: Any = faiss

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]
Bits = NDArray[np.uint8]

ROWS = 4096
"""Vectors in a chunk. Chunks never move or grow, so adding a vector costs the same whatever else is there."""

_BLOCK = 64
"""Numbers that one step of the rotation mixes."""

_REACH = 4.0
"""Standard deviations that a byte spans to either side; of normally distributed numbers 1 in 16,000 lies beyond."""

_LEVELS = 127

_LEAST_STEP = 1e-12
"""For a query of zeros."""

_SLACK = 1e-5
"""What float32 sums of some thousand products may be off by, for vectors of length 1."""


class Rotation:
    """A fixed orthogonal map that spreads whatever a vector holds over all numbers of the result."""

    def __init__(self, dimension: int) -> None:
        self._blocks = -(-dimension // _BLOCK)
        self.width = self._blocks * _BLOCK
        signs = np.random.default_rng(0).integers(0, 2, size=(2, self.width)) * 2 - 1
        self._first, self._second = signs.astype(np.float32)
        self._mix = _hadamard(_BLOCK)

    def __call__(self, rows: Floats) -> Floats:
        """`rows` [n, dimension] turned: [n, width], with the same lengths and inner products."""
        padded = np.zeros((len(rows), self.width), np.float32)
        padded[:, : rows.shape[1]] = rows
        mixed = self._mixed(padded * self._first).reshape(-1, self._blocks, _BLOCK)
        # What one block held goes to all of them before they are mixed again.
        return self._mixed(mixed.swapaxes(1, 2).reshape(padded.shape) * self._second)

    def _mixed(self, rows: Floats) -> Floats:
        return (rows.reshape(-1, _BLOCK) @ self._mix).reshape(rows.shape)


def _hadamard(size: int) -> Floats:
    """The orthogonal Hadamard matrix of a size that is a power of two."""
    matrix: Floats = np.ones((1, 1), np.float32)
    while len(matrix) < size:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]]).astype(np.float32)
    return matrix / np.float32(np.sqrt(size))


class _Chunk(NamedTuple):
    index: Any
    """FAISS's, which scans the bytes."""
    bytes: Bits
    """The same memory, [ROWS, width]."""


class Part(NamedTuple):
    """Some vectors of one chunk; nothing in it ever changes."""

    chunk: int
    members: int
    """How many."""
    parameters: Any
    """What tells FAISS which; it keeps a pointer into `bits`."""
    bits: Bits
    """`[ROWS / 8]`, the lowest bit first."""


def part_of(chunk: int, bits: Bits) -> Part:
    """The part that a bitmap says."""
    selector = _FAISS.SearchParameters(sel=_FAISS.IDSelectorBitmap(bits))
    return Part(chunk, int(np.unpackbits(bits).sum()), selector, bits)


def unpacked(part: Part) -> NDArray[np.bool_]:
    """Of each place in the chunk, whether it is a member: `[ROWS]`."""
    return np.unpackbits(part.bits, bitorder="little").view(np.bool_)


class Scan(NamedTuple):
    """The best of every part, in no order."""

    slots: Ids
    scores: Floats
    """Their inner products with the query, as their bytes say."""
    rest: float
    """No other vector has a larger one, as its bytes say."""
    error: float
    """How far what bytes say may be off."""


class Codes:
    """Vectors by their slot: places 0, 1, 2, ..., whoever uses them says which are taken.

    A scan may go on while other slots than its own are written: nothing that it reads moves, and the bounds of the
    error, which only grow, hold for what was there before.
    """

    def __init__(self, dimension: int) -> None:
        self.rotate = Rotation(dimension)
        self._step = _REACH / _LEVELS / np.float32(np.sqrt(self.rotate.width))
        self._error = 0.0  # the length of the longest difference between a vector and what its bytes say
        self._longest = 0.0  # the length of the longest vector, as its bytes say
        self._chunks: list[_Chunk] = []

    def grow(self) -> None:
        """Make room for `ROWS` more."""
        self._chunks.append(_chunk(self.rotate.width))

    def put(self, slots: Ids, turned: Floats) -> None:
        """Store rotated vectors [n, width] under `slots` [n]."""
        levels = np.clip(np.rint(turned / self._step), -_LEVELS, _LEVELS)
        said = levels * self._step
        self._error = max(self._error, _longest(turned - said))
        self._longest = max(self._longest, _longest(said))
        stored = (levels + 128).astype(np.uint8)  # FAISS's QT_8bit_direct_signed
        for chunk, own, places in by_chunk(slots):
            self._chunks[chunk].bytes[places] = stored[own]

    def erase(self, slots: Ids) -> None:
        """Overwrite what is under `slots`."""
        for chunk, _, places in by_chunk(slots):
            self._chunks[chunk].bytes[places] = 0

    def scan(self, turned: Floats, parts: Sequence[Part], most: int) -> Scan:
        """The best `most` of every part, at least one, for a rotated query [width]."""
        # The query in whole numbers too: FAISS cuts off what is behind the point.
        step = max(float(np.abs(turned).max()) / _LEVELS, _LEAST_STEP)
        levels = np.rint(turned / step)
        found = [self._scan(levels[np.newaxis], part, most) for part in parts]
        slots, scores = (np.concatenate(column) for column in zip(*found, strict=True))
        left = [float(best[-1]) for part, (_, best) in zip(parts, found, strict=True) if part.members > most]
        unit = float(self._step) * step
        # By Cauchy and Schwarz, for what rounding took from the vectors and for what it took from the query.
        lost = float(np.linalg.norm(turned - levels * step))
        error = float(np.linalg.norm(turned)) * (self._error + _SLACK) + lost * self._longest
        return Scan(slots, scores * np.float32(unit), max(left, default=-np.inf) * unit, error)

    def _scan(self, row: Floats, part: Part, most: int) -> tuple[Ids, Floats]:
        """Slots and scores in steps, best first, of one chunk."""
        index = self._chunks[part.chunk].index
        scores, places = index.search(row, min(most, part.members), params=part.parameters)
        return places[0] + part.chunk * ROWS, scores[0]


def _longest(rows: Floats) -> float:
    return float(np.linalg.norm(rows, axis=1).max(initial=0.0))


def _chunk(width: int) -> _Chunk:
    index = _FAISS.IndexScalarQuantizer(
        width, _FAISS.ScalarQuantizer.QT_8bit_direct_signed, _FAISS.METRIC_INNER_PRODUCT
    )
    index.codes.resize(ROWS * width)
    index.ntotal = ROWS  # those that are not taken are in no selection
    return _Chunk(index, _FAISS.rev_swig_ptr(index.codes.data(), ROWS * width).reshape(ROWS, width))


def by_chunk(slots: Ids) -> Iterator[tuple[int, Ids, Ids]]:
    """For every chunk that `slots` reach into: its number, which of them those are, and their places in it."""
    chunks, places = np.divmod(slots, ROWS)
    for chunk in np.unique(chunks).tolist():
        own = np.flatnonzero(chunks == chunk)
        yield chunk, own, places[own]


@contextmanager
def one_thread() -> Iterator[None]:
    """Let FAISS search in this thread alone: one query gives several nothing to share but their waiting.

    On two cores beside a busy process that was 8 ms a search instead of 0.03-2 ms (10,000 vectors of 2,560). The
    number is put back, because torch counts its threads in the same place where the two share an OpenMP library.
    """
    threads = _FAISS.omp_get_max_threads()
    _FAISS.omp_set_num_threads(1)
    try:
        yield
    finally:
        _FAISS.omp_set_num_threads(threads)
