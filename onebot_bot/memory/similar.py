"""Whether two texts say the same, judged by their words alone: what may be merged without asking a model."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Literal

Relation = Literal["covered", "extended"]

LEAST_SHARE = 0.8
"""Of the longer text's words that the shorter one has: below it the longer says something new."""

_WORD = re.compile(r"\d+(?:[.:/-]\d+)*|[\u3400-\u9fff]|[^\W\d_\u3400-\u9fff]+(?:'[a-z]+)?")
_TELLING = frozenset("不没未无非别曾前一二两三四五六七八九十百千万零〇半") | {
    *("not", "no", "never", "without", "nobody", "nothing"),
    *("former", "formerly", "once", "used", "ex"),
}
"""Words that change what a text says by being there."""


def words(text: str) -> list[str]:
    """The words of a text in order, a Chinese character being one; no case, width or punctuation."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'"))


def relation(old: str, new: str) -> Relation | None:
    """`covered`: `old` already says all that `new` does; `extended`: `new` says that and a little more; None: neither.

    A word put in the place of another is a change, however long the rest: a name, a number or "not" is all that
    tells many facts apart. So one must hold every word of the other, in order.
    """
    before, after = words(old), words(new)
    if _within(after, before):
        return "covered"
    return "extended" if _within(before, after) else None


def _within(part: Sequence[str], whole: Sequence[str]) -> bool:
    if not part or len(part) < LEAST_SHARE * len(whole):
        return False
    at = 0
    for word in whole:
        if at < len(part) and word == part[at]:
            at += 1
        elif _telling(word):
            return False
    return at == len(part)


def _telling(word: str) -> bool:
    return word in _TELLING or word[0].isdigit() or word.endswith("n't")
