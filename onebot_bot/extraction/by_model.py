"""Taking facts from chats with a model: asked in strict JSON lines, and believed only where the chat says the same."""

import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import date, datetime, time
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from onebot_bot.engine.request import Conversation, Engine, FinishReason, GenerationRequest, SamplingParams, Text, Turn
from onebot_bot.errors import RequestError
from onebot_bot.extraction.days import resolve_days
from onebot_bot.extraction.prompts import Prompts
from onebot_bot.extraction.sources import MOST_MESSAGES, Chunk, Source, is_chinese
from onebot_bot.extraction.verify import days_of, gist, nameless, unfounded
from onebot_bot.memory.rows import Extracted, Memory
from onebot_bot.texts import Language

Ask = Callable[[str], Awaitable[str]]
"""From a prompt to the model's whole answer; raises RequestError when the prompt does not fit or the answer was cut."""

MOST_KNOWN = 20
"""Known memories that a model is shown: enough to see what is overturned."""
LONGEST_ENTRY = 300
"""Characters."""
SHOWN = 120
"""Characters of a rejected line that are kept to be read."""


class Line(Struct, frozen=True, forbid_unknown_fields=True):
    """One line of a model's answer."""

    text: Annotated[str, Meta(min_length=1, max_length=LONGEST_ENTRY)]
    speaker: int | str
    """QQ number, or the name as the prompt gave it."""
    time: str | None
    sources: Annotated[tuple[int, ...], Meta(min_length=1, max_length=MOST_MESSAGES)]
    """Numbers of messages, as the prompt gave them."""
    importance: Annotated[float, Meta(ge=0, le=1)]
    supersedes: tuple[int, ...] = ()


class Dropped(Struct, frozen=True):
    """What was not believed, and why."""

    text: str
    reason: str


class Harvest(Struct, frozen=True):
    """What a chunk gave."""

    entries: tuple[Extracted, ...] = ()
    dropped: tuple[Dropped, ...] = ()

    def __add__(self, other: "Harvest") -> "Harvest":
        return Harvest((*self.entries, *other.entries), (*self.dropped, *other.dropped))


def rough_tokens(text: str) -> int:
    """Tokens, about: one for each Chinese character, word and mark."""
    return len(re.findall(r"[\u3400-\u9fff]|[^\W_]+|[^\w\s]", text))


class Limits(Struct, frozen=True, kw_only=True):
    """How much goes into one prompt and one entry."""

    prompt_tokens: int = 6000
    entry_tokens: int = 40
    messages: int = MOST_MESSAGES
    count: Callable[[str], int] = rough_tokens
    """The model's own counter of tokens, where there is one."""


class Extractor:
    """Asks a model what is worth remembering in a chunk of chat."""

    def __init__(self, ask: Ask, prompts: Prompts, limits: Limits | None = None) -> None:
        self._ask = ask
        self._prompts = prompts
        self._limits = limits or Limits()

    async def extract(self, chunk: Chunk, known: Sequence[Memory]) -> Harvest:
        """The facts in a chunk that its messages bear out, equal ones merged; `known`: newest first.

        A chunk that is too long, or whose answer was cut, is halved, down to single messages.

        Raises:
            BotError: the model failed.
        """
        harvest = await self._of(chunk, known)
        return Harvest(tuple(merged(harvest.entries)), harvest.dropped)

    async def _of(self, chunk: Chunk, known: Sequence[Memory]) -> Harvest:
        if not any(source.usable for source in chunk.sources):
            return Harvest()
        answer = await self._answer(chunk, known)
        if answer is not None:
            return read_answer(answer, chunk, known[:MOST_KNOWN], self._limits)
        if len(chunk.sources) == 1:
            return Harvest(dropped=(Dropped(chunk.sources[0].text[:SHOWN], "one message is too long to be read"),))
        first, second = chunk.halves()
        return await self._of(first, known) + await self._of(second, known)

    async def _answer(self, chunk: Chunk, known: Sequence[Memory]) -> str | None:
        """What the model says; None when the chunk has to be smaller."""
        prompt = self._prompt(chunk, known)
        if len(chunk.sources) > self._limits.messages or self._limits.count(prompt) > self._limits.prompt_tokens:
            return None
        try:
            return await self._ask(prompt)
        except RequestError:
            return None

    def _prompt(self, chunk: Chunk, known: Sequence[Memory]) -> str:
        chinese = sum(is_chinese(source.words) for source in chunk.sources if source.usable)
        language: Language = "zh" if 2 * chinese >= sum(source.usable for source in chunk.sources) else "en"
        listed = "\n".join(f"[{memory.id}] {memory.text}" for memory in known[:MOST_KNOWN]) or "-"
        return self._prompts.extraction.fill(language, messages=chunk.rendered(), known=listed)


def asking(engine: Engine, *, max_new_tokens: int = 1500, timeout: float = 600.0) -> Ask:
    """Asks through the engine, greedily, as an ordinary answer among others."""
    sampling = SamplingParams(temperature=0.0, max_new_tokens=max_new_tokens)

    async def ask(prompt: str) -> str:
        conversation = Conversation((Turn("user", (Text(prompt),)),))
        request = GenerationRequest(conversation=conversation, sampling=sampling, timeout=timeout)
        result = await engine.submit(request).result()
        if result.finish_reason is not FinishReason.STOP or result.usage.dropped_turns:
            raise RequestError(f"The answer ended too early: {result.finish_reason.value}.")
        return result.text

    return ask


def read_answer(answer: str, chunk: Chunk, known: Sequence[Memory], limits: Limits) -> Harvest:
    """The entries in an answer that the chunk bears out, and the lines that are none with the reason."""
    entries: list[Extracted] = []
    dropped: list[Dropped] = []
    for line in answer.splitlines():
        if not line.strip():
            continue
        found = _parsed(line, chunk, known, limits)
        if isinstance(found, Extracted):
            entries.append(found)
        else:
            dropped.append(Dropped(line[:SHOWN], found))
    return Harvest(tuple(entries), tuple(dropped))


def merged(entries: Iterable[Extracted]) -> list[Extracted]:
    """`entries` with those that say the same of the same person made one, which has all their sources.

    It stands where the last of them stood: who moved away and back lives where he lived at first.
    """
    found: dict[object, Extracted] = {}
    for entry in entries:
        key = (entry.chat, entry.speaker, gist(entry.text))
        found[key] = _joined(found.pop(key), entry) if key in found else entry
    return list(found.values())


def _joined(one: Extracted, other: Extracted) -> Extracted:
    return msgspec.structs.replace(
        one,
        event_time=other.event_time or one.event_time,
        subjects=tuple(dict.fromkeys((*one.subjects, *other.subjects))),
        source_ids=tuple(dict.fromkeys((*one.source_ids, *other.source_ids))),
        importance=max(one.importance, other.importance),
        supersedes=tuple(dict.fromkeys((*one.supersedes, *other.supersedes))),
    )


# --- one line ---


def _parsed(text: str, chunk: Chunk, known: Sequence[Memory], limits: Limits) -> Extracted | str:
    """The entry on a line, or why it is none."""
    try:
        line = msgspec.json.decode(text, type=Line)
    except msgspec.DecodeError as error:
        return f"not in the form asked for: {error}"
    if wrong := _wrong_sources(line, chunk):
        return wrong
    own = _own(line, chunk)
    if not own:
        return "its speaker wrote none of its sources"
    if not all(source.usable for source in own):
        return "its source is not fit to learn from"
    return _entry(line, own, chunk, known, limits)


def _wrong_sources(line: Line, chunk: Chunk) -> str:
    if not all(1 <= number <= len(chunk.sources) for number in line.sources):
        return "names a message that is not there"
    if any(chunk.sources[number - 1].bot for number in line.sources):
        return "is taken from what the bot said"
    return ""


def _own(line: Line, chunk: Chunk) -> list[Source]:
    """Those of its sources that its speaker wrote: what others say proves nothing."""
    sources = [chunk.sources[number - 1] for number in dict.fromkeys(line.sources)]
    return [source for source in sources if str(line.speaker) in (str(source.user_id), source.name)]


def _entry(line: Line, own: Sequence[Source], chunk: Chunk, known: Sequence[Memory], limits: Limits) -> Extracted | str:
    speaker = own[0]
    text = resolve_days(" ".join(line.text.split()), speaker.day)
    wrong = nameless(text, speaker.name) or unfounded(text, own, chunk) or _wrong_claims(line, speaker.user_id, known)
    if wrong:
        return wrong
    moment = _moment(line.time, own)
    if isinstance(moment, str):
        return moment
    text = _attributed(text, speaker.name)
    if limits.count(text) > limits.entry_tokens:
        return f"is longer than {limits.entry_tokens} tokens"
    return Extracted(
        text=text,
        chat=chunk.chat,
        speaker=speaker.user_id,
        subjects=_subjects(text, speaker.user_id, chunk),
        source_ids=tuple(source.id for source in own),
        event_time=moment,
        importance=line.importance,
        supersedes=line.supersedes,
    )


def _wrong_claims(line: Line, speaker: int, known: Sequence[Memory]) -> str:
    """One may overturn what one said, or what is said of oneself; nothing else."""
    own = {memory.id for memory in known if speaker in (memory.speaker, *memory.subjects)}
    return "" if own.issuperset(line.supersedes) else "overturns what is not its speaker's"


def _moment(written: str | None, own: Sequence[Source]) -> int | str:
    """When it happened in unix seconds, or what is wrong with the time given."""
    said = own[0].time
    if written is None:
        return int(said.timestamp())
    try:
        day = datetime.strptime(written[:10], "%Y-%m-%d").date()  # noqa: DTZ007 - a day, not a moment
    except ValueError:
        return f"its time is no date: {written[:SHOWN]}"
    if day not in days_of(own):
        return f"its time is not in its sources: {day}"
    return _at(day, said)


def _at(day: date, said: datetime) -> int:
    """The moment it was said, or noon of another day."""
    return int(said.timestamp() if day == said.date() else datetime.combine(day, time(12), said.tzinfo).timestamp())


def _attributed(text: str, name: str) -> str:
    """The text with its speaker's name at its head."""
    if text.startswith(name):
        return text
    return f"{name}说：{text}" if is_chinese(text) else f"{name} said: {text}"


def _subjects(text: str, speaker: int, chunk: Chunk) -> tuple[int, ...]:
    named = [user for user, name in chunk.names.items() if user != speaker and name in text]
    return (speaker, *named)
