"""From what the model wrote to the messages people get: pure functions."""

import re
import sys
from collections.abc import Iterator
from typing import Literal

from onebot_bot.chat.guards import without_tokens
from onebot_bot.sections.sending import RenderConfig

NO_REPLY = "<no_reply>"
LONGEST = 4000
"""Characters in one message; QQ refuses longer ones."""
SHORT = 28
"""An answer up to this many characters is one message, however many sentences it has."""
COMFORTABLE = 60
"""Characters in a message that still read as chat; longer answers get more messages."""

FORWARDED = 1500
"""Characters in one message of a bundle: about a screen and a half of a telephone."""

Form = Literal["bubbles", "picture", "bundle"]
"""How an answer is sent: as messages, as a picture, or as a bundle of forwarded messages."""

_RULE = r":?-++:?[ \t]*+"
_TABLE = re.compile(
    rf"^[^\n|]*+\|[^\n]*+\n[ \t]*+(?:\|[ \t]*+)?{_RULE}(?:\|[ \t]*+{_RULE})++(?:\|[ \t]*+)?$", re.MULTILINE
)
"""Possessive throughout: a model can be asked for thousands of bars and blanks."""
_STRUCTURE = re.compile(
    r"^[ \t]*(?:```|~~~)|^#{1,6}[ \t]+\S|\$\$.+?\$\$|\\\[.+?\\\]|\\\(.+?\\\)|\$(?!\s)[^$\n]*\\[a-zA-Z]+[^$\n]*\$",
    re.MULTILINE | re.DOTALL,
)
"""Code, headings and formulas; of those between single dollar signs only what has a LaTeX command: "$5 and $6"."""
_FENCED = re.compile(r"^[ \t]*(```|~~~).*?(?:^[ \t]*\1|\Z)", re.MULTILINE | re.DOTALL)

_RECALLED = re.compile(r"<recall>.*?(?:</recall>|\Z)", re.DOTALL)
# What is never cut: code blocks, inline code, addresses, and kaomoji such as (｡･ω･｡) or (╯°□°)╯.
_WHOLE = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]+`|https?://\S+|[(（][^()（）\w\s]{2,}?[)）]|[(（][^()（）\n]{1,12}[)）]", re.DOTALL
)
# A face behind a sentence's end belongs to it: faces are private-use characters here (tags.py).
_END = re.compile(
    r"[。！？!?…～~]+[”’」』）)]*(?: ?[\ue000-\ue0ff])*|\.(?=\s|\Z|[\ue000-\ue0ff])[”’]*(?: ?[\ue000-\ue0ff])*|\n+"
)


_NOWHERE = (sys.maxsize, sys.maxsize)


def spoken(text: str) -> str:
    """What of the model's text is meant for people: no thinking, also when it was cut off, and no recalls.

    What stands before a recall's end that had no beginning belongs to the recall. Empty when the model
    chose to say nothing.
    """
    if "<" not in text:
        return text.strip()
    if "</think>" in text:
        text = text.rpartition("</think>")[2]
    elif "<think>" in text:
        text = text.partition("<think>")[0]
    text = _RECALLED.sub("", text).rpartition("</recall>")[2]
    if NO_REPLY in text:
        return ""
    return without_tokens(text).strip()


def form_of(said: str, config: RenderConfig) -> Form:
    """How to send what is spoken.

    A table is always a picture: in a message its columns do not line up. Code, formulas and headings are from a
    certain length on, and what is longer than a picture can show is a bundle.
    """
    if len(said) > config.max_characters:
        return "bundle"
    if not config.enabled:
        return "bubbles"
    if _TABLE.search(_FENCED.sub("", said)):
        return "picture"
    return "picture" if len(said) >= config.min_characters and _STRUCTURE.search(said) else "bubbles"


def split_bundle(said: str) -> list[str]:
    """Cut what is spoken at sentence ends into the messages of a bundle; only what has no end is cut elsewhere."""
    return [piece for part in _filled(_sentences(said)) for piece in _within_limit(part)]


def _filled(sentences: Iterator[str]) -> Iterator[str]:
    """Put sentences together until a message of a bundle is full."""
    current = ""
    for sentence in sentences:
        if current.strip() and len(current) + len(sentence) > FORWARDED:
            yield current.strip()
            current = ""
        current += sentence
    if current.strip():
        yield current.strip()


def split_reply(text: str, max_bubbles: int) -> list[str]:
    """Cut what is spoken at sentence ends into at most `max_bubbles` messages of similar length.

    More come only when a message would be longer than QQ takes. Nothing is dropped but white space at the cuts.
    """
    said = spoken(text)
    if not said:
        return []
    count = min(max_bubbles, 1 if len(said) <= SHORT else 1 + len(said) // COMFORTABLE)
    bubbles = _balanced(list(_sentences(said)), count) if count > 1 else [said]
    return [piece for bubble in bubbles for piece in _within_limit(bubble)]


def _sentences(text: str) -> Iterator[str]:
    """The text in pieces that end at a sentence's end; joined they are the text."""
    start = 0
    spans = (match.span() for match in _WHOLE.finditer(text))
    low, high = next(spans, _NOWHERE)
    for match in _END.finditer(text):
        end = match.end()
        while high <= match.start():  # both are in order: what is never cut and lies behind us matters no more
            low, high = next(spans, _NOWHERE)
        if low < end < high or low <= match.start() < high:
            continue
        yield text[start:end]
        start = end
    if start < len(text):
        yield text[start:]


def _balanced(sentences: list[str], count: int) -> list[str]:
    """Put sentences together into at most `count` bubbles, each near an equal share of the length."""
    total = sum(map(len, sentences))
    bubbles: list[str] = []
    current, done = "", 0
    for sentence in sentences:
        current += sentence
        done += len(sentence)
        if len(bubbles) < count - 1 and done >= total * (len(bubbles) + 1) / count:
            bubbles.append(current)
            current = ""
    return [bubble.strip() for bubble in [*bubbles, current] if bubble.strip()]


def _within_limit(text: str) -> Iterator[str]:
    for start in range(0, len(text), LONGEST):
        yield text[start : start + LONGEST]
