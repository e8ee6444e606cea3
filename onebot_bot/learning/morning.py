"""The morning report: a night as the owner reads it, and its training as a picture."""

import json
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import structlog
from msgspec.structs import replace

from onebot_bot.learning.work import METRICS, NightReport
from onebot_bot.memory.rows import Memory
from onebot_bot.texts import Language, say

if TYPE_CHECKING:
    from matplotlib.axes import Axes

log = structlog.get_logger(__name__)

PICTURE: Final = "training.png"
"""In the run's folder."""
EXAMPLES: Final = 5
"""Memories quoted in the report."""
LONGEST: Final = 60
"""Characters of a quoted memory."""
SMOOTH: Final = 0.3
"""Share of each new value in the smoothed loss."""
FEW: Final = 40
"""Points up to which each is marked."""

_COLOURS: Final = ("#2b6cb0", "#c05621", "#2f855a", "#805ad5")


async def with_texts(report: NightReport, find: Callable[[int], Awaitable[Memory | None]]) -> NightReport:
    """The report with what its examples say now, to be shown and not kept; forgotten ones are left out.

    Raises:
        StoreError: `find` cannot read the memories.
    """
    if not report.learned:
        return report
    found = [await find(number) for number in report.learned.get("examples", ())]
    texts = [memory.text for memory in found if memory is not None and memory.status != "forgotten"]
    return replace(report, learned={**report.learned, "examples": texts})


def report_text(report: NightReport, language: Language) -> str:
    """What was learned and dropped, the figures before and after, the time, and which adapter serves.

    Of the examples only those are quoted whose words were looked up, by `with_texts`.
    """
    lines = [
        say(language, "night.head", outcome=outcome(report, language)),
        *_learned(report.learned, language),
        *_figures(report, language),
    ]
    if report.seconds:
        lines.append(say(language, "night.time", time=_time(report.seconds, language)))
    lines.append(say(language, "night.serving", adapter=report.serving or say(language, "night.bare")))
    return "\n".join(lines)


def outcome(report: NightReport, language: Language) -> str:
    """How the night ended, with the reason, in one line."""
    ending = report.ending
    head = say(language, f"night.{ending.state}")
    why = say(language, ending.key, **ending.values) if ending.key else ending.reason
    return say(language, "night.because", outcome=head, reason=why) if why else head


def _learned(learned: Mapping[str, Any], language: Language) -> list[str]:
    if not learned:
        return []
    counts = {name: learned.get(name, 0) for name in ("added", "merged", "superseded", "memories")}
    lines = [say(language, "night.learned", **counts)]
    texts = [text for text in learned.get("examples", ()) if isinstance(text, str)]
    lines += [say(language, "night.example", text=_short(text)) for text in texts[:EXAMPLES]]
    dropped = {str(reason): int(count) for reason, count in dict(learned.get("dropped") or {}).items()}
    if dropped:
        reasons = ", ".join(f"{reason} ×{count}" for reason, count in dropped.items())
        lines.append(say(language, "night.dropped", count=sum(dropped.values()), reasons=reasons))
    return lines


def _figures(report: NightReport, language: Language) -> list[str]:
    if not report.figures:
        return []
    lines = [f"· {name}: {_number(old)} → {_number(new)}" for name, (old, new) in report.figures.items()]
    return [say(language, "night.figures"), *lines]


def _number(value: float | None) -> str:
    return "?" if value is None or not math.isfinite(value) else f"{value:.3g}"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _time(seconds: float, language: Language) -> str:
    hours, minutes = divmod(max(1, round(seconds / 60)), 60)
    return say(language, "night.hours" if hours else "night.minutes", hours=hours, minutes=minutes)


# --- the picture -------------------------------------------------------------------------------------------------


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The rows of a metrics.jsonl; none when it is missing, and without a last line that a kill cut."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return []
    return [row for line in lines if (row := _row(line)) is not None]


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)  # unlike msgspec it reads NaN
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def draw(folder: Path) -> Path | None:
    """Draw a run's metrics into its folder; the picture's path, or None when there is none."""
    rows = read_metrics(folder / METRICS)
    if not rows:
        return None
    plot(rows, folder / PICTURE)
    return folder / PICTURE


def plot(metrics: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw loss and hit rates over the steps, a PNG.

    Args:
        metrics: rows with `stage`, `step` and what was measured: `loss`, and rates between 0 and 1 that begin with
            `hit` or `exact`.
        path: where to put it.
    """
    # Here, since it takes a second to import and most processes never draw.
    from matplotlib.figure import Figure  # noqa: PLC0415

    stages = sorted({int(row["stage"]) for row in metrics if "stage" in row})
    kinds = [rates for rates in (False, True) if any(_series(metrics, stage, rates=rates) for stage in stages)]
    size = (5.2 * max(1, len(kinds)), 3.2 * max(1, len(stages)))
    figure = Figure(figsize=size, dpi=120, layout="constrained")
    for place, (stage, rates) in enumerate((stage, rates) for stage in stages for rates in kinds):
        if series := _series(metrics, stage, rates=rates):
            axes = figure.add_subplot(len(stages), len(kinds), place + 1)
            _draw_series(axes, series, rates=rates)
            axes.set(title=f"Stage {stage}: {'share right' if rates else 'loss'}", xlabel="step")
    figure.savefig(path)


def _draw_series(axes: "Axes", series: Mapping[str, list[tuple[float, float]]], *, rates: bool) -> None:
    """Rates as they are; losses pale, and their running average over them."""
    for colour, (name, points) in zip(_COLOURS, series.items(), strict=False):
        steps, values = zip(*points, strict=True)
        if rates:
            axes.plot(steps, values, color=colour, label=name, marker="o" if len(steps) <= FEW else "", markersize=4)
        else:
            axes.plot(steps, values, color=colour, alpha=0.3)
            axes.plot(steps, smoothed(values), color=colour, label=name)
    axes.set_ylim(*((-0.02, 1.02) if rates else (0, None)))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right" if rates else "upper right")


def smoothed(values: Iterable[float]) -> list[float]:
    """The running average, from the first value on."""
    found: list[float] = []
    for value in values:
        found.append(value if not found else found[-1] + SMOOTH * (value - found[-1]))
    return found


def _series(metrics: Sequence[Mapping[str, Any]], stage: int, *, rates: bool) -> dict[str, list[tuple[float, float]]]:
    """By name the points of one stage: rates, or losses. What is no number is left out."""
    found: dict[str, list[tuple[float, float]]] = {}
    for row in metrics:
        if row.get("stage") != stage:
            continue
        for name, value in row.items():
            wanted = name.startswith(("hit", "exact")) if rates else name.startswith("loss")
            if wanted and isinstance(value, int | float) and math.isfinite(value):
                found.setdefault(name, []).append((float(row.get("step", 0)), float(value)))
    return found
