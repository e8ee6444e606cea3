"""What is drawn for a step: how much of what, and of which memories."""

from collections import Counter

import msgspec
import pytest
from tiny import ASK, READ, bank_of, learner_of, lessons, night_of, rng, talks, writer_of

from onebot_bot.engine.model import LoadedModel
from onebot_bot.learning.course import Class, Night, School, asking, reading, steps_of
from onebot_bot.learning.lessons import NOTHING, UNASKED, Sample

pytestmark = pytest.mark.model


def kinds(samples: list[Sample]) -> Counter[str]:
    """How many ask for a memory, for nothing, or not at all."""
    names = {NOTHING: "nothing", UNASKED: "chat"}
    return Counter(names.get(sample.target, "memory") for sample in samples)


def test_steps_show_every_memory_as_often_as_said(tiny: LoadedModel) -> None:
    """Epochs times memories over the memories of a batch, not fewer than the least nor more than the most."""
    night = night_of(learner_of(tiny))
    ask = msgspec.structs.replace(ASK, epochs=10, batch=4, ordinary=0.5, least_steps=0)
    assert steps_of(night, ask) == 10 * 6 / 2
    assert steps_of(night, msgspec.structs.replace(ask, most_steps=7)) == 7
    assert steps_of(night, msgspec.structs.replace(ask, least_steps=99)) == 99
    read = msgspec.structs.replace(READ, epochs=10, batch=6, mix=(1, 1, 1), least_steps=0)
    assert steps_of(night, read) == 10 * 6 / 4


def test_half_of_asking_calls_for_nothing(tiny: LoadedModel) -> None:
    """A quarter is ordinary chat, a quarter a `<recall>` to which nothing answers; the memories all differ."""
    night = night_of(learner_of(tiny))
    samples = asking(night.draw(rng()), talks(), msgspec.structs.replace(ASK, batch=8), writer_of(tiny), rng())
    assert kinds(samples) == {"memory": 4, "nothing": 2, "chat": 2}
    wanted = [sample.target for sample in samples if sample.target >= 0]
    assert len(set(wanted)) == 4


def test_without_ordinary_chat_only_memories_are_asked_for(tiny: LoadedModel) -> None:
    """As many as they would have been beside it."""
    found = night_of(learner_of(tiny)).draw(rng())
    samples = asking(found, [], msgspec.structs.replace(ASK, batch=8), writer_of(tiny), rng())
    assert kinds(samples) == {"memory": 4}


def test_more_memories_than_there_are_repeat(tiny: LoadedModel) -> None:
    """A batch larger than the bank is filled."""
    found = night_of(learner_of(tiny)).draw(rng())
    samples = asking(found, [], msgspec.structs.replace(ASK, batch=40), writer_of(tiny), rng())
    assert len(samples) == 20


def test_the_classic_pair_is_the_memorys_text(tiny: LoadedModel) -> None:
    """Its own words and `<recall>`, and nothing ordinary."""
    found = night_of(learner_of(tiny)).draw(rng())
    classic = msgspec.structs.replace(ASK, pairs="text", ordinary=0.0, batch=3)
    writer = writer_of(tiny)
    for sample in asking(found, talks(), classic, writer, rng()):
        assert sample == writer.ask_with(lessons()[sample.target].text, sample.target)


def test_reading_mixes_front_sandwich_and_chat(tiny: LoadedModel) -> None:
    """About a third each; a tenth of the readings finds nothing."""
    found = night_of(learner_of(tiny)).draw(rng())
    samples = reading(found, talks(), msgspec.structs.replace(READ, batch=300), writer_of(tiny), rng())
    im_end = tiny.renderer.encode_control("<|im_end|>")[0]
    end = tiny.renderer.memory_ids[1]
    read = [sample for sample in samples if sample.memory != NOTHING]
    assert 70 < sum(sample.ids[-1] == end for sample in read) < 120
    assert 70 < sum(sample.ids[-1] == im_end for sample in read) < 120
    assert 70 < kinds(samples)["chat"] < 130
    assert 5 < kinds(samples)["nothing"] < 40


def test_half_of_the_readings_think_where_the_model_can(tiny: LoadedModel) -> None:
    """Those that do end the thought before they answer; a model that does not think has none."""
    found = night_of(learner_of(tiny)).draw(rng())
    recipe = msgspec.structs.replace(READ, batch=60, mix=(0, 1, 0))
    for share, least, most in ((0.0, 0, 0), (0.5, 18, 42), (1.0, 60, 60)):
        writer = writer_of(tiny)
        writer.thought = share
        samples = reading(found, [], recipe, writer, rng())
        ends = sum("</think>" in tiny.renderer.special.decode(sample.ids) for sample in samples)
        assert least <= ends <= most


def test_without_keeping_the_replies_are_learned(tiny: LoadedModel) -> None:
    """A weight of 0 makes ordinary chat a text like others."""
    found = night_of(learner_of(tiny)).draw(rng())
    recipe = msgspec.structs.replace(READ, mix=(0, 0, 1), keep=0.0)
    samples = reading(found, talks(), recipe, writer_of(tiny), rng())
    assert [sample.keep for sample in samples] == [0] * recipe.batch
    assert all(any(sample.labels) for sample in samples)


def test_a_school_draws_one_of_its_worlds(tiny: LoadedModel) -> None:
    """Whole worlds, and the size is that of all."""
    bank = bank_of(learner_of(tiny))
    worlds = [Class(lessons(), bank), Class(lessons()[:2], bank)]
    school, draws = School(worlds, talks()), rng()
    assert {len(school.draw(draws).lessons) for _ in range(20)} == {6, 2}
    assert school.size == 8
    assert Night(worlds[1], []).size == 2
