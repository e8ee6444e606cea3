"""Whether the model's thread gets on: since when it has been inside one call. No torch."""

import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from onebot_bot.errors import ModelStalled

PATIENT = 10.0
"""Times the limit that a job of its own may take: it loads models, or refines memories for a while."""


class Pulse:
    """Kept by the model's thread, looked at by the event loop.

    `limit` is in seconds; 0: nothing ever takes too long. `clock` gives seconds that never jump.
    """

    def __init__(self, limit: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self._clock = clock
        self._call: tuple[float, float] | None = None
        """When the call began, and what it may take; set and read whole."""

    @contextmanager
    def during(self, patience: float = 1.0) -> Iterator[None]:
        """The thread is inside a call that may take `patience` times the limit."""
        self._call = self._clock(), patience * self.limit
        try:
            yield
        finally:
            self._call = None

    @property
    def silent(self) -> float:
        """Seconds for which it has been inside one call; 0 between two."""
        call = self._call
        return self._clock() - call[0] if call is not None else 0.0

    @property
    def stalled(self) -> bool:
        """Whether that is longer than it may take."""
        call = self._call
        return call is not None and bool(self.limit) and self._clock() - call[0] > call[1]

    def error(self) -> ModelStalled:
        """Says for how long it has been silent."""
        return ModelStalled(self.silent, self.limit)


def stack_of(thread: threading.Thread) -> str:
    """Where a thread is just now, for the log; empty when it has ended."""
    frame = sys._current_frames().get(thread.ident or 0)  # noqa: SLF001 - the only way to see another thread
    return "".join(traceback.format_stack(frame)) if frame is not None else ""
