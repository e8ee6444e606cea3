"""The guards that have something to keep: the word lists as their files stand, and the canary of this process."""

import functools
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
import structlog
from msgspec import Struct

from onebot_bot.chat.guards import Withheld, recites
from onebot_bot.chat.outbox import Clock
from onebot_bot.chat.wordlist import Words, read_words
from onebot_bot.engine.request import Conversation, Text, Turn
from onebot_bot.errors import ConfigError
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.sections.guard import GuardConfig
from onebot_bot.texts import Language, language_of, say

log = structlog.get_logger(__name__)

LOOKED_AT = 2.0
"""Seconds between two looks at a file."""

Report = Callable[[str, ChatId | None, BaseException], str]


class _List(Struct):
    """One word list, as last read."""

    path: Path | None = None
    version: tuple[int, int] = (0, 0)
    """Modification time in nanoseconds, and bytes."""
    words: Words = Words()
    looked: float = float("-inf")
    """Clock seconds."""


class Guard:
    """Word lists and canary. A list is read anew when its file was saved; a broken one leaves the last good one."""

    def __init__(
        self,
        config: Callable[[], GuardConfig] = GuardConfig,
        folder: Path = Path(),
        clock: Clock | None = None,
        report: Report | None = None,
    ) -> None:
        self._config = config
        self._folder = folder
        self._clock = clock
        self._report = report
        self._in, self._out = _List(), _List()
        self._canary = secrets.token_hex(8)

    def load(self) -> None:
        """Read the lists; raises ConfigError when one cannot be."""
        config = self._config()
        self._read(self._in, config.words_in)
        self._read(self._out, config.words_out)

    @property
    def canary(self) -> str:
        """The mark that the system prompt carries, and no answer may; empty: none."""
        return self._canary if self._config().canary else ""

    @property
    def retries(self) -> bool:
        """Whether an answer that repeats the last one is written once more."""
        return self._config().retry

    @property
    def stops_loops(self) -> bool:
        """Whether an answer that runs in circles is stopped."""
        return self._config().loops

    def refuses(self, text: str) -> bool:
        """Whether a message or a document has a word of the list in it; the log has the line, not the words."""
        name = self._config().words_in
        return bool(name) and self._found(self._in, name, text)

    def judge(self, said: str, conversation: Conversation) -> Withheld | None:
        """Why an answer is not to be sent, if so."""
        config = self._config()
        if self._found(self._out, config.words_out, said):
            return Withheld.WORDS
        if self._canary in said or (not config.recite and recites(said, _system(conversation))):
            log.warning("an answer recited the system prompt; it is not sent")
            return Withheld.LEAK
        return None

    def judge_asked(self, texts: Iterable[str]) -> Withheld | None:
        """Whether what people wrote and is to be answered has a word of the list in it that came in unseen.

        The list may have been saved since, and what people did (a poke, a name) is no message. What the bot itself
        tells the model, such as the persona's note, is nobody's to refuse.
        """
        if not self._config().words_in:
            return None
        return Withheld.ASKED if any(map(self.refuses, texts)) else None

    def _found(self, kept: _List, name: str, text: str) -> bool:
        if not name:
            return False
        self._refresh(kept, name)
        line = kept.words.find(text)
        if line is not None:
            log.info("a word list speaks against a text", list=name, line=line)
        return line is not None

    def _refresh(self, kept: _List, name: str) -> None:
        now = self._clock.time() if self._clock is not None else 0.0
        if kept.path == self._folder / name and now - kept.looked < LOOKED_AT:
            return
        kept.looked = now
        try:
            self._read(kept, name)
        except ConfigError as error:
            if self._report is not None:
                self._report("report.words", None, error)

    def _read(self, kept: _List, name: str) -> None:
        """Read a list if its file is another, or was saved since."""
        if not name:
            return
        path = self._folder / name
        version = _version(path)
        if (path, version) == (kept.path, kept.version):
            return
        kept.path, kept.version = path, version
        kept.words = read_words(path)


def planted(conversation: Conversation, canary: str) -> Conversation:
    """The conversation with the canary at the end of what the model is told by us, where it is told anything."""
    first, *others = conversation.turns
    if not canary or first.role != "system":
        return conversation
    line = _line(language_of(_system(conversation)), canary)
    marked = Turn("system", (*first.parts, line))
    return msgspec.structs.replace(conversation, turns=(marked, *others))


@functools.lru_cache(maxsize=2)
def _line(language: Language, canary: str) -> Text:
    return Text("\n" + say(language, "see.canary", canary=canary))


def _version(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError as error:
        raise ConfigError(
            f"{path}: the word list cannot be read: {error}. Mend [guard] in config.toml.", code="OB-1002"
        ) from error
    return found.st_mtime_ns, found.st_size


def _system(conversation: Conversation) -> str:
    """All that the model is told by us."""
    turns = [turn for turn in conversation.turns if turn.role == "system"]
    return "\n".join([part.text for turn in turns for part in turn.parts if isinstance(part, Text)])
