"""Piles of marks on letters."""

import unicodedata

import pytest
from hostile import soon

from onebot_bot.marks import MOST, legible, without_piles


@pytest.mark.parametrize("text", ["", "abc", "你好", "e\u0301", "ที่นี่", "שָׁלוֹם", "a" + "\u0301" * MOST, "👨‍👩‍👧"])
def test_what_people_write_stays(text: str) -> None:
    """Of every language."""
    assert without_piles(text) == text


def test_piles_are_cut_down() -> None:
    """Of any mark, and then normal forms are quick."""
    marks = "".join(chr(code) for code in range(0x110000) if unicodedata.combining(chr(code)))
    with soon():
        kept = without_piles(f"a{marks * 40}b")
        unicodedata.normalize("NFKC", kept)
    assert kept == f"a{marks[:MOST]}b"


def test_control_characters_are_left_out_and_white_space_stays() -> None:
    """Nobody types them, and terminals obey them."""
    assert legible("a\x00b\x1b[2Jc\x7f\n\td\r\ve\u3000f\u200d") == "ab[2Jc\n\td\r\ve\u3000f\u200d"
