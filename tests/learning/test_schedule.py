"""When a night is due: once a night, never twice, never not at all."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from msgspec import Struct
from msgspec.structs import replace
from structlog.testing import capture_logs

from onebot_bot.learning.schedule import Past, claim, due, settle, zone_of

SHANGHAI = ZoneInfo("Asia/Shanghai")


class Times(Struct, frozen=True):
    """The settings."""

    hour: int = 2
    minute: int = 0
    timezone: str = "Asia/Shanghai"
    first_delay_days: int = 1
    interval_days: int = 1


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """A time in Shanghai in November."""
    return datetime(2026, 11, day, hour, minute, tzinfo=SHANGHAI)


def installed(day: int, hour: int) -> Past:
    """A bot that was started first then."""
    return Past(at(day, hour).timestamp())


def held(day: int) -> Past:
    """A bot whose last night was that day's."""
    return Past(at(1, 0).timestamp(), date(2026, 11, day))


@pytest.mark.parametrize(
    ("hour", "delay", "expected"),
    [(10, 1, at(22, 2)), (1, 1, at(22, 2)), (1, 0, at(21, 2)), (10, 0, at(22, 2)), (10, 3, at(24, 2))],
)
def test_the_first_night_waits_for_its_delay(hour: int, delay: int, expected: datetime) -> None:
    """Days after the first start, whatever has been restarted since."""
    past = installed(21, hour)
    for later in (0, 1, 60):
        now = at(21, hour) + timedelta(hours=later)
        assert due(past, now, Times(first_delay_days=delay)) == expected


def test_nights_follow_each_other_by_the_interval() -> None:
    """Counted by days, in the configured zone."""
    assert due(held(21), at(21, 3), Times()) == at(22, 2)
    assert due(held(21), at(21, 3), Times(interval_days=3)) == at(24, 2)
    assert due(held(21), at(21, 12), Times(timezone="UTC", hour=2)) == datetime(2026, 11, 22, 2, tzinfo=UTC)


def test_missed_nights_are_caught_up_once() -> None:
    """After five days off one night is due; the next is tomorrow's."""
    past, now = held(16), at(21, 14)
    assert due(past, now, Times()) <= now
    after = claim(past, now, Times())
    assert after.last_night == date(2026, 11, 21)
    assert due(after, now, Times()) == at(22, 2)


def test_a_night_caught_up_before_its_hour_does_not_take_the_next() -> None:
    """At one o'clock yesterday's is caught up, and at two today's is held."""
    after = claim(held(16), at(21, 1), Times())
    assert due(after, at(21, 1), Times()) == at(21, 2)


@pytest.mark.parametrize("back", [timedelta(minutes=10), timedelta(hours=3), timedelta(hours=23)])
def test_a_clock_set_back_gives_no_second_night(back: timedelta) -> None:
    """Neither at the same hour come again, nor the evening before."""
    after = claim(held(20), at(21, 2), Times())
    now = at(21, 2, 5) - back
    assert due(after, now, Times()) > now
    assert due(after, now, Times()) >= at(21, 2)


def test_a_clock_that_was_years_ahead_does_not_starve_the_nights() -> None:
    """A night held in 2030 counts as today's once the year is right again."""
    ahead = Past(at(1, 0).timestamp(), date(2030, 1, 1))
    assert due(ahead, at(21, 12), Times()) == at(22, 2)
    assert due(Past(at(1, 0).timestamp() + 10**9), at(21, 12), Times()) == at(22, 2)
    assert claim(ahead, at(21, 12), Times()).last_night == date(2026, 11, 21)


@pytest.mark.parametrize("ahead", [date(2030, 1, 1), None])
def test_a_past_settled_by_the_right_clock_stays_settled(ahead: date | None) -> None:
    """Otherwise it would count as today's every day anew."""
    wrong = Past(at(1, 0).timestamp() + 10**9, ahead)
    past = settle(wrong, at(21, 12), Times())
    assert due(past, at(22, 3), Times()) == at(22, 2)


def test_a_jump_forwards_makes_one_night_due() -> None:
    """As after days off."""
    assert due(held(21), at(29, 12), Times()) <= at(29, 12)
    assert due(claim(held(21), at(29, 12), Times()), at(29, 12), Times()) == at(30, 2)


def test_an_hour_moved_later_gives_no_second_night_that_day() -> None:
    """Held at two, then configured for five; by hand at three it stays held."""
    assert due(held(21), at(21, 3), Times(hour=5)) == at(22, 5)
    assert claim(held(21), at(21, 3), Times(hour=5)).last_night == date(2026, 11, 21)


@pytest.mark.parametrize(("month", "day"), [(3, 28), (3, 29), (10, 24), (10, 25)])
def test_daylight_saving_neither_skips_nor_doubles_a_night(month: int, day: int) -> None:
    """In Berlin the hour of two is left out in March and comes twice in October."""
    times = Times(timezone="Europe/Berlin", minute=30)
    past = Past(0.0, date(2026, month, day))
    nights = []
    now = datetime(2026, month, day, 12, tzinfo=UTC)
    for _ in range(24 * 12 * 3):
        now += timedelta(minutes=5)
        if due(past, now, times) <= now:
            past = claim(past, now, times)
            nights.append(past.last_night)
    assert nights == [date(2026, month, day) + timedelta(days=number) for number in (1, 2, 3)]


def test_a_year_of_restarts_has_a_night_a_day() -> None:
    """Asked every seven hours, as by a bot that restarts all the time."""
    past, now, count = held(1), at(1, 12), 0
    for _ in range(365 * 24 // 7):
        now += timedelta(hours=7)
        if due(past, now, Times()) <= now:
            past, count = claim(past, now, Times()), count + 1
    assert count in (364, 365)


def test_an_unknown_zone_is_told_and_utc_is_used() -> None:
    """A typing mistake does not end the learning."""
    with capture_logs() as logs:
        assert zone_of("Asia/Shangai") is UTC
    assert logs[0]["timezone"] == "Asia/Shangai"
    assert due(held(21), at(21, 12), replace(Times(), timezone="../etc")).tzinfo is UTC
