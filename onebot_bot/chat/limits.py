"""How much one person and one group may have: asked before an answer is written, told of every one that was."""

from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterator
from typing import Literal, Protocol

from msgspec import Struct

from onebot_bot.memory.usage import Peer, Used
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.sections.limits import LimitsConfig

UNLIMITED = LimitsConfig()
"""As shipped."""
MINUTE = 60.0
TOLD_AGAIN = 600.0
"""Seconds in which nobody is told twice that they are too quick."""
MOST_PEERS = 4096
"""Peers whose last minute is remembered, the latest."""
MOST_A_MINUTE = 600
"""As many as `limits.…_per_minute` may be."""

Kind = Literal["minute", "day", "tokens"]


class Excess(Struct, frozen=True):
    """A limit that is reached."""

    peer: Peer
    kind: Kind
    tell: bool
    """Whether that is to be said; once is enough."""

    @property
    def text(self) -> str:
        """The key of the catalogue."""
        return f"limits.{self.peer[0]}_{self.kind}"


class Tally(Protocol):
    """What was used today."""

    def of(self, peer: Peer) -> Used:
        """By one peer."""

    def add(self, peer: Peer, *, answers: int = 0, tokens: int = 0, told: bool = False) -> None:
        """Count it."""


class _Minute(Struct):
    """One peer's last answers; times in clock seconds."""

    answers: deque[float]
    told: float | None = None

    def count(self, now: float) -> int:
        """Answers within the last minute."""
        while self.answers and now - self.answers[0] >= MINUTE:
            self.answers.popleft()
        return len(self.answers)


class Limits:
    """Who has had enough. What was used in the last minute is forgotten with the process, the day's is not."""

    def __init__(self, tally: Tally, clock: Callable[[], float]) -> None:
        self._tally = tally
        self._clock = clock  # monotonic seconds
        self._minutes: OrderedDict[Peer, _Minute] = OrderedDict()

    def excess(self, chat: ChatId, user: int, config: LimitsConfig, exempt: Collection[int]) -> Excess | None:
        """The limit that forbids an answer to `user` there (0: to nobody in particular); None: there is none."""
        if config == UNLIMITED or user in exempt:
            return None
        return next((found for peer in _peers(chat, user) if (found := self._excess_of(peer, config))), None)

    def _excess_of(self, peer: Peer, config: LimitsConfig) -> Excess | None:
        scope, now = peer[0], self._clock()
        used = self._tally.of(peer)
        if _reached(used.answers, getattr(config, f"{scope}_per_day")):
            return Excess(peer, "day", not used.told)
        if _reached(used.tokens, getattr(config, f"{scope}_tokens_per_day")):
            return Excess(peer, "tokens", not used.told)
        minute = self._minutes.get(peer)
        if minute is None or not _reached(minute.count(now), getattr(config, f"{scope}_per_minute")):
            return None
        return Excess(peer, "minute", minute.told is None or now - minute.told >= TOLD_AGAIN)

    def told(self, excess: Excess) -> None:
        """Note that it was said."""
        if excess.kind == "minute":
            self._minute(excess.peer).told = self._clock()
        else:
            self._tally.add(excess.peer, told=True)

    def answered(self, chat: ChatId, users: Collection[int]) -> None:
        """Count one answer to these people."""
        peers: list[Peer] = [("user", user) for user in users if user]
        if chat.kind == "group" and users:
            peers.append(("group", chat.peer))
        now = self._clock()
        for peer in peers:
            self._minute(peer).answers.append(now)
            self._tally.add(peer, answers=1)

    def spent(self, chat: ChatId, user: int, tokens: int) -> None:
        """Count tokens that were written for somebody, whether or not they were sent."""
        for peer in _peers(chat, user) if tokens else ():
            self._tally.add(peer, tokens=tokens)

    def _minute(self, peer: Peer) -> _Minute:
        found = self._minutes.get(peer)
        if found is None:
            found = self._minutes[peer] = _Minute(deque(maxlen=MOST_A_MINUTE))
            if len(self._minutes) > MOST_PEERS:
                self._minutes.popitem(last=False)
        else:
            self._minutes.move_to_end(peer)
        return found


def _peers(chat: ChatId, user: int) -> Iterator[Peer]:
    if user:
        yield "user", user
    if chat.kind == "group":
        yield "group", chat.peer


def _reached(count: int, most: int) -> bool:
    return 0 < most <= count
