"""Memory: what is freed goes back to the system, and what imports make is not searched for circles.

glibc keeps freed memory for each thread, and a bot of many grows by it for months.
"""

import asyncio
import contextlib
import ctypes
import functools
import gc
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final, Protocol

EVERY: Final = 3600.0
"""Seconds between two times."""
ARENAS: Final = 2
"""Pools of glibc's for all threads: of its own eight for each core every one grows to what its threads ever had."""
_M_ARENA_MAX: Final = -8
"""The number of the parameter in malloc.h."""


_lock = threading.Lock()
_importing = 0
"""How many blocks of `not_collecting` run."""


class Clock(Protocol):
    """Waiting, so that tests need not."""

    async def sleep(self, seconds: float) -> object:
        """Wait."""


async def keep_giving_back(
    clock: Clock, give: Callable[[], object] | None = None, shrink: Callable[[], Awaitable[None]] | None = None
) -> None:
    """Give back what is free every hour, after `shrink` has freed what it can; until cancelled.

    Returns at once where that cannot be asked for.
    """
    give = give or trim()
    while give is not None:
        await clock.sleep(EVERY)
        if shrink is not None:
            await shrink()
        await asyncio.to_thread(give)


def share_arenas() -> bool:
    """Have all threads share few of glibc's pools, unless MALLOC_ARENA_MAX says how many; before any is begun.

    Returns:
        Whether glibc said yes; no on Windows, macOS and with musl.
    """
    if not sys.platform.startswith("linux") or "MALLOC_ARENA_MAX" in os.environ:
        return False
    try:
        return bool(ctypes.CDLL(None).mallopt(_M_ARENA_MAX, ARENAS))
    except (OSError, AttributeError):
        return False


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


@contextlib.contextmanager
def not_collecting() -> Iterator[None]:
    """For imports: what they make stays, in any thread, and searching it for circles over and over is a fifth of them.

    What is there when the last such block ends is never searched again: nothing may be made in it that is to go.
    """
    global _importing  # noqa: PLW0603 - the collector is the process's too
    with _lock:
        _importing += 1
        gc.disable()
    try:
        yield
    finally:
        with _lock:
            _importing -= 1
            if not _importing:
                gc.freeze()
                gc.enable()
