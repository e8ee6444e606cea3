"""Anything that can happen to the engine, in any order, beside the model fed one chat at a time without a cache."""

import asyncio
import functools
from pathlib import Path

import hypothesis.strategies as st
import pytest
from answering import by_hand, talk, values_of, written
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from tiny import load_tiny, make_tiny

from onebot_bot.engine.answer import Sequence
from onebot_bot.engine.generate import Generator
from onebot_bot.engine.model import LoadedModel
from onebot_bot.engine.request import (
    Conversation,
    FinishReason,
    Generation,
    GenerationRequest,
    GenerationResult,
    RecallHit,
    RecallPolicy,
    SamplingParams,
    Vector,
)

pytestmark = pytest.mark.model

LONGEST = 12
BUDGET = 3 * 128
"""Room for few chats: rows are waited for, given up, made longer and shorter."""
WORDS = ("Hi!", "I live in Rome, as you know.", "the cat sat " * 9, "Who is Ann?")
"""What is said: few words, so that prompts begin alike and histories are edited."""


@functools.cache
def expected(model: LoadedModel, conversation: Conversation, memory: int) -> list[int]:
    """Ids of the longest answer; `memory`: 0, or its first row."""
    return by_hand(model, conversation, value_of(model, memory) if memory else None, LONGEST)


def value_of(model: LoadedModel, first: int) -> Vector:
    """One or two vectors of a made-up memory."""
    return values_of(model, first, 1 + first % 2)


class Asked:
    """An answer and what it has to be."""

    def __init__(self, sequence: Sequence, memory: int) -> None:
        self.sequence = sequence
        self.memory = memory
        self.interrupted_at: int | None = None

    def check(self, model: LoadedModel) -> None:
        """It is the reference's, or its beginning up to the interrupt."""
        outcome = self.sequence.outcome
        assert isinstance(outcome, GenerationResult), outcome
        full = expected(model, self.sequence.generation.request.conversation, self.memory)
        found = written(self.sequence)
        if outcome.finish_reason is FinishReason.STOP:
            assert [*found, full[-1]] == full
        else:
            assert found == full[: len(found)]
        limit = self.sequence.generation.request.sampling.max_new_tokens
        if self.interrupted_at is None:
            assert outcome.finish_reason is FinishReason.STOP or outcome.usage.new_tokens == limit
        else:
            assert outcome.usage.new_tokens == self.interrupted_at


class EngineMachine(RuleBasedStateMachine):
    """Submits, steps, interrupts, recalls and reloads."""

    models: tuple[LoadedModel, LoadedModel]

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.Runner()
        self.serving = 0
        self.generator = Generator(self.models[0], lambda adapter: self.models[1 if adapter else 0])
        self.generator.loop.slots.budget = BUDGET
        self.running: list[Asked] = []

    def teardown(self) -> None:
        """Everybody gets an answer in the end."""
        self.finish()
        self.loop.close()

    @rule(
        words=st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).filter(lambda words: len(words) % 2 == 1),
        tokens=st.integers(1, LONGEST),
        memory=st.sampled_from([0, 0, 1000, 1001, 2001]),
    )
    def submit(self, words: list[str], tokens: int, memory: int) -> None:
        """One more answer."""
        policy = None
        if memory:
            hit = RecallHit(memory, 0.9, "", value_of(self.models[self.serving], memory))
            policy = RecallPolicy(lambda _: hit, 0.0, 1)
        request = GenerationRequest(
            conversation=talk(*words, opening=bool(memory)),
            sampling=SamplingParams(temperature=0, max_new_tokens=tokens),
            recall=policy,
        )

        async def submit() -> Generation:
            return Generation(request)

        self.running.append(Asked(self.generator.start(self.loop.run(submit())), memory))

    @rule(count=st.integers(1, 6))
    def step(self, count: int) -> None:
        """A few forwards; who has ended is compared at once."""
        for _ in range(count):
            if self.running:
                self.generator.step([asked.sequence for asked in self.running])
            for asked in self.running:
                if asked.sequence.outcome is not None:
                    asked.check(self.models[self.serving])
            self.running = [asked for asked in self.running if asked.sequence.outcome is None]

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def interrupt(self, data: st.DataObject) -> None:
        """Somebody says stop."""
        asked = data.draw(st.sampled_from(self.running))
        asked.sequence.generation.interrupt()
        asked.interrupted_at = asked.sequence.new_tokens

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def abandon(self, data: st.DataObject) -> None:
        """An answer is not asked for any more."""
        self.running.remove(data.draw(st.sampled_from(self.running)))

    @rule()
    def reload(self) -> None:
        """Other weights, once nobody is running, as the worker does it."""
        self.finish()
        self.serving = 1 - self.serving
        self.generator.serve(Path("other") if self.serving else None)
        self.generator.loop.slots.budget = BUDGET

    def finish(self) -> None:
        """Step until nobody is left; more steps than all tokens take would be a standstill."""
        for _ in range(40 * (1 + len(self.running))):
            self.step(1)
        assert not self.running

    @invariant()
    def rows_stay_within_the_budget(self) -> None:
        """And everybody has a row of her own."""
        slots = self.generator.loop.slots
        assert slots.kv.rows * slots.kv.length <= BUDGET
        held = [asked.sequence.slot.row for asked in self.running if asked.sequence.slot is not None]
        assert len(set(held)) == len(held)


def test_whatever_happens_every_answer_is_the_models_own(
    tmp_path_factory: pytest.TempPathFactory, trial_folder: Path
) -> None:
    """Submitted, interrupted, abandoned, recalled, reloaded in any order: nobody gets another's cache, nobody waits."""
    folders = [make_tiny(tmp_path_factory.mktemp("random"), trial_folder, layers=layers) for layers in (2, 3)]
    first, second = map(load_tiny, folders)
    EngineMachine.models = (first, second)
    run_state_machine_as_test(
        EngineMachine,
        settings=settings(
            max_examples=20, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
