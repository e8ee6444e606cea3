"""Weights of 8 and 4 bits beside whole ones: perplexity on this project's own pages, and tokens a second.

The model is the trial model, bare and primed, in bfloat16. Its weights had 4 bits in their lives before (they come out
of a GGUF file), so that its layers lose less than others do; the primed one's adapter stays whole beside 4 bits.
Tokens a second are the engine's, of one chat, beside transformers' own generate with whole weights and llama.cpp over
the GGUF file that the trial model came from (4 bits); rounds are interleaved, one thread.
"""

import argparse
import asyncio
import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import torch
from msgspec import Struct

from bench.engine_peers import Llama, why_no_llama
from bench.goals import goals_of
from bench.report import Run, describe_machine, format_table, make_parser, median_ratio, report, run_interleaved
from onebot_bot.engine.fit import KINDS, Weights
from onebot_bot.engine.generate import Generator
from onebot_bot.engine.model import LoadedModel, load_model, load_plain
from onebot_bot.engine.request import (
    Conversation,
    Generation,
    GenerationRequest,
    GenerationResult,
    SamplingParams,
    Text,
    Turn,
)
from onebot_bot.sections.model import ModelConfig

ROOT = Path(__file__).parents[1]
MODEL, PRIMED = ROOT / "models" / "trial", ROOT / "training" / "primed" / "trial"
PAGES = ("README.md", "CONTRIBUTING.md", "docs/memory.md", "bench/README.md")
"""In English: the trial model speaks nothing else. Written after the model was trained."""
WINDOW = 512
"""Tokens that are scored with nothing before them."""
QUESTION = "Tell me a long story about a fox and a river."
PEER, LLAMA = "generate", "llama"
GOALS = goals_of("quality")


class Plan(Struct, frozen=True):
    """How much is measured."""

    windows: int
    rounds: int
    tokens: int


QUICK, FULL = Plan(6, 3, 24), Plan(40, 9, 64)


# --- perplexity ----------------------------------------------------------------------------------------------------


def read_windows(model: LoadedModel, count: int) -> list[list[int]]:
    """The first windows of the pages, one behind the other."""
    text = "\n\n".join((ROOT / page).read_text("utf-8") for page in PAGES if (ROOT / page).exists())
    ids = model.renderer.encode_text(text)
    return [ids[at : at + WINDOW] for at in range(0, len(ids) - WINDOW, WINDOW)][:count]


@torch.inference_mode()
def perplexity(model: LoadedModel, windows: Sequence[list[int]]) -> float:
    """Exponential of the mean loss of a token."""
    losses = []
    for window in windows:
        ids = torch.tensor([window])
        logits = model.network(ids).logits[0, :-1].float()
        losses.append(float(torch.nn.functional.cross_entropy(logits, ids[0, 1:])))
    return math.exp(statistics.fmean(losses))


def measure_perplexity(plan: Plan) -> Iterator[tuple[str, float]]:
    """Every way of keeping the weights, bare and primed."""
    for suffix, adapter in (("", None), ("_primed", PRIMED)):
        for weights in KINDS:
            model = load(weights, adapter)
            value = perplexity(model, read_windows(model, plan.windows))
            print(f"perplexity {weights}{suffix}: {value:.3f}", flush=True)
            yield f"{weights}{suffix}", value


def load(weights: Weights, adapter: Path | None) -> LoadedModel:
    """The trial model on one thread."""
    return load_model(MODEL, config_of(weights), adapter)


def config_of(weights: Weights) -> ModelConfig:
    """On a CPU, one thread."""
    return ModelConfig(device="cpu", dtype="bfloat16", threads=1, weights=weights)


# --- speed ---------------------------------------------------------------------------------------------------------


def engine_rate(generator: Generator, tokens: int) -> float:
    """Tokens a second after the first, of one answer."""
    return asyncio.run(_engine_rate(generator, tokens))  # a generation belongs to a loop, if only to wait in


async def _engine_rate(generator: Generator, tokens: int) -> float:
    sampling = SamplingParams(temperature=0, repetition_penalty=1.0, max_new_tokens=tokens)
    sequence = generator.start(Generation(GenerationRequest(conversation=asked(), sampling=sampling)))
    while sequence.outcome is None:
        generator.step([sequence])
    assert isinstance(sequence.outcome, GenerationResult), sequence.outcome
    usage = sequence.outcome.usage
    return (usage.new_tokens - 1) / (usage.total - usage.first_token)


@torch.inference_mode()
def generate_rate(model: LoadedModel, tokens: int) -> float:
    """The same by transformers: what a longer answer takes more than one of a token."""
    ids = torch.tensor([model.renderer.render_conversation(asked()).ids])
    spent = []
    for count in (1, tokens):
        begun = time.perf_counter()
        model.network.generate(ids, do_sample=False, min_new_tokens=count, max_new_tokens=count)
        spent.append(time.perf_counter() - begun)
    return (tokens - 1) / (spent[1] - spent[0])


def asked() -> Conversation:
    """A question that is answered at length."""
    return Conversation((Turn("user", (Text(QUESTION),)),))


def measure_rates(plan: Plan, gguf: Path | None) -> dict[str, list[float]]:
    """Tokens a second of every way and of the peers, after one round that does not count."""
    everything: dict[str, Callable[[], float]] = {
        PEER: partial(generate_rate, load_plain(MODEL, config_of("full")), plan.tokens)
    }
    for weights in KINDS:
        everything[weights] = partial(engine_rate, Generator(load(weights, None)), plan.tokens)
    if gguf is not None:
        ids = load_plain(MODEL, config_of("full")).renderer.render_conversation(asked()).ids
        everything[LLAMA] = partial(Llama(gguf, threads=1).decode_rate, ids, plan.tokens)
    run_interleaved(1, everything)
    return run_interleaved(plan.rounds, everything)


# --- figures -------------------------------------------------------------------------------------------------------


def find_figures(perplexities: Mapping[str, float], rates: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Perplexities, also as ratios to whole weights; medians of the rates, and of their ratios to the peer."""
    figures = {f"ppl_{name}": value for name, value in perplexities.items()}
    for name, value in perplexities.items():
        figures[f"perplexity_{name}"] = value / perplexities["full_primed" if name.endswith("_primed") else "full"]
    for name, rounds in rates.items():
        figures[f"rate_{name}"] = statistics.median(rounds)
        figures[f"rate_ratio_{name}"] = median_ratio(rounds, rates[PEER])
    if LLAMA in rates:
        figures["int4_to_llama"] = median_ratio(rates["int4"], rates[LLAMA])
    return figures


def _row(name: str, figures: Mapping[str, float]) -> list[str]:
    keys = [f"ppl_{name}", f"perplexity_{name}", f"rate_{name}", f"rate_ratio_{name}"]
    forms = ("{:.2f}", "{:.4f}x", "{:.1f}", "{:.2f}x")
    return [
        name,
        *(form.format(figures[key]) if key in figures else "-" for key, form in zip(keys, forms, strict=True)),
    ]


def _parse() -> argparse.Namespace:
    parser = make_parser(__doc__ or "")
    parser.add_argument("--gguf", type=Path, metavar="FILE", help="the trial model's, for llama.cpp if it is installed")
    return parser.parse_args()


def main() -> None:
    """Measure, print, write."""
    arguments = _parse()
    plan = QUICK if arguments.quick else FULL
    perplexities = dict(measure_perplexity(plan))
    skipped = why_no_llama(arguments.gguf)
    rates = measure_rates(plan, arguments.gguf if skipped is None else None)
    figures = find_figures(perplexities, rates)
    machine = describe_machine(["torch", "transformers"])
    print(machine)
    head = ("weights", "perplexity", "to whole", "tokens/s", "to generate")
    shown = [*perplexities, *(name for name in (PEER, LLAMA) if name in rates)]
    print(format_table(head, [_row(name, figures) for name in shown]))
    if skipped is not None:
        print(f"llama.cpp: {skipped}")
    print(f"{plan.windows} windows of {WINDOW} tokens; medians of {plan.rounds} rounds of {plan.tokens} tokens.")
    report(figures, GOALS, arguments.json, Run(machine, arguments.quick))


if __name__ == "__main__":
    main()
