"""The played group: nobody who asks is lost, and what is counted is counted right."""

from random import Random

import pytest

from bench.participation import GOALS, SETTINGS, Play, Tally, find_figures, most_within, write_script
from bench.report import find_short
from onebot_bot.chat.participation import Silence, Trigger


@pytest.fixture(scope="module")
def tallies() -> dict[str, Tally]:
    """An evening under every setting."""
    script = write_script(Random(7), 22, 2)  # noqa: S311 - a game
    return {name: Play(config, seed=7).run(script) for name, config in SETTINGS.items()}


def test_the_most_in_any_span_is_found() -> None:
    """The end of a span is not in it."""
    assert most_within([0.0, 50.0, 60.0, 61.0, 109.0], 60.0) == 4
    assert most_within([], 60.0) == 0


def test_every_call_is_answered_or_its_reason_known(tallies: dict[str, Tally]) -> None:
    """Under each setting, also where people wait behind one another."""
    for name, tally in tallies.items():
        assert (name, tally.asked_answered + tally.asked_silent) == (name, tally.asked)
        assert sum(tally.why.values()) == tally.seen


def test_settings_do_what_they_say(tallies: dict[str, Tally]) -> None:
    """As shipped it never joins in; at night it is quiet; an observer spends nothing, a shadow sends nothing."""
    assert tallies["as shipped"].uncalled == 0
    assert tallies["by hours"].why[Silence.QUIET.value] > 0
    assert tallies["observe"].generations == 0
    assert (tallies["shadow 0.2"].messages, tallies["shadow 0.2"].generations > 0) == (0, True)
    assert tallies["talk 1"].why[Trigger.GATE.value] > tallies["talk 0.05"].why[Trigger.GATE.value]


def test_all_goals_are_measured_and_met(tallies: dict[str, Tally]) -> None:
    """By another evening than the bench's own."""
    figures = find_figures(tallies)
    assert set(GOALS) <= set(figures)
    assert find_short(figures, GOALS) == []
