"""What the variables of a template stand for: who is talked with, where and when. Pure."""

import random
from datetime import date, datetime
from typing import Any

from msgspec import Struct

from onebot_bot.characters.persona import Persona
from onebot_bot.characters.templates import functions
from onebot_bot.texts import Language, say

LONGEST_NAME = 40
"""Characters of a name."""
PERIODS = ((5, "small_hours"), (9, "morning"), (11, "forenoon"), (13, "noon"), (18, "afternoon"), (23, "evening"))
"""Until which hour it is called so; from 23 on it is night."""


class Scene(Struct, frozen=True, kw_only=True):
    """One moment of a chat. Names are what people wrote: they are values, never templates."""

    now: datetime
    bot_id: int
    bot_name: str
    user_id: int
    """0: everybody in a group."""
    user_name: str = ""
    group_name: str = ""
    """Empty in private."""
    mood: str = ""
    """In words; empty: neutral."""


def variables(scene: Scene, persona: Persona, language: Language, draw: random.Random) -> dict[str, Any]:
    """The values of every variable, and the functions."""
    now = scene.now
    return {
        "user_name": one_line(scene.user_name)
        or (str(scene.user_id) if scene.user_id else say(language, "see.you_all")),
        "user_id": scene.user_id,
        "group_name": one_line(scene.group_name),
        "bot_name": one_line(scene.bot_name),
        "bot_id": scene.bot_id,
        "mood": scene.mood or say(language, "mood.neutral"),
        "date": f"{now:%Y-%m-%d}",
        "time": f"{now:%H:%M}",
        "weekday": say(language, f"weekday.{now.weekday()}"),
        "period": say(language, f"period.{period_of(now.hour)}"),
        "year": now.year,
        "month": now.month,
        "day": now.day,
        "hour": now.hour,
        "age": age(persona.birthday, now.date()) if persona.birthday is not None else "",
        **functions(draw),
    }


def one_line(name: str) -> str:
    """A name as it is told: on one line, and no longer than names are."""
    return " ".join(name.split())[:LONGEST_NAME]


def period_of(hour: int) -> str:
    """What that part of a day is called."""
    return next((name for until, name in PERIODS if hour < until), "night")


def age(birthday: date, today: date) -> int:
    """Whole years."""
    return today.year - birthday.year - ((today.month, today.day) < (birthday.month, birthday.day))
