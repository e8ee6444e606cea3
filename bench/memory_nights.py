"""The nights of bench/memory.py: what the bot trains from its primed adapter, and the classic recipe beside it."""

from collections.abc import Sequence
from pathlib import Path
from random import Random

import msgspec

from bench.memory_setup import POOL, Bench
from onebot_bot.engine.adapter import META, read_meta
from onebot_bot.learning.course import Class, Night, School
from onebot_bot.learning.judge import calibrate_asking
from onebot_bot.learning.learner import Learner
from onebot_bot.learning.lessons import Talk, Writer
from onebot_bot.learning.prime import calibrate_floor, write_meta
from onebot_bot.learning.recipes import Recipes
from onebot_bot.learning.replay import replay, weighed
from onebot_bot.learning.school import empty_bank, lessons_of, ordinary_talks, silent, strange_of
from onebot_bot.learning.stage import Plan, train, writes
from onebot_bot.worlds.words import Part
from onebot_bot.worlds.world import Fact, World

TURNS = 600
"""Ordinary turns without a reply, as a night of the bot has them."""
CANDIDATE = "candidate"


def replied_talks(bench: Bench, seed: int, count: int, part: Part) -> list[Talk]:
    """Ordinary turns of `part`, each with what the base model replies to it."""
    learner = bench.learner()
    asked = ordinary_talks(Random(f"talks {seed} {part}"), count, "en", part, POOL)
    with learner.base():
        return replay(learner, asked, seed=seed)


def teach(bench: Bench, facts: Sequence[Fact], world: World, talks: Sequence[Talk], folder: Path, seed: int) -> Path:  # noqa: PLR0913, PLR0917 - a whole night
    """One night over `facts` from the primed adapter; the folder of what was learned. Goes on where it was killed."""
    learner = bench.learner(bench.primed)
    return train_night(bench, learner, facts, world, talks, folder, seed)


def train_night(  # noqa: PLR0913, PLR0917 - a whole night
    bench: Bench, learner: Learner, facts: Sequence[Fact], world: World, talks: Sequence[Talk], folder: Path, seed: int
) -> Path:
    """Both stages for a learner; the folder of what was learned."""
    out = folder / CANDIDATE
    if (out / META).exists():
        return out
    writer, rng = bench.writer(learner.model), Random(f"night {seed}")
    found = _class(learner, facts, world, rng)
    turns = ordinary_talks(Random(f"turns {seed}"), TURNS, "en", "train", POOL)
    _train(learner, (1, 2), bench.recipes, Night(found, weighed(talks, turns)), writer, folder, seed)
    calibrate_asking(learner, silent(turns, rng), writer)
    learner.save(out)
    # Between this night's and priming's, as learning/train.py has it: few memories alone say little.
    floor = (calibrate_floor(learner, School([found], talks), writer, rng) + read_meta(bench.primed).floor) / 2
    write_meta(out, learner.model.fingerprint, floor, bench.recipes, name=f"bench-{seed}-{folder.name}")
    return out


def train_classic(bench: Bench, facts: Sequence[Fact], folder: Path, seed: int) -> Learner:
    """The classic recipe's stage 1, from nothing."""
    recipe = msgspec.structs.replace(bench.classic.ask, epochs=bench.sizes.classic_epochs)
    recipes = msgspec.structs.replace(bench.classic, ask=recipe)
    learner = Learner(bench.base(), recipe, recipe.modules)
    raw = learner.embed_texts([fact.text for fact in facts])
    course = Night(Class(lessons_of(facts, Random(seed)), empty_bank(raw)), [])
    _train(learner, (1,), recipes, course, bench.writer(learner.model), folder, seed)
    return learner


def _class(learner: Learner, facts: Sequence[Fact], world: World, rng: Random) -> Class:
    raw = learner.embed_texts([fact.text for fact in facts])
    return Class(lessons_of(facts, rng), empty_bank(raw), strange_of(world, rng))


def _train(  # noqa: PLR0913, PLR0917 - a whole training
    learner: Learner, stages: Sequence[int], recipes: Recipes, course: Night, writer: Writer, folder: Path, seed: int
) -> None:
    for stage in stages:
        plan = Plan(
            stage=1 if stage == 1 else 2,
            recipes=recipes,
            course=course,
            writer=writer,
            folder=folder / f"stage{stage}",
            seed=seed,
        )
        train(learner, plan, writes(folder / "metrics.jsonl"))
