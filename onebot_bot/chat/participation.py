"""Whether to answer a message, and why: pure functions over the message, the chat's recent past and its settings."""

import enum
import re
from collections.abc import Callable, Collection
from functools import lru_cache
from typing import Literal

from msgspec import Struct

from onebot_bot.hours import parse_share, parse_span
from onebot_bot.protocol.events import Message, PrivateMessage
from onebot_bot.protocol.segments import At, plain_text
from onebot_bot.sections.chat import ChatConfig

ATTENTION = 2.5
"""How much readier the bot is to speak for `attention_seconds` after it did: it is in the conversation."""
LATEST = 5
"""Messages of a chat by which dominance is judged."""
DOMINANCE = (1.0, 1.0, 0.5, 0.25, 0.0, 0.0)
"""How ready it is by how many of the latest five it wrote: who wrote most of them had better let others speak."""


class Trigger(enum.Enum):
    """Why the bot answers."""

    PRIVATE = "private"
    MENTION = "mention"
    REPLY = "reply"
    POKE = "poke"
    NAME = "name"
    FOLLOW_UP = "follow-up"
    GATE = "gate"
    """Nobody called it; the dice let it take part. The model itself may still choose to say nothing."""
    FIRST = "first"
    """Nobody said anything; it speaks first. The model may choose to say nothing."""


ASKED = frozenset({Trigger.PRIVATE, Trigger.MENTION, Trigger.REPLY, Trigger.POKE})
"""Said to the bot's face: silence would look broken."""


class Silence(enum.Enum):
    """Why it does not even consider an answer."""

    BOT = "bot"
    OLD = "old"
    OFF = "off"
    OBSERVING = "observing"
    LOOP = "loop"
    QUIET = "quiet"
    ELSEWHERE = "elsewhere"
    """Another of our accounts in the group has the message."""
    UNHEARD = "unheard"
    """Called by name, but the dice said no."""
    MISSED = "missed"
    BUSY = "busy"
    CLOSED = "closed"
    DICE = "dice"
    WORDS = "words"
    """It has a word of the list in it; it is not even recorded."""


Outcome = Literal[
    "answered",
    "no_reply",
    "shadow",
    "cut_off",
    "repeat",
    "loop",
    "words",
    "leak",
    "asked",
    "interrupted",
    "stopped",
    "recalled",
    "crowded",
    "denied",
    "limit",
    "stale",
    "unsent",
    "failed",
]
"""What came of a decision to answer.

Where it was not an answer: the model chose silence, only the log heard it, it ended too early, it was withheld
(`guards.Withheld`), a newer message interrupted it, somebody said stop, the message was taken back in QQ, there were
too many at once, its sender was denied since, a limit was reached, it came too late, it could not be sent, it failed.
"""


class Freshness(enum.Enum):
    """When a message arrived."""

    LIVE = "live"
    MISSED = "missed"
    """During an outage, a moment ago."""
    OLD = "old"
    """During an outage, too long ago to be answered."""


class Seen(Struct, frozen=True):
    """A message, and what it meets."""

    user: int
    group: bool
    called: Trigger | None = None
    """How the bot was called: one of ASKED, NAME, or not at all."""
    freshness: Freshness = Freshness.LIVE
    ignored: bool = False
    """Whether a bot wrote it, another one or ours."""
    elsewhere: bool = False
    """Whether another of our accounts in the group takes care of it."""
    owed: bool = False
    """Whether its sender waits for an answer already: then this is part of the question."""
    busy: bool = False
    """Whether an answer is being written or waits: talk that is not meant for the bot does not queue."""


class Past(Struct, frozen=True):
    """What the chat has seen lately."""

    silent_for: float | None = None
    """Seconds since the bot spoke; None: not since it started."""
    own: int = 0
    """Its share of the latest five messages."""
    answers: int = 0
    """In the last hour."""
    exchanges: int = 0
    """Answers to this sender in the last minute."""


class Gate(Struct, frozen=True):
    """How ready the bot is to speak uncalled, factor by factor."""

    talk: float
    attention: float
    dominance: float
    fatigue: float

    @property
    def value(self) -> float:
        """The probability."""
        return min(1.0, self.talk * self.attention * self.dominance * self.fatigue)


class Decision(Struct, frozen=True):
    """Whether to answer."""

    why: Trigger | Silence
    chance: float | None = None
    """The probability where dice decided."""
    dice: float | None = None
    """What they showed, from 0 to 1: below `chance` it answers."""
    gate: Gate | None = None

    @property
    def trigger(self) -> Trigger | None:
        """Why to answer; None: only listen."""
        return self.why if isinstance(self.why, Trigger) else None


def find_trigger(message: Message, names: Collection[str]) -> Trigger | None:
    """How the message calls the bot, as far as it alone tells; None: not at all.

    Whether a quoted message is the bot's own is for the caller, who has the history.
    """
    if (trigger := asked_by(message)) is not None:
        return trigger
    pattern = _pattern(tuple(names))
    if pattern is not None and pattern.search(plain_text(message.message).casefold()):
        return Trigger.NAME
    return None


def asked_by(message: Message) -> Trigger | None:
    """How the message asks the bot to its face; None: it does not."""
    if isinstance(message, PrivateMessage):
        return Trigger.PRIVATE
    return Trigger.MENTION if mentions(message) else None


def mentions(message: Message) -> bool:
    """Whether the account that heard it is mentioned with @."""
    for segment in message.message:  # noqa: SIM110 - not any(): every message is asked, and a generator costs more
        if isinstance(segment, At) and segment.qq == str(message.self_id):
            return True
    return False


@lru_cache(maxsize=16)
def _pattern(names: tuple[str, ...]) -> re.Pattern[str] | None:
    """What finds any of the names; one in Latin letters as a whole word: Al is not called by "also"."""
    words = [_bounded(name.casefold()) for name in names if name]
    return re.compile("|".join(words)) if words else None


def _bounded(name: str) -> str:
    before = "(?<![a-z0-9])" if name[0].isascii() and name[0].isalnum() else ""
    after = "(?![a-z0-9])" if name[-1].isascii() and name[-1].isalnum() else ""
    return f"{before}{re.escape(name)}{after}"


# --- the decision --------------------------------------------------------------------------------------------------


def decide(seen: Seen, past: Past, config: ChatConfig, minute: int, draw: Callable[[], float]) -> Decision:
    """Whether to answer a message.

    Args:
        seen: the message.
        past: the chat.
        config: as it holds in this chat.
        minute: of the day, where people live.
        draw: the next random number, evenly from 0 to 1; asked only where chance decides.
    """
    if (forbidden := _forbidden(seen, past, config)) is not None:
        return Decision(forbidden)
    if seen.called in ASKED:
        return Decision(seen.called)
    if seen.owed:
        return Decision(seen.called or Trigger.FOLLOW_UP)
    if (unwanted := _unwanted(seen, config, minute)) is not None:
        return Decision(unwanted)
    if seen.called is Trigger.NAME:
        dice = draw()
        return Decision(Trigger.NAME if dice < config.name_chance else Silence.UNHEARD, config.name_chance, dice)
    return _at_the_gate(gate_of(past, config, minute), draw)


def _forbidden(seen: Seen, past: Past, config: ChatConfig) -> Silence | None:
    """Why nobody's call is answered, if so; in private the mode, which is a group's, means nothing."""
    if seen.ignored:
        return Silence.BOT
    if seen.freshness is Freshness.OLD:
        return Silence.OLD
    if seen.group and config.mode in ("off", "observe"):
        return Silence.OFF if config.mode == "off" else Silence.OBSERVING
    if 0 < config.exchanges_per_minute <= past.exchanges and not seen.owed:
        return Silence.LOOP
    return None


def _unwanted(seen: Seen, config: ChatConfig, minute: int) -> Silence | None:
    """Why what was not said to the bot's face is left alone, if so."""
    if config.quiet_hours and minute in parse_span(config.quiet_hours):
        return Silence.QUIET
    if seen.elsewhere:
        return Silence.ELSEWHERE
    if seen.called is Trigger.NAME:
        return None
    if seen.freshness is Freshness.MISSED:
        return Silence.MISSED
    return Silence.BUSY if seen.busy else None


def _at_the_gate(gate: Gate, draw: Callable[[], float]) -> Decision:
    if gate.value == 0:
        return Decision(Silence.CLOSED, gate=gate)
    dice = draw()
    return Decision(Trigger.GATE if dice < gate.value else Silence.DICE, gate.value, dice, gate)


def gate_of(past: Past, config: ChatConfig, minute: int) -> Gate:
    """How ready the bot is to speak uncalled: with a talk value of 0 never, whatever the other factors are."""
    attentive = past.silent_for is not None and past.silent_for < config.attention_seconds
    return Gate(
        talk=talk_value(config, minute),
        attention=ATTENTION if attentive else 1.0,
        dominance=DOMINANCE[past.own],
        fatigue=max(0.0, 1 - past.answers / config.answers_per_hour),
    )


def talk_value(config: ChatConfig, minute: int) -> float:
    """The talk value at that minute of the day: of the first span that it lies in, else the plain one."""
    spans = (parse_share(text) for text in config.talk_times)
    return next((share for span, share in spans if minute in span), config.talk_value)
