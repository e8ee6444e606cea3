"""A busy machine: every now and then a task is held up, so that what happens at once happens in another order."""

import asyncio
from collections.abc import Callable
from contextvars import Context
from random import Random
from typing import TypeVarTuple

Arguments = TypeVarTuple("Arguments")

HELD_UP = 0.25
"""How often a task is."""
LONGEST = 0.006
"""Seconds; most are held up for far less."""


class Shaken(asyncio.SelectorEventLoop):
    """An event loop that does what a loop may do: it promises no order among tasks that are ready."""

    def __init__(self, seed: int) -> None:
        self._rng = Random(seed)
        super().__init__()

    def call_soon(
        self,
        callback: Callable[[*Arguments], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """At once, or a task's step a little later."""
        if isinstance(getattr(callback, "__self__", None), asyncio.Task) and self._rng.random() < HELD_UP:
            return self.call_later(self._rng.random() ** 3 * LONGEST, callback, *args, context=context)
        return super().call_soon(callback, *args, context=context)
