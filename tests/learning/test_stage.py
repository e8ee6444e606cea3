"""The training loop: killed and resumed, poisoned, and what it writes down."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
import torch
from tiny import ALL, RECIPES, learner_of, load_tiny, night_of, writer_of
from torch import Tensor, nn

from onebot_bot.engine.model import LoadedModel
from onebot_bot.errors import LearningError
from onebot_bot.learning import stage
from onebot_bot.learning.course import Class, Night
from onebot_bot.learning.fitting import SHORTEST
from onebot_bot.learning.learner import Bank, Batch, Learner
from onebot_bot.learning.recipes import Recipes
from onebot_bot.learning.school import empty_bank
from onebot_bot.learning.stage import Objective, Plan, rate, train, trained_parameters, writes

pytestmark = pytest.mark.model
Line = dict[str, Any]


def fresh(folder: Path) -> Learner:
    """A learner with the same first weights every time."""
    torch.manual_seed(0)
    learner = learner_of(load_tiny(folder))
    learner.calibrate(learner.embed_texts(["Ann has a cat.", "Kim lives in Rome."]))
    return learner


def plan_of(learner: Learner, folder: Path, number: Literal[1, 2] = 2, recipes: Recipes = RECIPES) -> Plan:
    """One stage over all lessons."""
    return Plan(
        stage=number, recipes=recipes, course=night_of(learner), writer=writer_of(learner.model), folder=folder, seed=4
    )


@pytest.fixture(scope="module")
def trained(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Tensor]]:
    """A second stage that ran to its end: its folder, to be copied, and its weights."""
    learner, folder = fresh(tiny_folder), tmp_path_factory.mktemp("trained")
    train(learner, plan_of(learner, folder), lambda _: None)
    return folder, weights(learner)


def weights(learner: Learner) -> dict[str, Tensor]:
    """A copy of all that is not the base's."""
    return {name: value.detach().clone() for name, value in stage._own(learner).items()}


def stop_at(step: int) -> Callable[[Line], None]:
    """A kill after a step's end."""

    def report(line: Line) -> None:
        if line["step"] == step:
            raise KeyboardInterrupt

    return report


@pytest.mark.parametrize("number", [1, 2])
def test_a_stage_learns(tiny_folder: Path, tmp_path: Path, number: Literal[1, 2]) -> None:
    """The loss falls, each step writes its line, and only what the stage trains has moved."""
    learner = fresh(tiny_folder)
    before, lines = weights(learner), list[Line]()
    change: dict[str, Any] = {"least_steps": 24}
    recipes = Recipes(
        ask=msgspec.structs.replace(RECIPES.ask, **change), read=msgspec.structs.replace(RECIPES.read, **change),
        refine=RECIPES.refine,
    )  # fmt: skip
    train(learner, plan_of(learner, tmp_path, number, recipes), lines.append)
    assert [(line["stage"], line["step"], line["of"]) for line in lines] == [(number, n + 1, 24) for n in range(24)]
    wanted = "asking" if number == 1 else "reading"
    assert sum(line[wanted] for line in lines[-4:]) < sum(line[wanted] for line in lines[:4])
    moved = {name for name, value in weights(learner).items() if not torch.equal(value, before[name])}
    assert any("q_proj" in name for name in moved)
    assert any("up_proj" in name for name in moved) is (number == 2)
    assert any("projector" in name for name in moved) is (number == 2)
    assert not any(name.endswith(("centre", "spread")) for name in moved)
    assert not learner.training


@pytest.mark.parametrize("number", [1, 2])
def test_a_killed_stage_ends_as_if_it_had_not_been(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: Literal[1, 2]
) -> None:
    """Resumed from its checkpoint by a new process, its weights are those of an uninterrupted run."""
    monkeypatch.setattr(stage, "CHECKPOINT_SECONDS", -1.0)
    short = msgspec.structs.replace(
        RECIPES,
        ask=msgspec.structs.replace(RECIPES.ask, least_steps=3),
        read=msgspec.structs.replace(RECIPES.read, least_steps=3),
    )
    whole = fresh(tiny_folder)
    train(whole, plan_of(whole, tmp_path / "whole", number, short), lambda _: None)
    killed = fresh(tiny_folder)
    with pytest.raises(KeyboardInterrupt):
        train(killed, plan_of(killed, tmp_path / "killed", number, short), stop_at(2))
    lines: list[Line] = []
    resumed = fresh(tiny_folder)
    train(resumed, plan_of(resumed, tmp_path / "killed", number, short), lines.append)
    assert [line["step"] for line in lines] == [2, 3]
    expected, actual = weights(whole), weights(resumed)
    assert expected.keys() == actual.keys()
    for name, value in expected.items():
        torch.testing.assert_close(actual[name], value, atol=1e-6, rtol=1e-5)


def test_a_stage_that_ended_is_not_run_again(tiny_folder: Path, trained: tuple[Path, dict[str, Tensor]]) -> None:
    """Its weights are taken from the disk."""
    learner, lines = fresh(tiny_folder), list[Line]()
    train(learner, plan_of(learner, trained[0]), lines.append)
    assert lines == []
    for name, value in weights(learner).items():
        assert torch.equal(trained[1][name], value), name


@pytest.mark.parametrize("spoiled", ["cut", "empty", "text", "other"])
def test_a_checkpoint_that_does_not_fit_is_passed_over(
    tiny_folder: Path, tmp_path: Path, trained: tuple[Path, dict[str, Tensor]], spoiled: str
) -> None:
    """Truncated, empty, foreign or of another rank: the stage starts at its beginning, nothing half taken."""
    path, learner = tmp_path / "checkpoint.pt", fresh(tiny_folder)
    shutil.copy(trained[0] / "checkpoint.pt", path)
    whole = path.read_bytes()
    if spoiled == "other":
        learner = Learner(load_tiny(tiny_folder), msgspec.structs.replace(RECIPES.read, rank=1), ALL)
    else:
        path.write_bytes({"cut": whole[: len(whole) // 2], "empty": b"", "text": b"no checkpoint"}[spoiled])
    with pytest.raises(KeyboardInterrupt):
        train(learner, plan_of(learner, tmp_path), stop_at(1))


def poison(monkeypatch: pytest.MonkeyPatch, bad: set[int]) -> None:
    """Make the loss of these steps (from 0) no number."""
    passes, seen = stage._gradients, iter(range(100))

    def gradients(accelerator: Any, objective: Any, parts: Any) -> dict[str, float]:
        if next(seen) in bad:
            parts = [(batch, msgspec.structs.replace(bank, raw=bank.raw * math.nan)) for batch, bank in parts]
        return passes(accelerator, objective, parts)

    monkeypatch.setattr(stage, "_gradients", gradients)


def test_a_poisoned_batch_is_left_out(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two in a row are skipped, no weight is touched by them, and the line says that there is no figure."""
    poison(monkeypatch, {1, 2, 4})
    learner, lines, seen = fresh(tiny_folder), list[Line](), list[Tensor]()

    def report(line: Line) -> None:
        lines.append(json.loads(json.dumps(line, allow_nan=False)))
        seen.append(learner.rows.detach().clone())

    train(learner, plan_of(learner, tmp_path), report)
    assert [line["loss"] is None for line in lines] == [False, True, True, False, True, False]
    assert torch.equal(seen[0], seen[2])
    assert not torch.equal(seen[2], seen[3])
    assert all(torch.isfinite(value).all() for value in weights(learner).values())


def test_three_poisoned_batches_end_it(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Divergence is an error that names the stage."""
    poison(monkeypatch, {1, 2, 3})
    learner = fresh(tiny_folder)
    with pytest.raises(LearningError, match=r"stage 2: the loss was not finite for 3 steps"):
        train(learner, plan_of(learner, tmp_path), lambda _: None)


def first_gradient(learner: Learner, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> Tensor:
    """Of the first step, before it is clipped; all in one row."""
    found: list[Tensor] = []

    def note(parameters: list[Tensor], longest: float) -> Tensor:
        found.append(torch.cat([p.grad.flatten() for p in parameters if p.grad is not None]))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(nn.utils, "clip_grad_norm_", note)
        with pytest.raises(KeyboardInterrupt):
            train(learner, plan, lambda _: None)
    return found[0]


def cramped(monkeypatch: pytest.MonkeyPatch, holds: Callable[[Tensor], bool]) -> None:
    """Let passes run out of memory, halfway through a step too, that `holds` says no to by their ids `[B, T]`."""
    forward = Objective.forward

    def call(objective: Objective, batch: Batch, bank: Bank) -> dict[str, Tensor]:
        if not holds(batch.ids):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return forward(objective, batch, bank)

    monkeypatch.setattr(Objective, "forward", call)


@pytest.mark.parametrize("number", [1, 2])
def test_a_step_that_the_memory_does_not_hold_is_taken_in_smaller_passes(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: Literal[1, 2]
) -> None:
    """And its gradient is that of the whole: what the failed passes had added is gone."""
    learner = fresh(tiny_folder)
    plan = plan_of(learner, tmp_path, number)
    expected = first_gradient(learner, plan, monkeypatch)
    cramped(monkeypatch, lambda ids: len(ids) < 2 or ids.shape[1] < 40)
    assert torch.allclose(first_gradient(learner, plan, monkeypatch), expected, rtol=1e-3, atol=1e-5)


def test_where_no_sample_fits_shorter_ones_are_learned_from(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Down to the shortest; then the night ends with words that name the keys."""
    learner = fresh(tiny_folder)
    plan, shapes = plan_of(learner, tmp_path), list[torch.Size]()

    def holds(ids: Tensor) -> bool:
        shapes.append(ids.shape)
        return False

    cramped(monkeypatch, holds)
    with pytest.raises(LearningError, match=r"stage2: the memory .*`micro`.*`longest`"):
        train(learner, plan, lambda _: None)
    assert plan.writer.longest == SHORTEST
    assert [len(shape) and shape[0] for shape in shapes] == [4, 2, 1, 1]


def test_the_projector_may_learn_alone_at_first(tiny_folder: Path, tmp_path: Path) -> None:
    """For `projector_steps` nothing else moves."""
    learner = fresh(tiny_folder)
    before = weights(learner)
    read = msgspec.structs.replace(RECIPES.read, projector_steps=2)
    plan = plan_of(learner, tmp_path, 2, msgspec.structs.replace(RECIPES, read=read))
    with pytest.raises(KeyboardInterrupt):
        train(learner, plan, stop_at(2))
    moved = {name for name, value in weights(learner).items() if not torch.equal(value, before[name])}
    assert moved
    assert all(name.startswith("parts.projector.") for name in moved)


def test_no_memories_are_a_clear_error(tiny: LoadedModel, tmp_path: Path) -> None:
    """Rather than a crash in the middle of the night."""
    learner = learner_of(tiny)
    nothing = Night(Class([], empty_bank(torch.zeros(0, 192))), [])
    with pytest.raises(LearningError, match="no memory"):
        train(learner, msgspec.structs.replace(plan_of(learner, tmp_path), course=nothing), lambda _: None)


def test_stage_one_trains_what_it_says(tiny: LoadedModel) -> None:
    """LoRA on q and v, the rows, and the two heads unless the recipe leaves them alone."""
    learner = learner_of(tiny)
    trained_parameters(learner, RECIPES.ask)
    names = {name for name, value in learner.named_parameters() if value.requires_grad}
    assert {name.split(".")[1] for name in names if name.startswith("parts.")} == {"query", "key"}
    trained_parameters(learner, msgspec.structs.replace(RECIPES.ask, heads=False))
    assert not any(v.requires_grad for n, v in learner.named_parameters() if n.startswith("parts."))
    assert learner.rows.requires_grad
    assert not tiny.embeddings.weight.requires_grad


def test_the_rate_rises_and_falls() -> None:
    """Linearly to 1 in the warm-up, then along a cosine to a twentieth; never 0, never above 1."""
    rates = [rate(step, 100, 0.1) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == 1.0
    assert rates[-1] == pytest.approx(0.05, abs=0.01)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rate(0, 1, 0.1) <= 1


def test_metrics_are_lines_of_json(tmp_path: Path) -> None:
    """One object a line, in a folder that is made."""
    report = writes(tmp_path / "runs" / "metrics.jsonl")
    report({"step": 1, "loss": 0.5})
    report({"step": 2, "loss": None})
    lines = (tmp_path / "runs" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["loss"] for line in lines] == [0.5, None]
