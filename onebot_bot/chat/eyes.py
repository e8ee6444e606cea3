"""The pictures and videos of messages: fetched while a message waits, kept on the disk, handed out within a budget."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import groupby
from types import TracebackType
from typing import Any, Protocol, Self

import structlog

from onebot_bot.chat.frames import can_watch, make_frames
from onebot_bot.chat.outbox import Clock
from onebot_bot.chat.sights import At, Parts, Sight, things_in
from onebot_bot.chat.stills import make_still
from onebot_bot.engine.request import Picture, Text
from onebot_bot.errors import BotError, MediaError
from onebot_bot.memory.history import Entry
from onebot_bot.memory.pictures import PictureStore, Place, Still
from onebot_bot.protocol.actions import GetFile, GetImage
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.segments import Image, Video
from onebot_bot.sections.model import VisionConfig
from onebot_bot.texts import Language, say
from onebot_bot.transport.account import Account

log = structlog.get_logger(__name__)

MEGA = 1_000_000
AT_ONCE = 4
"""Files fetched side by side."""
FAILURES = 4096
"""What could not be had is remembered for so many pictures: it is not asked for with every answer."""

Key = tuple[ChatId, int, int]
"""A chat, the row of a message, a segment."""


class Fetch(Protocol):
    """`transport.media.fetch_media`."""

    async def __call__(self, source: str, max_bytes: int, timeout: float) -> bytes:  # noqa: ASYNC109 - the real one's
        """The bytes; raises MediaError."""


class Eyes:
    """What the model may be shown. An async context manager: leaving ends what is being fetched.

    With a model that has none, `open_in` is false and nothing is fetched.
    """

    def __init__(  # noqa: PLR0913 - what is fetched, from whom, how, where to, by which rules
        self,
        store: PictureStore,
        accounts: Mapping[int, Account],
        fetch: Fetch,
        *,
        config: Callable[[], VisionConfig],
        sees: Callable[[ChatId], bool],
        clock: Clock,
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._fetch = fetch
        self._config = config
        self._sees = sees
        self._clock = clock
        self._tasks = asyncio.TaskGroup()
        self._fetching: dict[Key, asyncio.Task[None]] = {}
        self._failed: OrderedDict[Key, str] = OrderedDict()
        """Why something is not to be seen: `gone` or `broken`, as the catalogue's keys end."""
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._ended = False
        self._decoding = asyncio.Lock()  # one by one: a large picture takes hundreds of megabytes for a moment

    async def __aenter__(self) -> Self:
        """Open the group that owns the fetches."""
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End every fetch."""
        self._ended = True
        for task in [*self._fetching.values()]:
            task.cancel()
        await self._tasks.__aexit__(None, None, None)

    def open_in(self, chat: ChatId) -> bool:
        """Whether pictures are of any use there now: which model answers is chosen by chat."""
        return self._config().max_pictures > 0 and self._sees(chat)

    async def sweep(self) -> None:
        """Remove what no message shows any more: one was recalled, taken back or forgotten."""
        await self._store.sweep()

    # --- fetching --------------------------------------------------------------------------------------------------

    def expect(self, chat: ChatId, entry: Entry, row: "asyncio.Future[int | None]") -> None:
        """Begin to fetch what a message shows that will be answered, once it is on the disk; returns at once.

        Args:
            chat: where it was said.
            entry: the message.
            row: its row, when it has one; None when the message is no news.
        """
        if self.open_in(chat) and (things := [found for found in things_in(entry) if self._wants(found[1])]):
            row.add_done_callback(lambda done: self._begin_all(chat, things[-self._config().max_pictures :], done))

    def _begin_all(
        self, chat: ChatId, things: Sequence[tuple[int, Image | Video]], row: "asyncio.Future[int | None]"
    ) -> None:
        if self._ended or row.cancelled() or row.exception() is not None or not (number := row.result()):
            return
        for segment, thing in things:
            self._begin((chat, number, segment), thing)

    def choose(self, sights: Sequence[Sight]) -> list[Sight]:
        """The newest, as many as may be shown; videos among them where they can be watched."""
        return [sight for sight in sights if self._wants(sight.thing)][-self._config().max_pictures :]

    async def fetch(self, chat: ChatId, sights: Sequence[Sight]) -> bool:
        """Fetch what of them is not there, waiting `vision.fetch_timeout` at most; whether that took any waiting."""
        stored = await self._places(sights)
        missing = [sight for sight in sights if (sight.entry.id, sight.segment) not in stored]
        begun = [self._begin((chat, sight.entry.id, sight.segment), sight.thing) for sight in missing]
        waiting = {task for task in begun if task is not None}
        if waiting:
            await self._wait(waiting, self._config().fetch_timeout)
        return bool(waiting)

    async def _wait(self, tasks: Collection[asyncio.Task[None]], seconds: float) -> None:
        timer = self._tasks.create_task(self._clock.sleep(seconds))
        try:
            while (left := [task for task in tasks if not task.done()]) and not timer.done():
                await asyncio.wait({*left, timer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()

    def _wants(self, thing: Image | Video) -> bool:
        return isinstance(thing, Image) or (self._config().video_frames > 0 and can_watch())

    def _begin(self, key: Key, thing: Image | Video) -> asyncio.Task[None] | None:
        """The fetch of one thing, begun unless it goes on already; None when it failed before."""
        if key in self._failed:
            return None
        if key not in self._fetching:
            task = self._fetching[key] = self._tasks.create_task(self._take_in(key, thing))
            task.add_done_callback(lambda _: self._fetching.pop(key, None))
        return self._fetching[key]

    async def _take_in(self, key: Key, thing: Image | Video) -> None:
        """From an address to the disk."""
        chat, row, segment = key
        config, failure = self._config(), "gone"
        try:
            async with self._slots:
                data = await self._get(chat, thing, config)
                failure = "broken"
                async with self._decoding:
                    stills = await asyncio.to_thread(_stills, thing, data, config)
            await self._store.put(row, segment, stills)
        except BotError as error:
            self._fail(key, failure)
            log.info("A picture stays unseen.", chat=str(chat), cause=str(error))
        except Exception:
            # In a task group one failure would end the others.
            self._fail(key, failure)
            log.exception("A picture could not be taken in.", chat=str(chat))

    def _fail(self, key: Key, failure: str) -> None:
        self._failed[key] = failure
        if len(self._failed) > FAILURES:
            self._failed.popitem(last=False)

    async def _get(self, chat: ChatId, thing: Image | Video, config: VisionConfig) -> bytes:
        """The file, from its address or, when that has run out, from a fresh one."""
        most = int(config.max_mib * 2**20)
        if thing.file_size.isdecimal() and int(thing.file_size) > most:
            raise MediaError(f"It has {thing.file_size} bytes, more than vision.max_mib.")
        address = thing.url or thing.file
        try:
            async with asyncio.timeout(config.fetch_timeout):
                try:
                    return await self._fetch(address, most, config.fetch_timeout)
                except MediaError:
                    if (fresh := await self._ask(chat, thing)) == address:
                        raise
                return await self._fetch(fresh, most, config.fetch_timeout)
        except TimeoutError as error:
            raise MediaError(f"It did not come within {config.fetch_timeout:g} s (vision.fetch_timeout).") from error

    async def _ask(self, chat: ChatId, thing: Image | Video) -> str:
        """A fresh address, or the file itself; the path that comes along is one on NapCat's machine."""
        account = self._accounts.get(chat.account)
        if account is None or not thing.file:
            raise MediaError("It has no address, and nobody can be asked for one.")
        answer: Any = await account.call(GetImage(thing.file) if isinstance(thing, Image) else GetFile(thing.file))
        found = answer if isinstance(answer, dict) else {}
        return f"base64://{found['base64']}" if found.get("base64") else str(found.get("url") or "")

    # --- showing ---------------------------------------------------------------------------------------------------

    async def show(self, chat: ChatId, sights: Sequence[Sight], language: Language) -> dict[At, Parts]:
        """What the model is shown in place of words, by where; what is left out stays the words that it is.

        The newest are shown, as far as `max_pictures` and `prompt_megapixels` go. What could not be had, or cannot be
        watched, is told in words of its own.
        """
        chosen = self.choose(sights)
        stored = await self._places(chosen)
        shown = _within(chosen, stored, int(self._config().prompt_megapixels * MEGA))
        data = await self._store.read({place.digest for _, places in shown for place in places})
        seen = {sight.at: self._excuse(chat, sight, language) for sight in chosen if _key(sight) not in stored}
        seen |= {sight.at: _told(say(language, "see.video_unwatched")) for sight in sights if self._unwatched(sight)}
        for sight, places in shown:
            found = [data[place.digest] for place in places if place.digest in data]
            seen[sight.at] = _shown(sight.thing, found, language) if found else self._excuse(chat, sight, language)
        return seen

    async def _places(self, sights: Sequence[Sight]) -> dict[tuple[int, int], list[Place]]:
        found = await self._store.places({sight.entry.id for sight in sights})
        return {at: list(places) for at, places in groupby(found, lambda place: (place.message, place.segment))}

    def _unwatched(self, sight: Sight) -> bool:
        return isinstance(sight.thing, Video) and self._config().video_frames > 0 and not can_watch()

    def _excuse(self, chat: ChatId, sight: Sight, language: Language) -> Parts:
        """Words for what should have been shown."""
        failure = self._failed.get((chat, *_key(sight)), "gone")
        kind = "video" if isinstance(sight.thing, Video) else "image"
        return _told(say(language, f"see.{kind}_{failure}"))


def _key(sight: Sight) -> tuple[int, int]:
    return sight.entry.id, sight.segment


def _shown(thing: Image | Video, stills: Sequence[bytes], language: Language) -> Parts:
    """A picture, or a video's word and frames: with the words that they are to a model without eyes."""
    if isinstance(thing, Video):
        return (*_told(say(language, "see.video")), *map(Picture, stills))
    return tuple(Picture(still, say(language, "see.image")) for still in stills)


def _told(words: str) -> Parts:
    return (Text(words),)


def _within(
    chosen: Sequence[Sight], stored: Mapping[tuple[int, int], list[Place]], pixels: int
) -> list[tuple[Sight, list[Place]]]:
    """The newest of them that are stored and fit into so many pixels together."""
    shown: list[tuple[Sight, list[Place]]] = []
    for sight in reversed(chosen):
        places = stored.get(_key(sight), [])
        pixels -= sum(place.pixels for place in places)
        if pixels < 0:
            break
        if places:
            shown.append((sight, places))
    return shown


def _stills(thing: Image | Video, data: bytes, config: VisionConfig) -> list[Still]:
    """What the model will be shown of a file; a video's frames share what one picture may have."""
    pixels = int(min(config.picture_megapixels, config.prompt_megapixels) * MEGA)
    if isinstance(thing, Image):
        return [make_still(data, pixels)]
    return make_frames(data, config.video_frames, pixels)
