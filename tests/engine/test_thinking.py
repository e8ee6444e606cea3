"""How long a model may think: a tiny random Qwen3 with the real tokenizer and template, which knows thoughts."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tiny import load_tiny

from onebot_bot.engine import decode
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
    Text,
    Turn,
)
from onebot_bot.engine.sampling import choose

pytestmark = pytest.mark.model

THINK, END = 151667, 151668
CLOSING = [198, END, 271]
"""A line's end, the mark, an empty line."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, qwen_tokenizer_folder: Path) -> LoadedModel:
    """Random weights, so few that the vocabulary is most of them."""
    torch.manual_seed(0)
    config = transformers.Qwen3Config(
        vocab_size=151936, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=16, max_position_embeddings=1024, initializer_range=0.2, eos_token_id=151645,
        tie_word_embeddings=True,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("tiny-qwen3")
    transformers.Qwen3ForCausalLM(config).save_pretrained(folder)
    for file in qwen_tokenizer_folder.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return load_tiny(folder)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """What the model is made to write, token by token; None and what comes behind: its own."""
    words: list[int | None] = []
    queue: Iterator[int | None] | None = None

    def speak(*given: Any) -> list[int]:
        nonlocal queue
        queue = queue or iter(words)
        word = next(queue, None)
        return choose(*given) if word is None else [word]

    monkeypatch.setattr(decode, "choose", speak)
    return words


def write(model: LoadedModel, longest: int, tokens: int = 16, recall: RecallPolicy | None = None) -> Sequence:
    """A greedy answer with so long a thought at most."""
    generator = Generator(model)
    sampling = SamplingParams(temperature=0, max_new_tokens=tokens, max_thinking_tokens=longest)
    conversation = Conversation((Turn("user", (Text("What is two plus two?"),)),), thinking=True)
    answer = generator.start(Generation(GenerationRequest(conversation=conversation, sampling=sampling, recall=recall)))
    while answer.outcome is None:
        generator.step([answer])
    assert isinstance(answer.outcome, GenerationResult), answer.outcome
    return answer


def written(answer: Sequence) -> list[int]:
    """Ids of the answer."""
    return answer.ids[len(answer.rendered.ids) :]


def following(model: LoadedModel, answer: Sequence, start: int) -> list[int]:
    """What the model itself writes behind the answer's first `start` tokens."""
    ids = torch.tensor([answer.ids[: len(answer.rendered.ids) + start]])
    count = len(written(answer)) - start
    out = model.network.generate(ids, do_sample=False, max_new_tokens=count, attention_mask=torch.ones_like(ids))
    found: list[int] = out[0, ids.shape[1] :].tolist()
    return found


async def test_a_thought_is_closed_when_its_tokens_are_spent(model: LoadedModel, said: list[int | None]) -> None:
    """Five tokens, the close, and then the answer that follows from both."""
    said.append(THINK)
    answer = write(model, 5)
    ids = written(answer)
    assert ids[0] == THINK
    assert END not in ids[:6]
    assert ids[6:9] == CLOSING
    assert ids[9:] == following(model, answer, 9)
    assert isinstance(answer.outcome, GenerationResult)
    assert answer.outcome.text.count("</think>") == 1
    assert answer.outcome.usage.new_tokens == len(ids) == 16


async def test_a_thought_that_ends_by_itself_is_left_alone(model: LoadedModel, said: list[int | None]) -> None:
    """What comes behind it is the answer, however long."""
    said += [THINK, 1000, 1001, *CLOSING]
    answer = write(model, 8)
    assert written(answer).count(END) == 1
    assert written(answer)[6:] == following(model, answer, 6)


async def test_without_a_bound_a_thought_is_as_long_as_the_answer(model: LoadedModel, said: list[int | None]) -> None:
    """0 bounds nothing."""
    said.append(THINK)
    assert END not in written(write(model, 0))


async def test_an_answer_without_a_thought_is_not_bounded(model: LoadedModel) -> None:
    """Nothing is closed that was not begun."""
    answer = write(model, 2)
    assert written(answer) == following(model, answer, 0)


async def test_the_close_counts_as_written(model: LoadedModel, said: list[int | None]) -> None:
    """An answer whose thought takes all there is ends at its length, closed."""
    said.append(THINK)
    answer = write(model, 5, tokens=8)
    assert written(answer)[6:] == CLOSING
    assert isinstance(answer.outcome, GenerationResult)
    assert answer.outcome.finish_reason is FinishReason.LENGTH


async def test_a_memory_is_read_to_its_end_before(model: LoadedModel, said: list[int | None]) -> None:
    """A recall inside of a thought is not cut in two."""
    recall, end, pad = model.renderer.memory_ids
    vectors = model.embeddings.weight.detach()[1000:1002].float().numpy()
    said += [THINK, 1000, recall, 1001, 1002, 1003, end]
    answer = write(model, 2, recall=RecallPolicy(lambda _: RecallHit(1, 0.9, "a fact", vectors), 0.0, 1))
    assert written(answer)[:12] == [THINK, 1000, recall, pad, pad, 1001, 1002, 1003, end, *CLOSING]
