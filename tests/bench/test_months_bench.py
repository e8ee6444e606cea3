"""Two days of bench/months.py, in a process of its own: it puts another clock into the standard library."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from bench.months import Evening, figures_of
from bench.report import Measured, find_short

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    """What two days gave."""
    file = tmp_path_factory.mktemp("months") / "months.json"
    command = [sys.executable, "-m", "bench.months", "--days", "2", "--json", str(file)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=300)
    return msgspec.json.decode(file.read_bytes(), type=Measured)


def test_two_days_leave_nothing_behind(lived: Measured) -> None:
    """No thread, task or file more than after the first; every goal is met but that there are too few days."""
    assert find_short(lived.figures, lived.goals) == ["days"]
    assert list(lived.short) == ["days"]


def test_two_days_are_lived_whole(lived: Measured) -> None:
    """Both nights and backups came at their hours, everything that asked for an answer got one."""
    figures = lived.figures
    assert (figures["nights_kept"], figures["backups_kept"], figures["forced"]) == (2, 3, 0)
    assert (figures["said"], figures["replies"], figures["memories"]) == (104, 73, 34)


def evening(day: int, **more: int) -> Evening:
    """The end of a day of an even life."""
    fields = dict.fromkeys(Evening.__struct_fields__, 7)
    return Evening(**{**fields, "rss": 100, "messages": 10 * day, "database": 1000 * day, "beats": 2880 * day, **more})


def test_what_grows_is_seen() -> None:
    """Memory, a thread, and a database that takes more for each message than it did."""
    even = [evening(day) for day in range(1, 9)]
    totals = {"said": 1.0, "replies": 1.0}
    assert figures_of(even, totals)["database_bend"] == 1.0
    assert figures_of(even, totals)["beats_lost"] == 0.0
    worse = [*even[:7], evening(8, rss=110, threads=8, database=20_000)]
    figures = figures_of(worse, totals)
    assert figures["rss_growth"] == pytest.approx(0.1)
    assert figures["threads_more"] == 1
    assert (figures["database_bend"] or 0) > 2
