"""`onebot-bot import` from its arguments to the record, in a folder of its own."""

import argparse
import io
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from onebot_bot.__main__ import main
from onebot_bot.cli.importing import add_import_arguments, main_import, make_job
from onebot_bot.errors import CommandError, StoreError
from onebot_bot.memory.database import Database

NOON = 1_700_000_000

SHOWN = """\
文件    {file} (1.2 kB)
会话    周末爬山群
导入到  10001/group/20002
时间    2023-11-15 至 2023-12-15（Asia/Shanghai）
消息    5 条：5 条是新的，0 条已有记录

说话的人：
  3  阿澈 (30003)
  1  小忆 (10001)  ← 作为机器人自己说的话
  1  Wang (40004)

不导入：3 条
  2  已撤回（export.json, entry 6; export.json, entry 7）
  1  没有时间，或时间不可能（export.json, entry 8）

最早：
  2023-11-15 06:13  阿澈  周六去爬山吗？
  2023-11-15 06:14  小忆  好呀，几点？
  2023-11-15 06:15  阿澈  [图片]

最晚：
  2023-11-15 06:16  Wang  第一行 第二行[31m
  2023-12-15 06:13  阿澈  很长很长很长很长很长很长很长很长很长很长很长很长…

"""


def entry(seconds: int, uin: int, name: str, text: str, **more: Any) -> dict[str, Any]:
    """One message of an export."""
    return {
        "timestamp": (NOON + seconds) * 1000,
        "sender": {"uin": str(uin), "name": name},
        "content": {"text": text},
        **more,
    }


ENTRIES = [
    entry(0, 30003, "阿澈", "周六去爬山吗？"),
    entry(60, 10001, "小忆", "好呀，几点？"),
    entry(120, 30003, "阿澈", "[图片: a.jpg]"),
    entry(180, 40004, "Wang", "第一行\n第二行\x1b[31m"),
    entry(2_592_000, 30003, "阿澈", "很长" * 30),
    entry(1, 30003, "阿澈", "x", recalled=True),
    entry(2, 30003, "阿澈", "y", recalled=True),
    entry(0, 30003, "阿澈", "z", timestamp=5),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bot's folder with an export in it."""
    (tmp_path / "config.toml").write_text("version = 1\n", "utf-8")
    chat = {"name": "周末爬山群", "type": "group"}
    body = json.dumps({"chatInfo": chat, "messages": ENTRIES}, ensure_ascii=False)
    (tmp_path / "export.json").write_text(body, "utf-8")
    return tmp_path


def arguments(folder: Path, *more: str, chat: str = "group/20002") -> list[str]:
    """The command line."""
    config = ["--config", str(folder / "config.toml")]
    return [str(folder / "export.json"), "--account", "10001", "--chat", chat, *config, *more]


def parsed(folder: Path, *more: str, chat: str = "group/20002") -> argparse.Namespace:
    """The arguments, read."""
    parser = argparse.ArgumentParser()
    add_import_arguments(parser)
    return parser.parse_args(arguments(folder, *more, chat=chat))


def stored(folder: Path) -> list[tuple[str, str]]:
    """Role and text of what is on record."""
    connection = sqlite3.connect(folder / "memory_store" / "memory.sqlite3")
    try:
        return connection.execute("SELECT role, text FROM messages ORDER BY placed, id").fetchall()
    finally:
        connection.close()


async def test_the_preview_is_exact(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything is shown, and with no for an answer nothing is written."""
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert await main_import(parsed(folder)) == 1
    out = capsys.readouterr().out
    expected = SHOWN.format(file=folder / "export.json")
    assert out == f"{expected}导入这 5 条消息吗？[y/N] n\n没有写入任何内容。\n"
    assert stored(folder) == []


async def test_yes_writes_and_says_what_comes_next(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a yes the messages are on record; the printout says where the memories come from."""
    monkeypatch.setattr("sys.stdin", io.StringIO("Y\n"))
    assert await main_import(parsed(folder)) == 0
    assert "已导入 5 条消息" in (out := capsys.readouterr().out)
    assert "/learn now" in out
    assert [role for role, _ in stored(folder)] == ["user", "assistant", "user", "user", "user"]


async def test_again_there_is_nothing_to_import(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The second run asks nothing and adds nothing, and --yes asked nothing either."""
    assert await main_import(parsed(folder, "--yes")) == 0
    assert "y/N" not in capsys.readouterr().out
    assert await main_import(parsed(folder)) == 0
    assert capsys.readouterr().out.endswith("全部已有记录，没有要导入的。\n")
    assert len(stored(folder)) == 5


async def test_nobody_there_to_answer_is_no(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the end of the input nothing is written, and --yes is named, in the language of the bot."""
    (folder / "config.toml").write_text('version = 1\n[bot]\nlanguage = "en"\n', "utf-8")
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert await main_import(parsed(folder)) == 1
    assert "add --yes to import" in capsys.readouterr().out
    assert stored(folder) == []


async def test_me_names_whose_lines_are_the_bots(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody else's lines may become the bot's; when nobody's do, the printout says how."""
    await main_import(parsed(folder, "--yes", "--me", "40004"))
    assert ("assistant", "第一行\n第二行[31m") in stored(folder)
    out = capsys.readouterr().out
    assert "Wang (40004)  ← 作为" in out
    assert "--me" not in out
    await main_import(parsed(folder, "--yes", "--me", "99999", chat="group/20003"))
    assert "--me QQ号" in capsys.readouterr().out


async def test_many_people_are_summed_up(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A large group's preview names the dozen who say most."""
    crowd = [entry(n, 50_000 + n, f"p{n}", "hi") for n in range(1500)]
    (folder / "export.json").write_text(json.dumps({"messages": crowd}), "utf-8")
    await main_import(parsed(folder, "--yes"))
    out = capsys.readouterr().out
    assert "\n  1,488  另外 1,488 人\n" in out
    assert "消息    1,500 条：1,500 条是新的" in out


async def test_a_running_bot_is_in_the_way(folder: Path) -> None:
    """The record belongs to the bot while it runs: the error says to stop it."""
    async with Database(folder / "memory_store" / "memory.sqlite3"):
        with pytest.raises(StoreError, match=r"in use by another bot \(process \d+\)\. Stop that one"):
            await main_import(parsed(folder, "--yes"))


@pytest.mark.parametrize("chat", ["20002", "group/abc", "guild/5"])
def test_a_chat_that_is_none_is_explained(folder: Path, chat: str) -> None:
    """The error shows how a chat is written."""
    with pytest.raises(CommandError, match="--chat group/20002"):
        make_job(parsed(folder, chat=chat), "zh")


def test_a_time_zone_that_is_none_is_explained(folder: Path) -> None:
    """The error shows how a time zone is written."""
    with pytest.raises(CommandError, match="Write one like Asia/Shanghai"):
        make_job(parsed(folder, "--timezone", "Mars"), "zh")


def test_the_command_line_has_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`onebot-bot import` runs, and what goes wrong is one line."""
    assert main(["import", *arguments(folder, "--yes")]) == 0
    assert main(["import", *arguments(folder, chat="private/5")]) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"onebot-bot: {folder / 'export.json'} is the export of group")
    assert told.endswith("[OB-1701]\n")
