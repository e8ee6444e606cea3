"""From what is typed in the console to orders."""

from pathlib import Path

import pytest

from onebot_bot.cli import console_commands
from onebot_bot.cli.console_commands import (
    Become,
    Enter,
    Mention,
    Order,
    Quit,
    Quote,
    Say,
    Show,
    Switch,
    parse_line,
    read_picture,
    shown_size,
)
from onebot_bot.errors import CommandError


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("你好 ", Say("你好")),
        ("/help", Say("/help")),
        (":)", Say(":)")),
        (":D", Say(":D")),
        (" :quit", Say(":quit")),
        ("  ", None),
        (":quit", Quit()),
        ("：quit", Quit()),
        (":as 10002", Become(10002, "10002")),
        (":as 10002  小 红", Become(10002, "小 红")),
        (":group 20001", Enter(20001)),
        (":private", Enter(0)),
        (":at", Mention("")),
        (":at a b", Mention("a b")),
        (":reply 5 b", Quote("5 b")),
        (":image a.png", Show(Path("a.png"), "")),
        (":image a.png b c", Show(Path("a.png"), "b c")),
        (":image 'a b.png' c", Show(Path("a b.png"), "c")),
        (":trace on", Switch("trace", on=True)),
        (":raw off", Switch("raw", on=False)),
        (":raw", Switch("raw", on=None)),
    ],
)
def test_a_line_is_an_order(line: str, expected: Order | None) -> None:
    """Faces are no commands, and a space before a colon makes it words."""
    assert expected == parse_line(line, "zh")


@pytest.mark.parametrize("line", [":as", ":as 小红", ":group", ":group 0", ":reply", ":image", ":trace perhaps"])
def test_what_a_command_does_not_take_is_answered_with_its_usage(line: str) -> None:
    """The usage starts with the command itself."""
    with pytest.raises(CommandError, match=f"^用法：{line.split(maxsplit=1)[0]} "):
        parse_line(line, "zh")


def test_an_unknown_command_has_a_hint_only_if_one_is_near() -> None:
    """In either language."""
    with pytest.raises(CommandError, match="Did you mean :group"):
        parse_line(":grup 1", "en")
    with pytest.raises(CommandError) as caught:
        parse_line(":zzz", "en")
    assert "Did you mean" not in str(caught.value)


def test_a_file_that_is_no_picture_is_refused(tmp_path: Path) -> None:
    """Text, nothing, a folder, and nothing at all."""
    path = tmp_path / "a.png"
    path.write_bytes(b"words")
    with pytest.raises(CommandError, match="不是图片"):
        read_picture(path, "zh")
    for other in (tmp_path, tmp_path / "none.png", Path("~no-such-user-here/a.png")):
        with pytest.raises(CommandError, match="找不到文件"):
            read_picture(other, "zh")


def test_a_large_picture_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its size and the limit."""
    monkeypatch.setattr(console_commands, "LARGEST_PICTURE", 2048)
    path = tmp_path / "a.png"
    path.write_bytes(bytes(5000))
    with pytest.raises(CommandError, match=r"5 KiB.*2 KiB"):
        read_picture(path, "zh")


@pytest.mark.parametrize(("count", "expected"), [(5, "5 B"), (12_300, "12 KiB"), (3 * 2**19, "1.5 MiB")])
def test_sizes_are_for_people(count: int, expected: str) -> None:
    """Three units are enough."""
    assert expected == shown_size(count)
