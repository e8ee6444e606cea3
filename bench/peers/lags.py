"""How late a server's event loop comes round, noted by itself."""

import asyncio
import contextlib
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

LAGS = "lags"
"""The file."""
EVERY = 0.005
"""Seconds it asks to sleep."""
SAMPLE = struct.Struct("=ddd")
"""A `Lag`, as the file has it."""
QUEUE = Path("/proc/thread-self/schedstat")
"""Of Linux: nanoseconds that a thread ran, and that it waited for a core."""


class Lag(NamedTuple):
    """One sleep."""

    when: float
    """By perf_counter."""
    late: float
    """Seconds later than asked."""
    queued: float
    """Seconds of the sleep in which the thread waited for a core that others had; 0 where the system does not tell."""

    @property
    def own(self) -> float:
        """What of it is the server's own doing."""
        return max(0.0, self.late - self.queued)


async def note_lags(file: Path) -> None:
    """Write a sample after every sleep, for as long as the server runs."""
    with file.open("wb", buffering=0) as out, contextlib.ExitStack() as stack:
        queued = _queued(stack)
        while True:
            before, asked = queued(), time.perf_counter() + EVERY
            await asyncio.sleep(EVERY)
            now = time.perf_counter()
            out.write(SAMPLE.pack(now, max(0.0, now - asked), queued() - before))


def _queued(stack: contextlib.ExitStack) -> Callable[[], float]:
    """What asks for the seconds that this thread has waited for a core so far."""
    if not QUEUE.exists():
        return lambda: 0.0
    told = stack.enter_context(QUEUE.open("rb", buffering=0))

    def ask() -> float:
        told.seek(0)
        return int(told.read().split()[1]) / 1e9

    return ask


def read_lags(file: Path, begin: float, end: float) -> list[Lag]:
    """The samples between two times."""
    data = file.read_bytes()
    whole = len(data) - len(data) % SAMPLE.size
    found = [Lag(*values) for values in SAMPLE.iter_unpack(data[:whole])]
    return [lag for lag in found if begin <= lag.when <= end]
