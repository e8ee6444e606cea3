"""The fuzzing finds what there is to find: crashes, hangs, memory, dead processes; and in this bot nothing."""

import asyncio
import os
from collections.abc import Iterator
from random import Random

import pytest
import structlog

from bench import fuzz, fuzz_large, fuzz_values
from bench.fuzz import (
    BOT,
    BOT_SHARE,
    GOALS,
    TARGETS,
    Crash,
    Outcome,
    Target,
    find_figures,
    run_apart,
    run_case,
    run_target,
)
from bench.fuzz_bot import drive
from bench.layout import GRIDS


def crash_on_seven(random: Random) -> None:
    """A target with a fault."""
    if random.random() < 0.1:
        raise ZeroDivisionError


def hang(random: Random) -> None:
    """A target that never ends."""
    while True:
        random.random()


def nothing(random: Random) -> None:
    """A target without a fault."""


def test_a_crash_is_found_and_can_be_run_again() -> None:
    """By its number and the seed."""
    found = run_target(Target(crash_on_seven, 1), "s", 50, lambda _: None)
    assert found.cases == 50
    assert 0 < len(found.crashes) < fuzz.MOST_CRASHES
    for crash in found.crashes:
        assert "ZeroDivisionError" in crash.error
        assert "ZeroDivisionError" in run_case(Target(crash_on_seven, 1), "s", crash.case)[1]


def test_a_hang_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """After so long on the processor."""
    monkeypatch.setattr(fuzz, "LIMIT", 0.02)
    seconds, error = run_case(Target(hang, 1), "s", 0)
    assert "TooSlow" in error
    assert 0 < seconds < 2


def test_a_process_that_dies_names_its_case() -> None:
    """As one does that a library's fault ends."""

    def work(step: object) -> Outcome:
        assert callable(step)
        step(7)
        os._exit(3)

    assert run_apart(work) == Outcome(8, [Crash(7, "the process ended with 3")])


def test_memory_is_bounded_and_what_was_found_comes_back() -> None:
    """In a process of its own."""

    def eat(_: Random) -> None:
        bytearray(2 * fuzz.MEMORY)

    found = run_apart(lambda step: run_target(Target(eat, 1), "s", 2, step))
    assert [crash.case for crash in found.crashes] == [0, 1]
    assert "MemoryError" in found.crashes[0].error


def test_the_same_seed_makes_the_same_cases() -> None:
    """And another one others."""
    made = [fuzz_values.text(Random(seed), 40) for seed in ("a", "a", "b")]  # noqa: S311 - a game
    assert made[0] == made[1] != made[2]


def test_every_target_has_a_share_and_a_row() -> None:
    """All shares together are all cases; the goals are among the figures."""
    assert sum(target.share for target in TARGETS) + BOT_SHARE == pytest.approx(1000)
    figures = find_figures({name: Outcome(cases=1) for name in [*(target.name for target in TARGETS), BOT]})
    shown = {figure for grid in GRIDS["fuzz"] for row in grid.rows for figure in row.figures}
    assert shown <= set(figures)
    assert set(GOALS) <= set(figures)


def test_what_is_run_again_takes_its_own_figures_place() -> None:
    """Those of the others stay, and the goals are about all."""
    crash = Crash(1, "x")
    before = find_figures({"a": Outcome(5, [crash], slowest=2.0, grown_late=3.0), "b": Outcome(7, slowest=1.0)})
    after = find_figures({"a": Outcome(6, slowest=0.5, grown_late=1.0)}, before)
    assert (before["cases"], before["crashes"], before["slowest"]) == (12, 1, 2.0)
    assert (after["cases"], after["crashes"], after["slowest"], after["grown_late"]) == (13, 0, 1.0, 3.0)
    assert after["cases b"] == 7


def test_a_frame_of_any_size_leaves_the_connections_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read, dropped, or too large for the limit, which ends the one connection by 1009; here with smaller ones."""
    monkeypatch.setattr(fuzz_large, "LIMIT_MIB", 4)
    target = Target(fuzz_large.send_large, 1)
    outcome = run_target(target, "test", 12, lambda _: None)
    assert outcome.crashes == []


@pytest.fixture
def own_logging() -> Iterator[None]:
    """What the target makes of the log lines ends with the test."""
    yield
    structlog.reset_defaults()


@pytest.mark.usefixtures("own_logging")
async def test_the_whole_bot_stands_a_mad_client() -> None:
    """Frames and commands of any making, answers that are none; who says something between them is answered."""
    crashed: list[str] = []
    seen: list[int] = []
    await asyncio.wait_for(drive("test", 300, seen.append, crashed.append), 100)
    assert crashed == []
    assert seen == list(range(300))
