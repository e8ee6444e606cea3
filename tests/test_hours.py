"""Spans of the day, as people write them."""

import pytest

from onebot_bot.hours import LocalTime, parse_fraction, parse_share, parse_span


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("23:00-07:00", "23:00-07:00"),
        (" 9-18 ", "09:00-18:00"),
        ("23：30～7：00", "23:30-07:00"),
        ("0 至 24", "00:00-24:00"),
        ("18:00-0:00", "18:00-00:00"),
    ],
)
def test_spans_are_read_and_written(text: str, shown: str) -> None:
    """Full-width signs and hours alone are understood."""
    assert str(parse_span(text)) == shown


@pytest.mark.parametrize("text", ["", "23:00", "25:00-07:00", "24:30-07:00", "8-8", "8:60-9:00", "a-b"])
def test_what_is_no_span_is_refused_with_an_example(text: str) -> None:
    """An empty one, too: whoever wrote it meant something else."""
    with pytest.raises(ValueError, match="23:00-07:00"):
        parse_span(text)


@pytest.mark.parametrize(
    ("text", "minute", "inside"),
    [
        ("23:00-07:00", 23 * 60, True),
        ("23:00-07:00", 0, True),
        ("23:00-07:00", 7 * 60 - 1, True),
        ("23:00-07:00", 7 * 60, False),
        ("09:00-18:00", 9 * 60, True),
        ("09:00-18:00", 18 * 60, False),
        ("00:00-24:00", 1439, True),
    ],
)
def test_a_span_may_go_over_midnight(text: str, minute: int, inside: bool) -> None:  # noqa: FBT001 - a parameter
    """The end is not in it."""
    assert (minute in parse_span(text)) == inside


def test_a_share_follows_its_span() -> None:
    """From 0 to 1, else the text says how it is written."""
    assert parse_share("18:00-23:00 0.5") == (parse_span("18-23"), 0.5)
    with pytest.raises(ValueError, match="from 0 to 1"):
        parse_share("18:00-23:00 2")


@pytest.mark.parametrize(
    ("text", "number"), [("0", 0.0), ("1", 1.0), (".5", 0.5), ("０．３", 0.3), ("1.5", None), ("x", None), ("", None)]
)
def test_fractions_are_numbers_from_0_to_1(text: str, number: float | None) -> None:
    """Everything else is none."""
    assert parse_fraction(text) == number


def test_local_time_goes_with_the_clock_and_the_zone() -> None:
    """Within a second it is the same object; the next second and another zone have their own time and day."""
    now = [1_800_000_000.2]
    local = LocalTime(lambda: now[0])
    first = local.now("Asia/Shanghai")
    assert first.isoformat() == "2027-01-15T16:00:00+08:00"
    now[0] += 0.7
    assert local.now("Asia/Shanghai") is first
    now[0] += 8 * 3600
    assert local.today("Asia/Shanghai") == "2027-01-16"
    assert local.today("Europe/Berlin") == "2027-01-15"
