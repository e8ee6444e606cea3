"""Sampling beside transformers' own processors, and rows of a batch beside each alone."""

from typing import cast

import pytest
import torch
from transformers.generation.logits_process import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from onebot_bot.engine.request import SamplingParams
from onebot_bot.engine.sampling import BROKEN, Choice, Sampler, choose, narrowed

pytestmark = pytest.mark.model

VOCABULARY = 500
RECALL, PAD = 498, 499
CPU = torch.device("cpu")


def some_logits(rows: int = 1) -> torch.Tensor:
    """Spread like a model's `[rows, V]`."""
    return 3 * torch.randn(rows, VOCABULARY, generator=torch.Generator().manual_seed(4))


def sampler(params: SamplingParams, prompt: tuple[int, ...] = (1, 2)) -> Sampler:
    """For one answer."""
    return Sampler(params, prompt, VOCABULARY, CPU)


@pytest.mark.parametrize(
    "params",
    [
        SamplingParams(temperature=0.7, top_k=40, top_p=0.9),
        SamplingParams(temperature=1.3, top_p=0.8, min_p=0.1),
        SamplingParams(temperature=0.9, top_k=20, min_p=0.05),
        SamplingParams(temperature=1.0, min_p=0.2),
        SamplingParams(temperature=1.5),
    ],
)
def test_what_is_left_is_what_transformers_leaves(params: SamplingParams) -> None:
    """The same tokens with the same probabilities, in generate's own order of warpers."""
    logits = some_logits()
    warpers = LogitsProcessorList([TemperatureLogitsWarper(params.temperature)])
    if params.top_k:
        warpers.append(TopKLogitsWarper(params.top_k))
    if params.top_p < 1:
        warpers.append(TopPLogitsWarper(params.top_p))
    if params.min_p:
        warpers.append(MinPLogitsWarper(params.min_p))
    ids = cast("torch.LongTensor", torch.zeros(1, 1, dtype=torch.long))
    expected = warpers(ids, cast("torch.FloatTensor", logits)).softmax(-1)[0]
    weights, order = narrowed(logits[0] / params.temperature, params)
    actual = torch.zeros(VOCABULARY)
    actual[torch.arange(VOCABULARY) if order is None else order] = weights / weights.sum()
    torch.testing.assert_close(actual, expected)


def test_tokens_come_as_often_as_they_are_likely() -> None:
    """Over many draws the shares are the softmax's."""
    scores, one = torch.tensor([0.0, 1.0, 2.0, -torch.inf]), Sampler(SamplingParams(temperature=1, seed=1), (), 4, CPU)
    drawn = torch.bincount(torch.stack([one.pick(scores) for _ in range(4000)]), minlength=4) / 4000
    torch.testing.assert_close(drawn, scores.softmax(-1), atol=0.03, rtol=0)


def test_the_repetition_penalty_counts_prompt_and_answer() -> None:
    """As transformers' processor over all ids so far."""
    logits, one = some_logits(), sampler(SamplingParams(temperature=0, repetition_penalty=5.0), (5, 9, 9))
    order = logits[0].argsort(descending=True).tolist()
    ids = [5, 9, 9]
    for token in order[:3]:
        penalised = RepetitionPenaltyLogitsProcessor(5.0)(
            cast("torch.LongTensor", torch.tensor([ids])), cast("torch.FloatTensor", logits.clone())
        )
        assert int(penalised.argmax()) == int(one.pick(logits[0]))
        one.note(token)
        ids.append(token)


def test_each_row_is_chosen_as_if_it_were_alone() -> None:
    """Greedy, penalised and seeded rows side by side; a memory is read greedily beside them."""
    logits = some_logits(5)

    def choices() -> list[Choice]:
        kinds = (
            SamplingParams(temperature=0),
            SamplingParams(temperature=0, presence_penalty=9.0),
            SamplingParams(temperature=1.0, seed=3, top_k=40),
            SamplingParams(temperature=1.5, seed=4),
        )
        made = [sampler(kind) for kind in kinds]
        made[1].note(int(logits[1].argmax()))
        return [*(Choice(each, asking=True) for each in made), Choice(None, asking=False)]

    together = choose(logits, choices(), RECALL, PAD)
    alone = [choose(logits[row : row + 1], [each], RECALL, PAD)[0] for row, each in enumerate(choices())]
    assert together == alone
    assert together[0] == int(logits[0].argmax())
    assert together[1] == int(logits[1].argsort(descending=True)[1])


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_a_row_that_is_not_finite_spoils_no_other(bad: float) -> None:
    """It alone is marked; the others' tokens are theirs."""
    logits = some_logits(3)
    logits[1, 7] = bad
    hot = [sampler(SamplingParams(temperature=1.0, seed=row)) for row in range(3)]
    found = choose(logits, [Choice(each, asking=True) for each in hot], RECALL, PAD)
    assert found[1] == BROKEN
    assert min(found[0], found[2]) >= 0


def test_what_may_not_come_does_not() -> None:
    """`<|memory_pad|>` never, `<recall>` only where it may be asked."""
    logits = torch.zeros(2, VOCABULARY)
    logits[:, PAD], logits[:, RECALL], logits[:, 3] = 9.0, 8.0, 7.0
    assert choose(logits, [Choice(None, asking=True), Choice(None, asking=False)], RECALL, PAD) == [RECALL, 3]
