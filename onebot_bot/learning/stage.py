"""The training loop of both stages, under accelerate: checkpoint, draw, step, log."""

import json
import math
import pickle
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Literal

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from msgspec import Struct
from torch import Tensor, nn

from onebot_bot.errors import LearningError
from onebot_bot.learning.course import Course, asking, reading, steps_of
from onebot_bot.learning.fitting import Portion
from onebot_bot.learning.learner import Bank, Batch, Learner, parts_of
from onebot_bot.learning.lessons import Writer
from onebot_bot.learning.recipes import Recipes, Stage1, Stage2

CHECKPOINT_SECONDS = 120.0
POISONED = 3
"""Steps in a row without a finite loss after which the training is given up."""

Report = Callable[[dict[str, Any]], None]
"""Takes one line of metrics.jsonl; what it raises ends the training, which goes on from the last checkpoint."""
Trained = dict[str, Tensor]


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
        recipe = ask if self._stage == 1 else read
        hidden = self.learner.run(batch, bank, read.refined if self._stage == 2 else 0.0)
        asked, hits = self.learner.asking_loss(hidden, batch, bank, ask)
        parts, weights = {"asking": asked}, {"asking": 1.0 if self._stage == 1 else read.asking}
        if self._stage == 2:
            parts["reading"], weights["reading"] = self.learner.reading_loss(hidden, batch), 1.0
        if recipe.keep:
            parts["keeping"], weights["keeping"] = self.learner.keeping_loss(hidden, batch), recipe.keep
        if recipe.deciding:
            parts["deciding"], weights["deciding"] = self.learner.deciding_loss(hidden, batch), recipe.deciding
        loss = torch.stack([weights[name] * part for name, part in parts.items()]).sum()
        return {"loss": loss, "hit1": hits, **parts}


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
        parameter.requires_grad = True
    return wanted


def _named(name: str, modules: tuple[str, ...]) -> bool:
    return any(f".{module}." in name for module in modules)


def train(learner: Learner, plan: Plan, report: Report) -> None:
    """Run one stage to its end, from its last checkpoint if there is one.

    A step's draws follow from the seed and its number alone: a run that was killed ends like one that was not.

    Raises:
        LearningError: there is nothing to learn, the loss was not finite for several steps in a row, or the memory does
            not hold the smallest pass.
    """
    if not plan.course.size:
        raise LearningError(f"stage {plan.stage}: there is no memory to learn from; /learn status tells what was read")
    recipe, total = plan.recipe, steps_of(plan.course, plan.recipe)
    accelerator = _accelerator(learner)
    parameters = trained_parameters(learner, recipe)
    optimizer = torch.optim.AdamW(parameters, lr=recipe.lr, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate(step, total, recipe.warmup))
    objective, optimizer = accelerator.prepare(Objective(learner, plan.recipes, plan.stage), optimizer)
    checkpoint = Checkpoint(plan.folder, learner, optimizer, schedule)
    first = checkpoint.load()
    learner.train()
    portion = Portion(recipe.micro, plan.writer, plan.stage, alone=accelerator.num_processes == 1)
    started, saved, bad = time.monotonic(), time.monotonic(), 0
    for step in range(first, total):
        # 1. A checkpoint, if due.
        if time.monotonic() - saved > CHECKPOINT_SECONDS and accelerator.is_main_process:
            checkpoint.save(step)
            saved = time.monotonic()
        # 2. As many passes as make a batch.
        parts = portion.fit(partial(_step, accelerator, objective, plan, portion, step))
        if isinstance(recipe, Stage2) and step < recipe.projector_steps:
            _only(parameters, set(learner.heads.projector.parameters()))
        # 3. A poisoned batch is left out; several mean that the training has diverged.
        norm = nn.utils.clip_grad_norm_(parameters, recipe.clip)
        if _everywhere(accelerator, finite=math.isfinite(parts["loss"]) and bool(torch.isfinite(norm))):
            optimizer.step()
            bad = 0
        else:
            bad += 1
        optimizer.zero_grad()
        schedule.step()
        if bad >= POISONED:
            raise LearningError(f"stage {plan.stage}: the loss was not finite for {bad} steps; nothing is kept")
        # 4. A line of metrics.
        if accelerator.is_main_process:
            spent = time.monotonic() - started
            pace = {"seconds": spent, "eta": spent / (step + 1 - first) * (total - step - 1)}
            lr = schedule.get_last_lr()[0]
            report({"stage": plan.stage, "step": step + 1, "of": total, **_rounded(parts), "lr": lr, **pace})
    if accelerator.is_main_process:
        checkpoint.save(max(first, total))
    learner.eval()
    accelerator.free_memory()


def _step(accelerator: Accelerator, objective: nn.Module, plan: Plan, portion: Portion, step: int) -> dict[str, float]:
    """The gradients of one step, from nothing; the same draws however often it is begun."""
    rng = Random(f"{plan.seed} {plan.stage} {step} {accelerator.process_index}")  # noqa: S311 - data, not secrets
    torch.manual_seed(rng.getrandbits(63))
    objective.zero_grad()
    device = next(objective.parameters()).device
    return _gradients(accelerator, objective, passes(plan, portion.micro, device, rng))


def passes(plan: Plan, micro: int, device: torch.device, rng: Random) -> list[tuple[Batch, Bank]]:
    """The forward passes of one step, of at most `micro` samples each."""
    recipe, found, talks = plan.recipe, plan.course.draw(rng), plan.course.talks
    if isinstance(recipe, Stage1):
        samples = asking(found, talks, recipe, plan.writer, rng)
    else:
        samples = reading(found, talks, recipe, plan.writer, rng)
    return [(batch, found.bank) for batch in parts_of(samples, micro, device)]


def _accelerator(learner: Learner) -> Accelerator:
    """One for every stage: the model stays on its device, and a pass may leave a head or a projector alone."""
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)
    return Accelerator(cpu=learner.model.device.type == "cpu", device_placement=False, kwargs_handlers=[unused])


def _gradients(accelerator: Accelerator, objective: nn.Module, parts: Sequence[tuple[Batch, Bank]]) -> dict[str, float]:
    """Add up the gradients of a step's passes, shared among the devices at the last; the sums of the losses."""
    sums: dict[str, float] = {}
    for at, (batch, bank) in enumerate(parts, start=1):
        with nullcontext() if at == len(parts) else accelerator.no_sync(objective):
            losses = objective(batch, bank)
            accelerator.backward(losses["loss"])
        for name, value in losses.items():
            sums[name] = sums.get(name, 0.0) + float(value.detach())
    return sums


def _everywhere(accelerator: Accelerator, *, finite: bool) -> bool:
    """Whether it is so on every device: they step together or not at all."""
    found: Tensor = accelerator.gather(torch.tensor([int(finite)], device=accelerator.device))
    return bool(found.all())


def _rounded(parts: dict[str, float]) -> dict[str, float | None]:
    """For metrics.jsonl, which knows no NaN."""
    return {name: round(value, 5) if math.isfinite(value) else None for name, value in parts.items()}


def rate(step: int, total: int, warmup: float) -> float:
    """Share of the full learning rate at a step: a linear rise, then a cosine down to a twentieth."""
    rise = max(1.0, warmup * total)
    if step < rise:
        return min(1.0, (step + 1) / rise)
    return 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rise) / max(1.0, total - rise))))


def _only(parameters: Sequence[nn.Parameter], kept: set[nn.Parameter]) -> None:
    """Forget the gradients of all but `kept`."""
    for parameter in parameters:
        if parameter not in kept:
            parameter.grad = None


class Checkpoint:
    """A stage's state on the disk: written beside and renamed, so that a kill leaves the last whole one."""

    def __init__(self, folder: Path, learner: Learner, optimizer: Any, schedule: Any) -> None:
        self._path = folder / "checkpoint.pt"
        self._learner, self._optimizer, self._schedule = learner, optimizer, schedule

    def save(self, step: int) -> None:
        """Write everything that the next step needs."""
        state = {
            "step": step,
            "trained": {name: value.detach().cpu() for name, value in _own(self._learner).items()},
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        beside = self._path.with_suffix(".tmp")
        torch.save(state, beside)
        beside.replace(self._path)

    def load(self) -> int:
        """The step to go on with; 0 when there is nothing, or nothing whole that fits, to go on from."""
        try:
            state = torch.load(self._path, map_location="cpu", weights_only=True)
            self._take(state["trained"], state["optimizer"], state["schedule"])
            return int(state["step"])
        except (OSError, RuntimeError, KeyError, ValueError, EOFError, pickle.UnpicklingError):
            return 0

    @torch.no_grad()
    def _take(self, trained: Trained, optimizer: Any, schedule: Any) -> None:
        """Go on from a state; raises ValueError, and changes nothing, when it is of another recipe."""
        own = _own(self._learner)
        learning = {name for name, value in own.items() if value.requires_grad}
        if not learning <= trained.keys() <= own.keys():
            raise ValueError("another set of weights")
        if any(value.shape != own[name].shape for name, value in trained.items()):
            raise ValueError("weights of another shape")
        self._optimizer.load_state_dict(optimizer)
        self._schedule.load_state_dict(schedule)
        for name, value in trained.items():
            own[name].copy_(value)


def _own(learner: Learner) -> Trained:
    """All that is not the base model's: LoRA, the rows and the heads with what they are centred on."""
    named: Trained = {**dict(learner.named_parameters()), **dict(learner.named_buffers())}
    return {n: v for n, v in named.items() if "lora_" in n or n.startswith(("rows", "own_rows", "parts."))}


def writes(path: Path) -> Report:
    """A report that appends to metrics.jsonl."""
    path.parent.mkdir(parents=True, exist_ok=True)

    def report(line: dict[str, Any]) -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    return report
