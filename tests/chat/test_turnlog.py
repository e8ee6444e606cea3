"""The turn log's files: days, parts, what is deleted, and a disk that will not have it."""

import asyncio
import json
import os
import threading
from pathlib import Path

import msgspec
import pytest
from msgspec import Struct

from onebot_bot.chat import turnlog
from onebot_bot.chat.turnlog import About, Line, TurnFiles, TurnLog
from onebot_bot.errors import StoreError
from onebot_bot.sections.server import LogConfig

DAY = "2026-11-21"


class Words(Struct):
    """A line."""

    words: str


def lines(path: Path) -> list[str]:
    """The words of a file's lines."""
    return [json.loads(line)["words"] for line in path.read_text(encoding="utf-8").splitlines()]


def names(folder: Path) -> list[str]:
    """The files there are."""
    return sorted(path.name for path in folder.iterdir())


def size(folder: Path) -> int:
    """Bytes of all files."""
    return sum(path.stat().st_size for path in folder.iterdir())


async def test_a_day_has_a_file_that_only_the_owner_reads(tmp_path: Path) -> None:
    """A restart goes on with it; the folder is made."""
    folder = tmp_path / "logs"
    async with TurnLog(folder, LogConfig) as log:
        log.write(DAY, Words("早"))
        log.write(DAY, Words("中\n午"))
    async with TurnLog(folder, LogConfig) as log:
        log.write(DAY, Words("晚"))
        log.write("2026-11-22", Words("早"))
    assert names(folder) == ["turns-2026-11-21.jsonl", "turns-2026-11-22.jsonl"]
    assert lines(folder / "turns-2026-11-21.jsonl") == ["早", "中\n午", "晚"]
    assert (folder / "turns-2026-11-21.jsonl").stat().st_mode & 0o777 == 0o600


def turn(user: int, chat: str, *messages: int) -> dict[str, object]:
    """What a line says of whom it is about."""
    return {"user": user, "chat": chat, "messages": messages, "asked": [f"from {user} in {chat}"]}


async def test_a_person_is_forgotten_in_all_files(tmp_path: Path) -> None:
    """Lines about them, about their private chats and about their messages go, and what is written later stays."""
    kept = [turn(20, "1/group/77", 3), turn(20, "1/private/20"), turn(2010, "1/group/10", 4), turn(0, "1/private/110")]
    gone = [
        turn(10, "1/group/77", 1),
        turn(1, "1/private/10", 9),
        turn(20, "1/group/77", 2, 3),
        turn(0, "1/private/10"),
    ]
    half = b'{"user":10,"asked":["a full di\n'
    (tmp_path / "turns-2026-11-19.jsonl").write_bytes(half + b'{"user":20}\n')
    (tmp_path / "turns-2026-11-20.3.jsonl").write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in gone))
    (tmp_path / "notes.txt").write_text("10")
    async with TurnLog(tmp_path, LogConfig) as log:
        for one in [*kept, *gone]:
            log.write(DAY, msgspec.convert(one, About))
        await log.forget(10, [1, 2])
        log.write(DAY, About(user=10))
    assert (tmp_path / "turns-2026-11-19.jsonl").read_bytes() == b'{"user":20}\n'
    assert (tmp_path / "turns-2026-11-20.3.jsonl").read_bytes() == b""
    written = [json.loads(line) for line in (tmp_path / f"turns-{DAY}.jsonl").read_bytes().splitlines()]
    assert [(one["user"], one["chat"]) for one in written] == [*((one["user"], one["chat"]) for one in kept), (10, "")]
    assert (tmp_path / f"turns-{DAY}.jsonl").stat().st_mode & 0o777 == 0o600
    assert names(tmp_path)[0] == "notes.txt"
    assert len(names(tmp_path)) == 4


async def test_a_file_that_cannot_be_rewritten_is_told(tmp_path: Path) -> None:
    """It is as it was, and the log goes on."""
    async with TurnLog(tmp_path, LogConfig) as log:
        log.write(DAY, About(user=10))
        (tmp_path / f".turns-{DAY}.jsonl.part").mkdir()
        with pytest.raises(StoreError, match=r"Delete its files\."):
            await log.forget(10, [])
        log.write(DAY, About(user=20))
    assert [json.loads(line)["user"] for line in (tmp_path / f"turns-{DAY}.jsonl").open()] == [10, 20]


async def test_a_full_file_is_numbered_and_the_oldest_go(tmp_path: Path) -> None:
    """All together stay within `log.turns_mib`, and what stays is the newest."""
    part = Words("x" * (2**20 // turnlog.PARTS - 20))
    async with TurnLog(tmp_path, lambda: LogConfig(turns_mib=1)) as log:
        for _ in range(turnlog.PARTS + 3):
            log.write(DAY, part)
        log.write(DAY, Words("last"))
    assert size(tmp_path) <= 2**20
    kept = [f"turns-{DAY}.{number}.jsonl" for number in range(5, 12)]
    assert sorted([*kept, f"turns-{DAY}.jsonl"]) == names(tmp_path)
    assert lines(tmp_path / f"turns-{DAY}.jsonl") == ["last"]


async def test_old_days_go_and_other_files_stay(tmp_path: Path) -> None:
    """`log.turns_days` days, today's included."""
    for name in ("turns-2026-11-18.jsonl", "turns-2026-11-19.2.jsonl", "turns-2026-11-20.jsonl", "bot.log"):
        (tmp_path / name).write_text("{}\n")
    async with TurnLog(tmp_path, lambda: LogConfig(turns_days=2)) as log:
        log.write(DAY, Words("x"))
    assert names(tmp_path) == ["bot.log", "turns-2026-11-20.jsonl", "turns-2026-11-21.jsonl"]


def test_a_disk_that_will_not_have_it_costs_that_line(tmp_path: Path) -> None:
    """What comes after it is well again is written."""
    folder = tmp_path / "logs"
    folder.write_text("a file is in the way")
    files = TurnFiles(folder, LogConfig)
    with pytest.raises(OSError, match="logs"):
        files.write([Line(DAY, b'{"words":"lost"}\n')])
    folder.unlink()
    files.write([Line(DAY, b'{"words":"kept"}\n')])
    files.close()
    assert lines(folder / f"turns-{DAY}.jsonl") == ["kept"]


def test_half_a_line_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fills up in the middle of one leaves a file that can be read."""
    write, room = os.write, [1000, 5, 1000]
    monkeypatch.setattr(os, "write", lambda file, text: write(file, text[: room.pop(0)]))
    files = TurnFiles(tmp_path, LogConfig)
    files.write([Line(DAY, b'{"words":"one"}\n')])
    with pytest.raises(OSError, match="no space"):
        files.write([Line(DAY, b'{"words":"two"}\n')])
    files.write([Line(DAY, b'{"words":"three"}\n')])
    files.close()
    assert lines(tmp_path / f"turns-{DAY}.jsonl") == ["one", "three"]


async def test_a_failure_does_not_end_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread lives on."""
    write, failed = TurnFiles.write, threading.Event()

    def fail_once(files: TurnFiles, batch: list[Line]) -> None:
        if not failed.is_set():
            failed.set()
            raise OSError("no space left on device")
        write(files, batch)

    monkeypatch.setattr(TurnFiles, "write", fail_once)
    async with TurnLog(tmp_path, LogConfig) as log:
        log.write(DAY, Words("lost"))
        assert await asyncio.to_thread(failed.wait, 5)
        log.write(DAY, Words("kept"))
    assert lines(tmp_path / f"turns-{DAY}.jsonl") == ["kept"]


async def test_lines_that_nobody_can_write_do_not_pile_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hanging disk costs lines, not memory, and not the end of the program."""
    monkeypatch.setattr(turnlog, "MOST_WAITING", 2)
    log = TurnLog(tmp_path, LogConfig)  # its thread was never started: a disk that hangs for ever
    for words in ("one", "two", "three"):
        log.write(DAY, Words(words))
    assert log._waiting.qsize() == 2


def test_a_line_is_one_line() -> None:
    """Whatever people write: JSON has no bare line breaks."""
    assert b"\n" not in msgspec.json.encode(Words("a\nb\u2028"))
