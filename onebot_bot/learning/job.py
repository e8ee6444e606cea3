"""What a night hands to the process that trains, and gets back: files in the run's folder. No torch.

What people said is in binary files alone: a run's folder loses them when the night ends (journal.py).
"""

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from onebot_bot.sections.model import ModelConfig
from onebot_bot.texts import Language

JOB = "job.msgpack"
VALUES = "values.npz"
REFINED = "refined.npz"
VERDICT = "verdict.json"
FLOOR = "floor.json"
TEACHER = "onebot_bot.learning.train"
"""The module that trains, as a process of its own: its death is not the bot's."""

Floats = NDArray[np.float32]


class Remembered(Struct, frozen=True, kw_only=True):
    """A memory to be learned."""

    id: int
    text: str
    lang: Language
    situations: list[list[tuple[str, str]]]
    """Conversations of (role, text) that call for it; the last one is the gate's."""


class Job(Struct, frozen=True, kw_only=True):
    """One night's training."""

    model: str
    """Folder of the pristine base."""
    config: ModelConfig
    base: str
    """Its fingerprint."""
    primed: str
    """Adapter that the training starts from; empty: none."""
    serving: str
    """Adapter that serves, which the candidate must not lose to; empty: none."""
    recipes: str
    prompts: str
    replies: str
    """Where the base model's own replies are kept between nights."""
    raw_width: int
    """Of raw keys."""
    persona: str
    floor: float
    memories: list[Remembered]
    seed: int = 0
    minutes: float = 60.0
    """Most time for refining."""


class Vectors(Struct, frozen=True):
    """Of the job's memories, in its order: raw keys `[N, D]`, values `[N, v, d]`, and which are refined `[N]`."""

    raw: Floats
    values: Floats
    refined: NDArray[np.bool_]


class Refinements(Struct, frozen=True):
    """What refining gave: values `[N, v, d]`, and which of them are read out exactly `[N]`."""

    values: Floats
    exact: NDArray[np.bool_]


class Judged(Struct, frozen=True):
    """The gate's figures, serving and candidate (None: no number), and what speaks against the candidate."""

    figures: dict[str, tuple[float | None, float | None]]
    reasons: list[str]


def write_job(folder: Path, job: Job, vectors: Vectors) -> None:
    """Write what the training process reads."""
    _whole(folder / VALUES, lambda path: np.savez(path, **msgspec.structs.asdict(vectors)))
    _whole(folder / JOB, lambda path: path.write_bytes(msgspec.msgpack.encode(job)))


def read_plain_job(folder: Path) -> Job:
    """The job without its vectors; raises OSError or msgspec.DecodeError when it is damaged."""
    return msgspec.msgpack.decode((folder / JOB).read_bytes(), type=Job)


def read_job(folder: Path) -> tuple[Job, Vectors]:
    """The job; raises OSError, msgspec.DecodeError, ValueError or BadZipFile when it is damaged."""
    with np.load(folder / VALUES) as file:
        return read_plain_job(folder), Vectors(file["raw"], file["values"], file["refined"])


def write_refined(folder: Path, refined: Refinements) -> None:
    """Keep the refined values."""
    _whole(folder / REFINED, lambda path: np.savez(path, **msgspec.structs.asdict(refined)))


def read_refined(folder: Path) -> Refinements:
    """Read them back."""
    with np.load(folder / REFINED) as file:
        return Refinements(file["values"], file["exact"])


def write_verdict(folder: Path, judged: Judged, floor: float) -> None:
    """Keep what the gate found, and the least cosine of a recalled memory as it calibrated it."""
    _whole(folder / FLOOR, lambda path: path.write_bytes(msgspec.json.encode(floor)))
    _whole(folder / VERDICT, lambda path: path.write_bytes(msgspec.json.encode(judged)))


def read_verdict(folder: Path) -> Judged:
    """Read it back."""
    return msgspec.json.decode((folder / VERDICT).read_bytes(), type=Judged)


def read_floor(folder: Path) -> float | None:
    """The calibrated floor; None: no number came out."""
    return msgspec.json.decode((folder / FLOOR).read_bytes(), type=float | None)


def _whole(path: Path, write: Callable[[Path], object]) -> None:
    """A kill leaves the old file or the new, never half of one."""
    beside = path.with_name(f"{path.stem}.tmp{path.suffix}")
    write(beside)
    beside.replace(path)
