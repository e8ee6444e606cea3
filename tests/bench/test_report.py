"""What the benches share."""

import json
from pathlib import Path

import pytest

from bench.report import (
    Goal,
    describe_machine,
    find_short,
    format_table,
    median_ratio,
    parse_arguments,
    report,
    run_interleaved,
)

GOALS: dict[str, Goal] = {"ratio": (">=", 20), "delay": ("<=", 1.5)}


def test_goal_is_met_at_its_bound() -> None:
    """A figure that equals its bound is not short, whichever way the goal points."""
    assert find_short({"ratio": 20.0, "delay": 1.5}, GOALS) == []


def test_goal_missed_is_short() -> None:
    """A figure on the wrong side of its bound is named."""
    assert find_short({"ratio": 19.9, "delay": 1.6}, GOALS) == ["ratio", "delay"]


def test_no_number_meets_no_goal() -> None:
    """Not a number, as when nothing was answered, counts as short."""
    assert find_short({"ratio": float("nan"), "delay": 1.0}, GOALS) == ["ratio"]


def test_goal_without_figure_is_not_judged() -> None:
    """Without the peer its ratio was not measured, which is neither met nor short."""
    assert find_short({"delay": 1.0}, GOALS) == []


def test_rounds_are_interleaved() -> None:
    """Every round measures each in turn, and each gets its own results in order."""
    order: list[str] = []

    def measure(name: str) -> int:
        order.append(name)
        return len(order)

    results = run_interleaved(2, {"a": lambda: measure("a"), "b": lambda: measure("b")})
    assert order == ["a", "b", "a", "b"]
    assert results == {"a": [1, 3], "b": [2, 4]}


def test_median_is_of_the_ratios() -> None:
    """Rounds are compared with themselves: a slow round is slow for both."""
    assert median_ratio([10.0, 100.0, 9.0], [1.0, 50.0, 3.0]) == 3.0


def test_table_lines_up() -> None:
    """Names stand to the left, numbers to the right, under a rule."""
    table = format_table(("server", "us"), [("ours", "9"), ("a peer", "1,000")])
    assert table.splitlines() == ["server     us", "------  -----", "ours        9", "a peer  1,000"]


def test_json_holds_figures_goals_and_what_is_short(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file has the three keys that are compared between runs; the goals are printed."""
    target = tmp_path / "figures.json"
    report({"ratio": 8.0}, GOALS, target)
    assert json.loads(target.read_text()) == {
        "figures": {"ratio": 8.0},
        "goals": {"ratio": [">=", 20], "delay": ["<=", 1.5]},
        "short": ["ratio"],
    }
    assert [line.split()[-1] for line in capsys.readouterr().out.splitlines()[2:]] == ["short", "measured"]


def test_arguments_are_those_of_every_bench() -> None:
    """Both may be left out."""
    assert vars(parse_arguments("about", [])) == {"quick": False, "json": None}
    assert vars(parse_arguments("about", ["--quick", "--json", "x"])) == {"quick": True, "json": Path("x")}


def test_machine_names_versions() -> None:
    """The line tells what ran: cores, Python and the packages compared."""
    line = describe_machine(["msgspec", "websockets"])
    assert " cores, " in line
    assert "Python 3." in line
    assert line.partition("msgspec ")[2][0].isdigit()
