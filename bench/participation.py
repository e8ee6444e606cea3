"""Busy groups in compressed time: how much the bot takes part, and what that costs, by how it is set.

The decisions are the bot's own (`chat/presence.py`); people, the dice and the model are played, the same for every
setting. Nothing is written and nobody waits, so a day takes a moment.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from random import Random

import msgspec
from msgspec import Struct

from bench.goals import goals_of
from bench.report import Run, format_table, parse_arguments, report
from onebot_bot.chat.participation import ASKED, Seen, Trigger
from onebot_bot.chat.presence import MINUTE, Presence
from onebot_bot.memory.chat_settings import NOTHING
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.sections.chat import ChatConfig

GROUP = ChatId(10000, "group", 77)
HOUR = 3600.0
PEOPLE = 12
STRANGER = 99
"""A bot that nobody listed: it mentions ours within a second of whatever ours says."""
WRITING = (2.0, 8.0)
"""Seconds that an answer takes, from the least to the most."""
NOTHING_TO_SAY = 0.5
"""How often the played model chooses silence where it may."""
BUBBLES = (1, 1, 1, 2, 3)
MISUNDERSTOOD = 0.1
"""How often an answer to somebody else sets off the stranger."""
QUICK, FULL = (21, 4), (10, 16)
"""From which hour of the day on, and for how many hours."""
DAWN = datetime(2026, 11, 21, tzinfo=UTC)

SETTINGS: Mapping[str, ChatConfig] = {
    "as shipped": ChatConfig(),
    "talk 0.05": ChatConfig(talk_value=0.05),
    "talk 0.2": ChatConfig(talk_value=0.2),
    "talk 1": ChatConfig(talk_value=1.0),
    "by hours": ChatConfig(talk_times=["18:00-23:00 0.2"], quiet_hours="23:00-07:00"),
    "observe": ChatConfig(mode="observe"),
    "shadow 0.2": ChatConfig(mode="shadow", talk_value=0.2),
}
GOALS = goals_of("participation")


class Line(Struct, frozen=True, order=True):
    """A message of the script."""

    when: float
    """Seconds of the day."""
    user: int
    called: str = ""
    """`mention`, `reply` or `name`; empty: it is not meant for the bot."""


class Tally(Struct):
    """What happened under one setting."""

    seen: int = 0
    asked: int = 0
    """Seen with an @ or a quote of the bot."""
    asked_answered: int = 0
    """Once the answer is out that covers them."""
    asked_silent: int = 0
    """With the reason known."""
    considered: int = 0
    answered: int = 0
    uncalled: int = 0
    """Answers that nobody had called for."""
    messages: int = 0
    """That the bot sent."""
    generations: int = 0
    spent: float = 0.0
    """Seconds of writing, those included that ended in silence."""
    why: Counter[str] = msgspec.field(default_factory=Counter)
    answers_at: list[tuple[float, int]] = msgspec.field(default_factory=list)
    """When, and to whom."""
    uncalled_at: list[float] = msgspec.field(default_factory=list)


class Owed(Struct):
    """What one person waits for."""

    user: int
    asks: int = 0
    """Messages in it with an @ or a quote."""
    called: bool = False
    due: float = 0.0
    """When the answer is written."""


# --- the script --------------------------------------------------------------------------------------------------


def write_script(random: Random, begin: float, hours: float) -> list[Line]:
    """A group from some hour of the day on: bursts of talk with lulls between, now and then a word to the bot."""
    return sorted(_talk(random, begin * HOUR, hours * HOUR))


def _talk(random: Random, begin: float, length: float) -> Iterator[Line]:
    now = begin
    while now < begin + length:
        company = random.sample(range(1, PEOPLE + 1), random.randint(2, 5))
        for _ in range(random.randint(5, 60)):
            now += random.expovariate(1 / 6)
            yield from _words(random, now, random.choice(company))
        now += random.expovariate(1 / 400)


def _words(random: Random, when: float, user: int) -> Iterator[Line]:
    """One to five quick messages; the first may call the bot."""
    called = random.choices(("", "mention", "reply", "name"), (92, 4, 2, 2))[0]
    yield Line(when, user, called)
    for number in range(random.choices((0, 1, 4), (70, 25, 5))[0]):
        yield Line(when + 0.8 * (number + 1), user)


# --- the play ----------------------------------------------------------------------------------------------------


class Play:
    """A group under one setting."""

    def __init__(self, config: ChatConfig, seed: int) -> None:
        self.tally = Tally()
        self._config = config
        self._now = 0.0
        self._random = Random(seed)
        self._model = Random(seed + 1)
        self._presence = Presence(
            lambda _: NOTHING, lambda: datetime.fromtimestamp(DAWN.timestamp() + self._now, UTC), self._random.random
        )
        self._turns: list[Owed] = []
        """What is being answered, and behind it what waits."""
        self._stranger_at: float | None = None

    def run(self, script: list[Line]) -> Tally:
        """Everything that is said, and the stranger's remarks between."""
        for line in script:
            self._let_pass(line.when)
            self._hear(line)
        self._let_pass(script[-1].when + HOUR)
        return self.tally

    def _let_pass(self, until: float) -> None:
        """Finish what is due, in order."""
        while (due := self._next_due()) <= until:
            self._now = due
            if self._turns and self._turns[0].due == due:
                self._finish(self._turns.pop(0))
            else:
                self._stranger_at = None
                self._hear(Line(due, STRANGER, "mention"))
        self._now = until

    def _next_due(self) -> float:
        writing = self._turns[0].due if self._turns else math.inf
        return min(writing, math.inf if self._stranger_at is None else self._stranger_at)

    def _hear(self, line: Line) -> None:
        tally, called = self.tally, Trigger(line.called) if line.called else None
        owed = next((turn for turn in self._turns if turn.user == line.user), None)
        seen = Seen(line.user, group=True, called=called, owed=owed is not None, busy=bool(self._turns))
        decision = self._presence.decide(GROUP, seen, self._config, self._now)
        tally.seen += 1
        tally.why[decision.why.value] += 1
        tally.asked += called in ASKED
        if decision.trigger is None:
            tally.asked_silent += called in ASKED
            return
        tally.considered += 1
        self._expect(owed or Owed(line.user), called)

    def _expect(self, turn: Owed, called: Trigger | None) -> None:
        turn.asks += called in ASKED
        turn.called |= called is not None
        if turn not in self._turns:
            self._turns.append(turn)
            if len(self._turns) == 1:
                self._begin(turn)

    def _begin(self, turn: Owed) -> None:
        seconds = self._model.uniform(*WRITING)
        self.tally.generations += 1
        self.tally.spent += seconds
        turn.due = self._now + seconds

    def _finish(self, turn: Owed) -> None:
        if self._turns:
            self._begin(self._turns[0])
        if not turn.called and self._model.random() < NOTHING_TO_SAY:
            self._presence.ended(GROUP, turn.user, "no_reply")
            return
        bubbles = self._model.choice(BUBBLES)
        self._presence.answered(GROUP, [turn.user], bubbles, self._now)
        self.tally.answered += 1
        self.tally.asked_answered += turn.asks
        self.tally.answers_at.append((self._now, turn.user))
        if not turn.called:
            self.tally.uncalled += 1
            self.tally.uncalled_at.append(self._now)
        if self._config.mode != "shadow":
            self._send(turn.user, bubbles)

    def _send(self, user: int, bubbles: int) -> None:
        """What it says may set off the stranger, who goes on as long as it is answered."""
        self.tally.messages += bubbles
        if user == STRANGER or self._model.random() < MISUNDERSTOOD:
            self._stranger_at = self._now + 1.0


# --- figures -----------------------------------------------------------------------------------------------------


def most_within(times: list[float], seconds: float) -> int:
    """The most of these times, in order, that fall into any span of so many seconds."""
    return max((sum(begin <= when < begin + seconds for when in times) for begin in times), default=0)


def find_figures(tallies: Mapping[str, Tally]) -> dict[str, float]:
    """What the goals are about, and the plain counts of each setting."""
    shipped, readiest = tallies["as shipped"], tallies["talk 1"]
    asked = sum(tally.asked for tally in tallies.values())
    figures: dict[str, float] = {
        "asked_settled": sum(tally.asked_answered + tally.asked_silent for tally in tallies.values()) / asked,
        "uncalled_answers_as_shipped": shipped.uncalled,
        "uncalled_an_hour_talk_1": most_within(readiest.uncalled_at, HOUR),
        "spoken_observe": tallies["observe"].messages,
        "spoken_shadow": tallies["shadow 0.2"].messages,
        "exchanges_a_minute": max(_most_exchanges(tally) for tally in tallies.values()),
    }
    for name, tally in tallies.items():
        key = name.replace(" ", "_")
        figures[f"share_{key}"] = tally.messages / (tally.messages + tally.seen)
        figures[f"joined_{key}"] = tally.uncalled / tally.seen
        for field in ("seen", "considered", "answered", "uncalled", "generations", "spent"):
            figures[f"{field}_{key}"] = getattr(tally, field)
    return figures


def _most_exchanges(tally: Tally) -> int:
    users = {user for _, user in tally.answers_at}
    return max(
        (most_within([when for when, other in tally.answers_at if other == user], MINUTE) for user in users), default=0
    )


def _row(name: str, tally: Tally) -> list[str]:
    asked = f"{tally.asked_answered}/{tally.asked}"
    counts = (tally.seen, tally.considered, tally.generations, tally.answered, tally.uncalled, tally.messages)
    return [name, *(f"{count:,}" for count in counts), asked, f"{tally.spent / 60:.0f} min"]


def main() -> None:
    """Play, print, write."""
    arguments = parse_arguments(__doc__ or "")
    script = write_script(Random(0), *(QUICK if arguments.quick else FULL))
    tallies = {name: Play(config, seed=1).run(script) for name, config in SETTINGS.items()}
    head = ("setting", "seen", "considered", "generations", "answered", "uncalled", "sent", "@ answered", "spent")
    print(format_table(head, [_row(name, tally) for name, tally in tallies.items()]))
    for name, tally in tallies.items():
        print(f"{name}: {', '.join(f'{why} {count}' for why, count in tally.why.most_common())}")
    report(find_figures(tallies), GOALS, arguments.json, Run(quick=arguments.quick))


if __name__ == "__main__":
    main()
