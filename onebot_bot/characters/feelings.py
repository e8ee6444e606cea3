"""Emotions and moods, pure: what the bot says it feels moves its mood, and time takes it back to neutral."""

import math
import re
from collections.abc import Collection, Mapping

from msgspec import Struct

from onebot_bot.memory.moods import Mood
from onebot_bot.texts import Language, say

WEIGHT = 0.35
"""How far one answer moves the mood towards what was felt."""
NOTICED = 0.12
"""A mood nearer to neutral than this is none."""
STRONG, OVERWHELMING = 0.4, 0.65
"""From here on it is more than a little, and very much."""
DIRECTIONS = ("pleased", "elated", "lively", "agitated", "displeased", "dejected", "tired", "content")
"""Eighths of the circle of pleasure (to the right) and energy (up), from the right, counter-clockwise: Russell's
circumplex model of affect (1980)."""


class Feeling(Struct, frozen=True):
    """Where an emotion lies between unpleasant and pleasant, tired and lively, each from -1 to 1."""

    pleasure: float
    energy: float


DEFAULT_EMOTIONS: Mapping[str, Feeling] = {
    "平静": Feeling(0.0, 0.0),
    "开心": Feeling(0.7, 0.2),
    "兴奋": Feeling(0.7, 0.9),
    "害羞": Feeling(0.3, 0.3),
    "温柔": Feeling(0.5, -0.3),
    "好奇": Feeling(0.3, 0.5),
    "惊讶": Feeling(0.1, 0.7),
    "无奈": Feeling(-0.3, -0.2),
    "难过": Feeling(-0.7, -0.4),
    "生气": Feeling(-0.7, 0.7),
    "担心": Feeling(-0.4, 0.4),
    "困": Feeling(0.0, -0.7),
}
"""Of a persona file that names none; the first is the one it is without reason."""


# --- emotions ------------------------------------------------------------------------------------------------------

_TAG = re.compile(r"[\[［【][ \t]*([^\s\[\]［］【】]{1,16})[ \t]*[\]］】](?!\()[ \t]*")
"""A bracketed word; one with an address behind it is a link."""
_CUT_OFF = re.compile(r"[\[［【][ \t]*([^\s\[\]［］【】]{0,16})\Z")


def take_emotion(said: str, known: Collection[str], spared: Collection[str] = ()) -> tuple[str, str]:
    """The emotion that an answer tells, and the answer without its tags.

    The first known tag counts; empty when there is none. A bracketed word that is not known is taken away where it
    stands at the very beginning, in an emotion's place, and is none of `spared`; elsewhere it is part of what is said.
    """
    if not known:
        return "", said
    felt = [match[1] for match in _TAG.finditer(said) if match[1] in known]
    words = _TAG.sub(lambda match: "" if match[1] in known else match[0], said)
    first = _TAG.match(words.lstrip())
    if not felt and first is not None and first[1].isalpha() and first[1] not in spared:
        words = words.lstrip()[first.end() :]
    if (cut := _CUT_OFF.search(words)) is not None and any(name.startswith(cut[1]) for name in known):
        words = words[: cut.start()]  # the answer ended in the middle of a tag
    return (felt[0] if felt else ""), words.strip()


def tagged(emotion: str, text: str) -> str:
    """An answer as the model writes it: behind its emotion."""
    return f"[{emotion}]{text}"


# --- moods ---------------------------------------------------------------------------------------------------------


def faded(mood: Mood, now: float, half_life: float) -> Mood:
    """The mood as it is at unix second `now`: half of it is gone every `half_life` seconds."""
    rest = 0.5 ** (max(0.0, now - mood.changed) / half_life)
    return Mood(mood.pleasure * rest, mood.energy * rest, now, mood.emotion)


def moved(mood: Mood, emotion: str, feeling: Feeling) -> Mood:
    """The mood, already faded to this moment, after something was felt."""
    return Mood(
        mood.pleasure + WEIGHT * (feeling.pleasure - mood.pleasure),
        mood.energy + WEIGHT * (feeling.energy - mood.energy),
        mood.changed,
        emotion,
    )


def in_words(mood: Mood, language: Language) -> str:
    """`有点开心`, `very agitated`; empty when it is neutral."""
    strength = math.hypot(mood.pleasure, mood.energy)
    if strength < NOTICED:
        return ""
    eighth = round(math.atan2(mood.energy, mood.pleasure) / (math.pi / 4)) % 8
    degree = "slight" if strength < STRONG else "strong" if strength < OVERWHELMING else "very"
    return say(language, f"mood.{degree}", mood=say(language, f"mood.{DIRECTIONS[eighth]}"))
