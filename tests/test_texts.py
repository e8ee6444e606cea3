"""onebot_bot.texts."""

import pytest

from onebot_bot.texts import language_of


@pytest.mark.parametrize(
    ("text", "language"), [("Ann has a cat.", "en"), ("小明养了一只猫。", "zh"), ("小明 uses Arch Linux", "en")]
)
def test_the_language_is_what_most_of_it_is(text: str, language: str) -> None:
    """A Chinese name in an English sentence does not make it Chinese."""
    assert language == language_of(text)
