"""Priming: both stages on generated worlds, once for a model, before the bot has lived a day."""

import datetime as dt
import hashlib
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any, Literal

import msgspec
import torch

from onebot_bot.engine.adapter import CONFIG, HEADS, META, WEIGHTS
from onebot_bot.engine.model import LoadedModel
from onebot_bot.engine.request import Conversation
from onebot_bot.extraction.prompts import Prompts
from onebot_bot.learning.course import Class, School
from onebot_bot.learning.judge import ask_all, calibrate_asking, sparing_floor
from onebot_bot.learning.learner import Learner
from onebot_bot.learning.lessons import Talk, Writer
from onebot_bot.learning.recipes import Recipes, as_plain
from onebot_bot.learning.replay import replay, weighed
from onebot_bot.learning.school import class_of, ordinary_talks, silent
from onebot_bot.learning.stage import Plan, Report, train
from onebot_bot.texts import Language
from onebot_bot.worlds.world import make_world

FACTS = 96
TALKS = 800
"""Ordinary turns with a reply: from fewer, staying with the base model is learned by heart."""
TURNS = 2400
"""Ordinary turns without a reply: how an answer to them begins is learned from all of these."""
ASKED = 32
"""Questions a world, and as many situations that call for nothing, that the floor is calibrated with."""


def prime(  # noqa: PLR0913, PLR0917 - a whole training from its inputs to its folder
    model: LoadedModel,
    recipes: Recipes,
    prompts: Prompts,
    folder: Path,
    report: Report,
    worlds: int = 120,
    languages: Sequence[Language] = ("en", "zh"),
    seed: int = 0,
    start: Path | None = None,
) -> Path:
    """Train both stages for a model and write the adapter to `folder`/candidate; `start` is an adapter to go on from.

    A run that was killed goes on from its checkpoints in `folder` when it is started again with the same arguments.

    Returns:
        The adapter's folder.

    Raises:
        LearningError: the training diverged.
    """
    started = time.time()
    learner = Learner(model, recipes.read, recipes.read.modules)
    writer = Writer(model.renderer, prompts, recipes.read.longest)
    rng = Random(seed)  # noqa: S311 - data, not secrets
    if start is not None:
        learner.load(start)
    school = make_school(learner, rng, worlds, languages, fresh=start is None)
    stages: tuple[Literal[1, 2], ...] = (1, 2)
    checkpoints = [folder / f"stage{stage}" for stage in stages]
    for stage, place in zip(stages, checkpoints, strict=True):
        plan = Plan(stage=stage, recipes=recipes, course=school, writer=writer, folder=place, seed=seed)
        train(learner, plan, report)
    calibrate_asking(learner, silent(school.talks, rng), writer)
    out = folder / "candidate"
    learner.save(out)
    floor = calibrate_floor(learner, school, writer, rng)
    write_meta(out, model.fingerprint, floor, recipes, name=_name(out), seconds=time.time() - started)
    for place in checkpoints:
        shutil.rmtree(place, ignore_errors=True)
    return out


def make_school(
    learner: Learner, rng: Random, worlds: int, languages: Sequence[Language], *, fresh: bool = True
) -> School:
    """Worlds of the priming pool, and ordinary chat that the base model replied to by itself.

    A `fresh` learner's keys are centred on these worlds.
    """
    made = [make_world(seed, FACTS, languages[seed % len(languages)], "prime") for seed in range(worlds)]
    if fresh:
        learner.calibrate(
            learner.embed_texts([fact.text for world in made[:: max(1, worlds // 24)] for fact in world.facts])
        )
    classes = [class_of(learner, world, rng) for world in made]
    talks = [
        talk for lang in languages for talk in ordinary_talks(rng, TALKS // len(languages), lang, "train", "prime")
    ]
    with learner.base():
        replied = replay(learner, talks)
    more = [talk for lang in languages for talk in ordinary_talks(rng, TURNS // len(languages), lang, "train", "prime")]
    return School(classes, weighed(replied, more))


@torch.no_grad()
def calibrate_floor(learner: Learner, school: School, writer: Writer, rng: Random, worlds: int = 4) -> float:
    """The floor that parts memories that were meant from the nearest ones where nothing was meant."""
    right: list[float] = []
    wrong: list[float] = []
    for _ in range(worlds):
        found = school.draw(rng)
        keys = learner.heads.key(found.bank.raw)
        indices = rng.sample(range(len(found.lessons)), min(ASKED, len(found.lessons)))
        asked = ask_all(learner, [rng.choice(found.lessons[i].contexts) for i in indices], writer)
        right += (asked.queries * keys[indices]).sum(1).tolist()
        strange = ask_all(learner, _nothing_meant(found, school.talks, rng), writer)
        wrong += (strange.queries @ keys.T).max(1).values.tolist()
    return sparing_floor(right, wrong)


def _nothing_meant(found: Class, talks: Sequence[Talk], rng: Random) -> list[Conversation]:
    """Half questions about what nobody told, half ordinary chat."""
    half = ASKED // 2
    return [
        *rng.sample(list(found.strange), min(half, len(found.strange))),
        *(rng.choice(talks).context for _ in range(half)),
    ]


def _name(folder: Path) -> str:
    """Named by its weights: values that were refined for another primed adapter are not taken for this one's."""
    return f"primed-{hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()[:8]}"


def write_meta(folder: Path, base: str, floor: float, recipes: Recipes, **more: Any) -> None:
    """Write meta.json: what made this, and the checksums of its files."""
    files = {name: (folder / name).read_bytes() for name in (WEIGHTS, HEADS, CONFIG)}
    meta = {
        "base": base,
        "floor": floor,
        "made": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "files": {n: {"bytes": len(b), "sha256": hashlib.sha256(b).hexdigest()} for n, b in files.items()},
        "recipes": as_plain(recipes),
        "memories": [],
        **more,
    }
    (folder / META).write_bytes(msgspec.json.format(msgspec.json.encode(meta), indent=2))
