"""Lists of words and patterns that messages may not have in them."""

import re
import time
import unicodedata
from pathlib import Path

import regex
from msgspec import Struct

from onebot_bot.errors import ConfigError

MOST_BYTES = 4 * 2**20
MOST_PATTERNS = 200
LONGEST = 200
"""Characters of a line."""
SEARCHED = 8000
"""Characters of a text that patterns look at; words are looked for in all of it."""
PATIENCE = 0.1
"""Seconds that all patterns together may take over one text; what takes longer counts as found."""

WRONG = "OB-1002"
"""The id of a list that cannot be used."""

_PATTERN = re.compile(r"/(.*)/")
_HAN_SPACED = re.compile(r"(?<=[\u3400-\u9fff])\s+(?=[\u3400-\u9fff])")
_UNSEEN = re.compile("[\u00ad\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff]")


class Words(Struct, frozen=True):
    """One list."""

    by_beginning: dict[str, list[tuple[str, int]]] = {}
    """Plain words as they are compared, with their line numbers, by their first two characters."""
    patterns: tuple[tuple["regex.Pattern[str]", int], ...] = ()

    def find(self, text: str) -> int | None:
        """The line of the first word or pattern that the text has in it; None: it has none."""
        if not self.by_beginning and not self.patterns:
            return None
        folded = fold(text)
        return self._word(folded) or self._pattern(folded[:SEARCHED])

    def _word(self, text: str) -> int | None:
        for start in range(len(text)):
            for key in (text[start], text[start : start + 2]):
                for word, line in self.by_beginning.get(key, ()):
                    if text.startswith(word, start) and _stands_alone(text, start, word):
                        return line
        return None

    def _pattern(self, text: str) -> int | None:
        left = PATIENCE
        for pattern, line in self.patterns:
            before = time.thread_time()
            try:
                if left <= 0 or pattern.search(text, timeout=left):
                    return line
            except TimeoutError:
                return line
            left -= time.thread_time() - before
        return None


def parse_words(text: str, path: Path) -> Words:
    """Read a list: a word a line, or a pattern between slashes; `#` begins a comment line.

    Raises:
        ConfigError: a line is no regular expression, or is too long, or there are too many; it names file and line.
    """
    words: dict[str, list[tuple[str, int]]] = {}
    patterns: list[tuple[regex.Pattern[str], int]] = []
    for number, line in enumerate(text.splitlines(), 1):
        entry = line.strip()
        if not entry or entry.startswith("#"):
            continue
        if len(entry) > LONGEST:
            raise ConfigError(f"{path}, line {number}: longer than {LONGEST} characters. Shorten it.", code=WRONG)
        if written := _PATTERN.fullmatch(entry):
            patterns.append((_compiled(written.group(1), path, number), number))
        elif folded := fold(entry).strip():
            words.setdefault(folded[:2], []).append((folded, number))
    if len(patterns) > MOST_PATTERNS:
        raise ConfigError(
            f"{path}: {len(patterns)} patterns, {MOST_PATTERNS} may be used. Write them as words.", code=WRONG
        )
    return Words(words, tuple(patterns))


def read_words(path: Path) -> Words:
    """Read the list in a file; raises ConfigError, which names the file, and what to do about it."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ConfigError(f"{path} is larger than {MOST_BYTES // 2**20} MiB. Shorten the list.", code=WRONG)
        return parse_words(path.read_text(encoding="utf-8-sig"), path)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path}: the word list cannot be read: {error}. Mend [guard] or the file (UTF-8).", code=WRONG
        ) from error


def fold(text: str) -> str:
    """The text as words are looked for in it: of one width and case, nothing invisible, no spaces between Chinese."""
    plain = unicodedata.normalize("NFKC", _UNSEEN.sub("", text)).casefold()
    return _HAN_SPACED.sub("", plain)


def _compiled(pattern: str, path: Path, number: int) -> "regex.Pattern[str]":
    try:
        return regex.compile(pattern, regex.IGNORECASE)
    except regex.error as error:
        raise ConfigError(
            f"{path}, line {number}: not a regular expression: {error}. Mend or delete it.", code=WRONG
        ) from error


def _stands_alone(text: str, start: int, word: str) -> bool:
    """A word in Latin letters is found as a whole word only: "ass" is not in "class"."""
    end = start + len(word)
    before = _latin(word[0]) and start > 0 and _latin(text[start - 1])
    after = _latin(word[-1]) and end < len(text) and _latin(text[end])
    return not before and not after


def _latin(character: str) -> bool:
    return character.isascii() and character.isalnum()
