"""What became of every message that called for an answer: a line of the turn log each, and counts for /stats."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from onebot_bot.chat.participation import Decision, Outcome, Trigger
from onebot_bot.chat.turn import Incoming, Turn
from onebot_bot.engine.request import Recalled
from onebot_bot.memory.history import Entry
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.sections.profiles import MAIN
from onebot_bot.sections.server import LogConfig

SEEN, COMMANDS = "seen", "commands"
ANSWERED, BUBBLES, PROMPT, TOKENS, SECONDS, RECALLS = "answered", "bubbles", "prompt", "tokens", "seconds", "recalls"
SILENT, ENDED = "silent.", "ended."
"""Before the reason: of a message that was not to be answered, and of a turn that was and ended without an answer."""

ONE_SEEN: Mapping[str, float] = {SEEN: 1.0}

_STRENGTH = {trigger: place for place, trigger in enumerate(Trigger)}

LONGEST = 2000
"""Characters of one message in a line."""


class Milliseconds(Struct, frozen=True, omit_defaults=True):
    """How long a turn took, phase by phase."""

    waited: int = 0
    """From the first message until the turn began: the merge window, and other turns of the chat."""
    prepared: int = 0
    """Until the engine was asked: the record, the view, pictures."""
    queued: int = 0
    """In the engine; as `first` and `model` from when it was asked, of the last attempt."""
    first: int = 0
    """Until the first token."""
    model: int = 0
    """Until the last token, of all attempts."""
    sent: int = 0
    """From then until all of it was sent and on record."""


class Memory(Struct, frozen=True):
    """A recall; `memory` is None when nothing came to mind, `score` that of the nearest."""

    memory: int | None
    score: float | None


class TurnLine(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the turn log."""

    at: str
    """Local time with its offset."""
    chat: str
    """`account/kind/number`."""
    user: int
    messages: Sequence[int]
    """Ids of what was to be answered."""
    why: str
    """Why it was to be answered, or was not."""
    outcome: str
    """`answered`, or why not; `silent` where it was not to be."""
    chance: float | None = None
    dice: float | None = None
    """Where they decided."""
    profile: str = MAIN
    """Whose model was asked; left out where it is the main one, by the settings of [generation]."""
    finish: str = ""
    """Why the model stopped: stop, length, interrupted, timeout."""
    attempts: int = 0
    """How often the model was asked."""
    prompt: int = 0
    """Tokens, as the next three."""
    cached: int = 0
    """Of the prompt, found in the cache."""
    new: int = 0
    left_out: int = 0
    """Messages that were left out to fit the window."""
    ms: Milliseconds = Milliseconds()
    recalls: Sequence[Memory] = ()
    sent: Sequence[int] = ()
    """Ids of what was sent, as far as QQ told them."""
    asked: Sequence[str] = ()
    """Texts, where `log.content` is on."""
    said: Sequence[str] = ()


Write = Callable[[str, TurnLine], None]
"""Takes a day, `YYYY-MM-DD`, and a line of it."""
Count = Callable[[ChatId, Mapping[str, float]], None]


class Journal:
    """Told by sessions and router; `write` and `count` never wait."""

    def __init__(
        self,
        write: Write | None = None,
        count: Count | None = None,
        config: Callable[[], LogConfig] = LogConfig,
        local: Callable[[], datetime] = lambda: datetime.now().astimezone(),
    ) -> None:
        self._write = write
        self._count = count
        self._config = config
        self._local = local
        self._now: datetime | None = None
        """What `_stamp` and `_day` are of: most messages come within a second of others."""
        self._stamp = self._day = ""

    def seen(self, chat: ChatId, entry: Entry, decision: Decision, called: Trigger | None) -> None:
        """A message was heard; one that called the bot and is not to be answered gets its line at once."""
        silent = decision.trigger is None
        if self._count is not None:
            self._count(chat, {SEEN: 1.0, SILENT + decision.why.value: 1.0} if silent else ONE_SEEN)
        if silent and called is not None:
            dice = {"chance": decision.chance, "dice": decision.dice}
            self._line(chat, entry.user_id, [entry], decision.why.value, "silent", words=True, **dice)

    def command(self, chat: ChatId) -> None:
        """A command is carried out."""
        if self._count is not None:
            self._count(chat, {COMMANDS: 1.0})

    def left(self, chat: ChatId, items: Iterable[Incoming], outcome: Outcome) -> None:
        """These were to be answered, and will not be."""
        for item in items:
            if self._count is not None:
                self._count(chat, {ENDED + outcome: 1.0})
            words = not item.unsaved
            self._line(chat, item.entry.user_id, [item.entry], item.trigger.value, outcome, words=words)

    def ended(self, chat: ChatId, turn: Turn, sent: Sequence[Entry], outcome: Outcome, now: float) -> None:
        """A turn ended, or is put back; `now` in clock seconds."""
        if self._count is not None:
            self._count(chat, counts_of(turn, sent, outcome))
        if self._write is None:
            return
        fields = {**_written(turn), "ms": phases(turn, now), "sent": [e.message_id for e in sent if e.message_id]}
        if self._config().content and not turn.unsaved:
            fields["said"] = [entry.text[:LONGEST] for entry in sent]
        self._line(chat, turn.sender, turn.entries, _reason(turn), outcome, words=not turn.unsaved, **fields)

    def _line(  # noqa: PLR0913 - what every line has
        self,
        chat: ChatId,
        user: int,
        asked: Sequence[Entry],
        why: str,
        outcome: str,
        *,
        words: bool,
        **fields: object,
    ) -> None:
        if self._write is None:
            return
        if self._config().content and words:
            fields["asked"] = [entry.text[:LONGEST] for entry in asked]
        ids = [entry.message_id for entry in asked if entry.message_id is not None]
        if (now := self._local()) is not self._now:
            self._now, self._day, self._stamp = now, now.date().isoformat(), now.isoformat(timespec="seconds")
        where = str(chat)
        line = TurnLine(at=self._stamp, chat=where, user=user, messages=ids, why=why, outcome=outcome, **fields)  # type: ignore[arg-type]  # built above
        self._write(self._day, line)


def counts_of(turn: Turn, sent: Sequence[Entry], outcome: Outcome) -> dict[str, float]:
    """What /stats counts of a turn."""
    counts = {ANSWERED: 1.0, BUBBLES: float(len(sent))} if outcome == "answered" else {ENDED + outcome: 1.0}
    if not turn.items:  # all were taken back, and counted then
        counts = {}
    if turn.draft is None:
        return counts
    usage, recalls = turn.draft.result.usage, turn.draft.result.recalls
    found = len([recall for recall in recalls if recall.memory_id is not None])
    spent = {PROMPT: usage.prompt_tokens, TOKENS: usage.new_tokens, SECONDS: usage.total, RECALLS: found}
    # What is nothing adds nothing.
    return counts | {what: amount for what, amount in spent.items() if amount}


def phases(turn: Turn, now: float) -> Milliseconds:
    """How long each phase of a turn took, as far as it came."""
    came = min([item.arrived for item in turn.items], default=turn.began)
    asked = turn.asked or turn.written or now
    written = turn.written or now
    usage = turn.draft.result.usage if turn.draft is not None else None
    return Milliseconds(
        waited=round(1000 * (turn.began - came)),
        prepared=round(1000 * (asked - turn.began)),
        queued=round(1000 * usage.queued) if usage else 0,
        first=round(1000 * usage.first_token) if usage else 0,
        model=round(1000 * usage.total) if usage else 0,
        sent=round(1000 * (now - written)),
    )


def _reason(turn: Turn) -> str:
    """The strongest of its messages' triggers: the order of the enumeration."""
    triggers = [item.trigger for item in turn.items]
    if len(triggers) == 1:  # as nearly always
        return triggers[0].value
    return min(triggers, key=_STRENGTH.__getitem__, default=Trigger.FOLLOW_UP).value


def _written(turn: Turn) -> dict[str, object]:
    """What a line says of the model's work."""
    if turn.draft is None:
        return {}
    result = turn.draft.result
    usage = result.usage
    return {
        "profile": turn.profile,
        "finish": result.finish_reason.value if turn.draft.attempts else "",
        "attempts": turn.draft.attempts,
        "prompt": usage.prompt_tokens,
        "cached": usage.reused_tokens,
        "new": usage.new_tokens,
        "left_out": usage.dropped_turns,
        "recalls": [_memory(recall) for recall in result.recalls],
    }


def _memory(recall: Recalled) -> Memory:
    return Memory(recall.memory_id, None if recall.score is None else round(recall.score, 4))
