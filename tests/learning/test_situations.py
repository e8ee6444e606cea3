"""onebot_bot.learning.situations."""

import pytest
from tiny import PROMPTS, rng

from onebot_bot.errors import ModelError
from onebot_bot.extraction.prompts import load_prompts
from onebot_bot.learning.situations import (
    filtered,
    situations_by_model,
    situations_from_forms,
)


@pytest.mark.parametrize(
    ("text", "name", "answer"),
    [
        ("Ann collects old stamps from Peru.", "Ann", "Peru"),
        ("小明的车停在北京路。", "小明", "北京路"),
        ("Ann's boat is called Mary Lou.", "Ann", "Lou"),
    ],
)
def test_forms_ask_by_name_and_keep_the_answer(text: str, name: str, answer: str) -> None:
    """For texts of no known form: cues made of their own words."""
    said = situations_from_forms(text, rng())
    assert len(said) >= 6
    assert any(name in words for words in said)
    assert not any(answer in words or text in words for words in said)


def test_a_known_form_is_asked_for_with_its_questions() -> None:
    """About the same person, each of them a question of the training pool."""
    said = situations_from_forms("Ann has a dog.", rng())
    assert said
    assert all("dog" not in words for words in said)


@pytest.mark.parametrize("text", ["!!!", "ok", "好"])
def test_a_text_without_words_is_asked_for_with_itself(text: str) -> None:
    """There is always a situation: the gate asks for every memory."""
    assert situations_from_forms(text, rng())


def test_the_same_memory_gets_the_same_situations() -> None:
    """A night that goes on after a kill trains on what it began with."""
    text = "Ann collects old stamps from Peru."
    assert situations_from_forms(text, rng()) == situations_from_forms(text, rng())


def test_what_gives_the_answer_away_is_left_out() -> None:
    """And numbers, quotation marks, repetitions and essays."""
    lines = ['1. "What pet does Ann have?"', "- What pet does Ann have?", "Ann has a cat, right?", "", "x", "y" * 200]
    assert filtered(lines, "Ann has a cat.") == ["What pet does Ann have?"]


async def test_the_model_writes_situations() -> None:
    """Asked with the memory; what it fails at is left to the forms."""
    asked: list[str] = []

    async def ask(prompt: str) -> str:
        asked.append(prompt)
        if len(asked) == 2:
            raise ModelError("out of memory")
        return "Does Ann like animals?\nWhat pet does Ann have?"

    prompts = load_prompts(PROMPTS)
    assert await situations_by_model("Ann has a cat.", ask, prompts, 1) == ["Does Ann like animals?"]
    assert await situations_by_model("Ann has a cat.", ask, prompts, 1) == []
    assert "Ann has a cat." in asked[0]
