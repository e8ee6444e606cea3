"""Connections that come, go, freeze and break at random, against the whole bot: nothing is lost, doubled or left over.

Two NapCat processes speak for one account. A program is a row of steps that hypothesis chooses: connecting beside an
older connection, ending one well, by a reset or by nonsense, reading nothing for a while, messages, actions, replies
that come late on another connection or never, broken frames, QQ going offline. At its end a sound NapCat connects, and
everything must come out even. One that fails is made as short as it goes and printed.
"""

import argparse
import asyncio
import gc
import threading
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any, ClassVar

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, get_state_machine_test, initialize, rule

from bench.goals import goals_of
from bench.links_world import Ending, NapCat, Qq, World, until
from bench.report import Run, describe_machine, format_table, make_parser, report
from bench.servers import ViolationError
from onebot_bot.__main__ import find_loop
from onebot_bot.errors import ActionUnknown, NotConnected
from onebot_bot.logs import logging_to
from onebot_bot.protocol.actions import GetGroupMsgHistory

QUICK, FULL = 60, 1000
"""Programs."""
STEPS = 25
"""Of each."""
GOALS = goals_of("links")
KINDS = ("lost", "doubled", "unsettled", "wrong", "leaked", "refused")
"""What can go wrong: a message not on record; said twice; without an answer or a reason; an action with no outcome or
another's; a task, future or descriptor that stays; a connection refused."""
GARBAGE = (b"", b"{", b"[]", b'"x"', b"\xff\xfe", b'{"post_type":"message"}', b'{"echo":{},"status":1}', b"[" * 5000)
_UNANSWERED = "SELECT count(*) FROM messages WHERE account = ? AND state IN ('pending', 'sending')"
_RECORDED = "SELECT message_id FROM messages WHERE account = ? AND role = 'user'"
_DROPPED = "SELECT text FROM messages WHERE account = ? AND role = 'user' AND state <> 'answered'"
_ANSWERS = "SELECT text, message_id FROM messages WHERE account = ? AND role = 'assistant'"


class Play:
    """One program: an account, its processes, and what has to be true of them at the end."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.qq: Qq = world.new_qq()
        self.processes = [world.dial(self.qq), world.dial(self.qq)]
        self.calm = True
        """Whether nothing was done that may cost an answer: then every one must have been sent."""
        self._asked: dict[int, asyncio.Task[Any]] = {}
        """Actions of ours, by the number that their answer must bear."""

    async def begin(self) -> None:
        """Both chats are known before anything goes wrong: what is missed in others stays unknown."""
        await self.processes[0].dial()
        for private in (False, True):
            await self.processes[0].report(self.qq.write(private=private))
        await self._settled()

    async def say(self, *, private: bool) -> None:
        """Somebody writes; every process that is connected reports it."""
        event = self.qq.write(private=private)
        for process in self.processes:
            await process.report(event)

    def act(self) -> None:
        """The bot asks for something, whose answer can be told from every other."""
        account, number = self.world.bot.accounts[self.qq.account], 1000 + len(self._asked)
        work = account.call(GetGroupMsgHistory(self.qq.group, number))
        self._asked[number] = asyncio.create_task(work)

    async def finish(self) -> None:
        """A sound process takes over; then all must be on record, answered or accounted for, and nothing be left."""
        for process in self.processes:
            await process.quit()
        sound = self.world.dial(self.qq)
        await sound.dial()
        try:
            await self._settled()
            self._check()
        finally:
            await sound.quit()
        await self.world.check_rest()
        account = self.world.bot.accounts[self.qq.account]
        if account.pending.echoes or account.links:
            raise ViolationError("leaked", f"{account.pending.echoes}, {account.links}")

    async def _settled(self) -> None:
        await until(lambda: not self._missing(), "lost", self._missing)
        await until(lambda: self._rows(_UNANSWERED) == [(0,)], "unsettled", lambda: self._rows(_UNANSWERED))
        if self._asked:
            await asyncio.wait(self._asked.values(), timeout=5)

    def _missing(self) -> set[int]:
        return self.qq.said - {number for (number,) in self._rows(_RECORDED)}

    def _rows(self, sql: str) -> list[Any]:
        return self.world.rows(sql, self.qq.account)

    def _check(self) -> None:
        for number, task in self._asked.items():
            self._check_outcome(number, task)
        said = Counter(sent.text for sent in self.qq.sent)
        if twice := [text for text, count in said.items() if count > 1]:
            raise ViolationError("doubled", str(twice))
        if dropped := self._rows(_DROPPED):
            raise ViolationError("unsettled", str(dropped))
        self._check_record(said)

    def _check_outcome(self, number: int, task: "asyncio.Task[Any]") -> None:
        if not task.done():
            raise ViolationError("wrong", f"action {number} has no outcome")
        error = task.exception()
        if not (isinstance(error, ActionUnknown | NotConnected) if error else task.result()["count"] == number):
            raise ViolationError("wrong", f"action {number}: {error or task.result()}")

    def _check_record(self, said: Mapping[str, int]) -> None:
        """What counts as sent was sent, and in quiet times everything was."""
        sent = {(one.text, one.message_id) for one in self.qq.sent}
        answers = self._rows(_ANSWERS)
        if untrue := [row for row in answers if row[1] is not None and row not in sent]:
            raise ViolationError("wrong", f"on record as sent, which it was not: {untrue}")
        asked = {_number(event["raw_message"]) for event in self.qq.histories[self.qq.group]}
        if self.calm and (unsaid := asked - set(map(_number, said))):
            raise ViolationError("unsettled", f"nothing went wrong, and yet no answer to {unsaid}")


def _number(text: str) -> str:
    """What tells a message from every other; the echo repeats it."""
    return text.rpartition(" ")[2]


WHICH = st.integers(0, 1)


class Links(RuleBasedStateMachine):
    """The steps; each is a small piece of a program."""

    world: ClassVar[World]

    def __init__(self) -> None:
        super().__init__()
        self.play = Play(self.world)
        self.world.counts["programs"] += 1

    def _note(self, step: str) -> None:
        self.world.counts[step] += 1

    def _process(self, which: int) -> NapCat:
        return self.play.processes[which]

    @initialize()
    def begin(self) -> None:
        """The account is there."""
        self.world.run(self.play.begin())

    @rule(which=WHICH)
    def connect(self, which: int) -> None:
        """Beside what is open already."""
        self._note("connections")
        self.world.run(self._process(which).dial())

    @rule(which=WHICH, oldest=st.booleans(), how=st.sampled_from(("close", "reset", "nonsense")))
    def end(self, which: int, how: Ending, *, oldest: bool) -> None:
        """The live one, or its oldest orphan."""
        self._note("endings")
        self.play.calm &= how == "close" and not oldest
        self.world.run(self._process(which).end(0 if oldest else -1, how))

    @rule(which=WHICH)
    def freeze(self, which: int) -> None:
        """It goes on sending."""
        self._note("freezes")
        self.play.calm = False
        self.world.run(_now(self._process(which).freeze))

    @rule(which=WHICH)
    def thaw(self, which: int) -> None:
        """It reads on."""
        self.world.run(_now(self._process(which).thaw))

    @rule(count=st.integers(1, 6))
    def say_in_group(self, count: int) -> None:
        """Several people mention the bot, each of whom is owed an answer."""
        self.world.counts["messages"] += count
        for _ in range(count):
            self.world.run(self.play.say(private=False))

    @rule()
    def say_in_private(self) -> None:
        """The same person goes on."""
        self._note("messages")
        self.world.run(self.play.say(private=True))

    @rule()
    def act(self) -> None:
        """An action beside the answers."""
        self._note("actions")
        self.world.run(_now(self.play.act))

    @rule(which=WHICH)
    def keep_replies(self, which: int) -> None:
        """They come on the next connection."""
        self.play.calm = False
        self._process(which).keep_replies()

    @rule(which=WHICH)
    def lose_reply(self, which: int) -> None:
        """It never comes."""
        self.play.calm = False
        self._process(which).lose_reply()

    @rule(which=WHICH, online=st.booleans())
    def beat(self, which: int, *, online: bool) -> None:
        """QQ itself goes offline, or comes back."""
        self.play.calm &= online
        self.world.run(self._process(which).beat(online=online))

    @rule(which=WHICH, frame=st.sampled_from(GARBAGE))
    def garbage(self, which: int, frame: bytes) -> None:
        """What is no OneBot frame."""
        self._note("broken frames")
        self.world.run(self._process(which).send(frame))

    @rule(which=WHICH)
    def sync(self, which: int) -> None:
        """All that was sent is taken in."""
        self.world.run(self._process(which).sync())

    def teardown(self) -> None:
        """The end of the program."""
        self.world.run(self.play.finish())
        self.world.counts["answers"] += len(self.play.qq.sent)


async def _now(step: Any) -> None:
    """Inside the loop, as transports and tasks ask for."""
    step()


def play(world: World, programs: int, number: int, steps: int = STEPS) -> None:
    """So many programs, the same ones for the same number; raises the ViolationError of the shortest that fails."""
    machine = type("Links", (Links,), {"world": world})
    chosen = settings(
        max_examples=programs,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.normal,
        print_blob=False,
    )
    seed(number)(get_state_machine_test(machine, settings=chosen))()


def open_world() -> World:
    """A bot on the loop that `onebot-bot run` uses, after one program that did nothing."""
    return World(find_loop())


def warm_up(world: World) -> None:
    """Whatever is made at the first use is there, and does not count as left over."""
    first = Play(world)
    world.run(first.begin())
    for process in first.processes:
        world.run(process.quit())
    world.run(world.note_rest())


def futures() -> int:
    """Futures that wait, of the whole process."""
    gc.collect()
    return sum(isinstance(one, asyncio.Future) and not one.done() for one in gc.get_objects())


def main() -> None:
    """Play, print, write."""
    parser = make_parser(__doc__ or "")
    parser.add_argument("--seed", type=int, default=1, help="which programs: the same number plays the same ones")
    arguments = parser.parse_args()
    figures = measure(QUICK if arguments.quick else FULL, arguments)
    print(format_table(("", "count"), [(name.replace("_", " "), f"{value:,.4g}") for name, value in figures.items()]))
    report(figures, GOALS, arguments.json, Run(describe_machine(["websockets", "hypothesis"]), arguments.quick))


def measure(programs: int, arguments: argparse.Namespace) -> dict[str, float]:
    """Play; what was played and what went wrong."""
    began, wrong = time.perf_counter(), dict.fromkeys(KINDS, 0)
    with logging_to("error", None), open_world() as world:
        warm_up(world)
        before, threads = futures(), threading.active_count()
        try:
            play(world, programs, arguments.seed)
        except ViolationError as error:
            print(error, *error.__notes__, sep="\n")
            wrong[error.kind] = 1
        figures: dict[str, float] = {name.replace(" ", "_"): count for name, count in world.counts.items()}
        wrong["leaked"] += max(0, futures() - before) + max(0, threading.active_count() - threads)
    return {**figures, **wrong, "seconds": time.perf_counter() - began}


if __name__ == "__main__":
    main()
