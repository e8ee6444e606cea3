"""Days in words."""

from datetime import date

import pytest

from onebot_bot.extraction.days import PartialDate, named_dates, numbers, relative_dates, relative_numbers, resolve_days

SAID = date(2026, 11, 20)


@pytest.mark.parametrize(
    ("text", "resolved"),
    [
        ("小明昨天去爬山了", "小明2026年11月19日去爬山了"),
        ("前天和大前天", "2026年11月18日和2026年11月17日"),
        ("今晚吃火锅", "2026年11月20日晚上吃火锅"),
        ("大后天考试，后天复习", "2026年11月23日考试，2026年11月22日复习"),
        ("明年结婚", "2027年结婚"),
        ("Ann saw a film yesterday", "Ann saw a film on November 19, 2026"),
        ("she is away until tomorrow", "she is away until November 21, 2026"),
        ("The day after tomorrow is fine", "on November 22, 2026 is fine"),
        ("Ann passed today's exam", "Ann passed November 20, 2026's exam"),
        ("她下个月搬家", "她2026年12月搬家"),
        ("She moves next month", "She moves in December 2026"),
        ("She moved last year", "She moved in 2025"),
        ("nothing to see", "nothing to see"),
    ],
)
def test_relative_days_become_dates(text: str, resolved: str) -> None:
    """Seen from the day on which it was said."""
    assert resolve_days(text, SAID) == resolved


def test_the_turn_of_the_year_is_no_obstacle() -> None:
    """Tomorrow of December 31 is in the next year."""
    assert resolve_days("明天放假", date(2026, 12, 31)) == "2027年1月1日放假"


def test_relative_words_are_collected() -> None:
    """Days and years apart, in both languages."""
    assert relative_dates("昨天 tomorrow 去年", SAID) == {date(2026, 11, 19), date(2026, 11, 21)}
    assert relative_numbers("去年 and next year", SAID) == {2025, 2027}
    assert relative_numbers("下个月", date(2026, 12, 5)) == {2027, 1}


@pytest.mark.parametrize(
    ("text", "dates"),
    [
        ("生日是3月14日", {(None, 3, 14)}),
        ("2026年3月14号", {(2026, 3, 14)}),
        ("on 2026-03-14.", {(2026, 3, 14)}),
        ("March 14th, 2026", {(2026, 3, 14)}),
        ("the 14th of March", {(None, 3, 14)}),
        ("Sept. 3", {(None, 9, 3)}),
        ("20 cats", set()),
    ],
)
def test_dates_are_found_and_taken_out(text: str, dates: set[PartialDate]) -> None:
    """In the ways that people write them."""
    found, rest = named_dates(text)
    assert found == dates
    assert named_dates(rest)[0] == set()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("三月十四", {3, 14}),
        ("二十一岁", {21}),
        ("两只猫, 20 dogs and three birds", {2, 20, 3}),
        ("March 5th", {3, 5}),
        ("二〇二六", {2026}),
        ("none at all", set()),
    ],
)
def test_numbers_are_read_in_both_languages(text: str, expected: set[int]) -> None:
    """Digits, numerals and words."""
    assert numbers(text) == expected
