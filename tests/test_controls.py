"""What /learn does to a real cycle, whose work is played."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest
from echo_bot import PATIENCE, said, write_config
from facts import fact, opened
from fakes import FakeClock
from msgspec import Struct

from onebot_bot.app import App
from onebot_bot.chat.outbox import Queues
from onebot_bot.chat.turn import Load
from onebot_bot.controls import Nights, Running
from onebot_bot.errors import LearningError
from onebot_bot.learning.cycle import LearningCycle, SystemClock
from onebot_bot.learning.sequence import Means
from onebot_bot.learning.versions import Versions, seal
from onebot_bot.learning.work import CANDIDATE, METRICS, NightReport, Plan, Run, Verdict
from onebot_bot.memory.store import MemoryStore
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.sections.sending import SendingConfig
from onebot_bot.start import serve
from onebot_bot.texts import say
from onebot_bot.transport.client import OneBotClient


class Settings(Struct, frozen=True):
    """[learning]: no night in this test by itself."""

    enabled: bool = True
    report: bool = True
    hour: int = 2
    minute: int = 0
    timezone: str = "Asia/Shanghai"
    first_delay_days: int = 9
    interval_days: int = 1


class PlayedWork:
    """Learns one memory in no time; waits in `extract` until the test lets it go on."""

    def __init__(self) -> None:
        self.going_on = asyncio.Event()
        self.extracting = asyncio.Event()

    async def plan(self) -> Plan:
        """Needs nothing."""
        return Plan(1, 0, 0, 0)

    async def extract(self, run: Run) -> dict[str, Any]:
        """One memory."""
        run.progress("extract", 0.5)
        self.extracting.set()
        await self.going_on.wait()
        return {"memories": 1, "added": 1, "examples": [4]}

    async def teach(self, run: Run, stage: Literal[1, 2]) -> dict[str, Any]:
        """A candidate that knows memory 4, and a loss to draw."""
        with (run.folder / METRICS).open("a", encoding="utf-8") as file:
            file.write(f'{{"stage": {stage}, "step": 1, "loss": 0.5}}\n{{"stage": {stage}, "step": 2, "loss": 0.4}}\n')
        (run.folder / CANDIDATE).mkdir(exist_ok=True)
        (run.folder / CANDIDATE / "weights").write_bytes(b"1")
        seal(run.folder / CANDIDATE, "model", [4])
        return {}

    async def refine(self, run: Run) -> dict[str, Any]:
        """Nothing to do."""
        del run
        return {}

    async def gate(self, run: Run) -> Verdict:
        """Better."""
        del run
        return Verdict(passed=True, figures={"hit@1": (0.8, 0.9)}, reasons=[])

    async def swap(self, adapter: Path | None) -> None:
        """Done."""

    async def canary(self) -> list[str]:
        """Fine."""
        return []


class House:
    """A cycle over a folder with the memory it learns, and what the owner was told."""

    def __init__(self, folder: Path, store: MemoryStore) -> None:
        self.work = PlayedWork()
        self.told: asyncio.Queue[NightReport] = asyncio.Queue()
        versions = Versions(folder / "models", lambda: "model")
        clock = SystemClock()
        means = Means(self.work, versions, nullcontext, clock.now, lambda: 3)
        self.cycle = LearningCycle(means, folder / "runs", Settings, self.told.put, clock)
        self.nights = Nights(self.cycle, versions, lambda: "zh", store.get)
        self.store = store

    async def learn(self) -> None:
        """Hold a night to its end."""
        self.work.going_on.set()
        assert await self.nights.start() is None
        await asyncio.wait_for(self.told.get(), 30)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A bot that never learned."""
    async with opened(tmp_path / "m.sqlite3") as store:
        for n in range(4):
            await store.add(fact(n, text="猫叫雪球" if n == 3 else f"fact {n}"))
        made = House(tmp_path, store)
        async with made.cycle:
            yield made


async def test_before_the_first_night_there_is_nothing_to_tell(house: House) -> None:
    """But when it will be."""
    status = house.nights.status()
    assert (status.enabled, status.step, status.last_outcome, status.adapter) == (True, None, "", "")
    assert status.next_run is not None
    assert await house.nights.report() == ("", None)
    assert house.nights.trained_on(4) == []
    assert await house.nights.rollback() is None
    assert not house.nights.cancel()


async def test_a_night_is_started_watched_and_cancelled(house: House) -> None:
    """A second one is refused meanwhile, and so is a rollback."""
    assert await house.nights.start() is None
    await asyncio.wait_for(house.work.extracting.wait(), 5)
    status = house.nights.status()
    assert (status.step, status.share) == ("extract", 0.5)
    assert await house.nights.start() == say("zh", "learn.busy")
    with pytest.raises(LearningError, match="cancel"):
        await house.nights.rollback()
    assert house.nights.cancel()
    await asyncio.wait_for(house.told.get(), 5)
    assert say("zh", "night.cancelled") in house.nights.status().last_outcome


async def test_after_a_night_its_report_version_and_memories_are_known(house: House) -> None:
    """With the plot as a picture, as long as that is there."""
    await house.learn()
    name = house.nights.status().adapter
    text, picture = await house.nights.report()
    assert "猫叫雪球" in text
    assert picture is not None
    assert picture.startswith(b"\x89PNG")
    assert house.nights.trained_on(4) == [name]
    last = house.cycle.last_report()
    assert last is not None
    await asyncio.to_thread(Path(last.plot).unlink)
    assert await house.nights.report() == (text, None)
    await house.store.forget(4)
    assert "猫" not in (await house.nights.report())[0]


async def test_a_rollback_of_the_only_version_brings_the_model_as_it_came(house: House) -> None:
    """And then there is nothing more to undo."""
    await house.learn()
    assert await house.nights.rollback() == ""
    assert house.nights.status().adapter == ""
    assert await house.nights.rollback() is None


def test_who_waits_longest_comes_first() -> None:
    """Chats that owe nothing are left out."""
    loads = {1: Load("waiting", 1, 2.0), 2: None, 3: Load("writing", 2, 5.0)}
    sessions: Any = {ChatId(10000, "group", peer): SimpleNamespace(load=load) for peer, load in loads.items()}
    running = Running(sessions, Queues(SendingConfig, FakeClock()))
    assert [(busy.chat.peer, busy.doing) for busy in running.busy()] == [(3, "writing"), (1, "waiting")]
    assert running.unsent() == {}


async def test_the_owner_s_word_ends_the_process_as_a_signal_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What serves it is told, the answer having gone out."""
    listens: asyncio.Future[App] = asyncio.get_running_loop().create_future()

    def banner(app: App, *, to_a_person: bool) -> str:
        listens.set_result(app)
        return str(to_a_person)

    monkeypatch.setattr("onebot_bot.start.banner", banner)
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(serve(write_config(tmp_path)))
        app = await listens
        async with OneBotClient(app.url, 10000, app.token) as client:
            await client.send_event(client.private_message(1, "/shutdown -y"))
            assert await said(client) == (1, say("zh", "shutdown.done"))
            assert not await serving
