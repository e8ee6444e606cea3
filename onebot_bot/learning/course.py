"""What a stage trains on, drawn anew for every step: a mix of samples over one bank of memories or over many worlds."""

from collections.abc import Sequence
from random import Random
from typing import Protocol

from msgspec import Struct

from onebot_bot.engine.request import Conversation
from onebot_bot.learning.learner import Bank
from onebot_bot.learning.lessons import NOTHING, Lesson, Sample, Talk, Writer
from onebot_bot.learning.recipes import Stage1, Stage2

NULL_READINGS = 0.1
"""Share of the readings in which nothing comes to mind."""


class Class(Struct, frozen=True):
    """Lessons that are told apart from each other: `bank` row i belongs to `lessons[i]`.

    `strange` are situations that call for a memory which is not there.
    """

    lessons: Sequence[Lesson]
    bank: Bank
    strange: Sequence[Conversation] = ()


class Course(Protocol):
    """What is trained on."""

    talks: Sequence[Talk]

    def draw(self, rng: Random) -> Class:
        """The class of the next step."""

    @property
    def size(self) -> int:
        """Lessons in all."""


class Night:
    """All memories of a bot at once."""

    def __init__(self, everything: Class, talks: Sequence[Talk]) -> None:
        self._everything = everything
        self.talks = talks

    def draw(self, rng: Random) -> Class:  # noqa: ARG002 - the protocol's signature
        """Always the same."""
        return self._everything

    @property
    def size(self) -> int:
        """Memories."""
        return len(self._everything.lessons)


class School:
    """Many worlds, one a step: what is learned is the skill, not the facts."""

    def __init__(self, worlds: Sequence[Class], talks: Sequence[Talk]) -> None:
        self._worlds = worlds
        self.talks = talks

    def draw(self, rng: Random) -> Class:
        """One of the worlds."""
        return rng.choice(self._worlds)

    @property
    def size(self) -> int:
        """Facts of all worlds."""
        return sum(len(world.lessons) for world in self._worlds)


def steps_of(course: Course, recipe: Stage1 | Stage2) -> int:
    """Steps until every memory was seen `epochs` times."""
    ordinary = recipe.ordinary if isinstance(recipe, Stage1) else recipe.mix[2] / sum(recipe.mix)
    lessons = recipe.batch * (1 - ordinary)
    steps = max(recipe.least_steps, round(recipe.epochs * course.size / max(1.0, lessons)), 1)
    return min(steps, recipe.most_steps or steps)


def asking(found: Class, talks: Sequence[Talk], recipe: Stage1, writer: Writer, rng: Random) -> list[Sample]:
    """One step of stage 1: situations that call for a memory, and some that call for none."""
    count = max(1, round(recipe.batch * (1 - recipe.ordinary)))
    samples = [_ask(found, index, recipe, writer, rng) for index in _pick(found, count, rng)]
    rest = range(recipe.batch - count) if talks else ()
    return samples + [
        _nothing(found, talks, writer, rng) if number % 2 else writer.chat(rng.choice(talks)) for number in rest
    ]


def _ask(found: Class, index: int, recipe: Stage1, writer: Writer, rng: Random) -> Sample:
    lesson = found.lessons[index]
    if recipe.pairs == "text":
        return writer.ask_with(lesson.text, index)
    return writer.ask(rng.choice(lesson.contexts), index)


def _nothing(found: Class, talks: Sequence[Talk], writer: Writer, rng: Random) -> Sample:
    """`<recall>` where nothing fits: half of the time a question about what nobody told."""
    if found.strange and rng.random() < 0.5:
        return writer.ask(rng.choice(found.strange), NOTHING)
    return writer.ask(rng.choice(talks).context, NOTHING)


def reading(found: Class, talks: Sequence[Talk], recipe: Stage2, writer: Writer, rng: Random) -> list[Sample]:
    """One step of stage 2: the mix of front, sandwich and ordinary chat, in a random order."""
    front, sandwich, ordinary = recipe.mix
    kinds = rng.choices(("front", "sandwich", "ordinary"), (front, sandwich, ordinary if talks else 0), k=recipe.batch)
    indices = iter(_pick(found, recipe.batch, rng))
    return [
        writer.chat(rng.choice(talks), kept=recipe.keep > 0)
        if kind == "ordinary"
        else _read(found, next(indices), kind, recipe, writer, rng)
        for kind in kinds
    ]


def _read(found: Class, index: int, kind: str, recipe: Stage2, writer: Writer, rng: Random) -> Sample:  # noqa: PLR0913, PLR0917 - one sample's whole recipe
    lesson = found.lessons[index]
    thinking = writer.thought > 0 and rng.random() < writer.thought
    if found.strange and rng.random() < NULL_READINGS:
        return writer.read_nothing(rng.choice(found.strange), lesson.lang, rng, thinking=thinking)
    phrased = rng.random() < recipe.phrases
    return writer.read(lesson, index, rng, answer=kind == "sandwich", phrased=phrased, thinking=thinking)


def _pick(found: Class, count: int, rng: Random) -> list[int]:
    """Different lessons as long as there are enough."""
    everything = range(len(found.lessons))
    if count <= len(everything):
        return rng.sample(everything, count)
    return rng.choices(everything, k=count)
