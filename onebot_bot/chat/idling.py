"""Waiting for news that nearly always comes: its timer is set anew only when it rings, not for every wait."""

import asyncio
from time import monotonic


class Idling:
    """One waiter's."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None
        self._next = 0.0
        """When the timer rings, monotonic seconds, as all times here."""
        self._event: asyncio.Event | None = None
        """What is waited for; None: nothing."""
        self._until = 0.0

    async def wait(self, event: asyncio.Event, seconds: float) -> None:
        """Return when the event is set, which it is at the latest after so many seconds."""
        self._event, self._until = event, monotonic() + seconds
        if self._timer is None or self._until < self._next:
            self._ring(asyncio.get_running_loop(), seconds)
        try:
            await event.wait()
        except asyncio.CancelledError:
            self._end()
            raise
        finally:
            self._event = None

    def _ring(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._end()
        self._next = monotonic() + seconds
        self._timer = loop.call_later(seconds, self._look, loop)

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wake the waiter if its time is over; else ring again when it is."""
        self._timer = None
        if self._event is None:
            return
        if (left := self._until - monotonic()) <= 0:
            self._event.set()
        else:
            self._ring(loop, left)
