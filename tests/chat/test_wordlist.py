"""Word lists: what is found in which texts, and what a file may hold."""

from pathlib import Path

import pytest

from onebot_bot.chat.wordlist import LONGEST, MOST_BYTES, MOST_PATTERNS, parse_words, read_words
from onebot_bot.errors import ConfigError

LIST = Path("words.txt")


@pytest.mark.parametrize(
    ("words", "text", "line"),
    [
        ("敏感词", "这是敏感词吗", 1),
        ("敏感词", "这是敏\u200b感\u2060词吗", 1),
        ("敏感词", "这是敏 感\n词吗", 1),
        ("敏感词", "敏感的词", None),
        ("vpn", "ＶＰＮ 多少钱", 1),
        ("ass", "a class act", None),
        ("ass", "what an ASS!", 1),
        ("# 说明\n\n赌\n", "去赌一把", 3),
        ("a\nab", "x ab", 2),
        (r"/加.{0,3}微信/", "加我微信", 1),
        (r"/\d{11}/", "电话 13800138000", 1),
        ("", "随便", None),
    ],
)
def test_words_are_found_however_they_are_written(words: str, text: str, line: int | None) -> None:
    """In any width and case, with invisible signs or spaces between; Latin ones as whole words."""
    assert parse_words(words, LIST).find(text) == line


def test_many_words_are_found_quickly() -> None:
    """By their beginnings, not one by one."""
    words = parse_words("\n".join(f"词{number}号" for number in range(20_000)), LIST)
    assert words.find("没有" * 2000 + "词19999号") == 20_000


def test_a_pattern_that_takes_too_long_counts_as_found() -> None:
    """The loop is held a tenth of a second at most, and a text that was not searched through does not pass."""
    words = parse_words(r"/(?:a|b|ab)*(?:c|d)(?:a|b|ab)*e(?<=x(?:a|b|ab)*)/" + "\n" + r"/(.*a){12}b/", LIST)
    assert words.find("ab" * 4000) is not None


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("好\n/(/", "words.txt, line 2: not a regular expression"),
        ("x" * (LONGEST + 1), "words.txt, line 1: longer than"),
        ("/a/\n" * (MOST_PATTERNS + 1), "patterns"),
    ],
)
def test_a_bad_list_is_refused(text: str, fix: str) -> None:
    """With the file, the line and what to do."""
    with pytest.raises(ConfigError) as caught:
        parse_words(text, LIST)
    assert fix in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Missing, in another encoding, or too large."""
    path = tmp_path / "words.txt"
    with pytest.raises(ConfigError, match=r"words\.txt"):
        read_words(path)
    path.write_bytes("敏感".encode("gbk"))
    with pytest.raises(ConfigError, match="UTF-8"):
        read_words(path)
    path.write_bytes(b"a" * (MOST_BYTES + 1))
    with pytest.raises(ConfigError, match="larger than"):
        read_words(path)


def test_a_file_saved_by_notepad_is_read(tmp_path: Path) -> None:
    """With a byte-order mark in front."""
    path = tmp_path / "words.txt"
    path.write_text("敏感\n", encoding="utf-8-sig")
    assert read_words(path).find("敏感") == 1
