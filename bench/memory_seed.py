"""All that bench/memory.py measures with one seed, part by part."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from random import Random

import msgspec
from msgspec import Struct

from bench.memory_answers import Share, answer_all
from bench.memory_finding import (
    Found,
    ask_twice,
    baselines,
    by_embedding,
    by_recall,
    by_words,
    in_banks,
    raw_of,
)
from bench.memory_lasting import Calls, Losses, Night, live_on, measure_calls, measure_losses
from bench.memory_nights import CANDIDATE, replied_talks, teach, train_classic, train_night
from bench.memory_reading import Brought, Read, as_values, bring, project, read_parts, refine_all, serving
from bench.memory_setup import (
    Bench,
    Parts,
    PlainTalk,
    bare_questions,
    bench_world,
    distractors,
    new_facts,
    plain_talks,
    restored_talks,
)
from onebot_bot.learning.lessons import Talk
from onebot_bot.worlds.words import Part
from onebot_bot.worlds.world import Fact, World

ASKED_OF_TRAINED = 512
"""Questions about the larger world."""
FEWER = (20, 40, 80)
"""Steps of refinement, beside as many as the recipe has (ablation)."""


class Asking(Struct, frozen=True):
    """Bare questions, questions as chats have them, and when the model recalls."""

    found: list[Found]
    calls: Calls


class Ablations(Struct, frozen=True):
    """What is measured only on demand."""

    unprimed: list[Found]
    fewer: dict[int, Read]


class SeedResults(Struct, frozen=True, kw_only=True):
    """What was measured with one seed."""

    baselines: dict[str, list[Found]]
    classic: list[Found] | None
    """None: not trained with this seed."""
    primed: Asking
    default: Asking
    trained: dict[str, Found]
    """Empty in a quick run."""
    new: dict[int, dict[str, Found]]
    """By how many memories they are found among."""
    brought: Brought
    projected: dict[str, Read]
    """Facts never trained on."""
    trained_values: dict[str, Read]
    """Facts that the night trained on, their values not refined."""
    answers: dict[str, dict[str, Share]]
    bare: Losses
    nights: dict[int, Night]
    ablations: Ablations | None


class Seed:
    """One seed, and where its nights lie."""

    def __init__(self, bench: Bench, number: int, text: Sequence[Talk]) -> None:
        self._bench = bench
        self._number = number
        self._folder = bench.work / f"seed-{number}"
        self._parts = Parts(self._folder)
        self._text = text
        self._talks: list[Talk] = []
        """What nights train on beside memories."""
        self._world = bench_world(number, 0, bench.sizes.facts)

    @property
    def seconds(self) -> float:
        """That its parts took."""
        return self._parts.seconds

    def measure(self, *, ablations: bool) -> SeedResults:
        """Everything, from the disk as far as it is there."""
        take = self._parts.take
        self._talks = self._replied("talks", self._bench.sizes.talks, "train")
        found = take("baselines", dict[str, list[Found]], lambda: baselines(self._bench, self._facts, self._number))
        wanted = self._number < self._bench.sizes.classic_seeds
        classic = take("classic", list[Found], self._classic) if wanted else None
        primed = take("primed", Asking, lambda: self._asking(self._bench.primed))
        adapter = self._night(self._facts, self._world, "night-1")
        default = take("default", Asking, lambda: self._asking(adapter))
        brought = take("refined", Brought, lambda: self._bring(adapter))
        values = take("projected", tuple[dict[str, Read], dict[str, Read]], lambda: self._project(adapter))
        larger = self._night_of_larger() if self._bench.sizes.trained else adapter
        trained = take("trained", dict[str, Found], lambda: self._trained(larger)) if self._bench.sizes.trained else {}
        new = take("new", dict[int, dict[str, Found]], lambda: self._new(larger))
        answers = take("answers", dict[str, dict[str, Share]], lambda: self._answers(adapter, brought))
        bare, nights = self._nights(adapter, brought)
        return SeedResults(
            baselines=found,
            classic=classic,
            primed=primed,
            default=default,
            trained=trained,
            new=new,
            brought=brought,
            projected=values[0],
            trained_values=values[1],
            answers=answers,
            bare=bare,
            nights=nights,
            ablations=take("ablations", Ablations, lambda: self._ablations(adapter)) if ablations else None,
        )

    # --- parts -------------------------------------------------------------------------------------------------------

    @property
    def _facts(self) -> Sequence[Fact]:
        return self._world.facts

    def _replied(self, name: str, count: int, part: Part) -> list[Talk]:
        """What the base model replied to ordinary turns; the same for all nights of the seed."""
        talks = self._parts.take(
            name, list[PlainTalk], lambda: plain_talks(replied_talks(self._bench, self._number, count, part))
        )
        return restored_talks(talks)

    def _night(self, facts: Sequence[Fact], world: World, name: str) -> Path:
        folder = self._folder / name
        self._parts.take(name, str, lambda: str(teach(self._bench, facts, world, self._talks, folder, self._number)))
        return folder / CANDIDATE

    def _night_of_larger(self) -> Path:
        world = bench_world(self._number, 1, self._bench.sizes.trained)
        return self._night(world.facts, world, "night-larger")

    def _classic(self) -> list[Found]:
        learner = train_classic(self._bench, self._facts, self._folder / "classic", self._number)
        return ask_twice(self._bench, learner, self._facts, self._number)

    def _asking(self, adapter: Path) -> Asking:
        learner = self._bench.learner(adapter)
        found = ask_twice(self._bench, learner, self._facts, self._number)
        asked = len(bare_questions(self._facts)), self._bench.sizes.chats
        share = sum(each.asks * count for each, count in zip(found, asked, strict=True)) / sum(asked)
        return Asking(found, measure_calls(self._bench, learner, share, sum(asked), self._number))

    def _bring(self, adapter: Path) -> Brought:
        return bring(self._bench, serving(self._bench, adapter), self._world, self._number)

    def _project(self, adapter: Path) -> tuple[dict[str, Read], dict[str, Read]]:
        """Facts never trained on, and those that the night trained on, as the projector alone made them."""
        model = serving(self._bench, adapter)
        both = []
        for facts in (new_facts(self._number, self._bench.sizes.new), self._facts):
            texts = [fact.text for fact in facts]
            both.append(read_parts(self._bench, model, facts, texts, project(model, texts), self._number))
        return both[0], both[1]

    def _trained(self, adapter: Path) -> dict[str, Found]:
        facts, learner = bench_world(self._number, 1, self._bench.sizes.trained).facts, self._bench.learner(adapter)
        every = bare_questions(facts)
        asked = Random(self._number).sample(every, min(len(every), ASKED_OF_TRAINED))
        raw = raw_of(learner, facts)
        keys = learner.heads.key(raw).detach()
        return {
            "BM25": by_words(asked, facts),
            "embedding of the last turn": by_embedding(learner, asked, raw),
            "default": by_recall(learner, self._bench.writer(learner.model), asked, keys),
        }

    def _new(self, adapter: Path) -> dict[int, dict[str, Found]]:
        """Among the larger world's facts, and then everybody else's."""
        facts = new_facts(self._number, self._bench.sizes.new)
        beside = (
            list(bench_world(self._number, 1, self._bench.sizes.trained).facts) if self._bench.sizes.trained else []
        )
        rest = max(self._bench.sizes.banks) - len(facts) - len(beside)
        others = [*beside, *distractors(self._number, facts, rest)]
        return in_banks(self._bench, self._bench.learner(adapter), facts, others)

    def _answers(self, adapter: Path, brought: Brought) -> dict[str, dict[str, Share]]:
        return answer_all(self._bench, adapter, self._world, as_values(brought.values), self._number)

    def _nights(self, adapter: Path, brought: Brought) -> tuple[Losses, dict[int, Night]]:
        take, replies = self._parts.take, self._replied("replies", self._bench.sizes.replies, "test")
        bare = take("loss-bare", Losses, lambda: measure_losses(self._bench, None, replies, self._text))
        first = take("loss-1", Losses, lambda: measure_losses(self._bench, adapter, replies, self._text))
        nights = {1: Night(first, brought.parts["all"].exact)}
        for count in self._bench.sizes.nights:
            nights[count] = take(f"night-{count}", Night, partial(self._live, count, brought, replies))
        return bare, nights

    def _live(self, nights: int, brought: Brought, replies: Sequence[Talk]) -> Night:
        folder, values = self._folder / f"after-{nights}", as_values(brought.values)
        adapter, exact = live_on(self._bench, folder, nights, self._talks, values, self._number)
        return Night(measure_losses(self._bench, adapter, replies, self._text), exact)

    def _ablations(self, adapter: Path) -> Ablations:
        """The default recipe without priming, and fewer steps of refinement."""
        learner, world = self._bench.learner(), self._world
        learner.calibrate(raw_of(learner, self._facts))
        train_night(
            self._bench, learner, self._facts, world, self._talks, self._folder / "night-unprimed", self._number
        )
        unprimed = ask_twice(self._bench, learner, self._facts, self._number)
        return Ablations(unprimed, {steps: self._refined_by(adapter, steps) for steps in FEWER})

    def _refined_by(self, adapter: Path, steps: int) -> Read:
        recipes = self._bench.recipes
        shorter = msgspec.structs.replace(recipes.refine, steps=steps)
        bench = msgspec.structs.replace(self._bench, recipes=msgspec.structs.replace(recipes, refine=shorter))
        model, texts = serving(bench, adapter), [fact.text for fact in self._facts]
        values = refine_all(bench, model, texts, project(model, texts), self._number, self._facts)[0]
        return read_parts(bench, model, self._facts, texts, values, self._number)["all"]
