"""The prompts file: the shipped one is whole, and a broken one says what is wrong where."""

from pathlib import Path
from typing import get_args

import pytest

from onebot_bot.errors import ConfigError
from onebot_bot.extraction.prompts import Prompts, load_prompts
from onebot_bot.texts import Language

SHIPPED = Path(__file__).parents[2] / "training" / "prompts.toml"
LANGUAGES: tuple[Language, ...] = get_args(Language)


@pytest.fixture
def prompts() -> Prompts:
    """The shipped prompts."""
    return load_prompts(SHIPPED)


def broken(tmp_path: Path, old: str, new: str) -> Path:
    """The shipped file with one thing changed."""
    text = SHIPPED.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "prompts.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


@pytest.mark.parametrize("language", LANGUAGES)
def test_there_are_twelve_different_phrases_of_each_kind(prompts: Prompts, language: Language) -> None:
    """Twelve before and twelve after a memory, none of them twice."""
    phrases = [*prompts.activation.of(language), *prompts.closing.of(language)]
    assert len(prompts.activation.of(language)) == len(prompts.closing.of(language)) == 12
    assert len(set(phrases)) == 24


def test_values_are_filled_in_once(prompts: Prompts) -> None:
    """What a person typed is not taken for a placeholder."""
    filled = prompts.extraction.fill("en", messages="[1] it costs $known {x}", known="nothing")
    assert "[1] it costs $known {x}" in filled
    assert "Known:\nnothing" in filled


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("$messages\n", "\n", "extraction.zh: `$messages` is missing"),
        ("请写出 $count 个", "请写出 6 个", "questions.zh: `$count` is missing"),
        ("QQ 聊天记录", "$ 聊天记录", "extraction.zh: a single `$`"),
        ("QQ 聊天记录", "$chat 聊天记录", "extraction.zh: `$chat` is unknown; known here: `$messages`, `$known`"),
        ("[closing]", "[closings]", "unknown field `closings`"),
        ("[closing]", "[closing]\nfr = []", "closing: Object contains unknown field `fr`"),
        ('    "Right, that was it.",', "    7,", "closing.en[0]: Expected `str`, got `int`"),
        ("[questions]", "[questions", "not valid TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    """File, key and what to do."""
    path = broken(tmp_path, old, new)
    with pytest.raises(ConfigError) as error:
        load_prompts(path)
    assert str(error.value).startswith(f"{path}: ")
    assert said in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """Not a traceback."""
    with pytest.raises(ConfigError, match=r"nothing\.toml does not exist"):
        load_prompts(tmp_path / "nothing.toml")
