"""training/prompts.toml: what the model is told when it learns, and the words around a memory in its thinking."""

import re
import tomllib
from pathlib import Path
from string import Template
from typing import Annotated, get_args

import msgspec
from msgspec import Meta, Struct

from onebot_bot.config import read_text
from onebot_bot.errors import ConfigError
from onebot_bot.texts import Language

Words = Annotated[str, Meta(min_length=1)]
Phrases = Annotated[tuple[Words, ...], Meta(min_length=1)]

WRONG = "OB-1003"
"""The id of a file of prompts that cannot be used."""

REQUIRED = {"extraction": ("messages", "known"), "questions": ("memory", "count")}
"""What the program fills in, by section."""


class Prompt(Struct, frozen=True, forbid_unknown_fields=True):
    """One prompt in both languages."""

    zh: Words
    en: Words

    def fill(self, language: Language, **values: object) -> str:
        """The prompt in `language` with its `$names` filled in; what is filled in is not looked at again."""
        return Template(self.zh if language == "zh" else self.en).substitute(values).strip()


class PhraseBook(Struct, frozen=True, forbid_unknown_fields=True):
    """Phrases of one purpose in both languages."""

    zh: Phrases
    en: Phrases

    def of(self, language: Language) -> tuple[str, ...]:
        """Those of a language."""
        return self.zh if language == "zh" else self.en


class Prompts(Struct, frozen=True, forbid_unknown_fields=True):
    """The file."""

    extraction: Prompt
    """Asks for the facts in a piece of chat."""
    questions: Prompt
    """Asks for situations that call for a memory."""
    activation: PhraseBook
    """What stands before `<recall>`."""
    closing: PhraseBook
    """What stands after `</recall>`."""


def load_prompts(path: Path) -> Prompts:
    """Read and check a prompts file.

    Raises:
        ConfigError: it is missing or not TOML, a key is missing, unknown or of another type, or a prompt lacks one
            of its `$names`.
    """
    try:
        prompts = msgspec.convert(tomllib.loads(read_text(path)), Prompts)
    except msgspec.ValidationError as error:  # a ValueError, too
        raise ConfigError(f"{path}: {_explained(str(error))}", code=WRONG) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}. Mend that line and save again.", code=WRONG) from error
    for section, names in REQUIRED.items():
        for language in get_args(Language):
            _check(path, f"{section}.{language}", getattr(getattr(prompts, section), language), names)
    return prompts


def _check(path: Path, key: str, text: str, names: tuple[str, ...]) -> None:
    template = Template(text)
    if not template.is_valid():
        raise ConfigError(f"{path}: {key}: a single `$` stands in it. Write `$$` for a dollar sign.", code=WRONG)
    found = template.get_identifiers()
    for name in names:
        if name not in found:
            raise ConfigError(f"{path}: {key}: `${name}` is missing. Put it where that belongs.", code=WRONG)
    for name in found:
        if name not in names:
            known = ", ".join(f"`${known}`" for known in names)
            raise ConfigError(f"{path}: {key}: `${name}` is unknown; known here: {known}.", code=WRONG)


def _explained(message: str) -> str:
    """The key first: `closing.en: Expected array, got str`."""
    where = re.search(r" - at `\$\.?(.*?)`$", message)
    return f"{where.group(1)}: {message[: where.start()]}" if where and where.group(1) else message
