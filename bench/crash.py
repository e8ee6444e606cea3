"""kill -9 at random points of chats, commands, backups, restores, extraction and nights: what is lost, doubled or torn.

Each round lets a bot in a process of its own work, kills it at a moment that is drawn, starts it again, and compares
what it has with what QQ has. The echo engine serves where the model is not the point; a tiny random model learns.
"""

import asyncio
import contextlib
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from random import Random

from bench.crash_learning import Learner
from bench.crash_restore import Restorer
from bench.crash_world import OWNER, PEOPLE, Qq, Victim, until
from bench.goals import goals_of
from bench.report import Run, describe_machine, format_table, make_parser, report
from bench.servers import ViolationError
from onebot_bot.__main__ import run_loop
from onebot_bot.backups.archive import check_archive
from onebot_bot.backups.shelf import Shelf
from onebot_bot.config import load_config
from onebot_bot.errors import BotError, NotConnected
from onebot_bot.transport.client import OneBotClient

GOALS = goals_of("crash")
KINDS = ("lost", "doubled", "damaged", "index")
"""What a kill must not do: lose a message that was committed or could be fetched; have one said or recorded twice;
leave a file that cannot be read or a start that fails; leave index and rows apart."""
FULL: Mapping[str, int] = {
    "chat": 105,
    "backup": 30,
    "config": 30,
    "restore": 30,
    "extraction": 8,
    "training": 10,
    "promotion": 7,
}
QUICK: Mapping[str, int] = {
    "chat": 4,
    "backup": 2,
    "config": 2,
    "restore": 4,
    "extraction": 1,
    "training": 2,
    "promotion": 1,
}
"""Kills, by what goes on."""
OLD = 20_000
"""Messages that the record holds before the first kill."""
_UNANSWERED = "SELECT count(*) FROM messages WHERE state IN ('pending', 'sending') AND hidden = 0"

Provoke = Callable[[OneBotClient, Random], Awaitable[None]]
"""Keeps the bot at work, until it is cancelled."""


class Tally:
    """What came out."""

    def __init__(self) -> None:
        self.kills: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.starts: list[float] = []
        self.start_cpu: list[float] = []
        self.messages = 0
        self.answers = 0
        self.backups = 0
        self.facts = 0
        self.nights = 0

    def fault(self, error: ViolationError) -> None:
        """Count and show it."""
        self.faults[error.kind] += 1
        print(f"FAULT {error}", flush=True)

    def figures(self) -> dict[str, float]:
        """By name."""
        kills = {f"kills_{part}": float(count) for part, count in self.kills.items()}
        done = {"messages": self.messages, "answers": self.answers, "backups": self.backups, "facts": self.facts}
        return {
            "kills": float(self.kills.total()),
            **kills,
            **{kind: float(self.faults[kind]) for kind in KINDS},
            "slowest_start": max(self.starts, default=0.0),
            "median_start": statistics.median(self.starts or [0.0]),
            "start_cpu": statistics.median(self.start_cpu or [0.0]),
            **{name: float(count) for name, count in done.items()},
            "nights": float(self.nights),
        }


class Talk:
    """A bot on the echo engine, and people who write to it while it is killed."""

    def __init__(self, folder: Path, tally: Tally, rng: Random) -> None:
        self.victim = Victim(folder)
        self.qq = Qq()
        self.tally = tally
        self.rng = rng
        self._client: OneBotClient | None = None

    async def begin(self, old: int = OLD) -> None:
        """Start it; everybody has written once, for the bot fetches what it missed in chats that it knows."""
        client = self._client = await self.victim.start(self.qq)
        for person in PEOPLE:
            await client.send_event(self.qq.write(person))
        await self._settled()
        self.victim.fill(old)

    async def end(self) -> None:
        """Stop it."""
        await self._hang_up()
        await self.victim.stop()
        self.tally.starts += self.victim.starts
        self.tally.start_cpu += self.victim.start_cpu
        self.tally.messages += len(self.qq.said)
        self.tally.answers += self.qq.sent.total()

    async def round(self, part: str) -> None:
        """Work, a kill, a start, and a look at everything."""
        if self._client is None:  # a start failed
            self._client = await self.victim.start(self.qq)
        provoke, longest = _WORK[part]
        work = asyncio.ensure_future(_quiet(self._provoked(provoke)))
        await asyncio.sleep(self.rng.uniform(0.02, longest))
        committed = self.victim.recorded()
        self.victim.kill()
        work.cancel()
        await asyncio.wait([work])
        await self._hang_up()
        self.tally.kills[part] += 1
        self._check_files()
        self._client = await self.victim.start(self.qq)
        await self._settled()
        self._check(committed)

    async def _provoked(self, provoke: Provoke) -> None:
        """People write whatever else goes on."""
        assert self._client is not None
        async with asyncio.TaskGroup() as group:
            group.create_task(_talk(self._client, self.qq, self.rng))
            if provoke is not _nothing:
                group.create_task(_until_gone(provoke, self._client, self.rng))

    async def _hang_up(self) -> None:
        if self._client is not None:
            with contextlib.suppress(NotConnected):
                await self._client.__aexit__(None, None, None)
            self._client = None

    async def _settled(self) -> None:
        def missing() -> set[int]:
            return self.qq.said - self.victim.recorded()

        await until(lambda: not missing(), "lost", missing)
        await until(lambda: self.victim.rows(_UNANSWERED) == [(0,)], "lost", lambda: self.victim.rows(_UNANSWERED))

    def _check(self, committed: set[int]) -> None:
        if gone := committed - self.victim.recorded():
            raise ViolationError("lost", f"committed before the kill: {gone}")
        if twice := [text for text, count in self.qq.sent.items() if count > 1]:
            raise ViolationError("doubled", f"said twice: {twice}")
        sql = "SELECT message_id, count(*) FROM messages GROUP BY message_id HAVING message_id > 0 AND count(*) > 1"
        if twice := self.victim.rows(sql):
            raise ViolationError("doubled", f"on record twice: {twice}")
        check_database(self.victim)

    def _check_files(self) -> None:
        try:
            load_config(self.victim.folder / "config.toml")
            backups = Shelf(self.victim.store).all()
            for backup in backups:
                check_archive(backup.path)
        except BotError as error:
            raise ViolationError("damaged", str(error)) from error
        self.tally.backups = max(self.tally.backups, len(backups))


def check_database(victim: Victim) -> None:
    """Raise ViolationError when SQLite finds anything wrong."""
    if (verdict := victim.rows("PRAGMA integrity_check")) != [("ok",)]:
        raise ViolationError("damaged", f"integrity_check: {verdict}")


# --- what goes on ------------------------------------------------------------------------------------------------


async def _talk(client: OneBotClient, qq: Qq, rng: Random) -> None:
    while True:
        await client.send_event(qq.write(rng.choice(PEOPLE)))
        await asyncio.sleep(rng.uniform(0, 0.02))


async def _back_up(client: OneBotClient, _rng: Random) -> None:
    await client.send_event(client.private_message(OWNER, "/backup"))
    await asyncio.sleep(0.05)


async def _configure(client: OneBotClient, rng: Random) -> None:
    await client.send_event(client.private_message(OWNER, f"/config set own.branches {rng.randint(1, 100)}"))
    await asyncio.sleep(rng.uniform(0, 0.01))


async def _nothing(_client: OneBotClient, _rng: Random) -> None:
    """Only the talk."""


async def _until_gone(provoke: Provoke, client: OneBotClient, rng: Random) -> None:
    while True:
        await provoke(client, rng)


async def _quiet(work: Awaitable[None]) -> None:
    """The connection breaks when the bot is killed."""
    with contextlib.suppress(ExceptionGroup, NotConnected):
        await work


_WORK: Mapping[str, tuple[Provoke, float]] = {
    "chat": (_nothing, 1.0),
    "backup": (_back_up, 1.0),
    "config": (_configure, 0.5),
}
"""And the most seconds before the kill."""


# --- all of it ---------------------------------------------------------------------------------------------------


async def play(folder: Path, wanted: Mapping[str, int], tally: Tally, seed: int, old: int = OLD) -> None:
    """So many kills of each part."""
    rng = Random(seed)
    talk = Talk(folder / "talk", tally, rng)
    try:
        await talk.begin(old)
        parts = [part for part in _WORK for _ in range(wanted.get(part, 0))]
        rng.shuffle(parts)
        for part in parts:
            await _counted(talk.round(part), tally, part)
        await talk.end()
    finally:
        talk.victim.kill()
    if wanted.get("restore"):
        await _restore(folder / "restore", wanted["restore"], tally, rng)
    if any(wanted.get(part) for part in ("extraction", "training", "promotion")):
        await _learn(folder, wanted, tally, rng)


async def _restore(folder: Path, count: int, tally: Tally, rng: Random) -> None:
    restorer = Restorer(folder, rng)
    await restorer.begin()
    for number in range(count):
        tally.kills["restore"] += 1
        await _counted(asyncio.to_thread(restorer.round, fresh=number % 2 == 1), tally, "restore")


async def _learn(folder: Path, wanted: Mapping[str, int], tally: Tally, rng: Random) -> None:
    learner = Learner(folder, rng)
    try:
        await _kill_learner(learner, wanted, tally)
    finally:
        learner.victim.kill()
    tally.starts += learner.victim.starts
    tally.start_cpu += learner.victim.start_cpu
    tally.facts, tally.nights = learner.facts, learner.nights


async def _kill_learner(learner: Learner, wanted: Mapping[str, int], tally: Tally) -> None:
    await learner.begin()
    for number in range(wanted.get("extraction", 0)):
        tally.kills["extraction"] += 1
        await _counted(learner.extract(check_index=number % 5 == 0), tally, "extraction")
    nights = ("training", "promotion")
    for _ in range(4 * sum(wanted.get(part, 0) for part in nights)):
        if any(tally.kills[part] < wanted.get(part, 0) for part in nights):
            await _counted(learner.night_round(tally.kills), tally, "a night")
    await _counted(learner.end(), tally, "the end")


async def _counted(work: Awaitable[None], tally: Tally, part: str) -> None:
    began = time.monotonic()
    try:
        await work
    except ViolationError as error:
        tally.fault(error)
    print(f"{tally.kills.total():4} {part}: {time.monotonic() - began:.1f} s", flush=True)


def main() -> None:
    """Kill, print, write."""
    parser = make_parser(__doc__ or "")
    parser.add_argument("--seed", type=int, default=20261121)
    arguments = parser.parse_args()
    tally, began = Tally(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="crash-") as folder:
        run_loop(play(Path(folder), QUICK if arguments.quick else FULL, tally, arguments.seed))
    figures = {**tally.figures(), "seconds": time.monotonic() - began}
    print(format_table(("kills", "count"), [(part, str(count)) for part, count in tally.kills.items()]))
    machine = describe_machine(["msgspec", "websockets", "torch"])
    report(figures, GOALS, arguments.json, Run(machine=machine, quick=arguments.quick))


if __name__ == "__main__":
    main()
