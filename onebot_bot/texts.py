"""The one catalogue of what people in QQ read from the bot itself, Chinese first, English beside it."""

import re
from collections.abc import Mapping
from typing import Literal

from onebot_bot.catalogue import (
    character,
    commands,
    guard,
    manners,
    night,
    own,
    owner,
    proactive,
    profiles,
    reading,
    rights,
    seen,
    stats,
    tags,
)

Language = Literal["zh", "en"]
_HAN = re.compile(r"[\u3400-\u9fff]")

_CATALOGUE: Mapping[str, tuple[str, str]] = {
    **seen.TEXTS,
    **reading.TEXTS,
    **commands.TEXTS,
    **manners.TEXTS,
    **guard.TEXTS,
    **character.TEXTS,
    **profiles.TEXTS,
    **own.TEXTS,
    **owner.TEXTS,
    **rights.TEXTS,
    **night.TEXTS,
    **proactive.TEXTS,
    **stats.TEXTS,
    **tags.TEXTS,
}


def language_of(text: str) -> Language:
    """Chinese when at least a fifth of a text is."""
    return "zh" if 5 * len(_HAN.findall(text)) >= len(text) else "en"


def say(language: Language, key: str, /, **values: object) -> str:
    """The text `key` in `language` with `values` filled in."""
    chinese, english = _CATALOGUE[key]
    return (chinese if language == "zh" else english).format(**values)
