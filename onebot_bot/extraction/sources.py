"""The messages that memories are taken from: who wrote what, when, in pieces that fit into a prompt."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, datetime, tzinfo

from msgspec import Struct

from onebot_bot.memory.history import Entry
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.texts import say

MOST_MESSAGES = 80
"""In one chunk: more, and a model begins to mix up who said what."""
LONGEST_NAME = 20
LONGEST_LINE = 500
"""Characters of one message that a model is shown."""

BOT = {"zh": "机器人", "en": "bot"}
BOT_AS_TOLD = f"{BOT['zh']}/{BOT['en']}"

_NAME, _WORDS = "\ue000", "\ue001"
_QUOTE = re.compile(
    "^(?:"
    + "|".join(
        # What the router puts before a quoting message; greedy, since what is quoted may hold such a bracket itself.
        re.escape(say(language, "see.quote", name=_NAME, text=_WORDS)).replace(_NAME, ".{0,80}?").replace(_WORDS, ".*")
        for language in ("zh", "en")
    )
    + ")",
    re.DOTALL,
)
_SENTENCE_END = re.compile(
    r"(?<=[。！？!?；;\n])|(?<=\.)(?<!\bSt\.)(?<!\bDr\.)(?<!\bMr\.)(?<!\bMs\.)(?<!\bMrs\.)(?<!\b[A-Z]\.)\s+"
)
_MENTION = re.compile(r"(?<!\S)@\S+\s*")
_UNFIT = re.compile(r"[\x00-\x1f\x7f\[\]{}<>\"“”\\()（）:：。.!?！？;；,，]")
_NOBODYS = frozenset(
    {*BOT.values(), BOT_AS_TOLD, "我", "你", "您", "他", "她", "它", "i", "me", "you", "he", "she", "it"}
)
"""Names under which a memory would be about somebody else."""
_NUMBER = re.compile(r"\[(?=\s*\d{1,3}\s*\])")
"""As every message begins for the model."""
_HAN = re.compile(r"[\u3400-\u9fff]")

# Meant for whoever extracts, not for the chat: no source, however true it may be.
_FOR_THE_EXTRACTOR = re.compile(
    r"""(?:ignore|disregard|forget)\b.{0,20}\b(?:above|previous|prior|earlier|instructions?|prompt|rules)\b
    |(?:忽略|无视|忘掉|不要管).{0,8}(?:以上|上面|之前|前面|先前|指令|提示|规则)""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
# The keys of its answers: two of them one behind the other.
_FIRST_KEY = re.compile(r"(?:text|speaker|sources|importance|supersedes)[\"”]?\s*+[:：]", re.IGNORECASE)
_NEXT_KEY = re.compile(r"(?:text|speaker|sources)[\"”]?\s*+[:：]", re.IGNORECASE)


class Source(Struct, frozen=True):
    """One message, as memories see it."""

    id: int
    """The row of the history."""
    user_id: int
    name: str
    """Fit to stand in a sentence; another person of the chunk never has the same."""
    text: str
    """As it was received."""
    words: str
    """What the author said: without what he quotes and whom he mentions."""
    time: datetime
    """Local."""
    bot: bool

    @property
    def day(self) -> date:
        """The local day on which it was said."""
        return self.time.date()

    @property
    def usable(self) -> bool:
        """Whether a memory may be taken from it."""
        return not self.bot and bool(self.words) and not instructs(self.words)


class Chunk(Struct, frozen=True):
    """Consecutive messages of one chat."""

    chat: ChatId
    sources: tuple[Source, ...]

    def halves(self) -> "tuple[Chunk, Chunk]":
        """The first and the second half; there must be two messages."""
        middle = len(self.sources) // 2
        return Chunk(self.chat, self.sources[:middle]), Chunk(self.chat, self.sources[middle:])

    @property
    def names(self) -> dict[int, str]:
        """Names of the people who speak, by QQ number."""
        return {source.user_id: source.name for source in self.sources if not source.bot}

    def rendered(self) -> str:
        """The messages for a prompt, one a line: no message can pass for two."""
        return "\n".join(_line(number, source) for number, source in enumerate(self.sources, 1))


def chunk_of(chat: ChatId, entries: Sequence[Entry], zone: tzinfo, command_prefixes: Sequence[str]) -> Chunk:
    """The messages among `entries`, in the order they were said; commands and events left out."""
    told = [entry for entry in entries if _is_talk(entry, command_prefixes)]
    told.sort(key=lambda entry: (entry.time, entry.id))
    names = _names(told)
    return Chunk(chat, tuple(_source(entry, names, zone) for entry in told))


def instructs(text: str) -> bool:
    """Whether a text speaks to whoever extracts."""
    if _FOR_THE_EXTRACTOR.search(text) is not None:
        return True
    first = _FIRST_KEY.search(text)
    return first is not None and _NEXT_KEY.search(text, first.end()) is not None


def is_chinese(text: str) -> bool:
    """Whether a text is (also) Chinese."""
    return _HAN.search(text) is not None


def own_words(text: str) -> str:
    """`text` without the quote it begins with, lines quoted by `>`, and mentions."""
    lines = [line for line in _QUOTE.sub("", text).splitlines() if not line.lstrip().startswith(">")]
    return _MENTION.sub("", "\n".join(lines)).strip()


def _is_talk(entry: Entry, command_prefixes: Sequence[str]) -> bool:
    command = entry.role == "user" and own_words(entry.text).startswith(tuple(prefix for prefix in command_prefixes))
    return entry.role != "event" and not command


def _source(entry: Entry, names: dict[int, str], zone: tzinfo) -> Source:
    bot = entry.role == "assistant"
    return Source(
        id=entry.id,
        user_id=entry.user_id,
        name=BOT["en"] if bot else names[entry.user_id],
        text=entry.text,
        words="" if bot else own_words(entry.text),
        time=datetime.fromtimestamp(entry.time, zone),
        bot=bot,
    )


def _names(entries: Sequence[Entry]) -> dict[int, str]:
    """The latest name of each person; where two have the same one, or it is nobody's to have, with the number."""
    plain = {entry.user_id: _fit(entry.name) or str(entry.user_id) for entry in entries if entry.role == "user"}
    taken = Counter(map(_alike, plain.values()))
    taken.update(dict.fromkeys(_NOBODYS, 1))
    return {user: name if taken[_alike(name)] == 1 else f"{name}({user})" for user, name in plain.items()}


def _alike(name: str) -> str:
    """The same for names that a reader takes for the same."""
    return unicodedata.normalize("NFKC", name).casefold()


def _fit(name: str) -> str:
    """A name without what would break a line or a sentence."""
    bare = " ".join(_UNFIT.sub(" ", name).split())
    return "".join(filter(str.isprintable, bare))[:LONGEST_NAME].strip()


def _line(number: int, source: Source) -> str:
    who = BOT_AS_TOLD if source.bot else f"{source.name}({source.user_id})"
    text = " / ".join(part for part in _NUMBER.sub("［", source.text).splitlines() if part.strip())[:LONGEST_LINE]
    return f"[{number}] {source.time:%Y-%m-%d %H:%M} {who}: {text}"


def pieces(text: str) -> Iterator[str]:
    """The sentences of a text, each with the mark that ends it."""
    yield from (bare for piece in _SENTENCE_END.split(text) if (bare := piece.strip()))
