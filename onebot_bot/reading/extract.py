"""What is asked of the process that reads, and what it answers; and what every kind of file has in common."""

import re
import unicodedata
from typing import Literal

from msgspec import Struct

from onebot_bot.errors import ReadingError
from onebot_bot.marks import without_piles

Kind = Literal["pdf", "docx", "text", "page", "picture"]


class Limits(Struct, frozen=True):
    """How much is read of a file."""

    pages: int
    characters: int


class Job(Struct, frozen=True):
    """One file to read."""

    kind: Kind
    data: bytes
    limits: Limits
    memory: int
    """Bytes of address space that the process may take; where the system bounds none, it does not count."""
    charset: str = ""
    """As the server named it; empty: to be found out."""


class Extract(Struct, frozen=True, tag=True):
    """The words of a file."""

    text: str
    title: str = ""
    pages: int = 0
    """How many it has; 0: it has none."""
    read: int = 0
    """How many of them the text is from."""
    cut: bool = False
    """Whether there was more."""


class Failure(Struct, frozen=True, tag=True):
    """Why there are no words, as `ReadingError` says it."""

    reason: str
    detail: str


LONGEST_TITLE = 120
PRELIMINARY = 8
"""So many times the characters that are kept are looked at: the rest may be gaps."""
_BREAKS = re.compile(r"\r\n?|[\v\f\x1c-\x1e\x85\u2028\u2029]")
_GAPS = re.compile(r"[ \t\xa0\u3000]{3,}")
_EMPTY_LINES = re.compile(r"\n[ \t\xa0\u3000]*(?:\n[ \t\xa0\u3000]*)+")


def clean(text: str) -> str:
    """The text with one kind of line break, no long gaps, and nothing that is not to be seen."""
    text = without_piles(_BREAKS.sub("\n", text))
    text = "".join(char for char in text if char in "\n\t" or not _is_unseen(char))
    return _EMPTY_LINES.sub("\n\n", _GAPS.sub("  ", text)).strip()


def _is_unseen(char: str) -> bool:
    """Controls, marks that turn the direction of writing, halves of characters, and what no standard gives a shape."""
    return unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn")


def bounded(text: str, limits: Limits, *, title: str = "", more: bool = False) -> Extract:
    """What is kept of a text.

    Args:
        text: the words as they were found.
        limits: how many of them are kept.
        title: what the file calls itself.
        more: whether there was more in the file than `text`.

    Raises:
        ReadingError: there are no words in it (`empty`).
    """
    begin = text[: PRELIMINARY * limits.characters]
    more, text = more or len(begin) < len(text), clean(begin)
    if not text:
        raise ReadingError("empty", "there are no words in it")
    title = " ".join(clean(title).split())[:LONGEST_TITLE]
    cut = len(text) > limits.characters
    return Extract(text[: limits.characters], title, cut=cut or more)
