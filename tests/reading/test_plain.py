"""Plain text: encodings, and what is cleaned out of it."""

import pytest
from documents import LIMITS

from onebot_bot.errors import ReadingError
from onebot_bot.reading.extract import Extract, Limits
from onebot_bot.reading.plain import decode, read_plain


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("今天的会议，大家好。", "utf-8"),
        ("今天的会议，大家好。", "utf-8-sig"),
        ("今天的会议，大家好。", "utf-16"),
        ("今天的会议，大家好。", "gb18030"),
        ("你好", "gb18030"),
        ("姓名,年龄,电话\n张三,3,10086\n", "gb18030"),
        ("今天的會議，這是繁體中文。", "big5"),
        ("これは日本語のテキストです。", "cp932"),
        ("Café déjà vu, naïve", "cp1252"),
        ("plain", "ascii"),
    ],
)
def test_the_encoding_is_found_out(text: str, encoding: str) -> None:
    """Short texts too: files from Windows in China are GBK and do not say so."""
    assert decode(text.encode(encoding)) == text


def test_what_a_server_says_helps() -> None:
    """Unless it is wrong, or no encoding of texts at all."""
    assert decode("Привет".encode("koi8-r"), "koi8-r") == "Привет"
    for wrong in ("hex", "zlib", "no-such", "ascii"):
        assert decode("你好".encode(), wrong) == "你好"


def test_what_is_no_text_is_told() -> None:
    """A program that somebody called .txt."""
    with pytest.raises(ReadingError) as caught:
        read_plain(b"MZ\x90\0\x03\0\0\0", LIMITS)
    assert caught.value.reason == "kind"


def test_nothing_unseen_is_left() -> None:
    """Controls, marks that turn the writing round, private characters; one kind of line break, no long gaps."""
    text = "a\r\nb\x0bc\u2028d\x1b[31m\u202egnp.exe\u200b\ue000\n\n \n\ne          f\t"
    assert read_plain(text.encode(), LIMITS) == Extract("a\nb\nc\nd[31mgnp.exe\n\ne  f")


def test_a_long_text_is_cut() -> None:
    """To the character."""
    assert read_plain("字".encode() * 300, Limits(1, 200)) == Extract("字" * 200, cut=True)
    assert not read_plain("字".encode() * 200, Limits(1, 200)).cut
