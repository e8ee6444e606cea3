"""Marks above and below letters, which can be piled up without end."""

from collections.abc import Iterator
from unicodedata import combining

MOST = 8
"""In a row; the languages with most have four."""


def without_piles(text: str) -> str:
    """The text with at most `MOST` marks on a letter: Unicode's normal forms take the square of their number."""
    return "".join(_kept(text)) if any(map(combining, text)) else text


def _kept(text: str) -> Iterator[str]:
    pile = 0
    for character in text:
        pile = pile + 1 if combining(character) else 0
        if pile <= MOST:
            yield character
