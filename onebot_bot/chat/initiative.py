"""Speaking first: in chats that asked for it, after a long silence, seldom, and ever more seldom while ignored."""

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import structlog
from msgspec import Struct

from onebot_bot.chat.access import Access, Door
from onebot_bot.chat.outbox import Clock
from onebot_bot.chat.presence import Presence
from onebot_bot.chat.reply import NO_REPLY
from onebot_bot.chat.settings import Settings
from onebot_bot.errors import BotError
from onebot_bot.hours import DAY, minute_of, parse_span
from onebot_bot.memory.chat_settings import ChatSettings, overlaid
from onebot_bot.memory.first_words import FirstWords, Tried
from onebot_bot.memory.history import Entry
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.sections.chat import ChatConfig
from onebot_bot.sections.proactive import ProactiveConfig
from onebot_bot.texts import Language, say
from onebot_bot.transport.account import Account

log = structlog.get_logger(__name__)

MINUTE = 60.0
LOOK_EVERY = 60.0
"""Seconds between two looks; in each of them the bot speaks first in one chat at most."""
SETTLED = 300.0
"""Seconds for which an account has been connected before it speaks first: what it missed comes before that."""
SPREAD = 0.5
"""How much longer than it must the bot waits at most, as a share: nobody speaks up by the clock."""
OPENING = 60.0
"""Minutes after the beginning of the allowed hours over which what became due before is spread."""


class Lull(Struct, frozen=True):
    """A chat's silence, unix seconds."""

    heard: int
    """When the last message came, or since when the bot may speak first there."""
    person: int
    """When the last one of a person came; 0: none."""
    tried: Tried
    """When the bot spoke first."""

    @property
    def since(self) -> int:
        """When it began; what the bot says first ends it too."""
        return max(self.heard, self.tried.at)

    @property
    def ignored(self) -> int:
        """How often in a row the bot has spoken first without a reaction."""
        return self.tried.ignored if self.person < self.tried.at else 0


def is_due(lull: Lull, now: datetime, config: ProactiveConfig, here: ChatConfig, share: float) -> bool:
    """Whether to speak first.

    Args:
        lull: the chat's silence.
        now: where the people live.
        config: [proactive].
        here: [chat] as it holds in that chat.
        share: from 0 to 1, one for each silence: how much of what may be waited longer is waited.
    """
    if lull.ignored >= config.max_ignored or lull.tried.on(now.date().isoformat()) >= config.per_day:
        return False
    wait = MINUTE * config.idle_minutes * config.backoff**lull.ignored * (1 + SPREAD * share)
    return now.timestamp() - lull.since >= wait and is_open(minute_of(now), config.hours, here.quiet_hours, share)


def is_open(minute: int, hours: str, quiet_hours: str, share: float) -> bool:
    """Whether the bot may speak first at that minute of the day, after `share` of the allowed hours' opening."""
    if quiet_hours and minute in parse_span(quiet_hours):
        return False
    span = parse_span(hours)
    length = (span.end - span.begin) % DAY or DAY
    return share * min(OPENING, length / 2) <= (minute - span.begin) % DAY < length


def share_of(chat: ChatId, lull: Lull) -> float:
    """A random number from 0 to 1, the same for one silence however often it is looked at, and after a restart."""
    return random.Random(f"{chat} {lull.since}").random()  # noqa: S311 - no secret


def prompt_of(lull: Lull, now: datetime, language: Language) -> str:
    """What the model is told."""
    return say(
        language,
        "see.first",
        now=f"{now:%Y-%m-%d %H:%M}",
        quiet=_about(now.timestamp() - lull.since, language),
        ignored=say(language, "see.first_ignored") if lull.ignored else "",
        no_reply=NO_REPLY,
    )


def _about(seconds: float, language: Language) -> str:
    """A length of time in words, from minutes to days."""
    minutes = round(seconds / MINUTE)
    if minutes < 90:
        return say(language, "see.minutes", count=minutes)
    hours = round(minutes / 60)
    if hours < 48:
        return say(language, "see.hours", count=hours)
    return say(language, "see.days", count=round(hours / 24))


class Groups(Protocol):
    """The settings of single chats."""

    def of(self, chat: ChatId) -> ChatSettings:
        """A chat's."""

    def spoken_to_first(self) -> Sequence[ChatId]:
        """The chats in which the bot may speak first."""


class Initiative:
    """Looks for chats to speak first in."""

    def __init__(  # noqa: PLR0913 - whom it may speak to, what it knows of them, and when
        self,
        words: FirstWords,
        *,
        groups: Groups,
        accounts: Mapping[int, Account],
        settings: Callable[[], Settings],
        presence: Presence,
        access: Access,
        speak: Callable[[Account, ChatId, Entry], bool],
        awake: Callable[[], bool],
        language: Callable[[ChatId, int], Language],
        report: Callable[[str, ChatId | None, BaseException], str],
        clock: Clock,
        local: Callable[[], datetime],
    ) -> None:
        self._words = words
        self._groups = groups
        self._accounts = accounts
        self._settings = settings
        self._presence = presence
        self._access = access
        self._speak = speak  # makes the turn; False: the chat is busy
        self._awake = awake  # whether there is a model, and no rest
        self._language = language  # what the model is told in, where it speaks to that person, or with 0 to a group
        self._report = report
        self._clock = clock
        self._local = local
        self._connected: dict[int, float] = {}
        """Since when each account has had its connection, clock seconds."""
        self._read: dict[ChatId, tuple[int, int]] = {}
        """What the record says of when somebody, and a person, was heard last, of the chats that were looked at."""
        self._heard: dict[ChatId, tuple[int, int]] = {}
        """The same as heard by this process: commands, too, and what those say whom it does not listen to."""

    # --- what it is told -----------------------------------------------------------------------------------------

    def connected(self, account: Account) -> None:
        """An account has a new connection: what the record says of its chats may soon be another thing."""
        self._connected[account.self_id] = self._clock.time()
        self._read = {chat: heard for chat, heard in self._read.items() if chat.account != account.self_id}

    def heard(self, chat: ChatId, user: int) -> None:
        """Somebody is talking, or pokes the bot; returns at once."""
        if self._groups.of(chat).first_words_since:
            now = int(self._local().timestamp())
            person = user not in self._others()
            self._heard[chat] = (now, now if person else self._heard.get(chat, (0, 0))[1])

    def _others(self) -> set[int]:
        """Who is no person: our own accounts and other bots."""
        return {*self._accounts, *self._settings().chat.bots}

    # --- looking -------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Look again and again; never returns."""
        while True:
            await self._clock.sleep(LOOK_EVERY)
            try:
                await self.look()
            except BotError as error:  # of the database; the next look may fare better
                self._report("report.background", None, error)

    async def look(self) -> None:
        """Speak first in one chat, if it is time to; in that which has waited longest for it."""
        settings, now = self._settings(), self._local()
        config = settings.proactive
        if not config.enabled or not self._awake():
            return
        if self._words.on(now.date().isoformat()) >= config.total_per_day:
            return
        for chat in sorted(self._open_to(), key=lambda chat: self._words.of(chat).at):
            account = self._accounts.get(chat.account)
            if account is None or not self._reaches(account, chat, settings):
                continue
            lull = await self._lull(chat)
            here = overlaid(settings.chat, self._groups.of(chat))
            if is_due(lull, now, config, here, share_of(chat, lull)) and await self._begin(account, chat, lull):
                return

    def _open_to(self) -> Sequence[ChatId]:
        """The chats in which the bot may speak first; of others, who wanted that no more, nothing is kept."""
        found = self._groups.spoken_to_first()
        for known in (self._read, self._heard):
            for chat in known.keys() - set(found):
                del known[chat]
        return found

    def _reaches(self, account: Account, chat: ChatId, settings: Settings) -> bool:
        """Whether the bot may speak there at all, and has been connected for long enough."""
        since = self._connected.get(account.self_id)
        if account.active is None or since is None or self._clock.time() - since < SETTLED:
            return False
        if self._presence.mode(chat, settings.chat) not in ("on", "shadow"):
            return False
        user, group = (0, chat.peer) if chat.kind == "group" else (chat.peer, 0)
        return self._access.door_of(user, group, settings.bot, settings.access) is Door.OPEN

    async def _lull(self, chat: ChatId) -> Lull:
        if chat not in self._read:
            self._read[chat] = await self._words.heard(chat, self._others())
        read, heard = self._read[chat], self._heard.get(chat, (0, 0))
        since = self._groups.of(chat).first_words_since
        return Lull(max(read[0], heard[0], since), max(read[1], heard[1]), self._words.of(chat))

    async def _begin(self, account: Account, chat: ChatId, lull: Lull) -> bool:
        """Let the model speak first there, once that is on record; whether it does."""
        now = self._local()
        await self._words.note(chat, int(now.timestamp()), now.date().isoformat(), ignored=lull.ignored)
        if (await self._lull(chat)).heard != lull.heard:
            return False  # somebody spoke while it was being noted
        log.info("speaking first", chat=str(chat), quiet=int(now.timestamp()) - lull.since, ignored=lull.ignored)
        user = chat.peer if chat.kind == "private" else 0
        text = prompt_of(lull, now, self._language(chat, user))
        return self._speak(account, chat, Entry(role="event", text=text, time=int(now.timestamp()), user_id=user))
