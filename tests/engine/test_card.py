"""The engine on a pretended card (pretend_card.py): nothing lies on the wrong device, and a step waits for it once.

The card computes in float32 as the CPU does, so the same tokens have to come.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from answering import ask, finish, talk, values_of
from pretend_card import CARD, READ, VALUE, pretended, to_card
from tiny import TEXTS, load_tiny, make_tiny
from tiny_vl import make_tiny_vl

from onebot_bot.device_keys import DeviceKeys
from onebot_bot.engine.answer import Sequence as Answer
from onebot_bot.engine.decode import DecodeLoop
from onebot_bot.engine.generate import Generator
from onebot_bot.engine.graphs import Stepped
from onebot_bot.engine.model import LoadedModel, load_plain
from onebot_bot.engine.request import Picture, RecallHit, RecallPolicy, SamplingParams
from onebot_bot.memory.members import parts_of
from onebot_bot.memory.vectors import unit
from onebot_bot.sections.model import ModelConfig

pytestmark = pytest.mark.model

TALKS = tuple(map(talk, ("Hi!", "What is the capital of France?", "Tell me a story.", "a b c d e f g " * 12, "你好😀")))


class Again:
    """A recorder that does all of it once more, into the same places."""

    def __init__(self) -> None:
        self.played = 0

    def record(self, work: Callable[[], Any]) -> tuple[Any, Callable[[], None]]:
        """As `Recorder` says."""
        made: Stepped = work()

        def play() -> None:
            self.played += 1
            again: Stepped = work()
            made.hidden.copy_(again.hidden)
            assert made.scored is not None
            assert again.scored is not None
            made.scored.scores.copy_(again.scored.scores)
            made.scored.greedy.copy_(again.scored.greedy)

        return made, play


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Iterator["Counter[str]"]:
    """A card; what was waited for."""
    # Inference tensors cannot be subclasses; a card's random numbers are those of a CPU here.
    for owner, name in ((DecodeLoop, "step"), (Generator, "embed"), (Generator, "project")):
        monkeypatch.setattr(owner, name, torch.no_grad()(getattr(owner, name).__wrapped__))
    for name in ("write", "scan"):
        monkeypatch.setattr(DeviceKeys, name, torch.no_grad()(getattr(DeviceKeys, name).__wrapped__))
    generator = torch.Generator
    monkeypatch.setattr(torch, "Generator", lambda _: generator())
    with pretended() as waits:
        yield waits


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, trial_folder: Path) -> Path:
    """A tiny Llama's."""
    return make_tiny(tmp_path_factory.mktemp("card"), trial_folder, layers=2)


@pytest.fixture(scope="module")
def model(folder: Path) -> LoadedModel:
    """On the CPU."""
    return load_tiny(folder)


def moved(model: LoadedModel) -> LoadedModel:
    """Onto the card, in place."""
    to_card(model.network)
    for head in model.heads.modules().values():
        to_card(head)
    return msgspec.structs.replace(model, device=CARD)


def mixed(model: LoadedModel, generator: Generator) -> list[Answer]:
    """A recall, a drawn answer and a greedy one."""
    vectors = values_of(model, 1000)
    policy = RecallPolicy(lambda _: RecallHit(1, 0.9, "a fact", vectors), 0.0, 1, close=True, drop_injected=True)
    drawn = SamplingParams(
        temperature=1.0, top_k=40, top_p=0.9, min_p=0.01, repetition_penalty=1.1, presence_penalty=0.5, seed=7,
        max_new_tokens=12,
    )  # fmt: skip
    return [
        ask(generator, talk("What of Ann?", opening=True), recall=policy),
        ask(generator, TALKS[1], sampling=drawn),
        ask(generator, TALKS[2]),
    ]


async def test_a_ragged_batch_waits_for_the_card_once_a_step(
    model: LoadedModel, folder: Path, card: "Counter[str]"
) -> None:
    """Prompts, masks, the cache and the tokens: the host reads nothing but what was chosen."""
    plain = Generator(model)
    wanted = finish(plain, *(ask(plain, one, 12) for one in TALKS))
    generator = Generator(moved(load_tiny(folder)))
    answers = [ask(generator, one, 12) for one in TALKS]
    card.clear()

    assert finish(generator, *answers) == wanted

    assert card == {READ: 12}


async def test_recorded_steps_wait_for_the_card_once(model: LoadedModel, folder: Path, card: "Counter[str]") -> None:
    """Of eight rows, five of them answers; to begin with, each graph is compared with the eager step."""
    plain = Generator(model)
    wanted = finish(plain, *(ask(plain, one, 12) for one in TALKS))
    generator, recorder = Generator(moved(load_tiny(folder))), Again()
    generator.loop = DecodeLoop(generator.model, recorder=recorder)
    answers = [ask(generator, one, 12) for one in TALKS]
    card.clear()

    assert finish(generator, *answers) == wanted

    assert generator.counters.graphs == "on"
    assert recorder.played > 10
    assert card[READ] == 12


async def test_recalls_and_drawn_tokens(model: LoadedModel, folder: Path, card: "Counter[str]") -> None:
    """A memory's vectors go to the card, its query comes from there; every way of narrowing is done there."""
    plain = Generator(model)
    wanted = finish(plain, *mixed(model, plain))
    generator = Generator(moved(load_tiny(folder)))
    answers = mixed(model, generator)
    card.clear()

    assert finish(generator, *answers) == wanted

    assert generator.counters.recalls == 1
    assert set(card) == {READ}
    assert card[READ] <= generator.counters.decode_steps + 3  # the prompts' step, the query, and the memory's words


async def test_a_model_that_sees(
    tmp_path: Path, qwen_tokenizer_folder: Path, picture: bytes, card: "Counter[str]"
) -> None:
    """A picture chat beside a text chat: what depends on values is waited for in prompts alone."""
    place, config = make_tiny_vl(tmp_path, qwen_tokenizer_folder), ModelConfig(dtype="float32", device="cpu", threads=1)
    talks = [talk("这是什么？", parts=[Picture(picture)]), talk("hello")]
    model = load_plain(place, config)
    generator = Generator(model)
    wanted = finish(generator, *(ask(generator, one, 4) for one in talks))
    generator = Generator(moved(model))
    answers = [ask(generator, one, 4) for one in talks]
    while not all(answer.new_tokens for answer in answers):
        generator.step(answers)
    card.clear()
    generator.step(answers)

    assert card == {READ: 1}
    assert finish(generator, *answers) == wanted


async def test_keys_and_values(model: LoadedModel, folder: Path, card: "Counter[str]") -> None:
    """What memories are made of comes from the card in one piece each."""
    wanted = Generator(model).embed(list(TEXTS))
    generator = Generator(moved(load_tiny(folder)))
    card.clear()

    keys = generator.embed(list(TEXTS))
    values = generator.project(keys)

    np.testing.assert_allclose(keys, wanted, atol=1e-5)
    assert values.shape[0] == len(TEXTS)
    assert card[READ] == 2


async def test_in_half_precision_all_types_fit(folder: Path, card: "Counter[str]") -> None:
    """Masks, the cache, memories' vectors and what is drawn from are of the types that products take."""
    model = moved(load_plain(folder, ModelConfig(dtype="bfloat16", device="cpu", threads=1)))
    generator = Generator(model)
    generator.loop = DecodeLoop(model, recorder=Again())

    written = finish(generator, *mixed(load_tiny(folder), generator))

    assert all(written)
    assert generator.counters.graphs == "on"


def test_a_search_waits_for_the_card_once(card: "Counter[str]") -> None:
    """Query and scope go there, the best come back."""
    vectors = unit(np.random.default_rng(0).normal(size=(5000, 16)).astype(np.float32))
    keys = DeviceKeys(16, 1 << 30, CARD)
    keys.write(np.arange(5000), vectors)
    assert not card

    scan = keys.scan(vectors[4321], parts_of(np.arange(5000)), 5)

    assert scan is not None
    assert scan.slots[0] == 4321
    assert card == {READ: 1}


def test_tensors_of_two_devices_are_refused(card: "Counter[str]") -> None:
    """As a real card does: else the tests above would hold nothing."""
    there: Sequence[torch.Tensor] = (torch.zeros(3, device=CARD), torch.zeros(3))
    with pytest.raises(RuntimeError, match="on the card and on the CPU"):
        torch.add(*there)
    assert int(there[0].sum()) == 0
    assert card == {VALUE: 1}
