"""From what the model wrote to the messages people get: pure functions."""

import re
from collections.abc import Iterator

NO_REPLY = "<no_reply>"
LONGEST = 4000
"""Characters in one message; QQ refuses longer ones."""
SHORT = 28
"""An answer up to this many characters is one message, however many sentences it has."""
COMFORTABLE = 60
"""Characters in a message that still read as chat; longer answers get more messages."""

_RECALLED = re.compile(r"<recall>.*?(?:</recall>|\Z)", re.DOTALL)
_LEFTOVERS = re.compile(r"</?recall>|<\|memory_pad\|>|</?think>")
# What is never cut: code blocks, inline code, addresses, and kaomoji such as (｡･ω･｡) or (╯°□°)╯.
_WHOLE = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]+`|https?://\S+|[(（][^()（）\w\s]{2,}?[)）]|[(（][^()（）\n]{1,12}[)）]", re.DOTALL
)
_END = re.compile(r"[。！？!?…～~]+[”’」』）)]*|\.(?=\s|\Z)[”’]*|\n+")


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
    return _LEFTOVERS.sub("", text).strip()


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
    spans = [match.span() for match in _WHOLE.finditer(text)]
    for match in _END.finditer(text):
        end = match.end()
        if any(low < end < high or low <= match.start() < high for low, high in spans):
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
