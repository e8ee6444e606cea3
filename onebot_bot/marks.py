"""What no keyboard types and no reader needs: control characters, and marks on letters piled up without end."""

import re
from collections.abc import Iterator
from unicodedata import combining

_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f]")
"""All but white space: they only upset terminals, databases and tokenizers."""
MOST = 8
"""In a row; the languages with most have four."""


def legible(text: str) -> str:
    """The text without control characters, but for those of white space, and without piles of marks."""
    return without_piles(_CONTROLS.sub("", text))


def without_piles(text: str) -> str:
    """The text with at most `MOST` marks on a letter: Unicode's normal forms take the square of their number."""
    return "".join(_kept(text)) if any(map(combining, text)) else text


def _kept(text: str) -> Iterator[str]:
    pile = 0
    for character in text:
        pile = pile + 1 if combining(character) else 0
        if pile <= MOST:
            yield character
