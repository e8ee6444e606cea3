"""What the bot knows of its own part in each chat: what it said lately, and why it spoke or was silent."""

import logging
import random
from collections import OrderedDict, deque
from collections.abc import Callable, Collection
from datetime import datetime

import msgspec
import structlog
from msgspec import Struct, field

from onebot_bot.chat.participation import LATEST, Decision, Outcome, Past, Seen, Silence, Trigger, decide
from onebot_bot.hours import minute_of
from onebot_bot.memory.chat_settings import NOTHING, ChatSettings, overlaid
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.sections.chat import ChatConfig, Mode
from onebot_bot.sections.profiles import choose
from onebot_bot.sections.sending import RenderConfig

log = structlog.get_logger(__name__)
_levels = logging.getLogger(__name__)  # a line that nobody will see is not put together

MOST_CHATS = 4096
"""Chats remembered, the latest; of the others it is as if the bot had just started."""
MOST_ANSWERS = 1000
"""Answers of a chat remembered: as many as `answers_per_hour` and `exchanges_per_minute` may be."""
HOUR, MINUTE = 3600.0, 60.0


class Considered(Struct):
    """The last message of a chat, and what became of it."""

    user: int
    decision: Decision
    outcome: Outcome = "answered"


class _Part(Struct):
    """The bot's part in one chat; times in clock seconds."""

    latest: deque[bool] = field(default_factory=lambda: deque(maxlen=LATEST))
    """Of the latest messages, whether the bot wrote it."""
    answers: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_ANSWERS))
    """When it answered."""
    whom: deque[tuple[float, frozenset[int]]] = field(default_factory=lambda: deque(maxlen=MOST_ANSWERS))
    """Whom in the last minute, and when."""
    exchanges: dict[int, int] = field(default_factory=dict)
    """How often each of them."""
    considered: Considered | None = None

    def past(self, user: int, now: float) -> Past:
        """What a decision about a message of `user` has to know."""
        while self.answers and now - self.answers[0] >= HOUR:
            self.answers.popleft()
        self._forget(now)
        return Past(
            silent_for=now - self.answers[-1] if self.answers else None,
            own=sum(self.latest),
            answers=len(self.answers),
            exchanges=self.exchanges.get(user, 0),
        )

    def answered(self, users: frozenset[int], now: float) -> None:
        """Note an answer to these people."""
        self._forget(now, MOST_ANSWERS - 1)
        self.answers.append(now)
        self.whom.append((now, users))
        for user in users:
            self.exchanges[user] = self.exchanges.get(user, 0) + 1

    def _forget(self, now: float, most: int = MOST_ANSWERS) -> None:
        """Whom it answered over a minute ago, or more than `most` answers ago."""
        while self.whom and (now - self.whom[0][0] >= MINUTE or len(self.whom) > most):
            for user in self.whom.popleft()[1]:
                self.exchanges[user] -= 1
                if not self.exchanges[user]:
                    del self.exchanges[user]


class Presence:
    """The bot's part in all chats. Forgotten with the process: after a restart it is rested and has said nothing."""

    def __init__(
        self,
        settings: Callable[[ChatId], ChatSettings] = lambda _: NOTHING,
        local: Callable[[], datetime] = datetime.now,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._settings = settings
        self._local = local
        self._draw = draw
        self._parts: OrderedDict[ChatId, _Part] = OrderedDict()

    def mode(self, chat: ChatId, config: ChatConfig) -> Mode:
        """What the bot does there; in private it always speaks."""
        return "on" if chat.kind == "private" else self._settings(chat).mode or config.mode

    def listens(self, chat: ChatId, config: ChatConfig, when: int) -> bool:
        """Whether what was said there at unix second `when` is the bot's business at all."""
        own = self._settings(chat)
        mode = "on" if chat.kind == "private" else own.mode or config.mode
        return mode != "off" and when >= own.since

    def profile(self, chat: ChatId, config: ChatConfig, profiles: Collection[str]) -> str:
        """The name of the profile that is to answer there, of those that are there."""
        return choose(profiles, self._settings(chat).profile, config.profile)

    def render(self, chat: ChatId, config: RenderConfig) -> RenderConfig:
        """How long answers are drawn there."""
        own = self._settings(chat).pictures
        return config if own is None else msgspec.structs.replace(config, enabled=own)

    def decide(self, chat: ChatId, seen: Seen, config: ChatConfig, now: float) -> Decision:
        """Whether to answer a message; it then counts as one of the chat's latest.

        Args:
            chat: where it was said.
            seen: the message.
            config: the configuration of all chats.
            now: clock seconds.
        """
        part = self._part(chat)
        here = overlaid(config, self._settings(chat))
        minute = minute_of(self._local()) if here.quiet_hours or here.talk_times else 0
        decision = decide(seen, part.past(seen.user, now), here, minute, self._draw)
        part.latest.append(False)
        part.considered = Considered(seen.user, decision)
        if _levels.isEnabledFor(logging.DEBUG):
            log.debug("considered", chat=str(chat), user=seen.user, **_logged(decision))
        return decision

    def refused(self, chat: ChatId, user: int) -> Decision:
        """Note that a message was not even taken on record."""
        decision = Decision(Silence.WORDS)
        self._part(chat).considered = Considered(user, decision)
        return decision

    def spoke_first(self, chat: ChatId, user: int) -> None:
        """Note that it speaks first, to one person or, with 0, to nobody in particular."""
        self._part(chat).considered = Considered(user, Decision(Trigger.FIRST))

    def answered(self, chat: ChatId, users: Collection[int], bubbles: int, now: float) -> None:
        """Note that the bot answered these people, in so many messages."""
        part = self._part(chat)
        part.answered(frozenset(users), now)
        part.latest.extend([True] * min(bubbles, LATEST))

    def ended(self, chat: ChatId, user: int, outcome: Outcome) -> None:
        """Note what came of answering `user`, unless somebody else has written since."""
        considered = self._part(chat).considered
        if considered is not None and considered.user == user:
            considered.outcome = outcome

    def last(self, chat: ChatId) -> Considered | None:
        """The last message there; None: there was none since the start."""
        part = self._parts.get(chat)
        return part.considered if part is not None else None

    def _part(self, chat: ChatId) -> _Part:
        part = self._parts.get(chat)
        if part is None:
            part = self._parts[chat] = _Part()
            if len(self._parts) > MOST_CHATS:
                self._parts.popitem(last=False)
        else:
            self._parts.move_to_end(chat)
        return part


def _logged(decision: Decision) -> dict[str, object]:
    """What the log says of a decision."""
    drawn = {"chance": decision.chance, "dice": decision.dice} if decision.chance is not None else {}
    verdict = "silent" if decision.trigger is None else "answer"
    return {"verdict": verdict, "why": decision.why.value, **drawn}
