"""What people wrote as lines of a prompt: none of them can pass for a line that is ours. Pure functions.

Ours begin at the margin: who speaks in a group, what happened, what is to be known now. What one message goes on with
is indented, so that nobody can write at the margin of a group. In private nobody is named, and every message begins
there; so what opens as one of our lines has another bracket.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from string import Formatter

from onebot_bot.chat.guards import BREAKS, UNSEEN, unforged
from onebot_bot.engine.request import Part, Text
from onebot_bot.memory.history import Entry
from onebot_bot.texts import Language, template

INDENT = "  "
"""Before every line of a message but its first."""
LONGEST_VALUE = 120
"""Characters that may stand where a line of ours has a name, a number or the like; names have 40."""
REMEMBERED = 500
"""Characters of what is not looked at anew for every prompt."""
LOOKED_AT = 500
"""Characters of a line by which it is judged."""

_OURS: Mapping[str, int | None] = {
    "see.poked": None,
    "see.joined": None,
    "see.invited": None,
    "see.arrived": None,
    "see.left": None,
    "see.removed": None,
    "see.quote": 2,
    "see.now": 1,
    "see.injected": 1,
    "see.shown": 1,
    "see.first": 1,
    "read.begins": 2,
    "read.failed": None,
}
"""The texts by which lines of ours open, and how many pieces of their wording tell them; None: all."""
_LANGUAGES: tuple[Language, ...] = ("zh", "en")
_BRACKETS = "(（[［⁽₍﹙"
"""All that look like one of ours; NFKC makes one of them."""
_BRACKET = re.compile(f"[{re.escape(_BRACKETS)}]")
_OPENING = re.compile(rf"^((?:[^\S\n]|[{UNSEEN}])*+)([{re.escape(_BRACKETS)}])([^\n]*)", re.MULTILINE)
_MARGIN = re.compile(r"\n(?!\n)")
_HIDDEN = re.compile(f"[{UNSEEN}]")
_QUOTE_END = re.compile("”[）)]")


def shown_lines(entry: Entry, parts: Sequence[Part], *, group: bool) -> tuple[Part, ...]:
    """The parts of what somebody said or what happened, fit to stand at the margin of a prompt.

    Args:
        entry: the message or the event; the words of its quote, if it has one, come first in `parts`.
        parts: words, and what is seen among them.
        group: whether lines of people begin with who speaks.
    """
    if entry.role == "assistant":
        return tuple(parts)
    typed, moved = entry.role == "user", group or entry.role == "event"
    quote = 0 if entry.reply_to is None else _end_of_quote(entry)
    shown: list[Part] = []
    for part in parts:
        if isinstance(part, Text):
            fit = _fit if len(part.text) <= REMEMBERED else _fit.__wrapped__
            shown.append(Text(fit(part.text, quote, typed, moved)))
            quote = 0
        else:
            shown.append(part)
    return tuple(shown)


@lru_cache(maxsize=4096)  # each message is shown again and again until it leaves the window
def _fit(text: str, quote: int, typed: bool, moved: bool) -> str:  # noqa: FBT001 - of one caller
    said = text[:quote] + plain(text[quote:]) if typed else text
    return indented(said) if moved else said


def indented(text: str) -> str:
    """The text with every line but the first moved in; empty ones stay empty."""
    return _MARGIN.sub(f"\n{INDENT}", BREAKS.sub("\n", text))


def plain(text: str) -> str:
    """What somebody wrote, with another bracket where a line of it opens as one of ours does."""
    text = unforged(text)
    return _OPENING.sub(_harmless, text) if _BRACKET.search(text) else text


def _end_of_quote(entry: Entry) -> int:
    """Where the words of who wrote it begin: behind the quote, which what is quoted cannot end (memory/quoting.py)."""
    end = _QUOTE_END.search(entry.text) if entry.text.startswith(_QUOTES) else None
    return end.end() if end else 0


# --- how lines of ours open --------------------------------------------------------------------------------------


def _harmless(found: re.Match[str]) -> str:
    margin, bracket, rest = found.groups()
    bare = unicodedata.normalize("NFKC", bracket + _HIDDEN.sub("", rest[:LOOKED_AT]))
    return f"{margin}［{rest}" if _LIKE_OURS.match(bare) else found[0]


def _wordings() -> Iterator[str]:
    for key, pieces in _OURS.items():
        for language in _LANGUAGES:
            literals = [_loosely(literal) for literal, *_ in Formatter().parse(template(language, key))]
            yield f".{{0,{LONGEST_VALUE}}}?".join(literals[:pieces])


def _loosely(literal: str) -> str:
    """A pattern of a wording, of any width and with any spaces."""
    return r"\s*".join(map(re.escape, unicodedata.normalize("NFKC", literal).split()))


_LIKE_OURS = re.compile("|".join([*_wordings(), r"\((?:系统|system)\b"]), re.IGNORECASE)
_QUOTES = tuple(template(language, "see.quote").partition("{")[0] for language in _LANGUAGES)
