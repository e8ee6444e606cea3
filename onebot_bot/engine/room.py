"""How much a model's answers take at once: less when memory has run out, all of it again after a quiet while."""

import time
from collections.abc import Callable
from typing import TypeVar

import structlog
import torch

from onebot_bot.engine.fit import MAX_ROWS
from onebot_bot.engine.kv import is_out_of_memory
from onebot_bot.engine.slots import Slots

log = structlog.get_logger(__name__)
T = TypeVar("T")

PREFILL_CHUNK = 512
"""Prompt tokens a step: bounds how long an interrupt or another answer waits."""
PREFILL_BESIDE = 128
"""The same while answers are being written: their next token waits for it."""
SMALLEST_CHUNK = 32
"""The same at least, however often memory ran out and however slow the machine."""
RELAX_SECONDS = 600.0
"""After which all is tried as if memory had never run out: what took it may be gone."""


class Room:
    """What the answers of one decode loop may take."""

    def __init__(self, slots: Slots, device: torch.device, clock: Callable[[], float] = time.monotonic) -> None:
        self.chunk = PREFILL_CHUNK
        """Prompt tokens of one forward."""
        self.most = MAX_ROWS
        """Answers side by side."""
        self.spare: Callable[[], None] | None = None
        """Gives back what answers can do without."""
        self._slots = slots
        self._device = device
        self._clock = clock
        self._budget = slots.budget
        self._ran_out: float | None = None

    def twice(self, work: Callable[[], T]) -> T:
        """Do a part of a step; where memory runs out, make room and do it once more."""
        try:
            return work()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        # Not before the exception is gone: it holds what the forward had made so far.
        self.make()
        return work()

    def make(self) -> None:
        """Forget idle chats, give back what nobody needs, and read prompts in smaller parts."""
        self._ran_out = self._clock()
        self.chunk = max(SMALLEST_CHUNK, min(self.chunk, PREFILL_BESIDE) // 2)
        log.warning("memory ran out: idle chats are forgotten, the cache is made smaller", chunk=self.chunk)
        if self.spare is not None:
            self.spare()
        self._slots.shrink()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def lower(self, most: int) -> None:
        """So many answers side by side were not too many."""
        self._ran_out = self._clock()
        self.most = max(1, most)

    def relax(self) -> bool:
        """Take up everything again; False: memory has not run out, or not so long ago."""
        if self._ran_out is None or self._clock() - self._ran_out < RELAX_SECONDS:
            return False
        self._ran_out, self.chunk, self.most, self._slots.budget = None, PREFILL_CHUNK, MAX_ROWS, self._budget
        return True
