"""What every part of bench/memory.py stands on: model, recipes, made-up worlds, and what was measured already."""

import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import TypeVar

import msgspec
from msgspec import Struct

from onebot_bot.engine.adapter import META
from onebot_bot.engine.model import LoadedModel, fingerprint, load_model, load_plain
from onebot_bot.engine.request import Conversation, Text
from onebot_bot.extraction.prompts import Prompts, load_prompts
from onebot_bot.learning.learner import Learner
from onebot_bot.learning.lessons import PERSONAS, Talk, Writer, conversation, situated
from onebot_bot.learning.recipes import Recipes, load_recipes
from onebot_bot.sections.model import ModelConfig
from onebot_bot.worlds.names import Pool
from onebot_bot.worlds.world import Context, Fact, World, contexts, make_world

T = TypeVar("T")

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "models" / "trial"
TRAINING = ROOT / "training"
PRIMED = TRAINING / "primed" / "trial"
WORK = ROOT / "logs" / "bench-memory"
THREADS = 2
VERSION = 3
"""Counted up when what is measured changes: what older code stored is not reused."""

POOL: Pool = "bench"
FIRST_WORLD = 1000
"""Priming's worlds lie far below; their people are of another pool, too."""
PERSONA = PERSONAS[0]
ASKER = "Robin"
"""Who asks the bare questions, alone with the bot."""


class Sizes(Struct, frozen=True, kw_only=True):
    """How much is measured."""

    facts: int = 64
    trained: int = 256
    """Facts of the larger world that a night learns; 0: none."""
    new: int = 64
    """Facts of people never trained on, found in each of `banks`."""
    banks: tuple[int, ...] = (64, 320, 2000)
    chats: int = 128
    """Questions asked as chats have them, beside all bare ones."""
    ordinary: int = 240
    replies: int = 96
    """Of the base model, that the loss is measured on."""
    talks: int = 240
    """That a night trains on."""
    asked: tuple[int, int, int, int] = (20, 6, 6, 4)
    """End to end: told, updates, unanswerables, groups."""
    history: bool = True
    """Also with all that was told in the prompt, and with the three memories nearest to the question."""
    refined: int = 64
    """Values that are refined, and the versions that others replaced besides; the rest stays as projected."""
    least_steps: int | None = None
    """Of each of a night's stages; None: the recipe's."""
    nights: tuple[int, ...] = (10,)
    """Trained after the first one."""
    joined: int = 4
    """Longer memories of each length."""
    classic_epochs: int = 30
    """Of the classic recipe, whose own are 30."""
    classic_seeds: int = 1
    """Seeds that it is trained with: as many as 1,900 steps of one sample each take longer than all else."""
    dialogues: int = 80
    """Of MADial-zh."""


FULL = Sizes()
QUICK = Sizes(
    trained=0,
    new=32,
    banks=(64, 320),
    chats=24,
    ordinary=80,
    replies=24,
    talks=48,
    asked=(6, 2, 2, 2),
    history=False,
    refined=16,
    least_steps=12,
    nights=(),
    joined=0,
    classic_epochs=1,
    dialogues=8,
)


class Bench(Struct, frozen=True, kw_only=True):
    """What is measured, and with what."""

    model: Path
    primed: Path
    work: Path
    """A folder of its own for these recipes, this adapter and these sizes."""
    recipes: Recipes
    classic: Recipes
    prompts: Prompts
    sizes: Sizes

    def load(self, adapter: Path | None = None) -> LoadedModel:
        """The model as it serves, with an adapter merged or without."""
        return load_model(self.model, ModelConfig(threads=THREADS), adapter)

    def base(self, adapter: Path | None = None) -> LoadedModel:
        """The model as it learns, its weights as peft knows them, with an adapter merged or without."""
        return load_plain(self.model, ModelConfig(threads=THREADS), adapter)

    def learner(self, adapter: Path | None = None) -> Learner:
        """What learns, from an adapter or from nothing."""
        learner = Learner(self.base(), self.recipes.read, self.recipes.read.modules)
        if adapter is not None:
            learner.load(adapter)
        learner.eval()
        return learner

    def writer(self, model: LoadedModel) -> Writer:
        """Writes what the model sees."""
        return Writer(model.renderer, self.prompts, self.recipes.read.longest)


def set_up(model: Path, primed: Path, work: Path, sizes: Sizes) -> Bench:
    """Read the recipes and name the folder in which what is measured is kept.

    Raises:
        ConfigError: a recipe is wrong.
        OSError: there is no primed adapter.
    """
    parts = [f"{VERSION} {fingerprint(model)} {sizes}".encode(), (primed / META).read_bytes()]
    parts += [(TRAINING / name).read_bytes() for name in ("stage1.toml", "stage2.toml", "prompts.toml")]
    stamp = hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]
    return Bench(
        model=model,
        primed=primed,
        work=work / stamp,
        recipes=_shortened(load_recipes(TRAINING, "default"), sizes.least_steps),
        classic=load_recipes(TRAINING, "classic"),
        prompts=load_prompts(TRAINING / "prompts.toml"),
        sizes=sizes,
    )


def _shortened(recipes: Recipes, least_steps: int | None) -> Recipes:
    if least_steps is None:
        return recipes
    replace = msgspec.structs.replace
    return replace(
        recipes,
        ask=replace(recipes.ask, least_steps=least_steps),
        read=replace(recipes.read, least_steps=least_steps),
    )


class _Stored(Struct, frozen=True):
    seconds: float
    data: msgspec.Raw


class Parts:
    """What was measured, one file a part: a run that was killed goes on after its last whole part."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.seconds = 0.0
        """That the parts took when they were measured, in this run or an earlier one."""

    def take(self, name: str, kind: type[T], make: Callable[[], T]) -> T:
        """The part called `name`; made and stored unless it is there. Parts do not nest."""
        path = self._folder / f"{name}.json"
        if not path.exists():
            started = time.monotonic()
            made = msgspec.json.encode(make())
            spent = time.monotonic() - started
            print(f"  {path.parent.name}: {name}, {spent:.0f} s", flush=True)
            _write(path, msgspec.json.encode(_Stored(spent, msgspec.Raw(made))))
        stored = msgspec.json.decode(path.read_bytes(), type=_Stored)
        self.seconds += stored.seconds
        return msgspec.json.decode(stored.data, type=kind)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".tmp")
    beside.write_bytes(data)
    beside.replace(path)


# --- worlds --------------------------------------------------------------------------------------------------


def bench_world(seed: int, number: int, facts: int) -> World:
    """One of the worlds of a seed: 0 the confusable one, 1 the larger one, 2 new people, 3 everybody else."""
    return make_world(FIRST_WORLD + 100 * seed + number, facts, "en", POOL)


def new_facts(seed: int, count: int) -> list[Fact]:
    """Facts about people whom no night of this seed has heard of."""
    told = [*_facts(seed, 0, FULL.facts), *_facts(seed, 1, FULL.trained)]
    known = {fact.person for fact in told}
    return [fact for fact in _facts(seed, 2, 2 * count) if fact.person not in known][:count]


def distractors(seed: int, beside: Sequence[Fact], count: int) -> list[Fact]:
    """Facts that the others are told apart from; none about what one of the others is about."""
    taken = {(fact.person, fact.attribute) for fact in beside}
    return [fact for fact in _facts(seed, 3, count + 128) if (fact.person, fact.attribute) not in taken][:count]


def _facts(seed: int, number: int, count: int) -> tuple[Fact, ...]:
    return bench_world(seed, number, count).facts


class Question(Struct, frozen=True):
    """A situation, its last turn alone, and the place of the fact it calls for."""

    context: Conversation
    last: str
    target: int


def bare_questions(facts: Sequence[Fact]) -> list[Question]:
    """Every test form of every fact, alone."""
    asked = [(text, at) for at, fact in enumerate(facts) for text in fact.tests]
    return [Question(situated(Context("bare", (("user", text),), ASKER), PERSONA), text, at) for text, at in asked]


def chat_questions(facts: Sequence[Fact], rng: Random, count: int) -> list[Question]:
    """Test questions as chats have them: after other talk, in a group, by the person."""
    found = []
    for number in range(count):
        at = number % len(facts)
        asked = rng.choice(contexts(facts[at], rng, "test")[1:])
        found.append(Question(situated(asked, PERSONA), asked.turns[-1][1], at))
    return found


# --- talks on the disk ---------------------------------------------------------------------------------------


class PlainTalk(Struct, frozen=True):
    """A talk of words alone, as it is stored."""

    turns: tuple[tuple[str, str], ...]
    reply: str


def plain_talks(talks: Sequence[Talk]) -> list[PlainTalk]:
    """Talks to store; the first turn is the persona's when its role is `system`."""
    return [PlainTalk(tuple((t.role, _words(t.parts)) for t in talk.context.turns), talk.reply) for talk in talks]


def _words(parts: Sequence[object]) -> str:
    return "".join(part.text for part in parts if isinstance(part, Text))


def restored_talks(talks: Sequence[PlainTalk]) -> list[Talk]:
    """What `plain_talks` was made of; talks that nobody replied to teach nothing and are left out."""
    found = []
    for talk in talks:
        persona = talk.turns[0][1] if talk.turns[0][0] == "system" else ""
        said = [turn for turn in talk.turns if turn[0] != "system"]
        found.append(Talk(context=conversation(said, persona), reply=talk.reply))
    return [talk for talk in found if talk.reply]
