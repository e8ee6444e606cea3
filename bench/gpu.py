"""A model of Qwen3-VL-4B's shape on a card: decoding beside transformers' eager generate, the search, and training.

The weights are random: only the time and the memory are measured. They are written to a temporary folder (9 GB) and
loaded as any model is. Without a card nothing is measured; `--tiny` goes through all of it on a CPU with a model of a
few million weights, whose figures mean nothing.
"""

import argparse
import asyncio
import gc
import importlib.util
import json
import lzma
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, Literal

import msgspec
import numpy as np
import torch
import transformers
from msgspec import Struct

from bench.engine import CHATS, request, talk
from bench.goals import goals_of
from bench.gpu_keys import Keys, measure_keys
from bench.report import Run, describe_machine, format_table, median_ratio, report, run_interleaved
from bench.vectors import WIDTH
from onebot_bot.engine.answer import Sequence as Answer
from onebot_bot.engine.generate import Generator
from onebot_bot.engine.model import load_model
from onebot_bot.engine.request import (
    RECALL,
    VECTORS,
    Control,
    Conversation,
    Generation,
    GenerationRequest,
    RecallHit,
    RecallPolicy,
)
from onebot_bot.extraction.prompts import load_prompts
from onebot_bot.learning.base import load_base
from onebot_bot.learning.course import Night
from onebot_bot.learning.learner import Learner
from onebot_bot.learning.lessons import Writer
from onebot_bot.learning.recipes import Recipes, load_recipes
from onebot_bot.learning.school import class_of, ordinary_talks
from onebot_bot.learning.stage import Plan as Stage
from onebot_bot.learning.stage import train
from onebot_bot.sections.model import ModelConfig
from onebot_bot.worlds.world import make_world

ROOT = Path(__file__).resolve().parent.parent
TRAINING = ROOT / "training"
TOKENIZER = ROOT / "tests" / "data"
GB = 1e9
PROMPT = 1024
"""Tokens of the prompt whose first token is waited for."""
REPLY = "Good to hear. Tell me more about it when you have the time."
OURS, GENERATE, OURS_MANY = "ours, 1 chat", "eager generate, 1 chat", f"ours, {CHATS} chats"
GOALS = goals_of("gpu")

FOUR_B = {
    "text_config": {
        "hidden_size": 2560, "intermediate_size": 9728, "num_hidden_layers": 36, "num_attention_heads": 32,
        "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151936, "max_position_embeddings": 262144,
        "tie_word_embeddings": True,
        "rope_parameters": {"rope_type": "default", "mrope_section": [24, 20, 20], "mrope_interleaved": True,
                            "rope_theta": 5_000_000.0},
    },
    "vision_config": {
        "depth": 24, "hidden_size": 1024, "intermediate_size": 4096, "num_heads": 16, "out_hidden_size": 2560,
        "patch_size": 16, "spatial_merge_size": 2, "temporal_patch_size": 2, "num_position_embeddings": 2304,
        "deepstack_visual_indexes": [5, 11, 17],
    },
    "tie_word_embeddings": True,
}  # fmt: skip
"""As Qwen3-VL-4B-Instruct's config.json has it."""
TINY = {
    "text_config": {
        "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 151936, "max_position_embeddings": 4096,
        "tie_word_embeddings": True,
        "rope_parameters": {"rope_type": "default", "mrope_section": [2, 3, 3], "mrope_interleaved": True,
                            "rope_theta": 5_000_000.0},
    },
    "vision_config": {
        "depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "out_hidden_size": 64,
        "patch_size": 16, "spatial_merge_size": 2, "temporal_patch_size": 2, "num_position_embeddings": 64,
        "deepstack_visual_indexes": [0, 1],
    },
    "tie_word_embeddings": True,
}  # fmt: skip


class Plan(Struct, frozen=True):
    """How much is measured."""

    rounds: int
    tokens: int
    """Of each answer."""
    steps: int
    """Of each training stage, besides the first, which warms up."""
    facts: int
    """That are learned."""
    keys: Keys
    """That are searched on the card."""
    batch: int = 0
    """Samples a step; 0: as the recipes say."""


QUICK = Plan(2, 32, 3, 32, Keys(20_000, WIDTH, 20))
FULL = Plan(7, 256, 12, 96, Keys(100_000, WIDTH, 200))
TRIED = Plan(1, 8, 2, 8, Keys(5000, 64, 5), batch=4)
"""With a tiny model."""


# --- the model -------------------------------------------------------------------------------------------------------


def make_folder(path: Path, shape: Mapping[str, Any], config: ModelConfig) -> None:
    """Write a model folder of random weights, made on the device, with Qwen3's tokenizer."""
    torch.manual_seed(0)
    with torch.device(config.device):
        network = transformers.AutoModelForImageTextToText.from_config(  # type: ignore[no-untyped-call]  # transformers' own
            transformers.Qwen3VLConfig(**shape), dtype=getattr(torch, config.dtype)
        )
    network.save_pretrained(path)
    (path / "tokenizer.json").write_bytes(lzma.decompress((TOKENIZER / "qwen3-tokenizer.json.xz").read_bytes()))
    settings = (TOKENIZER / "qwen3-tokenizer_config.json").read_bytes()
    (path / "tokenizer_config.json").write_text(json.dumps(json.loads(settings)), encoding="utf-8")
    transformers.Qwen2VLImageProcessorPil(patch_size=16, merge_size=2, temporal_patch_size=2).save_pretrained(path)


def load(path: Path, config: ModelConfig) -> Generator:
    """The model as it serves; no answer ends before its length."""
    generator = Generator(load_model(path, config))
    generator.model.renderer.eos = frozenset()
    generator.model.network.generation_config.eos_token_id = None
    return generator


# --- answers ---------------------------------------------------------------------------------------------------------


class Timed(Struct, frozen=True):
    """Answers that were written side by side; seconds."""

    first: float
    """Until the last of them had its first token."""
    rest: float
    """From there to the end."""
    tokens: int
    """Of all."""

    @property
    def rate(self) -> float:
        """Tokens a second, prompts included."""
        return self.tokens / (self.first + self.rest)


async def _start(generator: Generator, requests: Sequence[GenerationRequest]) -> list[Answer]:
    return [generator.start(Generation(each)) for each in requests]


def write(generator: Generator, requests: Sequence[GenerationRequest]) -> Timed:
    """Write them all; the cache stays as it is laid out, so that its graphs stay too."""
    answers = asyncio.run(_start(generator, requests))
    started = first = time.perf_counter()
    while running := [answer for answer in answers if answer.outcome is None]:
        generator.step(running)
        if not all(answer.new_tokens > 1 for answer in answers):
            first = time.perf_counter()
    ended, tokens = time.perf_counter(), sum(answer.new_tokens for answer in answers)
    return Timed(first - started, ended - first, tokens)


def generate(generator: Generator, conversation: Conversation, tokens: int) -> float:
    """Tokens a second of transformers' eager generate over the same weights."""
    started = time.perf_counter()
    ids = generator.model.renderer.render_conversation(conversation).ids
    row = torch.tensor([ids], device=generator.model.device)
    generator.model.network.model.rope_deltas = None  # the last prompt's
    generator.model.network.generate(row, attention_mask=torch.ones_like(row), do_sample=False, max_new_tokens=tokens)
    if row.is_cuda:
        torch.cuda.synchronize()
    return tokens / (time.perf_counter() - started)


def measure_answers(generator: Generator, plan: Plan) -> dict[str, float]:
    """One chat beside generate, and eight; two rounds warm up: kernels are chosen and graphs are recorded."""
    numbers = count(step=100)  # no prompt is ever met again

    def ours(chats: int) -> Timed:
        return write(generator, [request(talk(next(numbers)), plan.tokens) for _ in range(chats)])

    ours(CHATS)
    rounds: dict[str, list[Any]] = run_interleaved(
        plan.rounds + 1,
        {
            OURS_MANY: partial(ours, CHATS),
            OURS: partial(ours, 1),
            GENERATE: lambda: generate(generator, talk(next(numbers)), plan.tokens),
        },
    )
    one, many, theirs = (rounds[name][1:] for name in (OURS, OURS_MANY, GENERATE))
    return {
        f"tokens_per_second {OURS}": statistics.median(each.rate for each in one),
        f"tokens_per_second {OURS_MANY}": statistics.median(each.rate for each in many),
        f"tokens_per_second {GENERATE}": statistics.median(theirs),
        "one_chat_ratio": median_ratio([each.rate for each in one], theirs),
        "chats_ratio": median_ratio([each.rate for each in many], [each.rate for each in one]),
        "ms_a_token": 1000 * statistics.median(each.rest / (each.tokens - 1) for each in one),
    }


def measure_first_token(generator: Generator, plan: Plan) -> float:
    """Milliseconds from a prompt of `PROMPT` tokens, none of it read before, to its first token."""
    found = []
    for number in range(plan.rounds + 1):
        words = PROMPT
        while len(generator.model.renderer.render_conversation(talk(10_000 * (number + 1), words)).ids) > PROMPT:
            words = words * 9 // 10
        answers = asyncio.run(_start(generator, [request(talk(10_000 * (number + 1), words), 2)]))
        started = time.perf_counter()
        while not answers[0].new_tokens:
            generator.step(answers)
        found.append(1000 * (time.perf_counter() - started))
        generator.step([])
    return statistics.median(found[1:])


def measure_recalls(generator: Generator) -> float:
    """1 when no recall ends a graph or has one recorded, else 0."""
    width = generator.model.embeddings.weight.shape[1]
    vectors = np.random.default_rng(1).standard_normal((VECTORS, width)).astype(np.float32)
    policy = RecallPolicy(lambda _: RecallHit(1, 1.0, "", vectors), -1.0, 1)
    write(generator, [request(talk(-number - 1), 8) for number in range(CHATS)])
    before = dict(generator.loop.slots.kv.recorded)
    openings = [talk(-number - 1, opening=(Control(RECALL),)) for number in range(CHATS)]
    write(generator, [request(each, 8, policy) for each in openings])
    kept = all(generator.loop.slots.kv.recorded.get(shape) is graph for shape, graph in before.items())
    return float(kept and generator.counters.graphs == "on")


# --- training --------------------------------------------------------------------------------------------------------


def short_recipes(plan: Plan) -> Recipes:
    """The shipped ones, but for their steps and a plan's own batch."""
    recipes = load_recipes(TRAINING)
    steps = {"least_steps": plan.steps + 1, "most_steps": plan.steps + 1}
    if plan.batch:
        steps |= {"batch": plan.batch, "micro": plan.batch}
    return msgspec.structs.replace(
        recipes,
        ask=msgspec.structs.replace(recipes.ask, **steps),
        read=msgspec.structs.replace(recipes.read, **steps),
    )


def measure_training(folder: Path, config: ModelConfig, plan: Plan, *, four_bit: bool) -> dict[str, float]:
    """Steps a second of both stages, and on a card the most memory that each took, in GB."""
    recipes, rng = short_recipes(plan), Random(0)
    model = load_base(folder, config, four_bit=four_bit)
    learner = Learner(model, recipes.read, recipes.read.modules)
    world = make_world(0, plan.facts, "en", "prime")
    learner.calibrate(learner.embed_texts([fact.text for fact in world.facts]))
    talks = [
        msgspec.structs.replace(each, reply=REPLY) for each in ordinary_talks(rng, plan.facts, "en", "train", "prime")
    ]
    night = Night(class_of(learner, world, rng), talks)
    writer = Writer(model.renderer, load_prompts(TRAINING / "prompts.toml"), recipes.read.longest)
    figures: dict[str, float] = {}
    stages: tuple[Literal[1, 2], ...] = (1, 2)
    for stage in stages:
        with tempfile.TemporaryDirectory() as place:
            made = Stage(stage=stage, recipes=recipes, course=night, writer=writer, folder=Path(place))
            for name, figure in _measure_stage(learner, made).items():
                figures[f"{'4bit' if four_bit else 'bf16'}_stage_{stage}_{name}"] = figure
    return figures


def _measure_stage(learner: Learner, stage: Stage) -> dict[str, float]:
    on_card, lines = learner.model.device.type == "cuda", list[dict[str, Any]]()
    if on_card:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    train(learner, stage, lines.append)
    figures = {"steps_per_second": (len(lines) - 1) / (lines[-1]["seconds"] - lines[0]["seconds"])}
    if on_card:
        figures["gb"] = torch.cuda.max_memory_reserved() / GB
    return figures


# --- figures ---------------------------------------------------------------------------------------------------------


def measure(folder: Path, config: ModelConfig, plan: Plan) -> dict[str, float]:
    """Everything, one model on the card at a time."""
    generator = load(folder, config)
    figures = measure_answers(generator, plan)
    figures["first_token_ms"] = measure_first_token(generator, plan)
    if generator.model.device.type == "cuda":
        figures["recall_keeps_graphs"] = measure_recalls(generator)
    print(f"{generator.device}, graphs: {generator.counters.graphs or 'none on a CPU'}")
    figures |= measure_keys(plan.keys, generator.model.device)
    del generator
    gc.collect()  # its graphs and its cache are to leave the card before anything is trained there
    figures |= measure_training(folder, config, plan, four_bit=False)
    if config.device != "cuda" or importlib.util.find_spec("bitsandbytes") is None:
        print("training in 4 bits: skipped: it needs a CUDA card and bitsandbytes")
        return figures
    return figures | measure_training(folder, config, plan, four_bit=True)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: less exact")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures and the goals there")
    parser.add_argument("--tiny", action="store_true", help="a tiny model on a CPU: whether all of it runs")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, write."""
    given = _parse(arguments)
    if not given.tiny and not torch.cuda.is_available():
        print("Not run: this needs a CUDA card with 24 GB or more and 9 GB of temporary disk; --tiny runs on a CPU.")
        return
    plan = QUICK if given.quick else FULL
    if given.tiny:
        plan, config = TRIED, ModelConfig(device="cpu", dtype="float32", threads=1)
    else:
        config = ModelConfig(device="cuda", dtype="bfloat16")
    with tempfile.TemporaryDirectory() as place:
        make_folder(Path(place), TINY if given.tiny else FOUR_B, config)
        figures = measure(Path(place), config, plan)
    machine = describe_machine(["torch", "transformers"]) + ("" if given.tiny else f"; {torch.cuda.get_device_name()}")
    print(machine)
    print(format_table(("", "measured"), [(name, f"{value:.3g}") for name, value in figures.items()]))
    report({} if given.tiny else figures, GOALS, given.json, Run(machine, given.quick))


if __name__ == "__main__":
    main()
