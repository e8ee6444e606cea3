"""What stands at each cached position, so that a prompt that begins like an earlier one need not be read again.

A position's content is its token's id, for a picture a negative number made of its pixels. No torch.
"""

import hashlib
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from onebot_bot.engine.render import Rendered

INJECTED = -1
"""Content of a position that a memory's vector was fed at: no prompt has it."""

Span = tuple[int, int]
"""The first position of a picture and the one behind its last."""


def picture_spans(ids: Sequence[int], image_token: int | None) -> list[Span]:
    """Where each picture of a prompt lies: templates never put two side by side."""
    spans, at = [], 0
    for token, group in itertools.groupby(ids):
        count = sum(1 for _ in group)
        if token == image_token:
            spans.append((at, at + count))
        at += count
    return spans


def prompt_contents(rendered: Rendered, spans: Sequence[Span]) -> list[int]:
    """Content of every position `[T]` of a prompt whose pictures lie at `spans`."""
    contents = list(rendered.ids)
    for (start, stop), image in zip(spans, rendered.images, strict=True):
        contents[start:stop] = [_picture_content(image)] * (stop - start)
    return contents


def _picture_content(image: dict[str, Any]) -> int:
    """Below every id and below `INJECTED`."""
    digest = hashlib.blake2b(digest_size=7)
    for name in ("image_grid_thw", "pixel_values"):
        digest.update(np.ascontiguousarray(image[name]).data)
    return INJECTED - 1 - int.from_bytes(digest.digest(), "big")


def shared_prefix(kept: Sequence[int], wanted: Sequence[int]) -> int:
    """How many positions two contents begin with alike."""
    count = min(len(kept), len(wanted))
    differ = np.flatnonzero(np.asarray(kept[:count]) != np.asarray(wanted[:count]))
    return int(differ[0]) if len(differ) else count


def whole_pictures(count: int, spans: Sequence[Span]) -> int:
    """The most of `count` positions that end in no picture: one is fed from its beginning."""
    return next((start for start, stop in spans if start < count < stop), count)
