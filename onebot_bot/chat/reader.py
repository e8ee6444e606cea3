"""Files, links and pictures of messages, read for the model: fetched while a message waits, kept, shown as words."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol
from weakref import WeakValueDictionary

from onebot_bot.chat.files import Files, check_file_size
from onebot_bot.chat.gathering import Gatherer, once_stored
from onebot_bot.chat.outbox import Clock
from onebot_bot.chat.sights import Line
from onebot_bot.chat.sources import Source, shown, sources_in, sources_of
from onebot_bot.engine.request import Part
from onebot_bot.errors import MediaError, MediaTooLarge, ReadingError
from onebot_bot.memory.history import Entry
from onebot_bot.memory.readings import Reading, ReadingStore, ReadKey, ReadKind
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.segments import File, Image
from onebot_bot.reading.extract import Extract, Job, Kind, Limits
from onebot_bot.reading.kinds import can_read_pictures, kind_of_file, kind_of_type
from onebot_bot.reading.links import may_ask
from onebot_bot.sections.reading import ReadingConfig
from onebot_bot.texts import Language
from onebot_bot.transport.rules import Page, Rules

AT_ONCE, AT_ONCE_OF_CHAT = 16, 2
"""Things fetched side by side, of all chats and of one: whoever sends slow links holds up himself."""


class FetchPage(Protocol):
    """`transport.pages.fetch_page`."""

    async def __call__(self, url: str, rules: Rules, timeout: float) -> Page:  # noqa: ASYNC109 - the real one's
        """What a link leads to; raises MediaError or ReadingError."""


class Extracts(Protocol):
    """`reading.extractor.Extractor`."""

    async def extract(self, job: Job, timeout: float) -> Extract:  # noqa: ASYNC109 - the real one's
        """The words of a file; raises ReadingError."""


class Reader(Gatherer):
    """What the model is told of files, links and pictures. An async context manager: leaving ends what is being read.

    Pictures are read only for a model that does not see, and only where RapidOCR is installed.
    """

    def __init__(  # noqa: PLR0913 - what is read, from whom, how, where to, by which rules
        self,
        store: ReadingStore,
        files: Files,
        fetch_page: FetchPage,
        extractor: Extracts,
        *,
        config: Callable[[], ReadingConfig],
        sees: Callable[[ChatId], bool],
        window: Callable[[], int],
        clock: Clock,
        refuses: Callable[[str], bool] = lambda _: False,
    ) -> None:
        super().__init__(clock, reason_of)
        self._store = store
        self._files = files
        self._fetch_page = fetch_page
        self._extractor = extractor
        self._config = config
        self._sees = sees
        self._window = window
        """Tokens of the model's window."""
        self._refuses = refuses
        """Whether a text has a word in it that the model is not to be shown; asked each time, for lists change."""
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._slots_of: WeakValueDictionary[ChatId, asyncio.Semaphore] = WeakValueDictionary()
        """As long as a chat has something on the way."""

    def kinds_in(self, chat: ChatId) -> list[ReadKind]:
        """What is read there now: which model answers is chosen by chat."""
        config = self._config()
        wanted: dict[ReadKind, bool] = {
            "file": config.documents,
            "link": config.links,
            "picture": config.ocr and can_read_pictures() and not self._sees(chat),
        }
        return [kind for kind, is_wanted in wanted.items() if is_wanted]

    def expect(self, chat: ChatId, entry: Entry, row: "asyncio.Future[int | None]") -> None:
        """Begin to read what came with a message that will be answered, once it is on the disk; returns at once.

        Args:
            chat: where it was said.
            entry: the message.
            row: its row, when it has one; None when the message is no news.
        """
        if not (sources := sources_in(entry, 0)):
            return
        kinds = self.kinds_in(chat)
        if sources := [source for source in sources if source.kind in kinds]:
            once_stored(row, lambda number: self._begin_all(chat, sources[-self._config().max_texts :], number))

    def _begin_all(self, chat: ChatId, sources: Sequence[Source], number: int) -> None:
        for source in sources:
            self._begin(chat, source, (number, source.kind, source.place))

    async def fetch(self, chat: ChatId, lines: Sequence[Line]) -> bool:
        """Read what is not read yet, waiting `reading.wait` at most; whether that took any waiting."""
        if not (sources := self._chosen(chat, lines)):
            return False
        going = self._gathering.under_way((chat, source.key) for source in sources)
        known = await self._store.of({source.entry.id for source in sources})
        missing = [source for source in sources if source.key not in known]
        tasks = [going.get((chat, source.key)) or self._begin(chat, source, source.key) for source in missing]
        return await self._gathering.wait(tasks, self._config().wait)

    async def show(self, chat: ChatId, lines: Sequence[Line], language: Language) -> dict[int, Part]:
        """What the model is told, by the line that it stands before; what could not be read is told too."""
        sources = self._chosen(chat, lines)
        if not sources:
            return {}
        found = await self._store.of({source.entry.id for source in sources})
        readings = self._allowed(found)
        room = min(self._config().prompt_characters, self._window() // 2)
        why = lambda key: "words" if key in found else self._why_unread(chat, key)  # noqa: E731 - of these alone
        return shown(sources, readings, why, room, language)

    async def readable(self, messages: Collection[int]) -> dict[ReadKey, Reading]:
        """What was read of the messages in these rows, as far as it may be shown."""
        return self._allowed(await self._store.of(messages))

    def _allowed(self, found: Mapping[ReadKey, Reading]) -> dict[ReadKey, Reading]:
        return {key: made for key, made in found.items() if not self._refuses(f"{made.title} {made.text}")}

    def _chosen(self, chat: ChatId, lines: Sequence[Line]) -> list[Source]:
        """The newest, as many as may be shown."""
        if not (sources := sources_of(lines)):
            return []
        kinds = self.kinds_in(chat)
        return [source for source in sources if source.kind in kinds][-self._config().max_texts :]

    def _why_unread(self, chat: ChatId, key: ReadKey) -> str:
        """Why there are no words of it now."""
        if (chat, key) in self._gathering.running:
            return "late"
        return self._gathering.failure((chat, key)) or "busy"

    # --- reading ---------------------------------------------------------------------------------------------------

    def _begin(self, chat: ChatId, source: Source, key: ReadKey) -> asyncio.Task[None] | None:
        """Its reading, begun unless it goes on already; None when it failed before, or too much goes on."""
        return self._gathering.begin((chat, key), lambda: self._take_in(chat, source, key))

    async def _take_in(self, chat: ChatId, source: Source, key: ReadKey) -> None:
        """From an address to the database."""
        config = self._config()
        async with self._slots_of.setdefault(chat, asyncio.Semaphore(AT_ONCE_OF_CHAT)):
            async with self._slots:
                job = await self._job(chat, source, config)
            found = await self._extractor.extract(job, config.timeout)
        await self._store.put(Reading(*key, found.title, found.pages, found.read, found.cut, found.text))

    async def _job(self, chat: ChatId, source: Source, config: ReadingConfig) -> Job:
        """What is to be read, fetched."""
        limits = Limits(config.max_pages, config.max_characters)
        memory = config.memory_mib * 2**20
        match source.thing:
            case str(link):
                page = await self._fetch_page(link, _rules(config), config.timeout)
                return Job(_kind_of_page(page), page.data, limits, memory, page.charset)
            case thing:
                kind = _kind_of(thing)
                check_file_size(thing, config.max_mib)
                data = await self._files.fetch(chat, thing, config.max_mib, config.timeout)
                return Job(kind, data, limits, memory)


def reason_of(error: Exception) -> str:
    """Why something could not be read, as the catalogue's keys `read.why_...` end."""
    match error:
        case ReadingError(reason=reason):
            return reason
        case MediaTooLarge():
            return "large"
        case MediaError() if isinstance(error.__cause__, TimeoutError):
            return "slow"
        case _:
            return "gone"


def _kind_of(thing: File | Image) -> Kind:
    if isinstance(thing, Image):
        return "picture"
    kind = kind_of_file(thing.file or thing.name)
    if kind is None:
        raise ReadingError("kind", "a file of a kind that is not read")
    return kind


def _kind_of_page(page: Page) -> Kind:
    kind = kind_of_type(page.content_type)
    if kind is None:
        raise ReadingError("kind", f"{page.content_type} is not read")
    return kind


def _rules(config: ReadingConfig) -> Rules:
    return Rules(
        max_bytes=int(config.max_mib * 2**20),
        redirects=config.redirects,
        may_ask=lambda host: may_ask(host, config.allowed_hosts, config.denied_hosts),
        may_read=lambda kind: kind_of_type(kind) is not None,
    )
