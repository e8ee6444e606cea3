"""The pictures and videos of messages: fetched while a message waits, kept on the disk, handed out within a budget."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

from onebot_bot.chat.files import Files, check_file_size
from onebot_bot.chat.frames import can_watch, make_frames
from onebot_bot.chat.gathering import Gatherer, once_stored
from onebot_bot.chat.outbox import Clock
from onebot_bot.chat.sights import At, Parts, Sight, things_in
from onebot_bot.chat.stills import make_still
from onebot_bot.engine.request import Picture, Text
from onebot_bot.errors import BotError, MediaBroken, MediaTooLarge
from onebot_bot.memory.history import Entry
from onebot_bot.memory.pictures import PictureStore, Place, Still
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.segments import Image, Video
from onebot_bot.sections.model import VisionConfig
from onebot_bot.texts import Language, say

MEGA = 1_000_000
AT_ONCE = 4
"""Files fetched side by side."""


class Eyes(Gatherer):
    """What the model may be shown. An async context manager: leaving ends what is being fetched.

    With a model that has none, `open_in` is false and nothing is fetched.
    """

    def __init__(
        self,
        store: PictureStore,
        files: Files,
        *,
        config: Callable[[], VisionConfig],
        sees: Callable[[ChatId], bool],
        clock: Clock,
    ) -> None:
        super().__init__(clock, _reason_of)
        self._store = store
        self._files = files
        self._config = config
        self._sees = sees
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._decoding = asyncio.Lock()  # one by one: a large picture takes hundreds of megabytes for a moment

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
        things = [found for found in things_in(entry) if self._wants(found[1])]
        if things and self.open_in(chat):
            once_stored(row, lambda number: self._begin_all(chat, things[-self._config().max_pictures :], number))

    def _begin_all(self, chat: ChatId, things: Sequence[tuple[int, Image | Video]], number: int) -> None:
        for segment, thing in things:
            self._begin((chat, (number, segment)), thing)

    def choose(self, sights: Sequence[Sight]) -> list[Sight]:
        """The newest, as many as may be shown; videos among them where they can be watched."""
        return [sight for sight in sights if self._wants(sight.thing)][-self._config().max_pictures :]

    async def fetch(self, chat: ChatId, sights: Sequence[Sight]) -> bool:
        """Fetch what of them is not there, waiting `vision.fetch_timeout` at most; whether that took any waiting."""
        going = self._gathering.under_way((chat, _key(sight)) for sight in sights)
        stored = await self._places(sights)
        missing = [sight for sight in sights if _key(sight) not in stored]
        begun = [going.get((chat, _key(sight))) or self._begin((chat, _key(sight)), sight.thing) for sight in missing]
        return await self._gathering.wait(begun, self._config().fetch_timeout)

    def _wants(self, thing: Image | Video) -> bool:
        return isinstance(thing, Image) or (self._config().video_frames > 0 and can_watch())

    def _begin(self, key: tuple[ChatId, tuple[int, int]], thing: Image | Video) -> asyncio.Task[None] | None:
        """The fetch of one thing, begun unless it goes on already; None when it failed before."""
        return self._gathering.begin(key, lambda: self._take_in(key, thing))

    async def _take_in(self, key: tuple[ChatId, tuple[int, int]], thing: Image | Video) -> None:
        """From an address to the disk."""
        chat, (row, segment) = key
        config = self._config()
        async with self._slots:
            check_file_size(thing, config.max_mib)
            data = await self._files.fetch(chat, thing, config.max_mib, config.fetch_timeout)
            async with self._decoding:
                stills = await asyncio.to_thread(_stills, thing, data, config)
        await self._store.put(row, segment, stills)

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
        failure = self._gathering.failure((chat, _key(sight))) or "gone"
        kind = "video" if isinstance(sight.thing, Video) else "image"
        return _told(say(language, f"see.{kind}_{failure}"))


def _reason_of(error: Exception) -> str:
    """Why something is not to be seen, as the catalogue's keys end."""
    match error:
        case MediaTooLarge():
            return "large"
        case MediaBroken():
            return "broken"
        case BotError():
            return "gone"
        case _:
            return "broken"


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
