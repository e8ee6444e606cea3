"""What must not come in as more than words, and what must not go out: pure functions over texts."""

import enum
import functools
import re
import unicodedata
from collections.abc import Iterator

import msgspec

from onebot_bot.engine.request import SamplingParams
from onebot_bot.marks import without_piles

LONG_ENOUGH_TO_REPEAT = 12
"""Letters and digits: shorter answers ("ok") may well be the same twice."""
LONGEST_NAME = 40
"""Characters of a name that the model is told."""
LOOKED_AT = 1000
"""Characters of a name that are looked at for them."""


class Withheld(enum.Enum):
    """Why an answer that was written does not go out."""

    REPEAT = "repeat"
    """It is what was said last."""
    LOOP = "loop"
    """It ran in circles before it had said anything."""
    WORDS = "words"
    """The word list forbids it."""
    LEAK = "leak"
    """It recites the system prompt."""
    ASKED = "asked"
    """What it would answer has words of the list in it: a document, a forwarded message."""


# --- coming in ---------------------------------------------------------------------------------------------------

_BLANKS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and signs that show nothing: names made of them look empty."""
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Categories of control, zero-width and direction characters, and of what has no meaning at all."""
_SPEAKER = r"\[[^\[\]\n]{0,60}\(-?\d{1,18}\)\]"
"""`[name(number)]`, as every line of a group begins for the model."""
UNSEEN = (
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    r"\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0"
)
"""What a line may begin with and still look as if it began with what is behind it."""
_FORGED = re.compile(rf"^((?:[^\S\n]|[{UNSEEN}])*+)\[(?={_SPEAKER[2:]})", re.MULTILINE)
BREAKS = re.compile("\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
"""All that a reader, human or not, takes for the end of a line."""
_BRACKETS = str.maketrans("[]()（）\ue000\ue001", "［］〔〕〔〕  ")


@functools.lru_cache(maxsize=4096)
def clean_name(name: str) -> str:
    """A name as others see it: one line, without what is invisible or turns the text around; perhaps empty."""
    if name.isascii() and name.isprintable() and len(name) <= LONGEST_NAME:
        return name.strip()
    name = name[:LOOKED_AT]
    seen = "".join(" " if character.isspace() else character for character in name if _shows(character))
    return " ".join(seen.split())[:LONGEST_NAME].rstrip()


def _shows(character: str) -> bool:
    return character in "\n\r\t" or (character not in _BLANKS and unicodedata.category(character) not in _INVISIBLE)


@functools.lru_cache(maxsize=4096)
def label(name: str) -> str:
    """A name that cannot end the brackets it is put into."""
    return clean_name(name).translate(_BRACKETS)


def unforged(text: str) -> str:
    """A message of which no line begins as another person's would; its lines end with line feeds alone."""
    return _FORGED.sub(r"\1［", BREAKS.sub("\n", text))


# --- going out ---------------------------------------------------------------------------------------------------

_TOKENS = re.compile(
    r"<[|｜][^<>|｜\s]{1,40}[|｜]>|</?(?:recall|think|no_reply|tool_call|tool_response|start_of_turn|end_of_turn)>"
)
"""Marks of chat templates and of ours, as words; DeepSeek's have full-width bars."""
_NO_TAG = r"(?!\[\w{1,8}[:：])"
"""`[at:name(number)]` is a tag, which the model may write."""
_LEADING = re.compile(rf"(?:{_NO_TAG}{_SPEAKER}[:：]?\s*)+")
_LINE = re.compile(rf"^[ \t]*{_NO_TAG}{_SPEAKER}[ \t]*[:：]?[ \t]*", re.MULTILINE)


MOST_ROUNDS = 20
"""Marks around marks that are taken out one by one."""


def without_tokens(text: str) -> str:
    """The text without marks of chat templates, also those that appear when others are taken out.

    Where they never end somebody is at play: then no mark's beginning is left.
    """
    for _ in range(MOST_ROUNDS):
        if "<" not in text or (bare := _TOKENS.sub("", text)) == text:
            return text
        text = bare
    return text.replace("<", "")


def without_speakers(text: str, own: int) -> str:
    """The answer without the `[name(number)]` that the model copied; where it goes on as somebody else, it ends."""
    if "(" not in text:
        return text
    text = text.lstrip()
    if (leading := _LEADING.match(text)) is not None:
        text = text[leading.end() :]
    for found in _LINE.finditer(text):
        if f"({own})" not in found.group():
            return _LINE.sub("", text[: found.start()]).strip()
    return _LINE.sub("", text).strip()


@functools.lru_cache(maxsize=64)  # an answer is compared with several things
def normalised(text: str) -> str:
    """Only what makes two texts differ for a reader: letters and digits, of one width and case."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", without_piles(text)).casefold()))


def same_again(said: str, before: str) -> bool:
    """Whether an answer is the one before once more; short ones may be."""
    bare = normalised(said)
    return len(bare) > LONG_ENOUGH_TO_REPEAT and bare == normalised(before)


def livelier(sampling: SamplingParams) -> SamplingParams:
    """How to choose tokens once more, so that something else comes out."""
    return msgspec.structs.replace(
        sampling,
        temperature=min(max(0.9, sampling.temperature + 0.3), 1.5),
        repetition_penalty=max(sampling.repetition_penalty, 1.0) + 0.1,
        presence_penalty=min(max(sampling.presence_penalty, 0.0) + 0.5, 2.0),
        seed=None if sampling.seed is None else sampling.seed + 1,
    )


RECITED = 40
"""Letters and digits in a row that an answer may not share with the system prompt: a sentence or two."""
_HALF = RECITED // 2


def recites(said: str, system: str) -> bool:
    """Whether the answer has a long piece of the system prompt in it, whatever its spaces and punctuation.

    A piece of `RECITED` characters has one of half its length in it that begins at a multiple of that: those alone are
    looked for, so that nothing need be remembered of the prompts of hundreds of chats.
    """
    bare = normalised(said)
    if len(bare) < RECITED:
        return False
    secret = normalised(system)
    halves = range(0, len(bare) - _HALF + 1, _HALF)
    return any(bare[at : at + _HALF] in secret and _recited_around(at, bare, secret) for at in halves)


def _recited_around(at: int, bare: str, secret: str) -> bool:
    """Whether a piece that has the half beginning there in it is in the prompt."""
    starts = range(max(0, at + _HALF - RECITED), min(at, len(bare) - RECITED) + 1)
    return any(bare[start : start + RECITED] in secret for start in starts)


# --- circles -----------------------------------------------------------------------------------------------------

GRAM = 12
"""Characters whose return suggests a circle."""
CIRCLE = 64
"""Characters of a circle before it counts, and `ROUNDS` times its own length."""
ROUNDS = 3
PATTERN = 256
"""The same where the circle has no letters (rules, rows of a table) or stands in code: those repeat by nature."""
LOOKS_BACK = 2000
"""Characters in which circles are looked for."""
SAME_SENTENCE = 4
"""Times that a sentence of `SENTENCE` letters or more may come in one answer."""
SENTENCE = 8
_END = re.compile(r"[。！？!?…~～\n]+|\.(?=\s)")


class LoopWatch:
    """Reads an answer as it is written and notices when it runs in circles."""

    def __init__(self) -> None:
        self._text = ""
        self._counted = 0
        """Where the sentences that were counted end."""
        self._sentences: dict[str, int] = {}
        self.whole = 0
        """Where the last sentence ended before the circles began."""
        self.looping = False

    def feed(self, delta: str) -> bool:
        """Whether the answer, with this text at its end, runs in circles."""
        self._text += delta
        start = circle_start(self._text)
        if start is None:
            start = self._recurring()
        if start is not None and not self.looping:
            self.looping, self.whole = True, start
        return self.looping

    def kept(self) -> str:
        """What was written before the circles, up to its last whole sentence, if it has one."""
        ended = _END.match(
            self._text, self.whole
        )  # a circle begins with the end of what came before, if that is the same
        return whole_sentences(self._text[: ended.end() if ended else self.whole])

    def _recurring(self) -> int | None:
        """Where a sentence came for the second time that by now came too often; None: none did."""
        for start, end in _sentences(self._text, self._counted):
            self._counted = end
            bare = normalised(self._text[start:end])
            if len(bare) >= SENTENCE and not _in_code(self._text, start):
                self._sentences[bare] = self._sentences.get(bare, 0) + 1
                if self._sentences[bare] == SAME_SENTENCE:
                    return self._second(bare)
        return None

    def _second(self, sentence: str) -> int:
        spans = _sentences(self._text, 0)
        places = [start for start, end in spans if normalised(self._text[start:end]) == sentence]
        return places[1] if len(places) > 1 else 0


def circle_start(text: str) -> int | None:
    """Where the first round of a circle at the text's end is over; None: it ends in none."""
    tail = text[-LOOKS_BACK:]
    if len(tail) < CIRCLE:
        return None
    before = tail.rfind(tail[-GRAM:], 0, len(tail) - 1)
    if before < 0:
        return None
    period = len(tail) - GRAM - before
    start = len(tail) - period
    while start > 0 and tail[start - 1] == tail[start - 1 + period]:
        start -= 1
    length = len(tail) - start
    by_nature = not normalised(tail[-period:]) or _in_code(text, len(text))
    least = PATTERN if by_nature else CIRCLE
    return len(text) - length + period if length >= max(least, ROUNDS * period) else None


def _in_code(text: str, end: int) -> bool:
    return text.count("```", 0, end) % 2 == 1


def whole_sentences(text: str) -> str:
    """The text up to its last sentence end; all of it where it has none."""
    ends = [end for _, end in _sentences(f"{text} ", 0)]
    return text[: ends[-1]].rstrip() if ends else text.rstrip()


def _sentences(text: str, start: int) -> Iterator[tuple[int, int]]:
    """Where the sentences that have ended begin and end."""
    for found in _END.finditer(text, start):
        yield start, found.end()
        start = found.end()
