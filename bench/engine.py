"""The engine on the trial model: one chat, eight at once, interrupts, recalls; beside transformers on the same weights.

Rounds are interleaved, everything on one torch thread unless told otherwise; prompts are read anew every time.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from random import Random

import faiss
import numpy as np
import torch
from msgspec import Struct

from bench.baselines import percentile
from bench.engine_peers import Llama, continuous_batching, why_no_llama
from bench.goals import goals_of
from bench.report import Run, describe_machine, format_table, median_ratio, report, run_interleaved
from onebot_bot.engine.answer import Sequence as Answer
from onebot_bot.engine.generate import Generator
from onebot_bot.engine.model import LoadedModel, load_model, load_plain
from onebot_bot.engine.request import (
    RECALL,
    Control,
    Conversation,
    Generation,
    GenerationRequest,
    RecallHit,
    RecallPolicy,
    SamplingParams,
    Text,
    Turn,
    Vector,
)
from onebot_bot.engine.worker import EngineWorker
from onebot_bot.sections.model import ModelConfig

MODEL = Path(__file__).resolve().parent.parent / "models" / "trial"
CHATS = 8
LONG = 300
"""Words of a prompt that is interrupted while it is read, six tokens each."""
BANK = 10_000
"""Memories that a recall searches."""
OURS, GENERATE = "ours, 1 chat", "generate, 1 chat"
OURS_MANY, SERIAL, STATIC = f"ours, {CHATS} chats", f"generate, {CHATS} in a row", f"generate, static batch of {CHATS}"
LLAMA = "llama.cpp"
GOALS = goals_of("engine")


class Plan(Struct, frozen=True):
    """How much is measured."""

    rounds: int
    tokens: int
    """Of each answer."""
    interrupts: int
    """Of answers being written."""
    prompts: int
    """Interrupted while they are read."""
    recalls: int


QUICK, FULL = Plan(3, 16, 12, 6, 5), Plan(9, 64, 200, 60, 40)


# --- answers ---------------------------------------------------------------------------------------------------------


class TimedGenerator(Generator):
    """Notes how long each step took, in seconds."""

    durations: list[float]

    def step(self, running: list[Answer]) -> None:
        """One step; one that an interrupt ends is none."""
        started = time.perf_counter()
        super().step(running)
        if any(answer.outcome is None for answer in running):
            self.durations.append(time.perf_counter() - started)


def prepare(model: LoadedModel, reload: Callable[[Path | None], LoadedModel] | None = None) -> TimedGenerator:
    """An engine of a model whose answers are as long as they may be."""
    generator = TimedGenerator(model, reload)
    generator.durations = []
    generator.model.renderer.eos = frozenset()
    generator.model.network.generation_config.eos_token_id = None
    return generator


def talk(number: int, words: int = 12, opening: tuple[Control, ...] = ()) -> Conversation:
    """A short prompt unlike all others."""
    said = " ".join(f"{number + at} apples" for at in range(words + number % 5))
    return Conversation((Turn("user", (Text(f"What of {said}?"),)),), opening)


def request(conversation: Conversation, tokens: int, recall: RecallPolicy | None = None) -> GenerationRequest:
    """Greedy."""
    sampling = SamplingParams(temperature=0, max_new_tokens=tokens)
    return GenerationRequest(conversation=conversation, sampling=sampling, recall=recall)


async def _answers(generator: Generator, requests: Iterable[GenerationRequest]) -> list[Answer]:
    return [generator.start(Generation(each)) for each in requests]


def write_all(generator: Generator, requests: Sequence[GenerationRequest]) -> float:
    """Tokens a second from nothing to the last answer's end."""
    generator.loop.slots.clear()
    started = time.perf_counter()
    answers = asyncio.run(_answers(generator, requests))
    while running := [answer for answer in answers if answer.outcome is None]:
        generator.step(running)
    return sum(answer.new_tokens for answer in answers) / (time.perf_counter() - started)


def prompts(generator: Generator, count: int) -> list[list[int]]:
    """The same prompts as ids."""
    return [generator.model.renderer.render_conversation(talk(number)).ids for number in range(count)]


def generate_row(peer: Generator, count: int, tokens: int) -> float:
    """Tokens a second of transformers' generate, one prompt after the other."""
    started = time.perf_counter()
    for ids in prompts(peer, count):
        row = torch.tensor([ids])
        peer.model.network.generate(row, attention_mask=torch.ones_like(row), do_sample=False, max_new_tokens=tokens)
    return count * tokens / (time.perf_counter() - started)


def generate_batch(peer: Generator, count: int, tokens: int) -> float:
    """Tokens a second of transformers' generate over all prompts at once, padded on the left."""
    started = time.perf_counter()
    rows = prompts(peer, count)
    width = max(map(len, rows))
    ids = torch.tensor([[0] * (width - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
    peer.model.network.generate(ids, attention_mask=mask, do_sample=False, max_new_tokens=tokens)
    return count * tokens / (time.perf_counter() - started)


def measure_rates(
    generator: Generator, peer: Generator, plan: Plan, llama: Llama | None = None
) -> dict[str, list[float]]:
    """Tokens a second of everybody, round by round; the first round warms up and does not count.

    `peer` has the weights as transformers loads them, ours may be laid out for the CPU.
    """
    requests = [request(talk(number), plan.tokens) for number in range(CHATS)]
    measured: dict[str, Callable[[], float]] = {
        OURS: partial(write_all, generator, requests[:1]),
        GENERATE: partial(generate_row, peer, 1, plan.tokens),
        OURS_MANY: partial(write_all, generator, requests),
        STATIC: partial(generate_batch, peer, CHATS, plan.tokens),
        SERIAL: partial(generate_row, peer, CHATS, plan.tokens),
    }
    if llama is not None:
        measured[LLAMA] = partial(llama.rate, prompts(generator, 1)[0], plan.tokens)
    return {name: rates[1:] for name, rates in run_interleaved(plan.rounds + 1, measured).items()}


# --- interrupts ------------------------------------------------------------------------------------------------------


async def measure_interrupts(generator: TimedGenerator, count: int, *, prefill: bool) -> float:
    """Steps from an interrupt to the result, the slowest percent; a step is what one takes in the median."""
    rng = Random(1)
    async with EngineWorker("trial", lambda: generator, max_running=CHATS) as worker:
        await worker.loaded
        generator.durations.clear()
        if prefill:
            delays, steps = await _interrupt_prompts(worker, generator, count, rng)
        else:
            delays = [await _interrupt_answer(worker, number, rng) for number in range(count)]
            steps = generator.durations
    return percentile(delays, 0.99) / statistics.median(steps)


async def _interrupt_answer(worker: EngineWorker, number: int, rng: Random) -> float:
    """Seconds from the interrupt to the result, at a moment that no step knows of."""
    generation = worker.submit(request(talk(1000 * (number + 1)), 500))
    await anext(aiter(generation))
    return await _interrupt(generation, rng.uniform(0.02, 0.3))


async def _interrupt_prompts(
    worker: EngineWorker, generator: TimedGenerator, count: int, rng: Random
) -> tuple[list[float], list[float]]:
    """The same anywhere in prompts of some four steps; with them the steps of one that nobody interrupts."""
    started = time.perf_counter()
    await worker.submit(request(talk(1000, words=LONG), 1)).result()
    whole, steps = time.perf_counter() - started, list(generator.durations)
    waiting = [(request(talk(1000 * (number + 2), words=LONG), 1), rng.uniform(0.02, whole)) for number in range(count)]
    return [await _interrupt(worker.submit(each), after) for each, after in waiting], steps


async def _interrupt(generation: Generation, after: float) -> float:
    await asyncio.sleep(after)
    started = time.perf_counter()
    generation.interrupt()
    await generation.result()
    return time.perf_counter() - started


# --- recalls ---------------------------------------------------------------------------------------------------------


def measure_recall(generator: TimedGenerator, count: int) -> float:
    """What a recall takes, query and search over `BANK` keys, as a share of a step of one chat."""
    faiss.omp_set_num_threads(1)
    width = generator.model.embeddings.weight.shape[1]
    keys = np.random.default_rng(1).standard_normal((BANK, width)).astype(np.float32)
    faiss.normalize_L2(keys)
    index = faiss.IndexFlatIP(width)
    index.add(keys)

    def search(query: Vector) -> RecallHit:
        scores, rows = index.search(query[None], 1)
        return RecallHit(int(rows[0, 0]), float(scores[0, 0]), "", keys[rows[0]])

    policy, opening = RecallPolicy(search, -1.0, 1), (Control(RECALL),)
    before = generator.counters.recalls, generator.counters.recall_seconds
    generator.durations.clear()
    for number in range(count):
        write_all(generator, [request(talk(number, opening=opening), 8, policy)])
    after = generator.counters
    return (after.recall_seconds - before[1]) / (after.recalls - before[0]) / statistics.median(generator.durations)


# --- figures ---------------------------------------------------------------------------------------------------------


def find_figures(rates: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Medians over the rounds, and the medians of the ratios to the peers."""
    return {
        **{f"tokens_per_second {name}": statistics.median(values) for name, values in rates.items()},
        "one_chat_ratio": median_ratio(rates[OURS], rates[GENERATE]),
        "chats_serial_ratio": median_ratio(rates[OURS_MANY], rates[SERIAL]),
        "chats_static_ratio": median_ratio(rates[OURS_MANY], rates[STATIC]),
    }


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: some two minutes, less exact")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures and the goals there")
    parser.add_argument("--threads", type=int, default=1, help="of torch; ratios hold on one, others share the machine")
    parser.add_argument("--gguf", type=Path, metavar="FILE", help="the same weights for llama.cpp, if it is installed")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, write."""
    given = _parse(arguments)
    plan = QUICK if given.quick else FULL
    config = ModelConfig(device="cpu", threads=given.threads)
    generator = prepare(load_model(MODEL, config))
    llama = Llama(given.gguf, given.threads) if why_no_llama(given.gguf) is None else None
    rates = measure_rates(generator, prepare(load_plain(MODEL, config)), plan, llama)
    figures = find_figures(rates)
    figures["interrupt_p99_steps"] = asyncio.run(measure_interrupts(generator, plan.interrupts, prefill=False))
    figures["interrupt_prefill_p99_steps"] = asyncio.run(measure_interrupts(generator, plan.prompts, prefill=True))
    figures["recall_share"] = measure_recall(generator, plan.recalls)
    machine = describe_machine(["torch", "transformers"])
    print(machine)
    rows = [(name, f"{statistics.median(values):.1f}") for name, values in rates.items()]
    print(format_table(("", "tokens/s"), rows))
    print(f"Medians of {plan.rounds} rounds of {plan.tokens} tokens, {generator.device}, {given.threads} thread(s).")
    skipped = why_no_llama(given.gguf)
    if skipped is not None:
        print(f"{LLAMA}: {skipped}")
    found = continuous_batching(MODEL, prompts(generator, CHATS), plan.tokens, given.threads)
    name = "transformers' continuous batching"
    print(f"{name}: {found if isinstance(found, str) else f'{found:.1f} tokens/s, measured after the others'}")
    if not isinstance(found, str):
        figures[f"tokens_per_second {name}"] = found
    report(figures, GOALS, given.json, Run(machine, given.quick))


if __name__ == "__main__":
    main()
