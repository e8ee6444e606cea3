"""How late a server's event loop comes round, noted by itself."""

import asyncio
import struct
import time
from pathlib import Path

LAGS = "lags"
"""The file."""
EVERY = 0.005
"""Seconds it asks to sleep."""
SAMPLE = struct.Struct("=dd")
"""When, by perf_counter, and how many seconds later than asked."""


async def note_lags(file: Path) -> None:
    """Write a sample after every sleep, for as long as the server runs."""
    with file.open("wb", buffering=0) as out:
        while True:
            asked = time.perf_counter() + EVERY
            await asyncio.sleep(EVERY)
            now = time.perf_counter()
            out.write(SAMPLE.pack(now, max(0.0, now - asked)))


def read_lags(file: Path, begin: float, end: float) -> list[float]:
    """Seconds of lag of the samples between two times."""
    data = file.read_bytes()
    whole = len(data) - len(data) % SAMPLE.size
    return [lag for when, lag in SAMPLE.iter_unpack(data[:whole]) if begin <= when <= end]
