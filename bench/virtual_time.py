"""Time that passes only while nothing is to be done: a month of timers in minutes, over real sockets and disks.

`install` has to run before whatever reads the clock is imported: it puts other clocks into `time` and `datetime`.
"""

import asyncio
import datetime as dt
import selectors
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")

START = dt.datetime(2026, 11, 1, 6, 0, tzinfo=dt.timezone(dt.timedelta(hours=8))).timestamp()
"""When the time begins, Unix seconds: six in the morning in Shanghai."""
THREADS = 6
"""Of the default executor, all of them begun at once: that one more is begun later is no leak."""
STUCK = 5.0
"""Real seconds that something on another thread may take before the time goes on all the same."""


class VirtualClock:
    """Seconds since the start, and by how much they may leap."""

    def __init__(self) -> None:
        self.now = 0.0
        self.quantum = 0.0
        """Least seconds of a leap: timers within it are late by as much. 0: each timer on its own time."""
        self.busy = 0
        """Things being done on other threads or in other processes, whose end has to come before the time goes on."""
        self.forced = 0
        """Leaps in spite of those."""

    def wall(self) -> float:
        """Unix seconds."""
        return START + self.now

    def steady(self) -> float:
        """Seconds that never jump back."""
        return self.now


CLOCK = VirtualClock()


class _Selector(selectors.DefaultSelector):
    """Waits for sockets as ever, and lets the time leap where the loop would have waited for a timer."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        waited = 0.0
        while CLOCK.busy or timeout is None:
            if ready := super().select(0.005):
                return ready
            waited += 0.005
            if timeout is not None and waited > STUCK:
                CLOCK.forced += 1
                break
        CLOCK.now += max(timeout or 0.0, CLOCK.quantum)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop by the virtual clock."""

    def __init__(self) -> None:
        super().__init__(_Selector())
        executor = ThreadPoolExecutor(THREADS)
        self.set_default_executor(executor)
        together = threading.Barrier(THREADS)
        for started in [executor.submit(together.wait) for _ in range(THREADS)]:
            started.result()

    def time(self) -> float:
        """Virtual seconds."""
        return CLOCK.now

    def run_in_executor(  # type: ignore[override]  # the same, counted
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> "asyncio.Future[T]":
        """As ever; the time stands still until it is done."""
        return counted(super().run_in_executor(executor, func, *args))


def counted(future: "asyncio.Future[T]") -> "asyncio.Future[T]":
    """The future, until whose end the time stands still."""
    CLOCK.busy += 1
    future.add_done_callback(_done)
    return future


def _done(_: Any) -> None:
    CLOCK.busy -= 1


class _AnyMoment(type(dt.datetime)):  # type: ignore[misc]  # the type of a type
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _REAL)


_REAL = dt.datetime


class VirtualDatetime(dt.datetime, metaclass=_AnyMoment):
    """`datetime`, whose `now` is the virtual clock's."""

    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:  # type: ignore[override]
        """The virtual moment."""
        return _REAL.fromtimestamp(CLOCK.wall(), tz)


def install() -> None:
    """Put the virtual clock where programs look for the time; the loop is asyncio's own business."""
    time.time = CLOCK.wall
    time.monotonic = CLOCK.steady
    dt.datetime = VirtualDatetime  # type: ignore[misc]
