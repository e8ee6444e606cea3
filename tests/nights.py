"""What a test of the nightly cycle touches: scripted work on real files, two clocks, and who was told what.

As a program it holds one night in a folder and kills itself in a step: `python nights.py FOLDER STEP`.
"""

import asyncio
import contextlib
import inspect
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Literal

from fakes import FakeClock
from msgspec import Struct

from onebot_bot.errors import LearningError
from onebot_bot.learning.cycle import LearningCycle
from onebot_bot.learning.sequence import Means
from onebot_bot.learning.versions import Versions, seal
from onebot_bot.learning.work import CANDIDATE, METRICS, STEPS, NightReport, Plan, Run, Verdict

BASE = "model-1"
START = 1_795_226_400.0
"""2026-11-21 02:00 UTC, 10:00 in Shanghai."""
OLD = "20261120T020000Z"


class Settings(Struct):
    """[learning]."""

    enabled: bool = True
    hour: int = 2
    minute: int = 0
    timezone: str = "Asia/Shanghai"
    first_delay_days: int = 1
    interval_days: int = 1
    report: bool = True


class NightClock(FakeClock):
    """A wall clock that can be set, beside the steady one."""

    def __init__(self) -> None:
        super().__init__()
        self.set_by = START - self.now

    def steady(self) -> float:
        """Seconds that never jump."""
        return self.now

    def wall(self) -> float:
        """Unix seconds."""
        return self.now + self.set_by


class Clock:
    """`NightClock` as the cycle wants it."""

    def __init__(self, clock: NightClock) -> None:
        self.now = clock.wall
        self.steady = clock.steady
        self.sleep = clock.sleep


Step = Callable[[Run | None], Awaitable[None] | None]
"""What a test lets happen in a step: raise, wait, or kill."""


class ScriptedWork:
    """Learns nothing, but writes what a trainer writes."""

    def __init__(self) -> None:
        self.called: list[str] = []
        self.on: dict[str, Step] = {}
        """What happens in a step, at each of its calls."""
        self.needs = Plan(memories=3, disk_bytes=1000, device_bytes=10, free_device_bytes=20)
        self.learned: dict[str, Any] = {"memories": 3, "added": 2, "examples": ["Alice has a cat."]}
        self.verdict = Verdict(passed=True, figures={"hit@1": (0.5, 0.75)}, reasons=[])
        self.faults: list[str] = []
        self.serving = "untouched"
        """Which adapter the model serves: the text in it, or `bare`."""
        self.weights = "new"
        self.measures = False
        """Whether there are metrics, which take a second to draw."""

    async def _happen(self, name: str, run: Run | None = None) -> None:
        self.called.append(name)
        result = self.on[name](run) if name in self.on else None
        if inspect.isawaitable(result):
            await result

    async def plan(self) -> Plan:
        """What the test says."""
        await self._happen("plan")
        return self.needs

    async def extract(self, run: Run) -> dict[str, Any]:
        """What the test says."""
        await self._happen("extract", run)
        return self.learned

    async def teach(self, run: Run, stage: Literal[1, 2]) -> dict[str, Any]:
        """Checkpoints, metrics, and in the end the candidate."""
        (run.folder / f"stage{stage}").mkdir(exist_ok=True)
        (run.folder / f"stage{stage}" / "checkpoint.pt").write_text("half")
        if self.measures:
            with (run.folder / METRICS).open("a") as file:
                file.write(f'{{"stage": {stage}, "step": 1, "loss": 0.5}}\n')
        await self._happen(f"stage{stage}", run)
        if stage == 2:
            make_adapter(run.folder / CANDIDATE, self.weights)
        return {"files": [CANDIDATE] if stage == 2 else []}

    async def refine(self, run: Run) -> dict[str, Any]:
        """Nothing."""
        await self._happen("refine", run)
        return {}

    async def gate(self, run: Run) -> Verdict:
        """What the test says."""
        await self._happen("gate", run)
        return self.verdict

    async def swap(self, adapter: Path | None) -> None:
        """Serve it."""
        await self._happen("swap")
        self.serving = read_adapter(adapter)

    async def canary(self) -> list[str]:
        """What the test says."""
        await self._happen("canary")
        return self.faults


class Nights:
    """A cycle's surroundings in a folder; `running` holds one process's life."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs = folder / "training" / "runs"
        self.work = ScriptedWork()
        self.clock = NightClock()
        self.settings = Settings()
        self.base = BASE
        self.versions = Versions(folder / "models", lambda: self.base)
        self.told: asyncio.Queue[NightReport] = asyncio.Queue()
        self.resting = False
        self.rests = 0
        self.cycle: LearningCycle

    def begin_with_old(self) -> None:
        """An adapter of the night before serves."""
        self.versions.promote(make_adapter(self.folder / "made", "old"), OLD)

    @contextlib.asynccontextmanager
    async def pause(self) -> AsyncIterator[None]:
        """Note the rest."""
        self.rests += 1
        self.resting = True
        try:
            yield
        finally:
            self.resting = False

    async def tell(self, report: NightReport) -> None:
        """Note the report."""
        self.told.put_nowait(report)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[LearningCycle]:
        """From a start of the bot to its end."""
        means = Means(self.work, self.versions, self.pause, self.clock.wall, lambda: 3)
        cycle = LearningCycle(means, self.runs, lambda: self.settings, self.tell, Clock(self.clock))
        async with cycle:
            self.cycle = cycle
            yield cycle

    async def report(self) -> NightReport:
        """The next one told."""
        return await asyncio.wait_for(self.told.get(), 5)

    @property
    def pointed(self) -> str:
        """The text of the adapter that a restart would serve."""
        return read_adapter(self.versions.current())


def make_adapter(folder: Path, text: str) -> Path:
    """A sealed one."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adapter.safetensors").write_text(text)
    seal(folder, BASE, [1, 2, 3])
    return folder


def read_adapter(folder: Path | None) -> str:
    """The text in it."""
    return (folder / "adapter.safetensors").read_text() if folder else "bare"


def raising(error: Exception, times: int = 99) -> Step:
    """A step that fails so many times."""
    left = [times]

    def happen(run: Run | None) -> None:
        left[0] -= 1
        if left[0] >= 0:
            raise error

    return happen


def kill(run: Run | None) -> None:
    """A step in which the power goes."""
    os.kill(os.getpid(), signal.SIGKILL)


async def _be_killed(folder: Path, step: str) -> None:
    nights = Nights(folder)
    nights.work.on[step] = kill
    async with nights.running() as cycle:
        with contextlib.suppress(LearningError):  # the second process goes on with the first one's
            cycle.start_now()
        await nights.told.get()


if __name__ == "__main__":
    assert sys.argv[2] in STEPS
    asyncio.run(_be_killed(Path(sys.argv[1]), sys.argv[2]))
