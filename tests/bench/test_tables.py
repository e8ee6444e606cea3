"""The pages of docs/ as the figures of the benches fill them."""

import math
from pathlib import Path
from typing import Any

import msgspec
import pytest
from PIL import Image

from bench import load, message_path, participation, startup
from bench.goals import AIMS, PARTS, goals_of
from bench.layout import GRIDS
from bench.memory_results import NEW, OURS, Results, Retrieved
from bench.plots import drawable
from bench.report import Run, report
from bench.tables import (
    ABSENT,
    DOCS,
    MET,
    SHORT,
    SUMMARY,
    fill_pages,
    main,
    markdown,
    read_figures,
    read_pages,
    section,
    summary,
)

FIGURES = {
    "start_ratio": 1.1,
    "listens_after": 0.9,
    "slowest_pong": math.nan,
    "bare": 4.0,
    "bot": 4.4,
}
PAGE = "Words.\n" + "\n".join(
    f"<!-- table: {name} -->\n-\n<!-- end of table -->\nMore of {name}.\n" for name in (SUMMARY, *GRIDS)
)


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """A page that nothing has filled, and a quick run of one bench."""
    (tmp_path / "performance.md").write_text(PAGE)
    store(tmp_path, "startup", FIGURES, Run("a machine", quick=True))
    return tmp_path


def store(docs: Path, name: str, figures: dict[str, float], run: Run) -> None:
    """As a bench does it."""
    report(figures, goals_of(name), docs / "figures" / f"{name}.json", run)


def row_with(lines: list[str], text: str) -> list[str]:
    """The cells of the only row that has the text in it."""
    (row,) = [line for line in lines if text in line]
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_shipped_pages_are_current() -> None:
    """Nobody edited a table, a goal or a figure without making the page anew."""
    pages = read_pages(DOCS)
    assert fill_pages(pages, read_figures(DOCS / "figures")) == pages


def test_every_goal_has_a_known_part() -> None:
    """And every part some goal, or the summary would have a line of nothing."""
    assert {aim.part for aims in AIMS.values() for aim in aims.values()} == set(PARTS)


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        (
            "message_path",
            message_path.find_figures({kind: [message_path.Round(1, 2, 3, 4)] for kind in message_path.KEYS}),
        ),
        (
            "load",
            load.find_figures(
                {kind: [load.Measured(0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)] for kind in (load.ECHO, load.PEER, load.TRIAL)}
            ),
        ),
        ("startup", startup.find_figures([startup.Start(1.0)], [startup.Start(2.0)])),
        (
            "participation",
            participation.find_figures({kind: participation.Tally(seen=1, asked=1) for kind in participation.SETTINGS}),
        ),
    ],
)
def test_tables_ask_for_what_benches_find(name: str, figures: dict[str, float]) -> None:
    """Each figure of a table, and each that a goal is about, is one that the bench writes."""
    asked = {key for grid in GRIDS[name] for row in grid.rows for key in row.figures if key}
    assert asked | set(AIMS[name]) <= set(figures) | {"rate_ratio_nonebot", "p99_ratio_nonebot"}


def test_rows_fit_their_columns() -> None:
    """Every row has a figure, or the lack of one, for every column; no more columns are drawn than there are."""
    grids = [grid for found in GRIDS.values() for grid in found]
    assert [grid.title for grid in grids if {len(row.figures) for row in grid.rows} != {len(grid.columns)}] == []
    assert [grid.title for grid in grids if grid.drawn > len(grid.columns)] == []


def test_figures_come_to_stand_beside_their_goals(docs: Path) -> None:
    """Met, short, and what came out as no number, which is short as well."""
    lines = section("startup", read_figures(docs / "figures")["startup"])
    assert row_with(lines, "bare script's")[2:] == ["<= 1.15", "1.1", MET]
    assert row_with(lines, "until the socket answers<br>")[2:] == ["<= 0.5", "0.9", SHORT]
    assert row_with(lines, "while loading")[2:] == ["<= 0.5", "-", SHORT]
    assert row_with(lines, "this bot, to its first token") == ["this bot, to its first token", "4.40"]
    assert "a machine; a quick run, less exact 快速测量，不太准." in lines


def test_what_was_not_measured_says_so(docs: Path) -> None:
    """A bench without a file, a goal without a figure, and a section that has no goals."""
    files = read_figures(docs / "figures")
    assert row_with(section("gpu", None), "on an H200")[3:] == ["-", ABSENT]
    store(docs, "startup", {"bot": 1.0}, Run())
    lines = section("startup", read_figures(docs / "figures")["startup"])
    assert row_with(lines, "bare script's")[3:] == ["-", ABSENT]
    assert [line for line in lines if "to its first token" in line] == ["| this bot, to its first token | 1.00 |"]
    assert section("engine_2_threads", None) == ["Not measured 未测."]
    assert row_with(summary(files), "cold start")[3] == f"1 {MET}, 2 {SHORT}"
    assert row_with(summary(files), "eight chats")[3] == ABSENT


def test_page_is_written_once(docs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Words stay, a check fails before and passes after, and the picture that is linked is there."""
    arguments = ["--docs", str(docs)]
    assert main([*arguments, "--check"]) == 1
    assert (docs / "performance.md").read_text() == PAGE
    assert main(arguments) == 0
    assert main([*arguments, "--check"]) == 0
    written = (docs / "performance.md").read_text()
    assert [f"More of {name}." in written for name in GRIDS] == [True] * len(GRIDS)
    assert "![startup](pictures/startup.png)" in written
    with Image.open(docs / "pictures" / "startup.png") as image:
        assert image.width == 960
    assert "not current" in capsys.readouterr().out


def test_every_bench_that_has_bars_is_drawn(docs: Path) -> None:
    """Linear and logarithmic, one panel and two, with rows that were not measured."""
    for name in ("vectors", "gpu"):
        keys = [key for grid in GRIDS[name] for row in grid.rows[:2] for key in row.figures if key]
        store(docs, name, {key: 1.5 + at for at, key in enumerate(keys)}, Run())
    main(["--docs", str(docs)])
    assert sorted(path.stem for path in (docs / "pictures").iterdir()) == ["gpu", "startup", "vectors"]


def test_rows_without_bars_are_not_drawn() -> None:
    """A row of the table whose drawn figures were not measured leaves no gap in the picture."""
    figures = {"rate_full": 43.0, "perplexity_full": 1.0, "perplexity_full_primed": 1.0}
    (grid,) = drawable(GRIDS["quality"], figures)
    assert [row.head for row in grid.rows] == ["this bot, bfloat16"]


def test_memory_brings_its_own_tables(docs: Path) -> None:
    """With its picture; a file of the goals alone has neither."""
    found = Retrieved(row=OURS, asked=NEW, bank=64, hit1=(0.9, 0.96), hit10=(1.0, 1.0), mrr=(0.95, 0.97))
    results = Results(machine="a machine", seeds=2, minutes=7.5, retrieved=(found,))
    store(docs, "memory", {"new_64_hit1": 0.93}, Run("a machine", quick=False, details=msgspec.to_builtins(results)))
    lines = section("memory", read_figures(docs / "figures")["memory"])
    assert row_with(lines, "0.930 (0.900-0.960)")[:3] == [OURS, NEW, "64"]
    assert "![memory](pictures/memory.png)" in lines
    main(["--docs", str(docs)])
    assert (docs / "pictures" / "memory.png").exists()

    store(docs, "memory", {"new_64_hit1": 0.93}, Run())
    bare = section("memory", read_figures(docs / "figures")["memory"])
    assert row_with(bare, "never trained on, among 64")[3:] == ["0.93", MET]
    assert [line for line in bare if "picture" in line or line.startswith("**")] == []


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("other.json", {"figures": {}, "goals": {}, "short": []}, "belongs to no table: rename it to one of message_"),
        ("engine.json", {"figures": {}}, "not what a bench writes with --json: .*goals"),
        ("engine.json", "no object", "not what a bench writes with --json"),
        (
            "memory.json",
            {"figures": {}, "goals": {}, "short": [], "run": {"details": {"seeds": 1}}},
            "not what a bench writes with --json: .*machine",
        ),
    ],
)
def test_file_of_something_else_is_named(docs: Path, name: str, content: Any, reason: str) -> None:
    """With what is wrong about it."""
    (docs / "figures" / name).write_bytes(msgspec.json.encode(content))
    with pytest.raises(SystemExit, match=f"{name}.*{reason}"):
        read_figures(docs / "figures")


@pytest.mark.parametrize(
    "page", [PAGE.replace("table: gpu", "tables of gpu"), PAGE + "<!-- table: gpu -->\n-\n<!-- end of table -->"]
)
def test_page_has_one_place_for_each_table(page: str) -> None:
    """None and two are refused by name."""
    with pytest.raises(SystemExit, match="one <!-- table: NAME --> for each table; look at gpu"):
        fill_pages({Path("performance.md"): page}, {})


def test_tables_may_stand_in_several_pages(docs: Path) -> None:
    """Each is filled where its place is, and a page without a place is no page of tables."""
    place = "<!-- table: startup -->\n-\n<!-- end of table -->\n"
    (docs / "performance.md").write_text(PAGE.replace(place, ""))
    (docs / "others.md").write_text(place)
    (docs / "words.md").write_text("Words.\n")
    assert main(["--docs", str(docs)]) == 0
    assert "this bot, to its first token" in (docs / "others.md").read_text()
    assert "this bot, to its first token" not in (docs / "performance.md").read_text()
    assert [path.name for path in read_pages(docs)] == ["others.md", "performance.md"]


def test_cells_do_not_break_a_table() -> None:
    """What would end a cell, or be taken for a tag, is escaped."""
    lines = markdown(("a", "b"), [("x | <recall>", "y<br>z"), ("<= 8", "")])
    assert lines[2:] == ["| x \\| &lt;recall> | y<br>z |", "| <= 8 |  |"]
