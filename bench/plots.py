"""Pictures of the figures: bars."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from msgspec.structs import replace

from bench.grids import Grid, Row

Figures = Mapping[str, float | None]

INCHES_A_BAR = 0.24
HATCHES = ("", "//")
"""One a column, so that the picture can be read without colours."""


def drawable(grids: Sequence[Grid], figures: Figures) -> list[Grid]:
    """Those of which something can be drawn, with the rows that it is."""
    drawn = [replace(grid, rows=tuple(row for row in grid.rows if _has_bar(row, grid, figures))) for grid in grids]
    return [grid for grid in drawn if grid.rows]


def _has_bar(row: Row, grid: Grid, figures: Figures) -> bool:
    return any(figures.get(figure) is not None for figure in row.figures[: grid.drawn])


def draw_grids(grids: Sequence[Grid], figures: Figures, png: Path) -> None:
    """A panel of bars for each, at least one, below each other."""
    heights = [1.0 + INCHES_A_BAR * grid.drawn * len(grid.rows) for grid in grids]
    with mpl.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(8, sum(heights)), layout="constrained")
        panels = figure.subplots(len(grids), 1, squeeze=False, height_ratios=heights)[:, 0]
        for axes, grid in zip(panels, grids, strict=True):
            _draw(axes, grid, figures)
        figure.savefig(png, dpi=120)


def _draw(axes: Axes, grid: Grid, figures: Figures) -> None:
    height = 0.8 / grid.drawn
    for column in range(grid.drawn):
        values = _values(grid, figures, column)
        places = np.array([row for row, _ in values]) + height * (column - (grid.drawn - 1) / 2)
        found = [value for _, value in values]
        bars = axes.barh(places, found, height, label=grid.columns[column].head, hatch=HATCHES[column], edgecolor="w")
        axes.bar_label(bars, [grid.columns[column].form.format(value) for value in found], padding=2, fontsize=7)
    axes.set_yticks(range(len(grid.rows)), [row.head for row in grid.rows])
    axes.invert_yaxis()  # the first row on top
    axes.margins(x=0.12)
    axes.set(title=grid.title, xlabel=grid.unit, xscale="log" if grid.logarithmic else "linear")
    if grid.drawn > 1:
        axes.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _values(grid: Grid, figures: Figures, column: int) -> list[tuple[int, float]]:
    """What was measured, with the number of its row."""
    found = [(at, figures.get(row.figures[column])) for at, row in enumerate(grid.rows)]
    return [(at, value) for at, value in found if value is not None]
