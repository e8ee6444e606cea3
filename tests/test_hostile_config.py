"""Configuration and persona files of any content: taken, or an error that names the file."""

from pathlib import Path
from random import Random
from typing import Any

import pytest
from hostile import soon

from bench import fuzz_files
from onebot_bot.characters.persona import parse_persona
from onebot_bot.config import parse_config
from onebot_bot.errors import ConfigError, PersonaError


@pytest.mark.parametrize("value", ["9" * 5000, "[" * 3000, "{a=" * 3000, "nan", "[[]]", "'''", '"\\ud800"'])
def test_a_value_that_no_file_has_is_named(value: str) -> None:
    """Numbers of thousands of digits, lists as deep; found by bench/fuzz.py."""
    with pytest.raises(ConfigError, match=r"^a\.toml: "):
        parse_config(f"[chat]\ntalk_value = {value}\n", Path("a.toml"))
    with pytest.raises(PersonaError, match=r"^a\.md"):
        parse_persona(f"+++\nname = {value}\n+++\nhi", "a.md", "a")


@pytest.mark.parametrize("target", [fuzz_files.load_configs, fuzz_files.load_personas], ids=lambda f: f.__name__)
def test_a_slice_of_the_fuzzing_finds_nothing(target: Any) -> None:
    """The bench's own cases, other ones."""
    for number in range(150):
        with soon():
            target(Random(f"test/{number}"))  # noqa: S311 - a game
