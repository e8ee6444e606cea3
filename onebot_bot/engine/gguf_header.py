"""What a GGUF file says of itself, read without its weights: the settings, and the shape of every tensor.

The layout is that of the GGUF specification, version 3 (little-endian); version 2 differs in nothing that is read here.
"""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from msgspec import Struct

MAGIC = b"GGUF"
ALIGNMENT = 32
"""Bytes that the tensors begin at a multiple of, when the file names no other."""
LONGEST = 2**26
"""Bytes of the longest text that is believed: a damaged length would be read as gigabytes."""
_STRING, _ARRAY = 8, 9
_FORMATS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
"""`struct`'s codes by the specification's numbers of the plain types."""
_BLOCKS: Mapping[int, tuple[int, int]] = dict(
    zip(
        (0, 1, 2, 3, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 30),
        (
            *((1, 4), (1, 2), (32, 18), (32, 20), (32, 22), (32, 24), (32, 34), (32, 36)),
            *((256, 84), (256, 110), (256, 144), (256, 176), (256, 210), (256, 292), (1, 2)),
        ),
        strict=True,
    )
)
"""Weights in a block, and its bytes, by the number of the tensor's type: F32 to Q8_K, and BF16."""


class GgufHeader(Struct, frozen=True):
    """What stands before the weights.

    Attributes:
        settings: everything but lists, such as `general.architecture`.
        shapes: of each tensor, rows first, by GGUF's names.
        size: bytes that the whole file has at least; tensors of types unknown here count as empty.
    """

    settings: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]
    size: int


def read_gguf(path: Path) -> GgufHeader:
    """Read the header; raises ValueError when the file is none, and OSError."""
    with path.open("rb") as file:
        if file.read(4) != MAGIC or _plain(file, 4) not in {2, 3}:
            raise ValueError("not a GGUF file of version 2 or 3")
        tensors, count = _plain(file, 10), _plain(file, 10)
        settings = {name: value for name, value in (_setting(file) for _ in range(count)) if value is not None}
        found = [_tensor(file) for _ in range(tensors)]
        step = settings.get("general.alignment", ALIGNMENT)
        start = -(-file.tell() // step) * step
    return GgufHeader(
        settings, {name: shape for name, shape, _ in found}, max((start + end for *_, end in found), default=start)
    )


def _exactly(file: BinaryIO, size: int) -> bytes:
    data = file.read(size) if size <= LONGEST else b""
    if len(data) != size:
        raise ValueError("the header is cut short")
    return data


def _plain(file: BinaryIO, kind: int) -> Any:
    code = "<" + _FORMATS[kind]
    return struct.unpack(code, _exactly(file, struct.calcsize(code)))[0]


def _text(file: BinaryIO) -> str:
    return _exactly(file, _plain(file, 10)).decode("utf-8", errors="replace")


def _setting(file: BinaryIO) -> tuple[str, Any]:
    name, kind = _text(file), _plain(file, 4)
    return name, _value(file, kind)


def _value(file: BinaryIO, kind: int) -> Any:
    """None for a list: the vocabulary is nothing that is looked at here."""
    if kind == _STRING:
        return _text(file)
    if kind == _ARRAY:
        _skip_list(file)
        return None
    if kind not in _FORMATS:
        raise ValueError(f"type {kind} is unknown")
    return _plain(file, kind)


def _skip_list(file: BinaryIO) -> None:
    kind, count = _plain(file, 4), _plain(file, 10)
    if kind in _FORMATS:
        file.seek(count * struct.calcsize("<" + _FORMATS[kind]), 1)
        return
    for _ in range(count):
        _value(file, kind)


def _tensor(file: BinaryIO) -> tuple[str, tuple[int, ...], int]:
    """Its name, its shape, and where it ends behind the header."""
    name = _text(file)
    shape = tuple(_plain(file, 10) for _ in range(_plain(file, 4)))[::-1]  # stored innermost first
    kind, offset = _plain(file, 4), _plain(file, 10)
    weights = 1
    for side in shape:
        weights *= side
    block, size = _BLOCKS.get(kind, (1, 0))
    return name, shape, offset + weights // block * size
