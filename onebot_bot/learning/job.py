"""What a night hands to the process that trains, and gets back: files in the run's folder. No torch."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from onebot_bot.config import ModelConfig
from onebot_bot.texts import Language

JOB = "job.json"
VALUES = "values.npz"
REFINED = "refined.npz"
VERDICT = "verdict.json"
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
    """Of the job's memories, in its order: raw keys `[N, D]`, values `[N, v, d]`, and which values are refined `[N]`."""

    raw: Floats
    values: Floats
    refined: NDArray[np.bool_]


class Refinements(Struct, frozen=True):
    """What refining gave: values `[N, v, d]`, and which of them are read out exactly `[N]`."""

    values: Floats
    exact: NDArray[np.bool_]


class Judged(Struct, frozen=True):
    """The gate's figures, serving and candidate, and what speaks against the candidate."""

    figures: dict[str, tuple[float, float]]
    reasons: list[str]


def write_job(folder: Path, job: Job, vectors: Vectors) -> None:
    """Write what the training process reads."""
    _whole(folder / VALUES, lambda path: np.savez(path, **msgspec.structs.asdict(vectors)))
    _whole(folder / JOB, lambda path: path.write_bytes(msgspec.json.encode(job)))


def read_job(folder: Path) -> tuple[Job, Vectors]:
    """Read it back; raises OSError or msgspec.DecodeError when it is damaged."""
    job = msgspec.json.decode((folder / JOB).read_bytes(), type=Job)
    with np.load(folder / VALUES) as file:
        return job, Vectors(file["raw"], file["values"], file["refined"])


def write_refined(folder: Path, refined: Refinements) -> None:
    """Keep the refined values."""
    _whole(folder / REFINED, lambda path: np.savez(path, **msgspec.structs.asdict(refined)))


def read_refined(folder: Path) -> Refinements:
    """Read them back."""
    with np.load(folder / REFINED) as file:
        return Refinements(file["values"], file["exact"])


def _whole(path: Path, write: Callable[[Path], object]) -> None:
    """A kill leaves the old file or the new, never half of one."""
    beside = path.with_name(f"{path.stem}.tmp{path.suffix}")
    write(beside)
    beside.replace(path)
