"""Answers that a model was talked into, as pictures: drawn or refused, and soon."""

from random import Random

import pytest
from hostile import soon

from bench import fuzz_files
from onebot_bot.rendering.markup import typst_body

MOST = 4000
"""Characters of an answer that becomes a picture at most."""


@pytest.mark.parametrize(
    "text",
    [
        "`",
        "[",
        "![a](",
        "*a **b ",
        ">",
        "- ",
        "$$\n",
        "\\(",
        "\\[a",
        "$a ",
        "<",
        "|a",
        "1. ",
        "#",
        "~",
        "&#0;",
        "[a]: <",
        "\t",
    ],
)
def test_markdown_of_any_making_is_read_soon(text: str) -> None:
    """What opens and never closes, as often as there is room; also in a table and in a list."""
    for before in ("", "|a|b|\n|-|-|\n", "- "):
        with soon():
            typst_body(before + (text * MOST)[:MOST])


def test_a_slice_of_the_fuzzing_finds_nothing() -> None:
    """The bench's own cases, other ones."""
    for number in range(80):
        with soon():
            fuzz_files.write_markup(Random(f"test/{number}"))  # noqa: S311 - a game
