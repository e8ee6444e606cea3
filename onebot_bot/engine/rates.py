"""What the last answers took, for /status."""

import math
from collections import deque
from collections.abc import Sequence

from onebot_bot.engine.request import FinishReason, GenerationResult, Usage

WINDOW = 20
"""Answers that the rates are taken over."""


class Rates:
    """Counted on the model's thread, read on the event loop."""

    def __init__(self) -> None:
        self._finished: deque[Usage] = deque(maxlen=WINDOW)
        self.answers = 0
        self.interrupts = 0

    def count(self, result: GenerationResult) -> None:
        """An answer has ended."""
        self.answers += 1
        self.interrupts += result.finish_reason is FinishReason.INTERRUPTED
        self._finished.append(result.usage)

    def shown(self) -> dict[str, float]:
        """By the names of `EngineStatus`: tokens a second, and seconds to the first token."""
        recent = list(self._finished)
        seconds = sum(usage.total - usage.first_token for usage in recent)
        tokens = sum(max(0, usage.new_tokens - 1) for usage in recent)
        first = sorted(usage.first_token for usage in recent)
        return {
            "tokens_per_second": tokens / seconds if seconds else 0.0,
            "first_token": sum(first) / len(first) if first else 0.0,
            "first_token_p50": _at_share(first, 0.5),
            "first_token_p95": _at_share(first, 0.95),
        }


def _at_share(ordered: Sequence[float], share: float) -> float:
    """The least value that so many are not above; 0 of none."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0
