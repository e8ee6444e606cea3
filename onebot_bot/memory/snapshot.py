"""The index's file: a line of JSON, ids, vectors, and a digest of all that.

It is a snapshot that SQLite can always rebuild, so a reader that doubts it throws it away.
"""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np

from onebot_bot.errors import StoreError
from onebot_bot.memory.index import Bytes, VectorIndex

_DIGEST = 32
"""Bytes of BLAKE2b at the end of the file."""

_PART, _LONGEST_LINE = 2**20, 2**16
"""Bytes that are read at once, and that a header may have."""

_ALIGNED = 8
"""The header fills as many bytes as some times this: the numbers after it are read where they lie."""


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
        raise StoreError(f"{path} cannot be written: {error.strerror}.", code="OB-1305") from error


def discard_snapshot(path: Path) -> None:
    """Remove the file, if there is one, and what a failed save may have left of it.

    Raises:
        StoreError: it cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
        _temporary(path).unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{path} cannot be removed: {error.strerror}. Close what reads it.", code="OB-1305") from error


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
        raise StoreError(f"it cannot be read: {error}", code="OB-1309") from error
    if header.stamp != stamp:
        raise StoreError(f"it was made from {header.stamp}, the database holds {stamp}")
    body = memoryview(whole)[:-_DIGEST]
    if _hash(body).digest() != whole[-_DIGEST:]:
        raise StoreError("it is damaged", code="OB-1309")
    return _index(body[line:], header.slots, dimension)


def damage_of(path: Path) -> str:
    """What is wrong with the file, whatever it was made from; empty when it is whole."""
    digest = _hash()
    try:
        left = path.stat().st_size - _DIGEST
        with path.open("rb") as file:
            msgspec.json.decode(file.readline(_LONGEST_LINE), type=_Header)
            file.seek(0)
            while left > 0 and (part := file.read(min(left, _PART))):
                digest.update(part)
                left -= len(part)
            return "" if left == 0 and digest.digest() == file.read() else "it is damaged"
    except (OSError, ValueError) as error:  # msgspec's errors are ValueErrors
        return f"it cannot be read: {error}"


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
