"""The one catalogue of what people in QQ read from the bot itself, Chinese first, English beside it."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

from onebot_bot.catalogue import (
    backup,
    character,
    commands,
    failures,
    faults,
    guard,
    importing,
    manners,
    night,
    own,
    owner,
    proactive,
    profiles,
    reading,
    refusals,
    rights,
    running,
    seen,
    stats,
    tags,
)
from onebot_bot.catalogue.failures import Failure
from onebot_bot.errors import with_id

Language = Literal["zh", "en"]
_HAN = re.compile(r"[\u3400-\u9fff]")

_CATALOGUE: Mapping[str, tuple[str, str]] = {
    **seen.TEXTS,
    **backup.TEXTS,
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
    **running.TEXTS,
    **importing.TEXTS,
}

FAILURES: Mapping[str, Failure] = {**failures.FAILURES, **faults.FAILURES, **refusals.FAILURES}
"""Every failure that a person can meet, by its id."""


@lru_cache(maxsize=64)  # of the same few prompts it is asked several times a turn
def language_of(text: str) -> Language:
    """Chinese when at least a fifth of a text is."""
    return "zh" if 5 * len(_HAN.findall(text)) >= len(text) else "en"


def say(language: Language, key: str, /, **values: object) -> str:
    """The text `key` in `language` with `values` filled in; one that tells of a failure ends with its id."""
    return with_id(words(language, key, **values), id_of_text(key))


def words(language: Language, key: str, /, **values: object) -> str:
    """The text `key` without an id."""
    return template(language, key).format(**values)


def template(language: Language, key: str) -> str:
    """The text `key` as it is written, with what is filled in still in braces."""
    chinese, english = _CATALOGUE[key]
    return chinese if language == "zh" else english


def id_of_text(key: str) -> str:
    """The id of the failure that a text tells of; empty when it tells of none."""
    return refusals.IDS.get(key, refusals.USAGE if key.endswith(".usage") else "")


def next_step(language: Language, code: str) -> str:
    """What to do about the failure with this id."""
    chinese, english = FAILURES[code].step
    return chinese if language == "zh" else english
