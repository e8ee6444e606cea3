"""Memory runs out, at every place where it can: nobody's answer is lost as long as it fits alone."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from engine import cramped
from tiny import load_tiny, make_tiny

from onebot_bot.engine import model as loading
from onebot_bot.engine import room
from onebot_bot.engine.decode import DecodeLoop
from onebot_bot.engine.fit import BLOCK, LEAST_CONTEXT, DoesNotFit, fit_context
from onebot_bot.engine.generate import Generator
from onebot_bot.engine.model import LoadedModel
from onebot_bot.engine.profiles import Profiles
from onebot_bot.engine.request import (
    Conversation,
    FinishReason,
    GenerationRequest,
    RecallHit,
    RecallPolicy,
    SamplingParams,
    Text,
    Turn,
)
from onebot_bot.engine.worker import EngineWorker
from onebot_bot.errors import ModelError, ModelExchanged, NoRoom
from onebot_bot.sections.model import ModelConfig

pytestmark = pytest.mark.model

CARD = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
COMPUTER = RuntimeError(
    "[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate "
    "9 bytes. Error code 12 (Cannot allocate memory)"
)
HEAP = MemoryError()
PATIENCE = 120
"""Seconds for one answer, on whatever machine this is."""
Fails = Callable[..., bool]
Patch = pytest.MonkeyPatch


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, trial_folder: Path) -> Path:
    """A tiny Llama's, with a window of 2048 tokens."""
    return make_tiny(tmp_path_factory.mktemp("memory"), trial_folder)


@pytest.fixture(scope="module")
def model(folder: Path) -> LoadedModel:
    """The weights, which nothing here changes."""
    return load_tiny(folder)


@pytest.fixture
async def worker(model: LoadedModel) -> AsyncIterator[EngineWorker]:
    """A worker over an empty cache."""
    generator = Generator(model)
    async with EngineWorker("tiny", lambda: generator) as running:
        yield running


def asked(*said: str, tokens: int = 6, recall: RecallPolicy | None = None) -> GenerationRequest:
    """What somebody said, turn by turn, to be answered greedily."""
    roles = ["user" if (len(said) - at) % 2 else "assistant" for at in range(len(said))]
    turns = tuple(Turn(role, (Text(words),)) for role, words in zip(roles, said, strict=True))  # type: ignore[arg-type]
    sampling = SamplingParams(temperature=0, max_new_tokens=tokens)
    return GenerationRequest(conversation=Conversation(turns), sampling=sampling, recall=recall)


HELLO, STORY, WHY = asked("Hi!"), asked("Tell me a story.", tokens=20), asked("Why is the sky blue?", tokens=12)
LONG = asked(*["the cat sat on the mat and " * 12] * 9)
"""Some 900 tokens in nine turns."""


async def texts(worker: EngineWorker, *requests: GenerationRequest) -> list[str]:
    """The answers to requests that come at once."""
    generations = [worker.submit(request) for request in requests]
    return [(await asyncio.wait_for(generation.result(), PATIENCE)).text for generation in generations]


def failing(patch: Patch, owner: Any, name: str, fails: Fails, error: Exception) -> None:
    """Let a function raise whenever `fails` says so of its arguments."""
    real = getattr(owner, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        if fails(*args, **kwargs):
            raise type(error)(*error.args)  # its own: a traceback holds all that was there
        return real(*args, **kwargs)

    patch.setattr(owner, name, call)


def loop_of(worker: EngineWorker) -> DecodeLoop:
    """Of the model that it has loaded."""
    runner: Any = worker._runner
    loop: DecodeLoop = runner.loop
    return loop


def times(count: int) -> Fails:
    """The first so many calls."""
    left = iter([True] * count)
    return lambda *_, **__: next(left, False)


@pytest.mark.parametrize("error", [CARD, COMPUTER, HEAP], ids=["card", "computer", "heap"])
async def test_what_does_not_fit_side_by_side_is_answered_one_after_another(
    worker: EngineWorker, model: LoadedModel, monkeypatch: Patch, error: Exception
) -> None:
    """In the middle of writing: the newest waits for the others and begins anew, and all answers are whole."""
    expected = [(await texts(worker, request))[0] for request in (STORY, WHY, HELLO)]
    failing(monkeypatch, model.network.model, "forward", lambda **fed: len(fed["inputs_embeds"]) > 1, error)
    assert await texts(worker, STORY, WHY, HELLO) == expected
    assert worker.status.answers == 6


@pytest.mark.parametrize("error", [CARD, COMPUTER], ids=["card", "computer"])
async def test_a_cache_that_cannot_grow_is_enough_for_a_shorter_context(
    worker: EngineWorker, monkeypatch: Patch, error: Exception
) -> None:
    """Old turns are left out; what is short is answered as ever, also where all cannot be laid out at once."""
    kv = loop_of(worker).slots.kv
    failing(monkeypatch, kv, "lay_out", lambda rows, length, _: rows * length > LEAST_CONTEXT + BLOCK, error)
    expected = await texts(worker, HELLO)
    result = await asyncio.wait_for(worker.submit(LONG).result(), PATIENCE)
    assert result.finish_reason is FinishReason.LENGTH
    assert result.usage.dropped_turns > 0
    assert result.usage.prompt_tokens < LEAST_CONTEXT
    assert await texts(worker, HELLO) == expected


async def test_an_answer_is_cut_rather_than_refused(worker: EngineWorker, monkeypatch: Patch) -> None:
    """What it may be long is lowered with the context."""
    kv = loop_of(worker).slots.kv
    failing(monkeypatch, kv, "lay_out", lambda rows, length, _: rows * length > LEAST_CONTEXT + BLOCK, CARD)
    result = await asyncio.wait_for(worker.submit(asked("Hi!", tokens=1000)).result(), PATIENCE)
    assert result.finish_reason is FinishReason.LENGTH
    assert result.usage.new_tokens == (result.usage.prompt_tokens + 1000) // 2 // 2


@pytest.mark.parametrize("seam", ["prompt", "step", "logits", "cache", "rendering"])
@pytest.mark.parametrize("count", [1, 2])
async def test_wherever_it_runs_out_for_a_moment_the_answer_is_the_same(
    worker: EngineWorker, model: LoadedModel, monkeypatch: Patch, seam: str, count: int
) -> None:
    """Once: what is idle makes room; twice: the answer begins anew, and the pieces before are void."""
    expected = await texts(worker, WHY)
    fails, loop, body = times(count), loop_of(worker), model.network.model
    match seam:
        case "prompt":
            failing(monkeypatch, body, "forward", lambda **fed: fed["inputs_embeds"].shape[1] > 1 and fails(), CARD)
        case "step":
            before = times(4)  # steps that go well
            failing(
                monkeypatch,
                body,
                "forward",
                lambda **fed: fed["inputs_embeds"].shape[1] == 1 and not before() and fails(),
                CARD,
            )
        case "logits":
            failing(monkeypatch, model.network.lm_head, "forward", fails, CARD)
        case "cache":
            loop.slots.clear()
            failing(monkeypatch, loop.slots.kv, "lay_out", fails, CARD)
        case "rendering":
            failing(monkeypatch, model.renderer, "fit_conversation", fails, CARD)
    if (seam, count) == ("rendering", 2):
        with pytest.raises(NoRoom):
            await texts(worker, WHY)
    else:
        assert await texts(worker, WHY) == expected
    assert await texts(worker, WHY) == expected


async def test_what_fits_in_no_way_is_refused_with_the_fix(
    worker: EngineWorker, model: LoadedModel, monkeypatch: Patch
) -> None:
    """And whoever comes when there is memory again is answered, after a while as if nothing had been."""
    expected, now = await texts(worker, HELLO), [0.0]
    generator: Any = worker._runner
    monkeypatch.setattr(generator.loop.room, "_clock", lambda: now[0])
    with monkeypatch.context() as patch:
        failing(patch, model.network.model, "forward", lambda **_: True, CARD)
        with pytest.raises(NoRoom, match=r"model\.max_context.*model\.weights.*model\.fallback"):
            await texts(worker, HELLO)
    assert await texts(worker, HELLO) == expected
    assert generator._window == LEAST_CONTEXT
    now[0] = room.RELAX_SECONDS
    await texts(worker, HELLO)
    assert (generator._window, generator.loop.room.chunk) == (2048, room.PREFILL_CHUNK)


async def test_keys_are_made_in_smaller_batches(worker: EngineWorker, model: LoadedModel, monkeypatch: Patch) -> None:
    """As small as need be; where not even one text fits, that is said."""
    words = ["one", "two", "three", "four", "five"]
    expected = await worker.embed(words)
    failing(monkeypatch, model.network.model, "forward", lambda **fed: len(fed["inputs_embeds"]) > 1, COMPUTER)
    assert np.abs(await worker.embed(words) - expected).max() < 1e-4
    failing(monkeypatch, model.network.model, "forward", lambda **_: True, COMPUTER)
    with pytest.raises(NoRoom):
        await worker.embed(words)


# --- the fallback -------------------------------------------------------------------------------------------------


@pytest.fixture
def large(folder: Path) -> Generator:
    """A main model of its own, that may be let go."""
    return Generator(load_tiny(folder), lambda _: load_tiny(folder))


async def test_the_fallback_takes_over_what_the_main_model_has_no_memory_for(
    large: Generator, folder: Path, trial_folder: Path, tmp_path: Path, monkeypatch: Patch
) -> None:
    """The answer that brought it about included, without memories, whose vectors are the other model's; it is told."""
    small = load_tiny(make_tiny(tmp_path, trial_folder, layers=2))
    runner = Profiles(large, None, dict, smaller=lambda: Generator(small))  # type: ignore[arg-type]  # no profiles
    failing(monkeypatch, large.model.network.model, "forward", lambda **_: True, CARD)
    wrong = RecallPolicy(lambda _: RecallHit(1, 1.0, "a fact", np.zeros((1, 8), np.float32)), -1.0, 1)
    async with (
        EngineWorker("large", lambda: runner) as worker,
        EngineWorker("small", lambda: Generator(small)) as other,
    ):
        assert await texts(worker, asked("Why is the sky blue?", tokens=12, recall=wrong)) == await texts(other, WHY)
        assert isinstance(await worker.troubles.get(), ModelExchanged)
        assert worker.status.base == other.status.base
    assert large.away
    assert next(large.model.network.parameters()).is_meta


async def test_where_the_fallback_cannot_be_loaded_the_main_model_comes_back(
    large: Generator, monkeypatch: Patch
) -> None:
    """That answer is refused; later ones are tried again."""

    def fail() -> None:
        raise ModelError("no such folder")

    runner = Profiles(large, None, dict, smaller=fail)  # type: ignore[arg-type]  # no profiles
    failing(monkeypatch, large.model.network.model, "forward", lambda **_: True, CARD)
    async with EngineWorker("large", lambda: runner) as worker:
        with pytest.raises(NoRoom):
            await texts(worker, HELLO)
        assert len(await texts(worker, HELLO)) == 1
        assert worker.troubles.empty()


# --- while loading ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "error"),
    [("_load_network", COMPUTER), ("_add_memory_tokens", CARD), ("_assemble", HEAP), ("lay_out", COMPUTER)],
)
def test_memory_that_runs_out_at_any_step_of_loading_is_told_as_that(
    folder: Path, monkeypatch: Patch, step: str, error: Exception
) -> None:
    """So that the fallback is tried, and no adapter is blamed."""
    failing(monkeypatch, loading, step, lambda *_, **__: True, error)
    with pytest.raises(DoesNotFit, match="fallback"):
        loading.load_model(folder, ModelConfig(dtype="float32", device="cpu", weights="int8"))


@pytest.mark.parametrize(("free", "context"), [(2048, 2048), (2047, 1600), (1000, 768), (700, 512), (600, 0), (0, 0)])
def test_a_window_that_does_not_fit_is_made_shorter(free: int, context: int) -> None:
    """By what is free, in positions; too short a one is none."""
    assert fit_context(free * 10, 10, 2048) == context


def test_a_model_without_room_for_its_window_has_a_shorter_one(model: LoadedModel, monkeypatch: Patch) -> None:
    """And without room for the shortest it does not fit."""
    window = 2048 * Generator(model).loop.slots.kv.shape.bytes
    monkeypatch.setattr("onebot_bot.engine.generate.free_bytes", lambda _: window // 2)
    assert Generator(model).model.context == 768
    monkeypatch.setattr("onebot_bot.engine.generate.free_bytes", lambda _: window // 8)
    with pytest.raises(DoesNotFit, match="fallback"):
        Generator(model)


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux'")
async def test_a_process_whose_memory_really_runs_out_goes_on(trial_folder: Path, tmp_path: Path) -> None:
    """Nobody waits for ever, what is refused is refused with the id, and with memory it answers as before."""
    folder = make_tiny(tmp_path, trial_folder, layers=32)
    command = (sys.executable, cramped.__file__, str(folder))
    # Else the heap's own reserve, which counts as taken already, would hold it all.
    heap = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TOP_PAD_": "0"}
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE, env={**os.environ, **heap})
    out, errors = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode == 0, errors.decode()
    found = json.loads(out.splitlines()[-1])
    assert found["short"]
    assert found["after"] == found["before"] != ""
    assert all(text for text in found["cramped"])
