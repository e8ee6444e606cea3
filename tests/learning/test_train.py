"""onebot_bot.learning.train: the four steps of a night on a tiny random model, here and in a process of their own."""

import asyncio
import contextlib
import copy
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import msgspec
import numpy as np
import pytest
from tiny import TEXTS, load_tiny, talks

from onebot_bot.engine.generate import Generator
from onebot_bot.engine.model import fingerprint
from onebot_bot.errors import LearningError, ModelError
from onebot_bot.learning import train as module
from onebot_bot.learning.job import (
    Job,
    Remembered,
    Vectors,
    read_floor,
    read_refined,
    read_verdict,
    write_job,
)
from onebot_bot.learning.night import seal_candidate
from onebot_bot.learning.orphan import ORPHANED
from onebot_bot.learning.teaching import teach
from onebot_bot.learning.train import Teacher, against
from onebot_bot.learning.versions import META, Versions
from onebot_bot.learning.work import CANDIDATE, METRICS
from onebot_bot.sections.model import ModelConfig

pytestmark = pytest.mark.model

TRAINING = Path(__file__).parents[2] / "training"
ALL = '["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]'
COMMON = "rank = 4\nalpha = 8\nepochs = 1\nleast_steps = {steps}\nbatch = 4\nmicro = 4\nlr = 5e-3\n"
STAGE1 = 'recipe = "default"\n[recipes.default]\npairs = "contexts"\nloss = "infonce"\nmodules = ["q_proj", "v_proj"]\n'
STAGE2 = f'recipe = "default"\n[refine]\nsteps = 4\nlr = 0.05\nbatch = 4\n[recipes.default]\nmodules = {ALL}\n'
ENDLESS = 100_000


@pytest.fixture(scope="module")
def replies(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Path:
    """The tiny model's own replies to a few turns, kept where a night looks for those to many."""
    folder = tmp_path_factory.mktemp("replies")
    for name in (f"train-{module.TALKS}", f"test-{module.HELD_OUT}"):
        (folder / f"{fingerprint(tiny_folder)}-{name}.json").write_bytes(msgspec.json.encode(talks()))
    return folder


@pytest.fixture(scope="module")
def vectors(tiny_folder: Path) -> Vectors:
    """Keys and values of `TEXTS`, as they serve."""
    model = Generator(load_tiny(tiny_folder))
    keys = model.embed(list(TEXTS))
    return Vectors(keys, model.project(keys), np.ones(len(keys), np.bool_))


class School:
    """A night's folder with a job in it, and the means to do its steps."""

    def __init__(self, folder: Path, model: Path, replies: Path, vectors: Vectors) -> None:
        self.folder = folder / "20261121T020000Z"
        self.folder.mkdir(exist_ok=True)
        self.recipes = folder / "recipes"
        self.recipes.mkdir(exist_ok=True)
        self.model = model
        self.replies = replies
        self.vectors = vectors
        self.said: list[dict[str, Any]] = []
        self.recipe()
        self.assign()

    def recipe(self, steps: int = 4) -> None:
        """As few steps as show anything, or so many that a test can interrupt them."""
        common = COMMON.format(steps=steps)
        (self.recipes / "stage1.toml").write_text(STAGE1 + common)
        (self.recipes / "stage2.toml").write_text(STAGE2 + common)
        (self.recipes / "prompts.toml").write_bytes((TRAINING / "prompts.toml").read_bytes())

    def assign(self, change: Callable[[Vectors], None] = lambda _: None, **fields: Any) -> None:
        """Write the job; `change` may poison its vectors."""
        vectors = copy.deepcopy(self.vectors)
        change(vectors)
        job = Job(
            model=str(self.model), config=ModelConfig(dtype="float32", device="cpu", threads=1),
            base=fingerprint(self.model), primed="", serving="", recipes=str(self.recipes),
            prompts=str(self.recipes / "prompts.toml"), replies=str(self.replies), raw_width=vectors.raw.shape[1],
            persona="You are kind.", floor=0.3, memories=[_remembered(n, text) for n, text in enumerate(TEXTS)],
        )  # fmt: skip
        write_job(self.folder, msgspec.structs.replace(job, **fields), vectors)

    def teacher(self) -> Teacher:
        """What one process of the night begins with."""
        return Teacher(self.folder, self.said.append)

    def learn(self) -> None:
        """Both stages, and what is refined for them."""
        self.teacher().stage(1)
        self.teacher().stage(2)
        seal_candidate(self.folder, None)
        self.teacher().refine()

    @property
    def steps(self) -> list[tuple[int, int]]:
        """Stage and step of each line of metrics."""
        rows = [json.loads(line) for line in (self.folder / METRICS).read_text().splitlines()]
        return [(row["stage"], row["step"]) for row in rows]


def _remembered(number: int, text: str) -> Remembered:
    name = text.split(maxsplit=1)[0]
    said = (f"What of {name}?", f"Tell me of {name}.", f"{name}, who is that?")
    return Remembered(id=10 + number, text=text, lang="en", situations=[[("user", words)] for words in said])


@pytest.fixture
def school(tmp_path: Path, tiny_folder: Path, replies: Path, vectors: Vectors) -> School:
    """A night that is about to be trained for."""
    return School(tmp_path, tiny_folder, replies, vectors)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path, replies: Path, vectors: Vectors) -> School:
    """A night up to its gate; to be copied, not changed."""
    made = School(tmp_path_factory.mktemp("trained"), tiny_folder, replies, vectors)
    made.learn()
    return made


@pytest.fixture
def learned(trained: School, tmp_path: Path) -> School:
    """A night that is about to be judged."""
    shutil.copytree(trained.folder.parent, tmp_path, dirs_exist_ok=True)
    return School(tmp_path, trained.model, trained.replies, trained.vectors)


def test_a_night_is_trained_refined_and_judged(trained: School, learned: School) -> None:
    """What comes out is an adapter that the engine loads, values for it, a floor and a verdict."""
    learned.teacher().gate()
    refined, verdict, floor = read_refined(learned.folder), read_verdict(learned.folder), read_floor(learned.folder)
    assert (len(refined.values), len(refined.exact)) == (6, 6)
    assert {"hit@1", "hit@10", "exact", "asks", "false recalls", "chat loss"} == set(verdict.figures)
    assert floor is not None
    seal_candidate(learned.folder, floor)
    served = Generator(load_tiny(learned.model, learned.folder / CANDIDATE))
    assert learned.folder.name == served.adapter
    assert floor == pytest.approx(served.floor)
    assert [(stage, step) for stage in (1, 2) for step in range(1, 5)] == learned.steps
    assert (trained.said[-1], learned.said[-1]) == ({"share": 1.0}, {"share": 0.5})


def test_meta_of_a_candidate_says_what_it_is_made_from(trained: School) -> None:
    """Its base, the memories it was trained on, and the floor that serves until the gate has found another."""
    meta = json.loads((trained.folder / CANDIDATE / META).read_text())
    assert ([*range(10, 16)], 0.3, fingerprint(trained.model)) == (meta["memories"], meta["floor"], meta["base"])


def test_later_nights_are_judged_against_what_serves(learned: School) -> None:
    """An adapter of the same recipe that was trained no further loses nothing to itself."""
    learned.assign(serving=str(learned.folder / CANDIDATE))
    learned.teacher().gate()
    figures = read_verdict(learned.folder).figures
    assert figures["chat loss"][0] == pytest.approx(figures["chat loss"][1])
    assert figures["hit@1"][0] == figures["hit@1"][1]


def test_a_serving_adapter_of_another_recipe_does_not_end_all_nights(learned: School) -> None:
    """What the night began with stands for it; with nothing to begin with the error names the folder."""
    primed, other = learned.folder / CANDIDATE, learned.recipes / "other"
    other.mkdir()
    learned.assign(serving=str(other), primed=str(primed))
    learned.teacher().gate()
    figures = read_verdict(learned.folder).figures
    assert figures["chat loss"][0] == pytest.approx(figures["chat loss"][1])
    learned.assign(serving=str(other))
    with pytest.raises(ModelError, match="other"):
        learned.teacher().gate()


def test_a_stage_goes_on_from_its_checkpoint(learned: School) -> None:
    """A stage that had ended when its process died trains nothing again."""
    weights, steps = learned.folder / "stage1" / "adapter_model.safetensors", learned.steps
    before = weights.read_bytes()
    weights.unlink()
    learned.teacher().stage(1)
    assert (learned.steps, weights.read_bytes()) == (steps, before)


def test_a_poisoned_key_ends_the_stage(school: School) -> None:
    """Every loss is no number then; nothing is written."""
    school.assign(lambda vectors: vectors.raw.__setitem__(0, np.nan))
    with pytest.raises(LearningError, match="not finite"):
        school.teacher().stage(1)
    assert not (school.folder / "stage1").exists()


def test_a_poisoned_value_harms_nobody_else(school: School) -> None:
    """It counts as not refined: the projector's takes its place, in training and in refining."""
    school.assign(lambda vectors: vectors.values.__setitem__(0, np.nan))
    school.learn()
    assert np.isfinite(read_refined(school.folder).values).all()


def test_ones_own_conversations_take_the_place_of_replies(school: School) -> None:
    """Where sft.jsonl lies beside the recipes; turns without a reply are learned from besides."""
    line = {"messages": [{"role": "user", "content": "Sing."}, {"role": "assistant", "content": "La la."}]}
    (school.recipes / "sft.jsonl").write_text(json.dumps(line))
    assert {talk.reply for talk in school.teacher()._talks()} == {"La la.", ""}


def test_without_them_the_base_model_replies_once(school: School, tmp_path: Path) -> None:
    """To ordinary turns; what it said is kept for all nights to come."""
    school.assign(replies=str(tmp_path / "replies"))
    first = school.teacher()._replayed(4, "train")
    assert len(first) == 4
    assert all(talk.reply for talk in first)
    (kept,) = (tmp_path / "replies").iterdir()
    kept.write_bytes(msgspec.json.encode(first[:1]))
    assert school.teacher()._replayed(4, "train") == first[:1]


def test_refining_ends_with_its_time(learned: School) -> None:
    """What is not exact by then stays as it came."""
    learned.assign(minutes=0.0)
    learned.teacher().refine()
    refined = read_refined(learned.folder)
    assert (len(refined.exact), any(refined.exact)) == (6, False)
    np.testing.assert_array_equal(learned.vectors.values, refined.values)


@pytest.mark.parametrize(
    ("name", "pair", "refused"),
    [
        ("hit@1", (0.90, 0.89), False),
        ("hit@1", (0.90, 0.80), True),
        ("exact", (1.0, 0.9), True),
        ("false recalls", (0.0, 0.02), False),
        ("false recalls", (0.0, 0.2), True),
        ("chat loss", (2.0, 2.02), False),
        ("chat loss", (2.0, 2.05), True),
        ("chat loss", (2.2, 2.1), False),
        ("chat loss", (2.0, float("nan")), True),
    ],
)
def test_what_speaks_against_a_candidate(name: str, pair: tuple[float, float], *, refused: bool) -> None:
    """Losing to what serves by more than chance, or moving away from the base model, whose loss is 2 here."""
    same = {"hit@1": (0.5, 0.5), "exact": (0.5, 0.5), "false recalls": (0.0, 0.0), "chat loss": (2.0, 2.0)}
    reasons = against({**same, name: pair}, 2.0)
    assert refused == bool(reasons)
    assert all(reason.startswith(name) for reason in reasons)


def test_an_unknown_step_is_refused(school: School, capsys: pytest.CaptureFixture[str]) -> None:
    """In words for the parent."""
    with pytest.raises(LearningError, match="no step"):
        module._do(school.teacher(), "stage3")


def test_several_processes_write_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """accelerate tells each its rank."""
    assert module._is_first()
    monkeypatch.setenv("RANK", "1")
    assert not module._is_first()


# --- in a process of its own ----------------------------------------------------------------------------------------


async def test_every_step_can_be_killed_and_done_again(school: School) -> None:
    """With SIGKILL, at its first sign of life: what it left does not hinder the next process, as a night runs them."""
    shares: list[float] = []
    for step in ("stage1", "stage2", "refine", "gate"):
        with pytest.raises(LearningError, match="status -9"):
            await teach(school.folder, step, lambda _: _kill_child())
        await teach(school.folder, step, shares.append)
        if step == "stage2":
            seal_candidate(school.folder, None)
    assert Versions(school.folder, lambda: fingerprint(school.model)).problem(school.folder / CANDIDATE) == ""
    assert read_verdict(school.folder).figures
    assert shares.count(1.0) == 3


def test_a_damaged_job_is_told_in_words(
    school: School, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the process's last line, which its parent passes on."""
    monkeypatch.setattr(module, "end_with_parent", lambda: None)  # this process has another
    (school.folder / "values.npz").write_bytes(b"PK\x03\x04")
    with pytest.raises(BadZipFile):
        module.main([str(school.folder), "stage1"])
    assert "zip" in json.loads(capsys.readouterr().out)["error"]


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA error: out of memory")])
def test_memory_that_runs_out_anywhere_is_told_with_the_keys(
    school: School, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    """While the model is loaded, judged with, or kept."""

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(module, "end_with_parent", lambda: None)  # this process has another
    monkeypatch.setattr(module, "load_base", fail)
    with pytest.raises(type(error)):
        module.main([str(school.folder), "gate"])
    assert json.loads(capsys.readouterr().out)["error"].startswith("gate: the memory does not suffice")


async def test_a_full_disk_ends_the_step_and_leaves_no_half_file(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file may grow beyond 100 KB here, as none could on a full disk."""
    limited = asyncio.create_subprocess_exec

    async def start(*args: Any, **options: Any) -> asyncio.subprocess.Process:
        return await limited(*args, **options, preexec_fn=_limit_files)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", start)
    with pytest.raises(LearningError):
        await teach(school.folder, "stage1", lambda _: None)
    assert not list(school.folder.glob("checkpoint1/*.pt"))
    school.teacher().stage(1)
    assert (school.folder / "stage1" / "adapter_model.safetensors").exists()


def test_it_ends_when_its_parent_is_gone(school: School) -> None:
    """In the middle of a stage that would go on for days."""
    school.recipe(ENDLESS)
    command = [sys.executable, "-m", "onebot_bot.learning.train", str(school.folder), "stage1"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert b"share" in process.stdout.readline()
        process.stdin.close()
        assert process.wait(60) == ORPHANED


def _limit_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))


def _kill_child() -> None:
    for child in Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(child), signal.SIGKILL)
