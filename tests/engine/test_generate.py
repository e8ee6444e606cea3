"""The decode loop on the trial model, exact in float32: beside transformers' own generate, and with recalls."""

import asyncio
import functools
from typing import Any

import answering
import msgspec
import numpy as np
import pytest
import torch
from answering import hidden_states, values_of

from onebot_bot.engine import decode
from onebot_bot.engine.answer import Sequence
from onebot_bot.engine.decode import LONGEST_READING
from onebot_bot.engine.generate import Generator
from onebot_bot.engine.request import (
    RECALL,
    VECTORS,
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
from onebot_bot.engine.room import PREFILL_CHUNK
from onebot_bot.engine.sampling import choose
from onebot_bot.errors import BotError, ModelError, RequestError

pytestmark = pytest.mark.model

GREEDY = SamplingParams(temperature=0, max_new_tokens=24)


talk = functools.partial(answering.talk, persona="")


def run(generator: Generator, generation: Generation) -> GenerationResult:
    """Step until the answer ends."""
    sequence = generator.start(generation)
    while sequence.outcome is None:
        generator.step([sequence])
    if isinstance(sequence.outcome, BotError):
        raise sequence.outcome
    return sequence.outcome


async def ask(
    generator: Generator,
    conversation: Conversation,
    sampling: SamplingParams = GREEDY,
    recall: RecallPolicy | None = None,
) -> GenerationResult:
    """One answer, on a thread as in the worker."""
    request = GenerationRequest(conversation=conversation, sampling=sampling, recall=recall)
    return await asyncio.to_thread(run, generator, Generation(request))


def generate(generator: Generator, conversation: Conversation, **options: Any) -> str:
    """The same answer by transformers' generate."""
    ids = torch.tensor([generator.model.renderer.render_conversation(conversation).ids])
    out = generator.model.network.generate(ids, do_sample=False, max_new_tokens=24, **options)
    text: str = generator.model.renderer.special.decode(out[0, ids.shape[1] :].tolist(), skip_special_tokens=True)
    return text


@pytest.mark.parametrize(
    "words",
    [
        ("What is the capital of France?",),
        ("Tell me a story.", "Once upon a time", "Go on, please!"),
        ("你好，今天天气怎么样？😀",),
    ],
)
async def test_greedy_equals_transformers_generate(trial: Generator, words: tuple[str, ...]) -> None:
    """Token for token, as text."""
    assert (await ask(trial, talk(*words))).text == generate(trial, talk(*words))


async def test_greedy_equals_generate_beyond_one_prefill_chunk(trial: Generator) -> None:
    """A prompt fed in chunks gives the same answer as one fed whole."""
    conversation = talk("The cat sat on the mat. " * 120 + "Where did the cat sit?")
    assert len(trial.model.renderer.render_conversation(conversation).ids) > PREFILL_CHUNK
    assert (await ask(trial, conversation)).text == generate(trial, conversation)


async def test_the_repetition_penalty_is_generates_own(trial: Generator) -> None:
    """Penalised greedy decoding equals generate with the same penalty."""
    sampling = SamplingParams(temperature=0, max_new_tokens=24, repetition_penalty=1.3)
    expected = generate(trial, talk("Sing la la la la."), repetition_penalty=1.3)
    assert (await ask(trial, talk("Sing la la la la."), sampling)).text == expected


async def test_answers_side_by_side_do_not_mix(trial: Generator) -> None:
    """Interleaved answers are those of each alone."""
    talks = [talk("Name a colour."), talk("What is two plus two? Think about it."), talk("Say hello in French.")]
    alone = [(await ask(trial, one)).text for one in talks]
    requests = [GenerationRequest(conversation=one, sampling=GREEDY) for one in talks]
    sequences = [trial.start(Generation(request)) for request in requests]

    def step_all() -> None:
        while running := [s for s in sequences if s.outcome is None]:
            trial.step(running)

    await asyncio.to_thread(step_all)
    assert [s.outcome.text for s in sequences if isinstance(s.outcome, GenerationResult)] == alone


async def test_a_seed_repeats_an_answer(trial: Generator) -> None:
    """The same seed gives the same words, another seed others."""
    hot = [SamplingParams(temperature=1.0, max_new_tokens=16, seed=seed) for seed in (7, 7, 8)]
    first, again, other = [(await ask(trial, talk("Tell me something."), one)).text for one in hot]
    assert first == again
    assert first != other


async def test_warpers_narrow_the_choice_to_the_likeliest(trial: Generator) -> None:
    """top_k = 1 is greedy whatever the temperature; so is a tiny nucleus and a min_p of 1."""
    greedy = (await ask(trial, talk("Name a colour."))).text
    for narrow in ({"top_k": 1}, {"top_p": 1e-6}, {"min_p": 1.0}):
        sampling = SamplingParams(temperature=1.5, max_new_tokens=24, **narrow)
        assert (await ask(trial, talk("Name a colour."), sampling)).text == greedy


async def test_the_presence_penalty_counts_the_answer_only(trial: Generator) -> None:
    """A huge penalty forbids every repetition within the answer, not words of the prompt."""
    sampling = SamplingParams(temperature=0, max_new_tokens=40, presence_penalty=1000.0)
    request = GenerationRequest(conversation=talk("Write a long story about a dog and a cat."), sampling=sampling)
    sequence = trial.start(Generation(request))
    prompt = len(sequence.rendered.ids)

    def finish() -> None:
        while sequence.outcome is None:
            trial.step([sequence])

    await asyncio.to_thread(finish)
    written = sequence.ids[prompt:]
    assert len(written) > 5
    assert len(set(written)) == len(written)


# --- what cannot be served ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", [{"max_new_tokens": 0}, {"temperature": -1.0}, {"top_p": 0.0}, {"min_p": 2.0}])
async def test_parameters_out_of_range_are_refused_by_name(trial: Generator, field: dict[str, Any]) -> None:
    """The error names the parameter."""
    with pytest.raises(RequestError, match=next(iter(field))):
        await ask(trial, talk("hi"), SamplingParams(**field))


async def test_a_prompt_longer_than_the_window_is_refused(trial: Generator) -> None:
    """One message that alone does not fit is an error that gives both lengths."""
    with pytest.raises(RequestError, match=r"the prompt is \d+ tokens"):
        await ask(trial, talk("word " * trial.model.context))


async def test_an_answer_longer_than_the_window_is_refused(trial: Generator) -> None:
    """max_new_tokens leaves room for a prompt or is refused."""
    with pytest.raises(RequestError, match="max_new_tokens"):
        await ask(trial, talk("hi"), SamplingParams(max_new_tokens=trial.model.context))


async def test_old_turns_are_dropped_to_fit(trial: Generator) -> None:
    """A long history is cut at the oldest end; the last turn is always there."""
    small = Generator(msgspec.structs.replace(trial.model, context=300))
    history = [f"{'ha ' * 40}{i}" for i in range(20)]
    result = await ask(small, talk(*history, "What is the capital of France?"))
    assert result.usage.dropped_turns > 0
    assert result.usage.prompt_tokens + 24 <= 300


async def test_nan_logits_are_a_clear_error(trial: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that breaks down says what to change, and only this answer fails."""
    with monkeypatch.context() as patch:
        width = trial.model.embeddings.weight.shape[0]
        patch.setattr(
            trial.model.network.lm_head, "forward", lambda hidden: torch.full((len(hidden), width), torch.nan)
        )
        with pytest.raises(ModelError, match=r"model\.dtype"):
            await ask(trial, talk("hi"))
    assert (await ask(trial, talk("Name a colour."))).text


async def test_an_interrupt_works_during_a_long_prefill(trial: Generator) -> None:
    """Between two chunks of the prompt the interrupt is seen."""
    generation = Generation(GenerationRequest(conversation=talk("cat " * 3000), sampling=GREEDY))
    sequence = trial.start(generation)
    await asyncio.to_thread(trial.step, [sequence])
    generation.interrupt()
    await asyncio.to_thread(trial.step, [sequence])
    assert isinstance(sequence.outcome, GenerationResult)
    assert sequence.outcome.finish_reason is FinishReason.INTERRUPTED
    assert sequence.positions == sequence.reused + PREFILL_CHUNK


async def test_characters_are_never_split(trial: Generator) -> None:
    """Deltas of multi-byte text join to valid text without replacement characters."""
    sampling = SamplingParams(temperature=1.0, max_new_tokens=60, seed=3)
    request = GenerationRequest(conversation=talk("请用中文和表情回答：😀😀😀你好"), sampling=sampling)
    sequence = trial.start(Generation(request))
    deltas: list[str] = []

    def collect() -> None:
        while sequence.outcome is None:
            trial.step([sequence])
            deltas.append(sequence.take_delta())

    await asyncio.to_thread(collect)
    assert isinstance(sequence.outcome, GenerationResult)
    assert "".join(deltas) == sequence.outcome.text
    assert all("\ufffd" not in delta for delta in deltas)


# --- recall -------------------------------------------------------------------------------------------------------


def finding(hit: RecallHit | None, queries: list[Vector], floor: float = 0.3, most: int = 1) -> RecallPolicy:
    """A policy whose search notes the query and finds `hit`."""

    def search(query: Vector) -> RecallHit | None:
        queries.append(query)
        return hit

    return RecallPolicy(search, floor, most)


def steps_to_first_logits(generator: Generator, sequence: Sequence) -> torch.Tensor:
    """Logits `[V]` after the prompt and what a recall put in, before any token is sampled."""
    seen: list[torch.Tensor] = []

    def spy(logits: torch.Tensor, *more: Any) -> list[int]:
        seen.append(logits[0])
        return choose(logits, *more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decode, "choose", spy)
        while not seen:
            generator.step([sequence])
    return seen[0]


@pytest.mark.parametrize("count", [1, 2])
async def test_a_recall_injects_the_vectors_right_after_it(trial: Generator, count: int) -> None:
    """KV-cached decoding equals one full forward with the vectors in place, to 1e-4, and differs without them."""
    vectors = values_of(trial.model, 1000, count)
    queries: list[Vector] = []
    policy = finding(RecallHit(7, 0.9, "a fact", vectors), queries)
    conversation = talk("What do you remember?", opening=True)
    request = GenerationRequest(conversation=conversation, sampling=GREEDY, recall=policy)
    sequence = trial.start(Generation(request))
    cached = await asyncio.to_thread(steps_to_first_logits, trial, sequence)

    def full(values: Vector | None) -> tuple[torch.Tensor, torch.Tensor]:
        ids = trial.model.renderer.render_conversation(conversation).ids
        hidden = hidden_states(trial.model, [*ids, *[trial.model.renderer.memory_ids[2]] * count], values)
        with torch.inference_mode():
            return trial.model.logits(hidden[-1]), hidden[len(ids) - 1]

    expected, at_recall = full(vectors)
    torch.testing.assert_close(cached, expected, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(cached, full(None)[0], atol=1e-2)
    # The query is the hidden state at `<recall>` itself, through the head (identity), at unit length.
    np.testing.assert_allclose(queries[0], torch.nn.functional.normalize(at_recall, dim=-1).numpy(), atol=1e-5)
    assert [(r.memory_id, r.score) for r in sequence.recalls] == [(7, 0.9)]


async def test_below_the_floor_nothing_comes_to_mind(trial: Generator) -> None:
    """A weak hit and an empty store both leave the pad's own embedding in place."""
    weak = finding(RecallHit(7, 0.29, "a fact", values_of(trial.model, 1000, 1)), [])
    empty = finding(None, [])
    conversation = talk("What do you remember?", opening=True)
    one, two = await ask(trial, conversation, recall=weak), await ask(trial, conversation, recall=empty)
    assert one.text == two.text
    assert [recall.memory_id for recall in (*one.recalls, *two.recalls)] == [None, None]


async def test_a_recall_is_closed_for_a_model_that_cannot_close_it(trial: Generator) -> None:
    """The marks stand in the text, so what follows them is known to be the answer; the close is fed, not sampled."""
    hit = RecallHit(7, 0.9, "a fact", values_of(trial.model, 1000, 2))
    policy = msgspec.structs.replace(finding(hit, []), close=True)
    request = GenerationRequest(conversation=talk("Hello!", opening=True), sampling=GREEDY, recall=policy)
    sequence = trial.start(Generation(request))
    await asyncio.to_thread(steps_to_first_logits, trial, sequence)
    _, end, pad = trial.model.renderer.memory_ids
    prompt = len(sequence.rendered.ids)
    assert sequence.ids[prompt : prompt + 3] == [pad, pad, end]
    assert sequence.take_delta().startswith("<recall></recall>")
    assert sequence.positions == prompt + 3


async def test_recalls_are_capped(trial: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that only ever asks is answered `max_recalls` times; then it cannot ask any more."""
    recall, end, _ = trial.model.renderer.memory_ids
    logits = torch.zeros(trial.model.embeddings.weight.shape[0])
    logits[recall], logits[end] = 10.0, 5.0
    monkeypatch.setattr(trial.model.network.lm_head, "forward", lambda hidden: logits.expand(len(hidden), -1))
    queries: list[Vector] = []
    sampling = SamplingParams(temperature=0, max_new_tokens=12)
    hit = RecallHit(1, 0.9, "a fact", values_of(trial.model, 1000, 1))
    result = await ask(trial, talk("hi"), sampling, finding(hit, queries, most=3))
    assert len(queries) == len(result.recalls) == 3
    assert result.text.count(RECALL) == 3


async def test_a_memory_is_read_out_greedily_and_may_be_said_again(trial: Generator) -> None:
    """Neither the temperature nor the penalties touch what is recalled, and its words are no repetition afterwards."""
    hit = RecallHit(7, 0.9, "a fact", values_of(trial.model, 1000, 2))
    conversation = talk("What do you remember?", opening=True)
    plain = await ask(trial, conversation, SamplingParams(temperature=0, max_new_tokens=12), finding(hit, []))
    wild = SamplingParams(temperature=2.0, repetition_penalty=2.0, presence_penalty=2.0, seed=1, max_new_tokens=12)
    assert (await ask(trial, conversation, wild, finding(hit, []))).text == plain.text


async def test_a_memory_without_an_end_is_closed(trial: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reading that goes on and on is ended after `LONGEST_READING` tokens."""
    logits = torch.zeros(trial.model.embeddings.weight.shape[0])
    logits[100] = 5.0
    monkeypatch.setattr(trial.model.network.lm_head, "forward", lambda hidden: logits.expand(len(hidden), -1))
    policy = finding(RecallHit(7, 0.9, "a fact", values_of(trial.model, 1000, 1)), [])
    conversation = talk("hi", opening=True)
    result = await ask(trial, conversation, SamplingParams(temperature=0, max_new_tokens=120), policy)
    assert result.text.index("</recall>") == len("<recall>") + LONGEST_READING


async def test_without_a_policy_the_model_cannot_ask(trial: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    """`<recall>` and `<|memory_pad|>` never come out of an answer that may not recall."""
    recall, _, pad = trial.model.renderer.memory_ids
    logits = torch.zeros(trial.model.embeddings.weight.shape[0])
    logits[recall], logits[pad], logits[100] = 10.0, 9.0, 5.0
    monkeypatch.setattr(trial.model.network.lm_head, "forward", lambda hidden: logits.expand(len(hidden), -1))
    request = GenerationRequest(conversation=talk("hi"), sampling=SamplingParams(temperature=0, max_new_tokens=4))
    sequence = trial.start(Generation(request))
    prompt = len(sequence.rendered.ids)
    for _ in range(4):
        await asyncio.to_thread(trial.step, [sequence])
    assert sequence.ids[prompt:] == [100] * 4


async def test_keys_do_not_depend_on_the_batch(trial: Generator) -> None:
    """A text's key is the same alone and padded beside longer ones."""
    texts = ["Ann has a cat.", "Bob, who lives in Shanghai, works as a teacher and loves spicy hotpot.", "你好"]
    together = await asyncio.to_thread(trial.embed, texts)
    alone = np.concatenate([await asyncio.to_thread(trial.embed, [text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-3)


async def test_untrained_values_have_the_length_of_token_embeddings(trial: Generator) -> None:
    """A unit key is projected to the median norm of the embeddings, in its own direction, once a vector."""
    hidden = trial.model.embeddings.weight.shape[1]
    key = np.zeros((1, 3 * hidden), np.float32)
    key[0, 3] = 1.0
    value = await asyncio.to_thread(trial.project, key)
    norms = trial.model.embeddings.weight.detach().norm(dim=-1)
    assert value.shape == (1, VECTORS, hidden)
    np.testing.assert_allclose(np.linalg.norm(value[0], axis=-1), float(norms.median()), rtol=1e-3)
    assert value[0].argmax(-1).tolist() == [3] * VECTORS
