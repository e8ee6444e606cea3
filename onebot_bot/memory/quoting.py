"""What a message quotes, as it stands before the words of whoever quotes it: on one line that it cannot end itself."""

import re

from onebot_bot.texts import Language, say

QUOTED = 200
"""Characters of a quoted message that stand before the words of who quotes it."""
_CLOSING = re.compile(r"”(?=\s*[）)])")
_IN_NAMES = str.maketrans("“”", "‘’")


def quote_of(language: Language, name: str, words: str) -> str:
    """The quote; what people wrote ends neither it nor its line, so that its first end is its end."""
    who, what = _on_one_line(name).translate(_IN_NAMES), _on_one_line(words[:QUOTED])
    return say(language, "see.quote", name=who, text=_CLOSING.sub("’", what))


def _on_one_line(text: str) -> str:
    return " ".join(text.split())


def without_quote(text: str, name: str, words: str) -> str:
    """A message without its quote of these words; also as quotes were written once, over several lines."""
    languages: tuple[Language, ...] = ("zh", "en")
    for language in languages:
        once = say(language, "see.quote", name=name, text=words[:QUOTED])
        text = text.removeprefix(quote_of(language, name, words)).removeprefix(once)
    return text
