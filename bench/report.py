"""What every bench has in common: its arguments, its rounds, its table, and the JSON that says which goals it met."""

import argparse
import importlib.metadata
import os
import platform
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct

T = TypeVar("T")

Goal = tuple[Literal[">=", "<="], float]
"""What a figure is to be; all are in bench/goals.py."""


class Run(Struct, frozen=True, omit_defaults=True):
    """What else is known of a bench's run."""

    machine: str = ""
    """Empty: it did not say, or it does not matter."""
    quick: bool = False
    details: Mapping[str, Any] = {}
    """What it found beside its figures, in its own words."""


UNKNOWN = Run()


class Measured(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a bench writes."""

    figures: Mapping[str, float | None]
    """None: what came out is no number."""
    goals: Mapping[str, Goal]
    short: Sequence[str]
    """Goals that were measured and not met."""
    run: Run = UNKNOWN


def parse_arguments(about: str, arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """`quick` and `json`, which every bench takes."""
    return make_parser(about).parse_args(arguments)


def make_parser(about: str) -> argparse.ArgumentParser:
    """The parser of these two, for benches that take more."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: under a minute, less exact")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures and the goals there")
    return parser


def describe_machine(packages: Iterable[str]) -> str:
    """The machine and the versions of `packages` on one line; figures mean little without it."""
    versions = [f"{name} {importlib.metadata.version(name)}" for name in packages]
    cores = f"{os.cpu_count()} cores, {_cpu_name()}"
    return "; ".join([cores, f"{platform.system()}, Python {platform.python_version()}", ", ".join(versions)])


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def run_interleaved(rounds: int, measured: Mapping[str, Callable[[], T]]) -> dict[str, list[T]]:
    """Measure A B C, A B C, ...: what else the machine does in the meantime falls on all alike."""
    results: dict[str, list[T]] = {name: [] for name in measured}
    for _ in range(rounds):
        for name, measure in measured.items():
            results[name].append(measure())
    return results


def median_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the rounds' own ratios."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def format_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns under their heads, the first to the left and the numbers to the right."""
    lines = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(_format_line(line, widths) for line in lines)


def _format_line(line: Sequence[str], widths: Sequence[int]) -> str:
    cells = [cell.rjust(width) for cell, width in zip(line, widths, strict=True)]
    return "  ".join([line[0].ljust(widths[0]), *cells[1:]])


def find_short(figures: Mapping[str, float | None], goals: Mapping[str, Goal]) -> list[str]:
    """The goals that were measured and not met; a figure that is no number meets none."""
    return [name for name, goal in goals.items() if name in figures and not _is_met(figures[name], goal)]


def _is_met(figure: float | None, goal: Goal) -> bool:
    sign, bound = goal
    if figure is None:
        return False
    return figure >= bound if sign == ">=" else figure <= bound


def report(figures: Mapping[str, float], goals: Mapping[str, Goal], json: Path | None, run: Run = UNKNOWN) -> None:
    """Print how each goal came out, and write all that is given to `json` where one was asked for."""
    short = find_short(figures, goals)
    rows = [_goal_row(name, figures.get(name), goal, short) for name, goal in goals.items()]
    print(format_table(("goal", "wanted", "measured", ""), rows))
    if json is not None:
        content = msgspec.json.encode(Measured(figures=figures, goals=goals, short=short, run=run))
        json.parent.mkdir(parents=True, exist_ok=True)
        json.write_bytes(msgspec.json.format(content) + b"\n")


def _goal_row(name: str, figure: float | None, goal: Goal, short: Sequence[str]) -> tuple[str, str, str, str]:
    sign, bound = goal
    if figure is None:
        return name, f"{sign} {bound:g}", "-", "not measured"
    return name, f"{sign} {bound:g}", f"{figure:.3g}", "short" if name in short else "met"
