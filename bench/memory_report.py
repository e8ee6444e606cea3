"""The tables and the picture of what bench/memory.py measured.

python -m bench.memory_report RESULTS.json prints stored results again.
"""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean

import matplotlib as mpl
import msgspec
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.madial import ABSENT
from bench.memory_results import (
    CONFUSABLE,
    GOALS,
    IN_CHATS,
    NEW,
    OURS,
    TOLD,
    Results,
    Retrieved,
    Seeds,
    collect_figures,
)
from bench.report import Run, format_table, report

Row = tuple[str, ...]

SHORTENED = "; a quick run: shorter nights, a quarter of the values refined, fewer questions, one seed"

MARKS = "osD^vPX*"
"""One a line, so that the picture can be read without colours."""


def print_report(results: Results, json: Path | None = None, png: Path | None = None) -> None:
    """Print every table that has rows, and how the goals came out; write figures and picture where asked for."""
    print(
        f"{results.machine}\n{results.seeds} seeds, {results.minutes:.1f} minutes{SHORTENED if results.quick else ''}\n"
    )
    for title, head, rows in make_tables(results):
        if rows:
            print(f"{title}\n\n{format_table(head, rows)}\n")
    run = Run(results.machine, results.quick, msgspec.to_builtins(results))
    report(collect_figures(results), GOALS, json, run)
    if png is not None:
        draw(results, png)


def make_tables(results: Results) -> list[tuple[str, Row, list[Row]]]:
    """Title, head and rows of each table of design/memory.md; figures are means over the seeds, with their range."""
    return [
        (
            "Retrieval, unseen question forms",
            ("row", "asked for", "bank", "hit@1", "hit@10", "MRR"),
            _retrieval(results),
        ),
        ("Decoding, greedy, unseen contexts", ("row", "value", "of", "exact", "character F1"), _decoding(results)),
        ("Exact by steps of refinement", ("steps", "exact"), [(f"{r.steps}", _show(r.exact)) for r in results.refined]),
        ("End to end", ("row", "asked for", "right", "memory tokens"), _answers(results)),
        (
            "Forgetting; every night begins at the primed adapter and learns all memories, so only these were trained",
            ("nights", "chat loss %", "KdConv loss %", "day-1 memories exact"),
            _lasting(results),
        ),
        ("When to recall", ("row", "precision", "recall", "false in 1,000 ordinary turns"), _calling(results)),
        ("MADial-zh (Chinese, not tuned to)", ("row", "hit@1", "hit@5", "hit@10", "MRR"), _madial(results)),
        ("Scopes", ("queries", "leaks"), _leaks(results)),
    ]


def draw(results: Results, png: Path) -> None:
    """Three pictures side by side: 64 confusable facts by row, hit@1 by size of the bank, and right answers by row."""
    with mpl.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(12, 4), layout="constrained")
        rows, banks, answers = figure.subplots(1, 3)
        found = [row for row in results.retrieved if row.asked == CONFUSABLE and not row.row.endswith(IN_CHATS)]
        _draw_bars(rows, [(row.row, row.hit1) for row in found])
        rows.set(title="Finding one of 64 confusable facts", xlabel="hit@1")
        _draw_banks(banks, [row for row in results.retrieved if row.asked == NEW])
        _draw_bars(answers, [(row.row, row.right) for row in results.answered if row.asked == TOLD])
        answers.set(title="Answering what was told", xlabel="right answers")
        figure.savefig(png, dpi=150)


def _draw_bars(axes: Axes, rows: Sequence[tuple[str, Seeds]]) -> None:
    """A bar a row, the first on top, with a line from the worst seed to the best; ours stands out."""
    names, means = [name for name, _ in rows], [fmean(seeds) for _, seeds in rows]
    spread = [[m - min(s) for m, (_, s) in zip(means, rows, strict=True)]]
    spread.append([max(s) - m for m, (_, s) in zip(means, rows, strict=True)])
    colours = ["C0" if name == OURS else "0.7" for name in names]
    axes.barh(names, means, xerr=spread if rows else None, color=colours, error_kw={"lw": 1, "capsize": 2})
    axes.invert_yaxis()
    axes.set_xlim(0, 1.02)


def _draw_banks(axes: Axes, rows: Sequence[Retrieved]) -> None:
    names = list(dict.fromkeys(row.row for row in rows))
    for at, name in enumerate(names):
        points = sorted((row.bank, row.hit1) for row in rows if row.row == name)
        _draw_line(axes, points, MARKS[at % len(MARKS)], name)
    axes.set(title="Facts never trained on", xlabel="memories in the bank", ylabel="hit@1", xscale="log")
    axes.set_ylim(0, 1.02)
    banks = sorted({row.bank for row in rows})
    axes.set_xticks(banks, [f"{bank:,}" for bank in banks])
    axes.minorticks_off()
    if names:
        axes.legend(fontsize=8, frameon=False, loc="lower left")


def _draw_line(axes: Axes, points: Sequence[tuple[int, Seeds]], mark: str, label: str) -> None:
    """The means, with a bar from the worst seed to the best."""
    means = [fmean(seeds) for _, seeds in points]
    below = [mean - min(seeds) for mean, (_, seeds) in zip(means, points, strict=True)]
    above = [max(seeds) - mean for mean, (_, seeds) in zip(means, points, strict=True)]
    axes.errorbar([x for x, _ in points], means, yerr=[below, above], marker=mark, capsize=2, label=label, lw=1)


def _retrieval(results: Results) -> list[Row]:
    return [
        (row.row, row.asked, f"{row.bank:,}", _show(row.hit1), _show(row.hit10), _show(row.mrr))
        for row in results.retrieved
    ]


def _decoding(results: Results) -> list[Row]:
    return [(row.row, row.value, row.part, _show(row.exact), _show(row.f1)) for row in results.decoded]


def _answers(results: Results) -> list[Row]:
    return [(row.row, row.asked, _show(row.right), f"{fmean(row.tokens):.1f}") for row in results.answered]


def _lasting(results: Results) -> list[Row]:
    return [(f"{row.nights}", _change(row.loss), _change(row.text_loss), _show(row.exact)) for row in results.kept]


def _change(percent: Seeds) -> str:
    return f"{fmean(percent):+.2f}" if percent else ABSENT


def _calling(results: Results) -> list[Row]:
    return [
        (row.row, _show(row.precision), _show(row.recall), f"{1000 * fmean(row.false):.1f}") for row in results.called
    ]


def _madial(results: Results) -> list[Row]:
    found = [(name, *(f"{share:.3f}" for share in shares)) for name, shares in results.madial.items()]
    return found or [(ABSENT, "", "", "", "")]


def _leaks(results: Results) -> list[Row]:
    return [] if results.leaks is None else [(f"{results.scoped_queries:,}", f"{results.leaks}")]


def _show(seeds: Seeds) -> str:
    """The mean, and from where to where the seeds go when they differ."""
    low, high = f"{min(seeds):.3f}", f"{max(seeds):.3f}"
    return f"{fmean(seeds):.3f}" + (f" ({low}-{high})" if low != high else "")


def main(arguments: Iterable[str] | None = None) -> None:
    """Print stored results again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, help="what bench/memory.py stored")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures and the goals there")
    parser.add_argument("--png", type=Path, metavar="FILE", help="draw there")
    given = parser.parse_args(None if arguments is None else list(arguments))
    print_report(msgspec.json.decode(given.results.read_bytes(), type=Results), given.json, given.png)


if __name__ == "__main__":
    main()
