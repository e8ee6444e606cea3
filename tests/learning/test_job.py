"""onebot_bot.learning.job: what passes between the night and its training."""

import math
from pathlib import Path
from zipfile import BadZipFile

import msgspec
import numpy as np
import pytest
from facts import holding

from onebot_bot.learning.job import (
    JOB,
    VALUES,
    Job,
    Judged,
    Refinements,
    Remembered,
    Vectors,
    read_floor,
    read_job,
    read_plain_job,
    read_refined,
    read_verdict,
    write_job,
    write_refined,
    write_verdict,
)
from onebot_bot.learning.journal import open_run
from onebot_bot.sections.model import ModelConfig

SAID = "Ann has a cat."


def a_job() -> Job:
    """One memory."""
    memory = Remembered(id=7, text=SAID, lang="en", situations=[[("user", "What pet does Ann have?")]])
    return Job(
        model="m", config=ModelConfig(), base="b", primed="", serving="", recipes="r", prompts="p", replies="",
        raw_width=4, persona="", floor=0.3, memories=[memory],
    )  # fmt: skip


VECTORS = Vectors(np.ones((1, 4), np.float32), np.ones((1, 2, 3), np.float32), np.array([True]))


def test_a_job_is_read_as_it_was_written(tmp_path: Path) -> None:
    """With its vectors, or without."""
    write_job(tmp_path, a_job(), VECTORS)
    job, vectors = read_job(tmp_path)
    assert (a_job(), a_job()) == (job, read_plain_job(tmp_path))
    assert vectors.refined.tolist() == [True]
    assert np.array_equal(VECTORS.values, vectors.values)


def test_a_damaged_job_is_no_job(tmp_path: Path) -> None:
    """Whichever of its files a full disk cut."""
    write_job(tmp_path, a_job(), VECTORS)
    (tmp_path / JOB).write_bytes((tmp_path / JOB).read_bytes()[:-9])
    with pytest.raises(msgspec.DecodeError):
        read_plain_job(tmp_path)
    (tmp_path / VALUES).write_bytes((tmp_path / VALUES).read_bytes()[:-9])
    with pytest.raises((ValueError, BadZipFile)):
        read_job(tmp_path)


def test_a_night_leaves_nothing_of_what_was_said(tmp_path: Path) -> None:
    """What is forgotten later must not be found in the folder of an old run."""
    run = open_run(tmp_path, 1_800_000_000.0)
    write_job(run.folder, a_job(), VECTORS)
    assert holding(tmp_path, SAID.encode()) == [JOB]
    run.close("done", "", 1_800_000_000.0)
    assert holding(tmp_path, SAID.encode()) == []


def test_refined_values_are_read_as_they_were_written(tmp_path: Path) -> None:
    """With which of them are exact."""
    write_refined(tmp_path, Refinements(VECTORS.values, np.array([False])))
    found = read_refined(tmp_path)
    assert (VECTORS.values.tolist(), [False]) == (found.values.tolist(), found.exact.tolist())


def test_a_verdict_may_hold_what_is_no_number(tmp_path: Path) -> None:
    """The night is refused by it, and not ended by a file that cannot be read."""
    write_verdict(tmp_path, Judged({"chat loss": (1.0, math.nan)}, ["chat loss"]), math.nan)
    assert read_verdict(tmp_path) == Judged({"chat loss": (1.0, None)}, ["chat loss"])
    assert read_floor(tmp_path) is None
