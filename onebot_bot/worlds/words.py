"""The attributes of the generated worlds, read from the words of each language."""

from collections.abc import Iterable
from functools import cache
from random import Random
from typing import Literal

from msgspec import Struct

from onebot_bot.texts import Language
from onebot_bot.worlds import chinese, english, ordinary_chinese, ordinary_english

Part = Literal["train", "test"]
"""Which ways to say a thing: those that train, or those that nothing was ever trained on."""

Sort = Literal["name", "number", "date", "words"]
"""What a value is made of: figures are told apart by it, since names and numbers are hardest to read back."""


class Forms(Struct, frozen=True):
    """Ways to say one thing, in two sets that share none."""

    train: tuple[str, ...]
    test: tuple[str, ...]

    def of(self, part: Part) -> tuple[str, ...]:
        """The forms of `part`."""
        return self.train if part == "train" else self.test


class Attribute(Struct, frozen=True, kw_only=True):
    """What can be known of a person; forms hold `{n}` for the person and `{v}` or `{av}` for the value."""

    name: str
    lasts: Literal["fixed", "changes", "many"]
    """Never changes; one value at a time; several values at once."""
    values: str
    """Divided by `;`, or how to make one: `date`, `time`, `number LOW HIGH`."""
    sort: Sort
    phrase: str
    """What is asked for, as in "{n}'s birthday"."""
    statements: tuple[str, ...]
    said: tuple[str, ...]
    """The statement as the person makes it."""
    questions: Forms
    own: Forms
    """The person's own questions: who asks is in the line's name, not in the words."""
    before: Forms
    """About an older value, for what changes; `{d}` is a day on which it held."""


class Ordinary(Struct, frozen=True):
    """Turns that call for no memory; `mentions` hold `{n}`, `patterns` numbers (`{a}`, `{b}`) and the `slots`."""

    turns: Forms
    mentions: Forms
    patterns: Forms
    slots: dict[str, tuple[str, ...]]
    replies: tuple[str, ...]

    def fill(self, pattern: str, rng: Random) -> str:
        """The pattern with numbers and words in its places."""
        drawn = {name: rng.choice(words) for name, words in self.slots.items()}
        return pattern.format(a=rng.randint(2, 19), b=rng.randint(20, 99), **drawn)


@cache
def attributes(lang: Language) -> tuple[Attribute, ...]:
    """Every attribute of the language, in a fixed order."""
    text = chinese.ATTRIBUTES if lang == "zh" else english.ATTRIBUTES
    return tuple(_read(block.strip().splitlines(), lang) for block in text.strip().split("\n\n"))


@cache
def ordinary_words(lang: Language) -> Ordinary:
    """The ordinary turns of the language; every third only tests."""
    words = ordinary_chinese if lang == "zh" else ordinary_english
    turns, mentions, patterns = (_thirds(_items([text])) for text in (words.TURNS, words.MENTIONS, words.PATTERNS))
    slots = {name: _items([text]) for name, text in words.SLOTS.items()}
    return Ordinary(turns, mentions, patterns, slots, _items([words.REPLIES]))


def draw_value(rng: Random, attribute: Attribute, lang: Language) -> str:
    """A value of the attribute, as a statement names it."""
    match attribute.values.split():
        case ["date"]:
            return _draw_date(rng, lang)
        case ["time"]:
            return _draw_time(rng, lang)
        case ["number", low, high]:
            return str(rng.randint(int(low), int(high)))
        case _:
            return rng.choice([value.strip() for value in attribute.values.split(";")])


def fill(form: str, name: str, value: str = "", day: int = 0, phrase: str = "") -> str:
    """The form with its places filled: `{n}`, `{v}`, `{av}` (a value with its article), `{d}` and `{x}` (a phrase)."""
    article = "an" if value[:1].lower() in set("aeiou") else "a"
    return form.replace("{x}", phrase).format(n=name, v=value, av=f"{article} {value}", d=day)


def _read(lines: list[str], lang: Language) -> Attribute:
    name, lasts, values, phrase = (field.strip() for field in lines[0].split(" | "))
    marked = {mark: _items(line[len(mark) :] for line in lines if line.startswith(mark)) for mark in _MARKS}
    return Attribute(
        name=name,
        lasts=_LASTS[lasts],
        values=values,
        sort=_sort(name, values),
        phrase=phrase,
        statements=marked["= "],
        said=marked["i "],
        questions=Forms((*marked["? "], *_ask(lang, "train", phrase)), (*marked["! "], *_ask(lang, "test", phrase))),
        own=Forms(marked["m? "], marked["m! "]),
        before=Forms(_ask(lang, "train", phrase, before=True), _ask(lang, "test", phrase, before=True)),
    )


_MARKS = ("= ", "i ", "? ", "! ", "m? ", "m! ")
_LASTS: dict[str, Literal["fixed", "changes", "many"]] = {"fixed": "fixed", "changes": "changes", "many": "many"}


def _sort(name: str, values: str) -> Sort:
    if values.startswith("number"):
        return "number"
    if values in {"date", "time"}:
        return "date"
    return "name" if name in _NAMES else "words"


def _ask(lang: Language, part: Part, phrase: str, *, before: bool = False) -> tuple[str, ...]:
    """The ways to ask that fit any phrase."""
    words = chinese if lang == "zh" else english
    asked = Forms(words.BEFORE_TRAIN, words.BEFORE_TEST) if before else Forms(words.ASKED_TRAIN, words.ASKED_TEST)
    return tuple(form.replace("{x}", phrase) for form in asked.of(part))


def _items(lines: Iterable[str]) -> tuple[str, ...]:
    return tuple(item.strip() for line in lines for row in line.strip().splitlines() for item in row.split(" / "))


def _thirds(items: tuple[str, ...]) -> Forms:
    return Forms(tuple(item for at, item in enumerate(items) if at % 3 != 2), items[2::3])


def _draw_date(rng: Random, lang: Language) -> str:
    month = rng.randrange(12)
    day = rng.randint(1, _DAYS[month])
    return f"{month + 1}月{day}日" if lang == "zh" else f"{_MONTHS[month]} {day}"


def _draw_time(rng: Random, lang: Language) -> str:
    """A time of the evening, to five minutes."""
    hour, minute = rng.randint(8, 11), 5 * rng.randrange(12)
    return f"晚上{hour}点{minute:02d}分" if lang == "zh" else f"{hour}:{minute:02d} pm"


_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_NAMES = frozenset({"pet_name", "employer", "city", "hometown", "film", "book", "band", "sibling", "partner", "phone"})
