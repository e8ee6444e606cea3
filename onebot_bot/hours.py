"""Spans of the day as people write them, 23:00-07:00, and 18:00-23:00 0.5 with a share for that time; local time."""

import re
import time
import unicodedata
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

DAY = 24 * 60
_TIME = r"([01]?[0-9]|2[0-4])(?::([0-5][0-9]))?"
_SPAN = re.compile(rf"{_TIME}\s*[-~–—至到]\s*{_TIME}")


class Span(NamedTuple):
    """From minute `begin` of the day until before minute `end`; over midnight when that is not later."""

    begin: int
    end: int

    def __contains__(self, minute: object) -> bool:
        """Whether a minute of the day, from 0 to 1439, lies in it."""
        if not isinstance(minute, int):
            return False
        if self.begin < self.end:
            return self.begin <= minute < self.end
        return minute >= self.begin or minute < self.end

    def __str__(self) -> str:
        """As it is written."""
        return f"{_clock(self.begin)}-{_clock(self.end)}"


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


@lru_cache(maxsize=1024)
def parse_span(text: str) -> Span:
    """Read `23:00-07:00`; the full-width characters of Chinese input methods will do, and hours alone.

    Raises:
        ValueError: it is no span, or an empty one.
    """
    found = _SPAN.fullmatch(unicodedata.normalize("NFKC", text).strip())
    if found is None:
        raise ValueError(f"{text!r} is no time of day; write it like 23:00-07:00")
    begin, end = (60 * int(found[group]) + int(found[group + 1] or 0) for group in (1, 3))
    if max(begin, end) > DAY or begin % DAY == end:
        raise ValueError(f"{text!r} is no time of day; write it like 23:00-07:00, or 00:00-24:00 for all of it")
    return Span(begin % DAY, end)


@lru_cache(maxsize=1024)
def parse_share(text: str) -> tuple[Span, float]:
    """Read `18:00-23:00 0.5`: a span and a share from 0 to 1.

    Raises:
        ValueError: it is not written so.
    """
    hours, _, number = text.strip().rpartition(" ")
    span, share = parse_span(hours), parse_fraction(number)
    if share is None:
        raise ValueError(f"{text!r} has no share from 0 to 1; write it like 18:00-23:00 0.5")
    return span, share


def parse_fraction(text: str) -> float | None:
    """A number from 0 to 1; None when it is none."""
    written = unicodedata.normalize("NFKC", text).strip()
    if not re.fullmatch(r"[01]|[01]?\.[0-9]{1,6}", written):
        return None
    return number if (number := float(written)) <= 1 else None


class LocalTime:
    """The time where people live, worked out once a second; all second long it is the same object."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock  # unix seconds
        self._of = (0, "UTC")
        """The second and the zone that the next two are of."""
        self._now = datetime.fromtimestamp(0, ZoneInfo("UTC"))
        self._today = "1970-01-01"

    def now(self, zone: str) -> datetime:
        """To the second, in a time zone by its IANA name."""
        of = int(self._clock()), zone
        if of != self._of:
            self._of, self._now = of, datetime.fromtimestamp(of[0], ZoneInfo(zone))
            self._today = self._now.date().isoformat()
        return self._now

    def today(self, zone: str) -> str:
        """The day, `YYYY-MM-DD`."""
        if (int(self._clock()), zone) != self._of:
            self.now(zone)
        return self._today


def minute_of(moment: datetime) -> int:
    """The minute of the day, from 0 to 1439."""
    return 60 * moment.hour + moment.minute


def parse_time(text: str) -> int:
    """Read `04:30`: a minute of the day, from 0 to 1439.

    Raises:
        ValueError: it is no time of day.
    """
    found = re.fullmatch(_TIME, unicodedata.normalize("NFKC", text).strip())
    minute = 60 * int(found[1]) + int(found[2] or 0) if found else DAY
    if minute >= DAY:
        raise ValueError(f"{text!r} is no time of day; write it like 04:30")
    return minute
