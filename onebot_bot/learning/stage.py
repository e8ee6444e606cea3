"""The training loop of both stages, under accelerate: evaluate, checkpoint, step, log."""

import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any, Literal

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from msgspec import Struct
from torch import Tensor, nn

from onebot_bot.errors import LearningError
from onebot_bot.learning.course import Course, asking, reading, steps_of
from onebot_bot.learning.learner import Bank, Batch, Learner, parts_of
from onebot_bot.learning.lessons import Writer
from onebot_bot.learning.recipes import Recipes, Stage1, Stage2

CHECKPOINT_SECONDS = 120.0
POISONED = 3
"""Steps in a row without a finite loss after which the training is given up."""

Report = Callable[[dict[str, Any]], None]
"""Takes one line of metrics.jsonl."""


class Plan(Struct, frozen=True, kw_only=True):
    """One stage to train."""

    stage: Literal[1, 2]
    recipes: Recipes
    course: Course
    writer: Writer
    folder: Path
    """Where checkpoints go."""
    seed: int = 0

    @property
    def recipe(self) -> Stage1 | Stage2:
        """The stage's own."""
        return self.recipes.ask if self.stage == 1 else self.recipes.read


class Objective(nn.Module):
    """A batch to its loss: what accelerate wraps, so that gradients are shared among the devices."""

    def __init__(self, learner: Learner, recipes: Recipes, stage: Literal[1, 2]) -> None:
        super().__init__()
        self.learner = learner
        self._recipes = recipes
        self._stage = stage

    def forward(self, batch: Batch, bank: Bank) -> dict[str, Tensor]:
        """The weighted `loss` and its parts."""
        ask, read = self._recipes.ask, self._recipes.read
        hidden = self.learner.run(batch, bank, read.refined if self._stage == 2 else 0.0)
        asked, hits = self.learner.asking_loss(hidden, batch, bank, ask)
        parts = {"asking": asked, "hit1": hits}
        keep = ask.keep if self._stage == 1 else read.keep
        if keep:
            parts["keeping"] = self.learner.keeping_loss(hidden, batch)
        if self._stage == 1:
            loss = asked
        else:
            parts["reading"] = self.learner.reading_loss(hidden, batch)
            loss = parts["reading"] + read.asking * asked
        parts["loss"] = loss + keep * parts["keeping"] if keep else loss
        return parts


def trained_parameters(learner: Learner, recipe: Stage1 | Stage2) -> list[nn.Parameter]:
    """Stage 1: LoRA on its modules, the rows, query and key head; stage 2: everything."""
    learner.requires_grad_(requires_grad=False)
    wanted = [p for n, p in learner.network.named_parameters() if "lora_" in n and _named(n, recipe.modules)]
    wanted += [learner.rows, learner.own_rows] if learner.own_rows is not learner.rows else [learner.rows]
    if isinstance(recipe, Stage2):
        wanted += list(learner.heads.projector.parameters())
    if not isinstance(recipe, Stage1) or recipe.heads:
        wanted += [*learner.heads.query.parameters(), *learner.heads.key.parameters()]
    for parameter in wanted:
        parameter.requires_grad_(requires_grad=True)
    return wanted


def _named(name: str, modules: tuple[str, ...]) -> bool:
    return any(f".{module}." in name for module in modules)


def train(learner: Learner, plan: Plan, report: Report) -> None:
    """Run one stage to its end, from its last checkpoint if there is one.

    Raises:
        LearningError: the loss was not finite for several steps in a row.
    """
    recipe, total = plan.recipe, steps_of(plan.course, plan.recipe)
    accelerator = Accelerator(gradient_accumulation_steps=recipe.passes, cpu=_on_cpu(learner))
    set_seed(plan.seed + accelerator.process_index)
    parameters = trained_parameters(learner, recipe)
    optimizer = torch.optim.AdamW(parameters, lr=recipe.lr, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate(step, total, recipe.warmup))
    objective, optimizer = accelerator.prepare(Objective(learner, plan.recipes, plan.stage), optimizer)
    checkpoint = Checkpoint(plan.folder, learner, optimizer, schedule)
    first = checkpoint.load()
    rng = Random(f"{plan.seed} {plan.stage} {first} {accelerator.process_index}")
    learner.train()
    started, saved, bad = time.monotonic(), time.monotonic(), 0
    for step in range(first, total):
        # 1. A checkpoint, if due.
        if time.monotonic() - saved > CHECKPOINT_SECONDS and accelerator.is_main_process:
            checkpoint.save(step)
            saved = time.monotonic()
        # 2. One step of as many passes as make a batch.
        projector_alone = isinstance(recipe, Stage2) and step < recipe.projector_steps
        parts: dict[str, float] = {}
        for batch, bank in passes(plan, learner, rng):
            with accelerator.accumulate(objective):
                losses = objective(batch, bank)
                if torch.isfinite(losses["loss"]):
                    accelerator.backward(losses["loss"])
                for name, value in losses.items():
                    parts[name] = parts.get(name, 0.0) + float(value.detach())
        # 3. A poisoned batch is left out; several mean that the training has diverged.
        finite = math.isfinite(parts["loss"])
        norm = nn.utils.clip_grad_norm_(parameters, recipe.clip)
        if finite and torch.isfinite(norm):
            if projector_alone:
                _only(parameters, set(learner.heads.projector.parameters()))
            optimizer.step()
            bad = 0
        else:
            bad += 1
            if bad >= POISONED:
                raise LearningError(f"stage {plan.stage}: the loss was not finite for {bad} steps; nothing is kept")
        optimizer.zero_grad()
        schedule.step()
        # 4. A line of metrics.
        if accelerator.is_main_process:
            spent = time.monotonic() - started
            eta = spent / (step + 1 - first) * (total - step - 1)
            line = {name: round(value / recipe.passes, 5) for name, value in parts.items()}
            lr = schedule.get_last_lr()[0]
            report({"stage": plan.stage, "step": step + 1, "of": total, **line, "lr": lr, "seconds": spent, "eta": eta})
    learner.eval()
    accelerator.free_memory()


def passes(plan: Plan, learner: Learner, rng: Random) -> Iterator[tuple[Batch, Bank]]:
    """The forward passes of one step."""
    recipe, found = plan.recipe, plan.course.draw(rng)
    draw = asking if isinstance(recipe, Stage1) else reading
    samples = draw(found, plan.course.talks, recipe, plan.writer, rng)  # type: ignore[arg-type]  # each with its own recipe
    for batch in parts_of(samples, recipe.micro, learner.model.device):
        yield batch, found.bank


def rate(step: int, total: int, warmup: float) -> float:
    """Share of the full learning rate at a step: a linear rise, then a cosine down to a twentieth."""
    rise = max(1.0, warmup * total)
    if step < rise:
        return (step + 1) / rise
    return 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1.0, total - rise)))


def _only(parameters: list[nn.Parameter], kept: set[nn.Parameter]) -> None:
    for parameter in parameters:
        if parameter not in kept:
            parameter.grad = None


def _on_cpu(learner: Learner) -> bool:
    return learner.model.device.type == "cpu"


class Checkpoint:
    """A stage's state on the disk: written beside and renamed, so that a kill leaves the last whole one."""

    def __init__(self, folder: Path, learner: Learner, optimizer: Any, schedule: Any) -> None:
        self._path = folder / "checkpoint.pt"
        self._learner, self._optimizer, self._schedule = learner, optimizer, schedule

    def save(self, step: int) -> None:
        """Write everything that the next step needs."""
        trained = {n: p.detach().cpu() for n, p in self._learner.named_parameters() if p.requires_grad}
        state = {
            "step": step,
            "trained": trained,
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        beside = self._path.with_suffix(".tmp")
        torch.save(state, beside)
        beside.replace(self._path)

    @torch.no_grad()
    def load(self) -> int:
        """The step to go on with; 0 when there is nothing, or nothing whole, to go on from."""
        try:
            state = torch.load(self._path, map_location="cpu", weights_only=True)
            own = dict(self._learner.named_parameters())
            for name, value in state["trained"].items():
                own[name].copy_(value)
            self._optimizer.load_state_dict(state["optimizer"])
            self._schedule.load_state_dict(state["schedule"])
        except (OSError, RuntimeError, KeyError, ValueError, EOFError):
            return 0
        return int(state["step"])


def writes(path: Path) -> Report:
    """A report that appends to metrics.jsonl."""
    path.parent.mkdir(parents=True, exist_ok=True)

    def report(line: dict[str, Any]) -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    return report
