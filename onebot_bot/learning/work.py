"""What the nightly cycle asks of whoever does the learning, and what the two tell each other. No torch."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from msgspec import Struct, field

from onebot_bot.learning.journal import Journal, State

STEPS: Final = ("plan", "extract", "stage1", "stage2", "refine", "gate", "promote", "swap", "canary")
"""A night's steps, in their order."""
CANDIDATE: Final = "candidate"
"""The folder below a run's in which the new adapter lies, sealed, when stage 2 has ended."""
METRICS: Final = "metrics.jsonl"
"""The file in a run's folder with a line for every step of training that was measured."""


class Plan(Struct, frozen=True):
    """What a night will need, and what of it there is; disk space is looked up by the cycle."""

    memories: int
    disk_bytes: int
    device_bytes: int
    free_device_bytes: int


class Verdict(Struct, frozen=True):
    """What the gate says of a candidate."""

    passed: bool
    figures: dict[str, tuple[float, float]]
    """By name: the serving version's, the candidate's."""
    reasons: list[str]
    """Why it did not pass."""


class Run(Struct, frozen=True):
    """One night, as the work sees it."""

    folder: Path
    """For checkpoints and metrics; what is large in it goes when the night ends."""
    journal: Journal
    cancelled: Callable[[], bool]
    """To be asked from any thread between two steps of training; true: stop soon, any way."""
    progress: Callable[[str, float], None]
    """To be told from any thread: the step, and the share of it that is done, 0 to 1."""


class Work(Protocol):
    """What a night does. Every method may raise; the night then ends with the old model serving.

    A step that a kill interrupted is called again by the next process, with the same run. Its coroutine is cancelled
    when the owner cancels the night; a job on another thread asks `run.cancelled`.
    """

    async def plan(self) -> Plan:
        """What the night needs. Waits until the model is loaded; raises BotError when it cannot be."""

    async def extract(self, run: Run) -> dict[str, Any]:
        """Turn chats into memories.

        Returns:
            Plain JSON for the report: `memories` (active ones in all; 0 ends the night, nothing to learn), `added`,
            `merged`, `superseded` (counts), `examples` (ids: what a memory says is not kept, for it may be forgotten),
            `dropped` (reason to count). In this and the other steps `files` lists what later steps need, relative to
            the run's folder.
        """

    async def teach(self, run: Run, stage: Literal[1, 2]) -> dict[str, Any]:
        """Train; goes on from its own checkpoints. Raises LearningError when the loss is no number or diverges."""

    async def refine(self, run: Run) -> dict[str, Any]:
        """Refine values."""

    async def gate(self, run: Run) -> Verdict:
        """Compare the candidate with what serves."""

    async def swap(self, adapter: Path | None) -> None:
        """Serve this adapter from now on; None: the primed or bare model. Also undoes whatever training left."""

    async def canary(self) -> list[str]:
        """What is wrong with the model that serves now; empty: nothing."""


class Ending(Struct, frozen=True):
    """How a night ended, and why."""

    state: State
    reason: str = ""
    """For people who read logs; shown when there is no `key`."""
    key: str = ""
    """Of the catalogue."""
    values: dict[str, str] = field(default_factory=dict)
    """For the catalogue's text."""


class NightReport(Struct, frozen=True, kw_only=True):
    """What the owner hears in the morning."""

    name: str
    """Of the run's folder."""
    ending: Ending
    started: float
    """Unix seconds."""
    seconds: float
    learned: dict[str, Any] = field(default_factory=dict)
    """What `Work.extract` gave; `morning.with_texts` puts words in the place of the examples' ids."""
    figures: dict[str, tuple[float | None, float | None]] = field(default_factory=dict)
    """Of the gate, before and after; None: not a number."""
    spent: dict[str, float] = field(default_factory=dict)
    """Seconds by step, of the finished ones."""
    serving: str = ""
    """The adapter that serves now; empty: none."""
    plot: str = ""
    """Path of the picture; empty when nothing was trained."""
