"""Generated worlds as lessons: what priming learns from, and what the benchmark asks."""

from collections.abc import Sequence
from random import Random

import torch

from onebot_bot.engine.recall import POOLED
from onebot_bot.engine.request import VECTORS, Conversation
from onebot_bot.learning.course import Class
from onebot_bot.learning.learner import Bank, Learner
from onebot_bot.learning.lessons import Lesson, Talk, situated, some_persona
from onebot_bot.texts import Language
from onebot_bot.worlds.names import Pool
from onebot_bot.worlds.words import Part
from onebot_bot.worlds.world import Context, Fact, World, context, ordinary

SILENT = 300
"""Ordinary turns that asking is calibrated with."""
SITUATIONS = 8
"""Situations written for each fact."""


def lessons_of(facts: Sequence[Fact], rng: Random) -> list[Lesson]:
    """Facts with situations to train with, half of them a bare question."""
    return [
        Lesson(
            id=number,
            text=fact.text,
            lang=fact.lang,
            contexts=tuple(situated(context(fact, rng, "train"), some_persona(rng)) for _ in range(SITUATIONS)),
        )
        for number, fact in enumerate(facts)
    ]


def strange_of(world: World, rng: Random, part: Part = "train") -> list[Conversation]:
    """Questions about what nobody told."""
    people = [fact.person for fact in world.facts]
    return [
        situated(Context("bare", (("user", question),), rng.choice(people)), some_persona(rng))
        for gap in world.unanswerables
        for question in (gap.questions if part == "train" else gap.tests)
    ]


def class_of(learner: Learner, world: World, rng: Random) -> Class:
    """A world with its bank of keys, no value refined."""
    raw = learner.embed_texts([fact.text for fact in world.facts])
    return Class(lessons_of(world.facts, rng), empty_bank(raw), strange_of(world, rng))


def empty_bank(raw: torch.Tensor, hidden: int | None = None) -> Bank:
    """A bank of raw keys `[N, D]` without refined values; `hidden` is the model's width where its keys do not tell."""
    width = hidden or raw.shape[1] // len(POOLED)
    count = raw.shape[0]
    values = torch.zeros(count, VECTORS, width, device=raw.device)
    return Bank(raw, values, torch.zeros(count, dtype=torch.bool, device=raw.device))


def ordinary_talks(rng: Random, count: int, lang: Language, part: Part, pool: Pool) -> list[Talk]:
    """Ordinary chat, not yet replied to."""
    return [Talk(context=situated(found, some_persona(rng))) for found in ordinary(rng, count, lang, part, pool)]


def silent(talks: Sequence[Talk], rng: Random) -> list[Conversation]:
    """Some of the situations that call for nothing, to calibrate with how ready the model is to recall."""
    return [talk.context for talk in rng.sample(talks, min(SILENT, len(talks)))]
