"""Fill the pages of docs/ that have tables of figures, and their pictures, from what the benches wrote.

`python -m bench.engine --json docs/figures/engine.json`, the same for others, then `python -m bench.tables`.
"""

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from bench.goals import AIMS, PARTS, Aim
from bench.grids import Grid
from bench.layout import GRIDS
from bench.memory_report import draw, make_tables
from bench.memory_results import Results, read_results
from bench.plots import Figures, draw_grids, drawable
from bench.report import Measured, find_short

DOCS = Path(__file__).resolve().parent.parent / "docs"
SUMMARY = "summary"
MET, SHORT, ABSENT = "met 达到", "short 未达到", "not measured 未测"
QUICK = "a quick run, less exact 快速测量，不太准"
PICTURES = "pictures"
MARKED = re.compile(r"(<!-- table: (\w+) -->\n).*?(\n<!-- end of table -->)", re.DOTALL)
TAG = re.compile(r"<(?=\w)(?!br>)")

Files = Mapping[str, Measured]
"""By section."""


# --- reading -----------------------------------------------------------------------------------------------------


def read_figures(folder: Path) -> dict[str, Measured]:
    """What lies in the folder, SECTION.json each.

    Raises:
        SystemExit: a file is of no section, or is not what benches write; the text names it.
    """
    return {path.stem: _read(path) for path in sorted(folder.glob("*.json"))}


def _read(path: Path) -> Measured:
    if path.stem not in GRIDS:
        raise SystemExit(f"{path} belongs to no table: rename it to one of {', '.join(GRIDS)}, or take it away")
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Measured)
        if path.stem == "memory":
            _results(found)
    except (OSError, msgspec.MsgspecError) as error:
        raise SystemExit(f"{path} is not what a bench writes with --json: {error}") from error
    return found


def _results(measured: Measured) -> Results | None:
    """What bench/memory.py tells beside its goals; None: a file of its goals alone."""
    return read_results(measured.run.details) if measured.run.details else None


# --- the pages ---------------------------------------------------------------------------------------------------


def read_pages(docs: Path) -> dict[Path, str]:
    """Every page that has a place for a table."""
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(docs.glob("*.md"))}
    return {path: text for path, text in texts.items() if MARKED.search(text)}


def fill_pages(pages: Mapping[Path, str], files: Files) -> dict[Path, str]:
    """The pages with every table made anew.

    Raises:
        SystemExit: a table has no place in them or two, or there is a place for none.
    """
    places = [name for page in pages.values() for _, name, _ in MARKED.findall(page)]
    wanted = [SUMMARY, *GRIDS]
    if sorted(places) != sorted(wanted):
        differing = sorted((Counter(places) - Counter(wanted)) | (Counter(wanted) - Counter(places)))
        raise SystemExit(f"docs needs one <!-- table: NAME --> for each table; look at {', '.join(differing)}")
    return {path: _fill(page, files) for path, page in pages.items()}


def _fill(page: str, files: Files) -> str:
    def fill(found: re.Match[str]) -> str:
        name = found[2]
        lines = summary(files) if name == SUMMARY else section(name, files.get(name))
        return found[1] + "\n".join(lines) + found[3]

    return MARKED.sub(fill, page)


def summary(files: Files) -> list[str]:
    """How the goals came out, a line for each part."""
    parts: dict[str, list[str]] = {part: [] for part in PARTS}
    benches: dict[str, dict[str, None]] = {part: {} for part in PARTS}
    for bench, aims in AIMS.items():
        for figure, aim in aims.items():
            parts[aim.part].append(_outcome(bench, figure, files.get(bench)))
            benches[aim.part][f"`bench/{bench}.py`"] = None
    rows = [
        (part, "<br>".join(PARTS[part]), ", ".join(benches[part]), _counted(outcomes))
        for part, outcomes in parts.items()
    ]
    return markdown(("goal 目标", "about 关于", "measured by 由谁测量", "outcome 结果"), rows)


def _counted(outcomes: Sequence[str]) -> str:
    counts = Counter(outcomes)
    if len(counts) == 1:
        return outcomes[0]
    return ", ".join(f"{counts[outcome]} {outcome}" for outcome in (MET, SHORT, ABSENT) if counts[outcome])


def section(name: str, measured: Measured | None) -> list[str]:
    """The goals of a bench, then its other figures, then its picture."""
    blocks = [_goals(name, measured)] if name in AIMS else []
    if measured is not None:
        told = [text for text in (measured.run.machine, QUICK if measured.run.quick else "") if text]
        blocks += [[f"{'; '.join(told)}."]] if told else []
        blocks += [[f"**{title}**", "", *markdown(head, rows)] for title, head, rows in _tables(name, measured)]
        if _is_drawn(name, measured):
            blocks.append([f"![{name}]({PICTURES}/{name}.png)"])
    elif not blocks:
        blocks = [[f"{ABSENT[:1].upper()}{ABSENT[1:]}."]]
    return [line for block in blocks for line in (*block, "")][:-1]


def _goals(name: str, measured: Measured | None) -> list[str]:
    rows = [_goal_row(name, figure, aim, measured) for figure, aim in AIMS[name].items()]
    return markdown(("goal 目标", "figure 指标", "wanted 要求", "measured 实测", "outcome 结果"), rows)


def _goal_row(name: str, figure: str, aim: Aim, measured: Measured | None) -> Sequence[str]:
    sign, bound = aim.goal
    value = None if measured is None else measured.figures.get(figure)
    shown = "-" if value is None else f"{value:.3g}"
    words = f"{aim.english}<br>{aim.chinese}"
    return aim.part, words, f"{sign} {bound:g}", shown, _outcome(name, figure, measured)


def _outcome(bench: str, figure: str, measured: Measured | None) -> str:
    """By the goal as it is now, whatever it was when the file was written."""
    if measured is None or figure not in measured.figures:
        return ABSENT
    return SHORT if find_short(measured.figures, {figure: AIMS[bench][figure].goal}) else MET


def _tables(name: str, measured: Measured) -> Iterator[tuple[str, Sequence[str], Sequence[Sequence[str]]]]:
    """Title, head and rows of each that has rows."""
    tables = [(grid.title, ("", *(column.head for column in grid.columns)), _cells(grid, measured.figures))
              for grid in GRIDS[name]]  # fmt: skip
    yield from (table for table in tables if table[2])
    if name == "memory" and (results := _results(measured)) is not None:
        yield from (table for table in make_tables(results) if table[2])


def _cells(grid: Grid, figures: Figures) -> list[Sequence[str]]:
    """The rows of which anything was measured."""
    rows = [
        (row.head, [(column.form, figures.get(key)) for column, key in zip(grid.columns, row.figures, strict=True)])
        for row in grid.rows
    ]
    return [
        (head, *("-" if value is None else form.format(value) for form, value in values))
        for head, values in rows
        if any(value is not None for _, value in values)
    ]


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table's lines."""
    cells = [[_escaped(cell) for cell in line] for line in (head, ["---"] * len(head), *rows)]
    return [f"| {' | '.join(line)} |" for line in cells]


def _escaped(cell: str) -> str:
    """As it is to be read: `<recall>` would be a tag, of which only `<br>` is meant."""
    return TAG.sub("&lt;", cell.replace("|", "\\|"))


# --- pictures ----------------------------------------------------------------------------------------------------


def _is_drawn(name: str, measured: Measured) -> bool:
    return bool(_results(measured)) if name == "memory" else bool(drawable(GRIDS[name], measured.figures))


def draw_pictures(files: Files, folder: Path) -> None:
    """A PNG for every section that has something to draw."""
    folder.mkdir(exist_ok=True)
    for name, measured in files.items():
        png = folder / f"{name}.png"
        if name == "memory" and (results := _results(measured)) is not None:
            draw(results, png)
        elif grids := drawable(GRIDS[name], measured.figures):
            draw_grids(grids, measured.figures, png)


# --- the script --------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pages and the pictures; with `--check` only say which page is not current."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--docs", type=Path, default=DOCS, metavar="FOLDER", help="has the pages and figures/")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a page is not current")
    given = parser.parse_args(arguments)
    pages, files = read_pages(given.docs), read_figures(given.docs / "figures")
    stale = {path: text for path, text in fill_pages(pages, files).items() if text != pages[path]}
    if given.check:
        for path in stale:
            print(f"{path.name}: not current; run python -m bench.tables")
        return 1 if stale else 0
    for path, text in stale.items():
        path.write_text(text, encoding="utf-8")
    draw_pictures(files, given.docs / PICTURES)
    print(f"{', '.join(path.name for path in pages)}: {', '.join(files) or 'nothing was measured'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
