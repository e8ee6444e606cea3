"""A LoRA adapter merged into the weights, as the bot serves it, beside the same one on a side path; and its swap.

The model is the trial model, its adapter the shipped one. A side path costs two small products more in every layer
that has one, at every step, and what it hangs on cannot be laid out for the CPU's kernels; merging costs reading the
weights anew at every swap.
"""

import statistics
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import Struct
from peft import PeftModel

from bench.engine import CHATS, MODEL, TimedGenerator, prepare, request, talk, write_all
from bench.goals import goals_of
from bench.report import (
    Run,
    describe_machine,
    format_table,
    median_ratio,
    parse_arguments,
    report,
    run_interleaved,
)
from onebot_bot.engine.model import LoadedModel, load_model, load_plain
from onebot_bot.sections.model import ModelConfig

PRIMED = MODEL.parent.parent / "training" / "primed" / "trial"
CONFIG = ModelConfig(device="cpu", threads=1)
MERGED, PLAIN, SIDE, BARE = "merged", "plain", "side", "bare"
"""As served; merged into weights that are not laid out; on a side path of those; as served without any."""
SIZES = (1, CHATS)
"""Chats at once."""
GOALS = goals_of("adapter")


class Plan(Struct, frozen=True):
    """How much is measured."""

    rounds: int
    tokens: int
    """Of each answer."""
    swaps: int


QUICK, FULL = Plan(3, 16, 1), Plan(9, 48, 5)


def put_beside(model: LoadedModel, folder: Path) -> PeftModel:
    """Let the model, in place, compute the adapter of `folder` at every step, in its own dtype; peft's handle."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft's notes on tied weights
        beside: PeftModel = PeftModel.from_pretrained(model.network, str(folder), autocast_adapter_dtype=False)
    beside.eval()
    return beside


def step_ms(generator: TimedGenerator, chats: int, tokens: int) -> float:
    """Milliseconds of a step of so many chats: the median, so that prompts do not count."""
    generator.durations.clear()
    write_all(generator, [request(talk(number), tokens) for number in range(chats)])
    return 1000 * statistics.median(generator.durations)


def measure_steps(generators: Mapping[str, TimedGenerator], plan: Plan) -> dict[str, list[float]]:
    """Milliseconds of a step of each way and size, round by round; the first round warms up and does not count."""
    measured: dict[str, Callable[[], float]] = {
        f"{way}_{chats}": partial(step_ms, generator, chats, plan.tokens)
        for chats in SIZES
        for way, generator in generators.items()
    }
    return {name: found[1:] for name, found in run_interleaved(plan.rounds + 1, measured).items()}


def measure_swaps(merged: TimedGenerator, beside: PeftModel, count: int) -> dict[str, float]:
    """Seconds until another adapter serves: merged into weights that are read anew, and put on the side path."""
    ways: Mapping[str, Callable[[], Any]] = {
        MERGED: partial(merged.serve, PRIMED),
        SIDE: partial(_swap_beside, beside),
    }
    found = run_interleaved(count, {name: partial(_seconds, swap) for name, swap in ways.items()})
    return {f"swap_{name}": statistics.median(times) for name, times in found.items()}


def _swap_beside(beside: PeftModel) -> None:
    """Another name for the same files, and the old one is gone."""
    old = beside.active_adapter
    new = "one" if old != "one" else "other"
    beside.load_adapter(str(PRIMED), new, autocast_adapter_dtype=False)
    beside.set_adapter(new)
    beside.delete_adapter(old)


def _seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def find_figures(steps: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Medians of the milliseconds, and the medians of how many times as fast what serves is."""
    figures = {f"ms_{name}": statistics.median(found) for name, found in steps.items()}
    for chats in SIZES:
        for way in (PLAIN, SIDE, BARE):
            figures[f"{way}_ratio_{chats}"] = median_ratio(steps[f"{way}_{chats}"], steps[f"{MERGED}_{chats}"])
    return figures


def main() -> None:
    """Measure, print, write."""
    arguments = parse_arguments(__doc__ or "")
    plan = QUICK if arguments.quick else FULL
    merged = prepare(load_model(MODEL, CONFIG, PRIMED), partial(load_model, MODEL, CONFIG))
    side = load_plain(MODEL, CONFIG)
    beside = put_beside(side, PRIMED)
    generators = {
        MERGED: merged,
        PLAIN: prepare(load_plain(MODEL, CONFIG, PRIMED)),
        SIDE: prepare(side),
        BARE: prepare(load_model(MODEL, CONFIG)),
    }
    figures = find_figures(measure_steps(generators, plan))
    figures |= measure_swaps(merged, beside, plan.swaps)
    machine = describe_machine(["torch", "peft"])
    print(machine)
    rows = [(way, *(f"{figures[f'ms_{way}_{chats}']:.2f}" for chats in SIZES)) for way in generators]
    print(format_table(("ms a step", *(f"{chats} chats" for chats in SIZES)), rows))
    print(f"swap: {figures['swap_merged']:.2f} s merged, {figures['swap_side']:.2f} s on the side path")
    report(figures, GOALS, arguments.json, Run(machine, arguments.quick))


if __name__ == "__main__":
    main()
