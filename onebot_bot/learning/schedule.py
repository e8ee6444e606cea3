"""When a night is due: pure functions over the time, the settings and what is remembered of the last night.

Nights are counted by the calendar day of their hour in the configured zone, so that neither a restart, nor daylight
saving, nor a clock that is set makes two of one.
"""

import functools
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog
from msgspec import Struct

log = structlog.get_logger(__name__)


class Schedule(Protocol):
    """The keys of [learning] that say when."""

    @property
    def hour(self) -> int:
        """0 to 23."""

    @property
    def minute(self) -> int:
        """0 to 59."""

    @property
    def timezone(self) -> str:
        """IANA name."""

    @property
    def first_delay_days(self) -> int:
        """Days after the first start."""

    @property
    def interval_days(self) -> int:
        """Days between nights, 1 or more."""


class Past(Struct, frozen=True):
    """What is remembered across restarts."""

    installed: float
    """Unix seconds of the first start."""
    last_night: date | None = None


@functools.cache
def zone_of(name: str) -> tzinfo:
    """The time zone of that name; UTC, with an error in the log, once, when there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        log.exception("learning.timezone is not known; UTC is used.", code="OB-1805", timezone=name)
        return UTC


def settle(past: Past, now: datetime, schedule: Schedule) -> Past:
    """The past as it can be at `now`: to be asked at a start and whenever the clock was set.

    A night of a day to come was held by a clock that has been set back since: it counts as today's, or none would be
    held until that day has come.
    """
    today = now.astimezone(zone_of(schedule.timezone)).date()
    night = past.last_night and min(past.last_night, today)
    return Past(min(past.installed, now.timestamp()), night)


def due(past: Past, now: datetime, schedule: Schedule) -> datetime:
    """When the next night is due, in the configured zone; not after `now`: it is due now."""
    zone = zone_of(schedule.timezone)
    past = settle(past, now, schedule)
    if past.last_night is not None:
        return _hour_of(past.last_night + timedelta(days=schedule.interval_days), zone, schedule)
    first = datetime.fromtimestamp(past.installed, zone)
    moment = _hour_of(first.date() + timedelta(days=schedule.first_delay_days), zone, schedule)
    return moment if moment >= first else _hour_of(moment.date() + timedelta(days=1), zone, schedule)


def claim(past: Past, now: datetime, schedule: Schedule) -> Past:
    """What is remembered once a night has begun at `now`: the latest night's hour that has come counts as held."""
    zone = zone_of(schedule.timezone)
    past = settle(past, now, schedule)
    today = now.astimezone(zone).date()
    begun = _hour_of(today, zone, schedule) <= now
    night = today if begun else today - timedelta(days=1)
    return Past(past.installed, max(night, past.last_night or night))


def _hour_of(day: date, zone: tzinfo, schedule: Schedule) -> datetime:
    """The hour of that day's night; through UTC, since an hour that is left out in spring compares as no other does."""
    local = datetime(day.year, day.month, day.day, schedule.hour, schedule.minute, tzinfo=zone)
    return local.astimezone(UTC).astimezone(zone)
