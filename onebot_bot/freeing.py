"""Freed memory goes back to the system: glibc keeps it for each thread, and a bot of many grows by it for months."""

import asyncio
import ctypes
import functools
import sys
from collections.abc import Callable
from typing import Any, Final, Protocol

EVERY: Final = 3600.0
"""Seconds between two times."""


class Clock(Protocol):
    """Waiting, so that tests need not."""

    async def sleep(self, seconds: float) -> object:
        """Wait."""


async def keep_giving_back(clock: Clock, give: Callable[[], object] | None = None) -> None:
    """Give back what is free every hour, until cancelled; returns at once where that cannot be asked for."""
    give = give or trim()
    while give is not None:
        await clock.sleep(EVERY)
        await asyncio.to_thread(give)


@functools.cache
def trim() -> Callable[[], object] | None:
    """Glibc's `malloc_trim`; None where there is none, as on Windows, macOS and with musl."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        found: Any = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return None
    return functools.partial(found, 0)
