"""Learning with little memory: the same step in smaller passes, then shorter samples, then words that name the keys."""

import gc
from collections.abc import Callable
from typing import TypeVar

import structlog
import torch

from onebot_bot.engine.kv import is_out_of_memory
from onebot_bot.errors import LearningError
from onebot_bot.learning.lessons import Writer

log = structlog.get_logger(__name__)
T = TypeVar("T")

SHORTEST = 128
"""Tokens of a sample that cutting stops at."""


class Portion:
    """How much one forward pass of a stage takes: `micro` samples, as long as `writer` writes them.

    Where it does not train `alone`, the other devices wait in the middle of the step: nothing is tried again.
    """

    def __init__(self, micro: int, writer: Writer, stage: int, *, alone: bool = True) -> None:
        self.micro = micro
        self._writer = writer
        self._stage = stage
        self._alone = alone

    def fit(self, work: Callable[[], T]) -> T:
        """Do a step's passes; where memory runs out, do them anew in smaller ones, from now on.

        Raises:
            LearningError: one sample of `SHORTEST` tokens is too much; the text names the keys.
        """
        while True:
            try:
                return work()
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                self._lower(error)
            # Not before the exception is gone: it holds what the pass had made.
            free()

    def _lower(self, error: Exception) -> None:
        if not self._alone:
            raise out_of_memory(f"stage{self._stage}") from error
        if self.micro > 1:
            self.micro //= 2
        elif self._writer.longest > SHORTEST:
            self._writer.longest = max(SHORTEST, self._writer.longest // 2)
        else:
            raise out_of_memory(f"stage{self._stage}") from error
        log.warning("memory ran out: passes are made smaller", samples=self.micro, tokens=self._writer.longest)


def halved(first: int, last: int, work: Callable[[int, int], T]) -> list[T]:
    """`work` on what is between two indices; in halves where the memory does not hold it whole.

    Raises:
        LearningError: not even one alone; the text names the keys.
    """
    try:
        return [work(first, last)]
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        if last - first < 2:
            raise out_of_memory("refine") from error
    free()
    half = (first + last) // 2
    return [*halved(first, half, work), *halved(half, last, work)]


def free() -> None:
    """Give back what the failed pass had taken."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()  # does nothing where no card was used


def out_of_memory(step: str) -> LearningError:
    """For the owner, who reads it in the morning."""
    return LearningError(
        f"{step}: the memory does not suffice to learn. In training/stage1.toml and training/stage2.toml "
        "lower `micro`, `longest` or `rank`, or name a smaller model in [model] path",
        code="OB-1403",
    )
