"""Typst source whose every word came from somebody else: as string literals, which Typst never takes for code."""

import re
import unicodedata
from collections.abc import Iterator

LONG_WORD, LONG_CODE = 28, 48
"""Signs in a row, in a sentence and in code, of which a line may be cut anywhere: it would leave the picture."""
BREAK = "\u200b"
"""Where a line may end; it shows nothing."""

_TONES = "\U0001f3fb-\U0001f3ff"
_SHOWN_AS_EMOJI = (
    "\u231a\u231b\u23e9-\u23ec\u23f0\u23f3\u25fd\u25fe\u2614\u2615\u2648-\u2653\u267f\u2693\u26a1\u26aa\u26ab\u26bd"
    "\u26be\u26c4\u26c5\u26ce\u26d4\u26ea\u26f2\u26f3\u26f5\u26fa\u26fd\u2705\u270a\u270b\u2728\u274c\u274e"
    "\u2753-\u2755\u2757\u2795-\u2797\u27b0\u27bf\u2b1b\u2b1c\u2b50\u2b55\U0001f000-\U0001faff"
)
"""Emoji_Presentation of the Unicode Standard (emoji-data.txt), as ranges: other fonts have some of them, in black."""
_ONE = rf"(?:\S\ufe0f\u20e3?|[{_SHOWN_AS_EMOJI}][{_TONES}]?)"
_JOINED = rf"(?:\u200d(?:{_ONE}|\S))"
_FLAG = "[\U0001f1e6-\U0001f1ff]{2}"
EMOJI = re.compile(rf"{_FLAG}|{_ONE}{_JOINED}{{0,8}}")
"""One emoji, joined ones whole; also a sign with the mark that asks for a picture of it (U+FE0F)."""


def literal(text: str) -> str:
    r"""A Typst string literal; control characters, which no font has, are left out but for tab and line feed."""
    kept = "".join(char for char in text if char in "\t\n" or unicodedata.category(char) not in ("Cc", "Cs"))
    return '"' + kept.replace("\\", "\\\\").replace('"', '\\"') + '"'


def words(text: str) -> str:
    """Text as it is put into a content block; the semicolon keeps what follows from being read as part of it.

    `emoji` is the page's own: the font with the colours comes first there.
    """
    return "".join(_pieces(text))


def _pieces(text: str) -> Iterator[str]:
    end = 0
    for found in EMOJI.finditer(text):
        yield from _plain(text[end : found.start()])
        yield f"#emoji({literal(found.group())});"
        end = found.end()
    yield from _plain(text[end:])


def _plain(text: str) -> Iterator[str]:
    if text:
        yield f"#{literal(breakable(text, LONG_WORD))};"


def breakable(text: str, longest: int) -> str:
    """The text with places for a line to end in whatever has more than so many ASCII signs in a row."""
    return re.sub(rf"[!-~]{{{longest},}}", lambda found: BREAK.join(found.group()), text)
