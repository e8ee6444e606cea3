"""Reading memories out, and refining values until they are read out word for word."""

import asyncio
from pathlib import Path

import msgspec
import pytest
import torch
from tiny import RECIPES, TEXTS, learner_of, load_tiny, talks
from torch import Tensor

from onebot_bot.engine.generate import Generator
from onebot_bot.engine.model import LoadedModel, load_model
from onebot_bot.engine.request import (
    RECALL,
    Control,
    Conversation,
    Generation,
    GenerationRequest,
    GenerationResult,
    RecallHit,
    RecallPolicy,
    SamplingParams,
)
from onebot_bot.learning.lessons import conversation
from onebot_bot.learning.reading import Reader, Serving, begin, begin_each, read_out
from onebot_bot.learning.refine import checked, refine
from onebot_bot.learning.replay import replay
from onebot_bot.sections.model import ModelConfig

pytestmark = pytest.mark.model
ASKED = ("What do you remember?", "Do tell.", "Well?", "And now?")


def beginnings(model: LoadedModel) -> list[list[int]]:
    """Prompts up to `<recall>`; the last two only check."""
    recall = model.renderer.memory_ids[0]
    return [[*model.renderer.render_conversation(conversation([("user", asked)])).ids, recall] for asked in ASKED]


def values_of(model: LoadedModel, count: int = len(TEXTS)) -> Tensor:
    """Values to start from: what the untrained projector makes of the texts' keys."""
    return torch.from_numpy(Generator(model).project(Generator(model).embed(list(TEXTS[:count]))))


def loss_of(reader: Reader, values: Tensor) -> Tensor:
    """Mean loss `[n]` of each text behind its values, after the first beginning."""
    renderer, start = reader.model.renderer, torch.tensor([beginnings(reader.model)[0]])
    losses = []
    for text, value in zip(TEXTS, values, strict=False):
        ids = torch.tensor([[*renderer.encode_text(text), renderer.memory_ids[1]]])
        with torch.no_grad():
            told = torch.cat([reader.embed(start), value.unsqueeze(0), reader.embed(ids)], dim=1)
            hidden = reader.states(told, torch.ones(told.shape[:2], dtype=torch.long))
            scores = reader.logits(hidden[0, -ids.shape[1] - 1 : -1])
        losses.append(torch.nn.functional.cross_entropy(scores, ids[0]))
    return torch.stack(losses)


async def served(generator: Generator, asked: str, value: Tensor) -> str:
    """What the decode loop writes behind `<recall>` when it finds these vectors."""
    hit = RecallHit(1, 0.9, "", value.numpy())
    request = GenerationRequest(
        conversation=Conversation(conversation([("user", asked)]).turns, (Control(RECALL),)),
        sampling=SamplingParams(temperature=0, max_new_tokens=24),
        recall=RecallPolicy(lambda _: hit, 0.0, 2),
    )
    await asyncio.sleep(0)
    sequence = generator.start(Generation(request))
    while sequence.outcome is None:
        generator.step([sequence])
    assert isinstance(sequence.outcome, GenerationResult)
    return sequence.outcome.text.removeprefix(RECALL).partition("</recall>")[0].strip()


async def test_reading_out_is_what_the_decode_loop_does(tiny: LoadedModel) -> None:
    """Many rows at once, one cache: the same words as one answer at a time with the vectors injected."""
    generator, reader = Generator(tiny), Serving(tiny)
    values = torch.randn(4, 2, tiny.embeddings.weight.shape[1], generator=torch.Generator().manual_seed(2))
    told = read_out(reader, begin(reader, beginnings(tiny)[0]), values, 24)
    assert told == [await served(generator, ASKED[0], value) for value in values]
    assert len(set(told)) > 1


def test_a_beginning_is_not_used_up(tiny: LoadedModel) -> None:
    """The same beginning reads the same twice: what is written behind it goes into a copy."""
    reader = Serving(tiny)
    start, values = begin(reader, beginnings(tiny)[0]), torch.randn(3, 2, 64)
    assert read_out(reader, start, values, 8) == read_out(reader, start, values, 8)
    assert read_out(reader, start, values[:0]) == []


def test_refining_lowers_the_loss_and_keeps_what_is_exact(tiny: LoadedModel) -> None:
    """A random model reads every text better, as far as its frozen layers can; what counts as exact is so."""
    reader = Serving(tiny)
    start = values_of(tiny)
    recipe = msgspec.structs.replace(RECIPES.refine, steps=120, lr=0.1, batch=6)
    found = refine(reader, beginnings(tiny), TEXTS, start, recipe)
    assert found.values.shape == start.shape
    assert (loss_of(reader, found.values) < 0.9 * loss_of(reader, start)).all()
    runs = [begin(reader, ids) for ids in beginnings(tiny)[-2:]]
    assert checked(reader, runs, TEXTS, found.values) == found.exact


def test_a_finished_value_is_not_touched(tiny: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is exact at the start comes back bit for bit, while its neighbours move."""
    reader, start = Serving(tiny), values_of(tiny, 3)

    def second_is_exact(_: object, __: object, texts: list[str], *___: object) -> list[bool]:
        return [text == TEXTS[1] for text in texts]

    monkeypatch.setattr("onebot_bot.learning.refine.checked", second_is_exact)
    recipe = msgspec.structs.replace(RECIPES.refine, steps=4)
    found = refine(reader, beginnings(tiny), TEXTS[:3], start, recipe)
    assert found.exact == [False, True, False]
    assert torch.equal(found.values[1], start[1])
    assert not torch.equal(found.values[0], start[0])
    assert not torch.equal(found.values[2], start[2])


def test_what_needs_no_refining_takes_no_step(tiny: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """All exact, stopped, or nothing there: the values are as they were."""
    reader, start = Serving(tiny), values_of(tiny, 2)
    stopped = refine(reader, beginnings(tiny), TEXTS[:2], start, RECIPES.refine, stop=lambda: True)
    assert (stopped.steps, stopped.exact) == (0, [False, False])
    assert torch.equal(stopped.values, start)
    empty = refine(reader, beginnings(tiny), [], start[:0], RECIPES.refine)
    assert (empty.exact, empty.steps) == ([], 0)
    monkeypatch.setattr("onebot_bot.learning.refine.checked", lambda _, __, texts, *___: [True] * len(texts))
    assert refine(reader, beginnings(tiny), TEXTS[:2], start, RECIPES.refine).steps == 0


class Digits(Serving):
    """Says nothing but digits, each a token, and then `</recall>`, which a random model never does."""

    bias = 1.5
    """Of `</recall>`: sooner or later most rows end."""

    def logits(self, hidden: Tensor) -> Tensor:
        renderer, found = self.model.renderer, super().logits(hidden)
        allowed = [*renderer.encode_text("0123456789"), renderer.memory_ids[1]]
        only = torch.full_like(found, -torch.inf)
        only[..., allowed] = found[..., allowed]
        only[..., renderer.memory_ids[1]] += self.bias
        return only


def test_what_is_checked_is_what_greedy_decoding_gives(tiny: LoadedModel) -> None:
    """One forward over a text says the same as writing it token by token; another text, or no end, is wrong."""
    reader, values = Digits(tiny), torch.randn(64, 2, 64, generator=torch.Generator().manual_seed(2))
    run = begin(reader, beginnings(tiny)[0])
    told = read_out(reader, run, values, 24)
    closed = [0 < len(text) < 24 for text in told]
    assert 0 < sum(closed) < len(closed)
    written = [text or "7" for text in told]
    assert checked(reader, [run], written, values) == closed
    assert not any(checked(reader, [run], [text + "1" for text in written], values))
    other = begin(reader, beginnings(tiny)[1])
    again = read_out(reader, other, values, 24)
    both = [one and text == same for one, text, same in zip(closed, told, again, strict=True)]
    assert checked(reader, [run, other], written, values) == both
    assert 0 < sum(both) < sum(closed)


def test_a_learner_and_what_serves_refine_alike(tiny_folder: Path) -> None:
    """The same model under both readers: the same values."""
    learner, serving = learner_of(load_tiny(tiny_folder), moved=False), Serving(load_tiny(tiny_folder))
    start = values_of(load_tiny(tiny_folder), 2)
    recipe = msgspec.structs.replace(RECIPES.refine, steps=5)
    by_learner = refine(learner, beginnings(learner.model), TEXTS[:2], start, recipe)
    by_serving = refine(serving, beginnings(serving.model), TEXTS[:2], start, recipe)
    torch.testing.assert_close(by_learner.values, by_serving.values, atol=1e-2, rtol=1e-2)


def test_bfloat16_values_stay_float32(tiny_folder: Path) -> None:
    """Adam's steps are finer than bfloat16."""
    model = load_model(tiny_folder, ModelConfig(dtype="bfloat16", device="cpu", threads=1))
    recipe = msgspec.structs.replace(RECIPES.refine, steps=2)
    found = refine(Serving(model), beginnings(model), TEXTS[:2], torch.randn(2, 2, 64), recipe)
    assert found.values.dtype == torch.float32
    assert torch.isfinite(found.values).all()


def test_a_replay_is_the_base_models_own_words(tiny: LoadedModel) -> None:
    """Every talk gets a reply without memory tokens, the same for the same seed, cut ones marked."""
    learner = learner_of(tiny, moved=False)
    with learner.base():
        first, again = replay(learner, talks(), tokens=6), replay(learner, talks(), tokens=6)
    assert first == again
    assert {str(talk.context) for talk in first} == {str(talk.context) for talk in talks()}
    assert all(talk.reply for talk in first)
    assert not any(mark in talk.reply for talk in first for mark in ("<recall>", "</recall>", "<|memory_pad|>"))
    assert any(not talk.whole for talk in first)


def test_own_beginnings_are_padded_without_a_trace(tiny: LoadedModel) -> None:
    """A memory read after its own beginning, beside longer ones, is read as alone."""
    reader, values = Serving(tiny), values_of(tiny, 3)
    ids = [beginnings(tiny)[0][:-4], beginnings(tiny)[0], beginnings(tiny)[1]]
    together = read_out(reader, begin_each(reader, ids), values, 12)
    alone = [read_out(reader, begin(reader, one), values[at : at + 1], 12)[0] for at, one in enumerate(ids)]
    assert together == alone


def test_what_is_refined_is_read_after_ones_own_beginning(tiny: LoadedModel) -> None:
    """The last of each memory's own only checks; those before are refined after, as often as the general ones."""
    reader, start = Serving(tiny), values_of(tiny, 2)
    own = [[beginnings(tiny)[at], beginnings(tiny)[at + 1]] for at in (0, 2)]
    found = refine(reader, beginnings(tiny)[-5:], TEXTS[:2], start, RECIPES.refine, own=own)
    last = begin_each(reader, [each[-1] for each in own])
    after_own = checked(reader, [last], TEXTS[:2], found.values)
    assert all(right for right, exact in zip(after_own, found.exact, strict=True) if exact)
    assert not torch.equal(found.values, refine(reader, beginnings(tiny)[-5:], TEXTS[:2], start, RECIPES.refine).values)
