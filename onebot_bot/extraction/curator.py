"""Reads what was said in the chats, after each quiet spell and on demand, and hands on what is worth remembering.

A chat is read from a cursor on. The cursor moves only behind what is stored, and what is read twice is recognised by
its sources, so a process that dies anywhere neither loses a message nor learns one twice.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import tzinfo
from types import TracebackType
from typing import Literal, Protocol, Self

import structlog
from msgspec import Struct, field
from msgspec.structs import replace

from onebot_bot.errors import BotError, CommandError
from onebot_bot.extraction.by_model import SHOWN, Dropped, Extractor, Harvest, merged
from onebot_bot.extraction.documents import Readings, extract_documents, nothing_read
from onebot_bot.extraction.plain import extract_plainly, slot_of
from onebot_bot.extraction.sources import MOST_MESSAGES, Chunk, chunk_of
from onebot_bot.extraction.verify import says_again
from onebot_bot.memory.history import Entry
from onebot_bot.memory.rows import Extracted, Memory
from onebot_bot.memory.store import MemoryStore
from onebot_bot.memory.unread import Unread
from onebot_bot.protocol.chat_id import ChatId

log = structlog.get_logger(__name__)

Mode = Literal["auto", "model", "plain", "off"]
Learn = Callable[[Extracted], Awaitable[Memory]]
"""Stores an entry, or finds the memory that says the same already."""

MOST_TRIES = 3
"""How often a model may fail over a chunk before it is read without one, and how often a chunk may break a reading."""
EXAMPLES = 5
"""Entries and rejected lines that a summary quotes."""


class Clock(Protocol):
    """Where time comes from, in seconds."""

    def time(self) -> float:
        """Now; only differences count."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""


class Reading(Struct, frozen=True, kw_only=True):
    """How chats are read; asked for anew each time."""

    zone: tzinfo
    """Whose days "yesterday" and the dates of messages are."""
    mode: Mode = "auto"
    capable: bool = False
    """Whether the model is up to extraction, which `auto` asks."""
    quiet: float = 600.0
    """Seconds without a message after which a chat is read."""
    command_prefixes: tuple[str, ...] = ("/",)

    @property
    def by_model(self) -> bool:
        """Whether the model is asked."""
        return self.mode == "model" or (self.mode == "auto" and self.capable)


class Summary(Struct, kw_only=True):
    """What a reading did."""

    chats: int = 0
    messages: int = 0
    learned: int = 0
    again: int = 0
    """Entries that said what was known."""
    dropped: dict[str, int] = field(default_factory=dict)
    """How many were not believed, by reason."""
    examples: list[Extracted] = field(default_factory=list)
    rejected: list[Dropped] = field(default_factory=list)
    failed: list[ChatId] = field(default_factory=list)
    """Chats that were left for the next time."""

    def learn(self, entry: Extracted, *, new: bool) -> None:
        """Count an entry."""
        self.learned += new
        self.again += not new
        if new and len(self.examples) < EXAMPLES:
            self.examples.append(entry)

    def drop(self, dropped: Dropped) -> None:
        """Count what was not believed."""
        reason = dropped.reason.partition(":")[0]
        self.dropped[reason] = self.dropped.get(reason, 0) + 1
        if len(self.rejected) < EXAMPLES:
            self.rejected.append(dropped)


class Curator:
    """Owns the reading of all chats. An async context manager: inside it, chats are read after each quiet spell."""

    def __init__(  # noqa: PLR0913, PLR0917 - what it stands between
        self,
        unread: Unread,
        store: MemoryStore,
        learn: Learn,
        extractor: Extractor,
        reading: Callable[[], Reading],
        clock: Clock,
        readings: Readings = nothing_read,
    ) -> None:
        self._unread = unread
        self._store = store
        self._learn = learn
        self._extractor = extractor
        self._reading = reading
        self._clock = clock
        self._readings = readings
        self._due: dict[ChatId, float] = {}
        self._news = asyncio.Event()
        self._one_reader = asyncio.Lock()
        self._unanswered: Counter[tuple[ChatId, int]] = Counter()  # the model failed, by where the chunk begins
        self._broken: Counter[tuple[ChatId, int]] = Counter()  # the reading failed
        self._stack: AsyncExitStack

    async def __aenter__(self) -> Self:
        """Begin to read what was left unread.

        Raises:
            StoreError: the database cannot be read.
        """
        for chat in await self._unread.chats_with_news():
            self.heard(chat)
        async with AsyncExitStack() as stack:
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            stack.callback(tasks.create_task(self._watch()).cancel)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def heard(self, chat: ChatId) -> None:
        """Something was said there: read it once it has been quiet for a while."""
        self._due[chat] = self._clock.time() + self._reading().quiet
        self._news.set()

    async def catch_up(self, stop: Callable[[], bool] = lambda: False) -> Summary:
        """Read every chat to its end, quiet or not.

        Args:
            stop: Asked between chunks; True leaves the rest for the next time.

        Returns:
            What was learned; a chat that could not be read is named, not raised.
        """
        summary = Summary()
        for chat in await self._unread.chats_with_news():
            if not stop():
                await self._read(chat, summary, stop)
        return summary

    async def _watch(self) -> None:
        while True:
            await self._news.wait()
            chat, due = min(self._due.items(), key=lambda item: item[1])
            if (left := due - self._clock.time()) > 0:
                await self._clock.sleep(left)
                continue
            del self._due[chat]
            if not self._due:
                self._news.clear()
            await self._read_quiet(chat)

    async def _read_quiet(self, chat: ChatId) -> None:
        summary = Summary()
        await self._read(chat, summary, lambda: False)
        if summary.failed:
            self.heard(chat)  # once more after another quiet spell
        if summary.learned:
            log.info("chat read for memories", chat=str(chat), learned=summary.learned, dropped=summary.dropped)

    # --- one chat ---

    async def _read(self, chat: ChatId, summary: Summary, stop: Callable[[], bool]) -> None:
        """Read a chat to its end; what goes wrong is logged and leaves the rest of it for the next time."""
        async with self._one_reader:
            if self._reading().mode == "off":
                return
            summary.chats += 1
            try:
                while not stop() and await self._read_on(chat, summary):
                    pass
            except BotError as error:
                log.warning("chat not read for memories", chat=str(chat), reason=str(error))
                summary.failed.append(chat)
            except Exception:
                log.exception("chat not read for memories", code="OB-1307", chat=str(chat))
                summary.failed.append(chat)

    async def _read_on(self, chat: ChatId, summary: Summary) -> bool:
        """Read one chunk; False when there was none."""
        after = await self._unread.extracted_up_to(chat)
        entries = await self._unread.since(chat, after, MOST_MESSAGES)
        if not entries:
            self._forget_failures(chat, after)
            return False
        try:
            await self._take(chat, after, entries, summary)
        except BotError:
            raise  # the disk or the model: it will do later
        except Exception:
            self._broken[chat, after] += 1
            if self._broken[chat, after] < MOST_TRIES:
                raise
            log.exception("a part of a chat is given up", code="OB-1307", chat=str(chat), rows=(after, entries[-1].id))
            summary.drop(Dropped(f"{chat} {after}-{entries[-1].id}", "could not be read"))
        await self._unread.mark_extracted(chat, entries[-1].id)
        self._forget_failures(chat, after)
        summary.messages += len(entries)
        return True

    def _forget_failures(self, chat: ChatId, after: int) -> None:
        """What begins there was read, or is gone: nobody asks again how often that failed."""
        for failures in (self._unanswered, self._broken):
            failures.pop((chat, after), None)

    async def _take(self, chat: ChatId, after: int, entries: Sequence[Entry], summary: Summary) -> None:
        reading = self._reading()
        barred = await self._store.barred([entry.id for entry in entries])
        allowed = [entry for entry in entries if entry.id not in barred]
        chunk = chunk_of(chat, allowed, reading.zone, reading.command_prefixes)
        known = await self._known(chunk)
        harvest = await self._harvest(chunk, known, after, by_model=reading.by_model)
        for dropped in harvest.dropped:
            summary.drop(dropped)
        read = await self._readings([source.id for source in chunk.sources])
        for entry in (*harvest.entries, *extract_documents(chunk, allowed, read)):
            await self._keep(entry, summary)

    async def _harvest(self, chunk: Chunk, known: Sequence[Memory], after: int, *, by_model: bool) -> Harvest:
        if by_model and self._unanswered[chunk.chat, after] < MOST_TRIES:
            try:
                return await self._extractor.extract(chunk, [memory for memory in known if memory.status == "active"])
            except Exception as error:
                self._unanswered[chunk.chat, after] += 1
                if self._unanswered[chunk.chat, after] < MOST_TRIES:
                    raise
                log.warning("a part of a chat is read without the model", chat=str(chunk.chat), reason=str(error))
        return Harvest(tuple(merged(extract_plainly(chunk))))

    async def _known(self, chunk: Chunk) -> list[Memory]:
        """What the chat knows of and by the people who speak in a chunk, newest first."""
        found: dict[int, Memory] = {}
        for user in chunk.names:
            for memory in await self._of_person(chunk.chat, user):
                found[memory.id] = memory
        return sorted(found.values(), key=lambda memory: memory.id, reverse=True)

    async def _of_person(self, chat: ChatId, user: int) -> list[Memory]:
        active = await self._store.page(chat, subject=user, limit=-1)
        old = await self._store.page(chat, subject=user, status="superseded", limit=-1)
        return [memory for memory in (*active, *old) if memory.chat == chat]

    # --- one entry ---

    async def _keep(self, entry: Extracted, summary: Summary) -> None:
        """Store an entry unless it was stored before the process died, and let it take its place in time."""
        own = [] if entry.speaker is None else await self._of_person(entry.chat, entry.speaker)
        mates = _slot_mates(entry, own)
        stored = next((memory for memory in own if _is_from(memory, entry)), None)
        if stored is None:
            older = [memory.id for memory in mates if not _is_later(memory, entry)]
            stored = await self._stored(entry, own, older, summary)
        if stored is not None:
            summary.learn(entry, new=all(memory.id != stored.id for memory in own))
            await self._settle(stored, [memory for memory in mates if _is_later(memory, entry)])

    async def _stored(
        self, entry: Extracted, own: Sequence[Memory], older: Sequence[int], summary: Summary
    ) -> Memory | None:
        active = {memory.id for memory in own if memory.status == "active"}
        supersedes = sorted({*older, *active.intersection(entry.supersedes)})
        try:
            return await self._learn(replace(entry, supersedes=tuple(supersedes)))
        except CommandError as error:
            summary.drop(Dropped(entry.text[:SHOWN], str(error)))
            return None

    async def _settle(self, memory: Memory, later: Sequence[Memory]) -> None:
        """What was said before something newer that is known already, as after an import, is history at once."""
        successor = max(later, key=lambda other: (other.event_time or 0, other.id), default=None)
        if successor is not None and memory.status == "active" and memory.id != successor.id:
            await self._store.supersede(memory.id, successor.id)


def _is_from(memory: Memory, entry: Extracted) -> bool:
    """Whether a memory is what an entry was made into before, when its chunk was read already."""
    return not set(memory.source_ids).isdisjoint(entry.source_ids) and says_again(memory.text, entry.text)


def _slot_mates(entry: Extracted, own: Sequence[Memory]) -> list[Memory]:
    """The active memories that say something else of what can have one value of."""
    slot = slot_of(entry.text)
    if not slot:
        return []
    return [
        memory
        for memory in own
        if memory.status == "active" and memory.text != entry.text and slot_of(memory.text) == slot
    ]


def _is_later(memory: Memory, entry: Extracted) -> bool:
    return (memory.event_time or memory.created) > (entry.event_time or 0) > 0
