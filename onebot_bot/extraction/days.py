"""Days in words: "昨天" and "tomorrow" become dates, and the dates that a text names are found."""

import calendar
import re
from collections.abc import Iterator
from datetime import date, timedelta

_ZH_DAYS = {
    "大前天": -3,
    "前天": -2,
    "前晚": -2,
    "昨天": -1,
    "昨日": -1,
    "昨晚": -1,
    "今天": 0,
    "今日": 0,
    "今早": 0,
    "今晚": 0,
    "明天": 1,
    "明日": 1,
    "明早": 1,
    "明晚": 1,
    "后天": 2,
    "后晚": 2,
    "大后天": 3,
}
_ZH_YEARS = {"前年": -2, "去年": -1, "今年": 0, "明年": 1, "后年": 2}
_EN_DAYS = {
    "the day before yesterday": -2,
    "the day after tomorrow": 2,
    "last night": -1,
    "yesterday": -1,
    "this morning": 0,
    "tonight": 0,
    "today": 0,
    "tomorrow": 1,
}
_EN_YEARS = {"last year": -1, "this year": 0, "next year": 1}
_ZH_SPANS = {"上个月": -1, "这个月": 0, "本月": 0, "下个月": 1}
_EN_SPANS = {"last month": -1, "this month": 0, "next month": 1}

_MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_name) if name}
_MONTHS |= {name.lower(): number for number, name in enumerate(calendar.month_abbr) if name} | {"sept": 9}

# 今天 in 今天气 is no day; 后天 in 后天性 neither, but both are rare enough to be left to the reader.
_ZH = re.compile("|".join(sorted([*_ZH_DAYS, *_ZH_YEARS, *_ZH_SPANS], key=len, reverse=True)))
_EN = re.compile(
    r"(?P<before>\b(?:on|until|till|by|since|for|from|before|after|than|of|and|to)\s+)?\b(?P<word>"
    + "|".join(sorted([*_EN_DAYS, *_EN_YEARS, *_EN_SPANS], key=len, reverse=True))
    + r")\b(?P<owner>['’]s)?",
    re.IGNORECASE,
)

_MONTH = r"(?P<month>" + "|".join(sorted(_MONTHS, key=len, reverse=True)) + r")\b\.?"
_DATES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?<!\d)(?P<y>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})(?!\d)",
        r"(?:(?<!\d)(?P<y>\d{4})\s*年\s*)?(?<!\d)(?P<m>\d{1,2})\s*月\s*(?P<d>\d{1,2})\s*[日号]?",
        _MONTH + r"\s+(?P<d>\d{1,2})(?:st|nd|rd|th)?\b(?:,?\s+(?P<y>\d{4})\b)?",
        r"\b(?P<d>\d{1,2})(?:st|nd|rd|th)?\s+(?:of\s+)?" + _MONTH + r"(?:,?\s+(?P<y>\d{4})\b)?",
    )
)

_ZH_DIGITS = {sign: value for value, sign in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_ZH_NUMBER = re.compile(r"[一二两三四五六七八九]?十[一二三四五六七八九]?|[零〇一二两三四五六七八九]{1,8}")
_SPELT = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    seventeen eighteen nineteen twenty"""
NUMBER_WORDS = {word: value for value, word in enumerate(_SPELT.split())}
_EN_WORDS = re.compile(r"[a-z]+", re.IGNORECASE)

PartialDate = tuple[int | None, int, int]
"""Year, where it is said, month and day."""


def resolve_days(text: str, said: date) -> str:
    """`text` with relative days and years replaced by dates, seen from the day it was said."""
    text = _ZH.sub(lambda found: _zh(found.group(), said), text)
    return _EN.sub(lambda found: _en(found, said), text)


def relative_dates(text: str, said: date) -> set[date]:
    """The days that the relative words of `text` stand for."""
    words = [found.group() for found in _ZH.finditer(text)]
    words += [found["word"].lower() for found in _EN.finditer(text)]
    days = _ZH_DAYS | _EN_DAYS
    return {said + timedelta(days[word]) for word in words if word in days}


def relative_numbers(text: str, said: date) -> set[int]:
    """The years and months that the relative words of `text` stand for."""
    words = [found.group() for found in _ZH.finditer(text)]
    words += [found["word"].lower() for found in _EN.finditer(text)]
    years, spans = _ZH_YEARS | _EN_YEARS, _ZH_SPANS | _EN_SPANS
    found = {said.year + years[word] for word in words if word in years}
    return found.union(*(_month(said, spans[word]) for word in words if word in spans))


def named_dates(text: str) -> tuple[set[PartialDate], str]:
    """The dates that `text` spells out, and the text without them."""
    found: set[PartialDate] = set()
    for pattern in _DATES:
        matches = list(pattern.finditer(text))
        found |= {_partial(match) for match in matches}
        for match in reversed(matches):
            text = f"{text[: match.start()]} {text[match.end() :]}"
    return found, text


def numbers(text: str) -> set[int]:
    """The whole numbers in a text: digits, Chinese numerals below a hundred or read digit by digit, English words."""
    found = {int(digits) for digits in re.findall(r"\d{1,18}", text)}
    found |= {_zh_number(match.group()) for match in _ZH_NUMBER.finditer(text.replace("十分", " "))}
    return found | set(_en_numbers(text))


def in_words(day: date, *, chinese: bool) -> str:
    """`2026年11月20日` or `November 20, 2026`."""
    if chinese:
        return f"{day.year}年{day.month}月{day.day}日"
    return f"{calendar.month_name[day.month]} {day.day}, {day.year}"


def _month(said: date, offset: int) -> tuple[int, int]:
    """Year and month, so many months away."""
    year, month = divmod(said.year * 12 + said.month - 1 + offset, 12)
    return year, month + 1


def _zh(word: str, said: date) -> str:
    if word in _ZH_SPANS:
        return "{}年{}月".format(*_month(said, _ZH_SPANS[word]))
    if word in _ZH_YEARS:
        return f"{said.year + _ZH_YEARS[word]}年"
    hour = {"晚": "晚上", "早": "早上"}.get(word[-1], "")
    return in_words(said + timedelta(_ZH_DAYS[word]), chinese=True) + hour


def _en(found: re.Match[str], said: date) -> str:
    word = found["word"].lower()
    if word in _EN_SPANS:
        year, month = _month(said, _EN_SPANS[word])
        spelt, link = f"{calendar.month_name[month]} {year}", "in "
    elif word in _EN_YEARS:
        spelt, link = str(said.year + _EN_YEARS[word]), "in "
    else:
        spelt, link = in_words(said + timedelta(_EN_DAYS[word]), chinese=False), "on "
    link = "" if found["owner"] else link
    return f"{found['before'] or link}{spelt}{found['owner'] or ''}"


def _partial(match: re.Match[str]) -> PartialDate:
    groups = match.groupdict()
    month = int(groups["m"]) if groups.get("m") else _MONTHS[groups["month"].lower()]
    return (int(groups["y"]) if groups["y"] else None, month, int(groups["d"]))


def _zh_number(signs: str) -> int:
    if "十" not in signs:
        return int("".join(str(_ZH_DIGITS[sign]) for sign in signs))
    tens, _, ones = signs.partition("十")
    return (_ZH_DIGITS[tens] if tens else 1) * 10 + (_ZH_DIGITS[ones] if ones else 0)


def _en_numbers(text: str) -> Iterator[int]:
    for match in _EN_WORDS.finditer(text):
        word = match.group().lower()
        if word in NUMBER_WORDS:
            yield NUMBER_WORDS[word]
        elif word in _MONTHS and word != "may":
            yield _MONTHS[word]
