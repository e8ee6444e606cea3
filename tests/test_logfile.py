"""The log file without the lines about one person."""

import errno
import io
import logging
import os
from pathlib import Path
from typing import Any

import pytest
import structlog
from echo_bot import said, write_config

from onebot_bot import logs
from onebot_bot.app import App
from onebot_bot.errors import StoreError
from onebot_bot.logfile import LogFile, without
from onebot_bot.logs import logging_to
from onebot_bot.private import open_to_others
from onebot_bot.protocol.segments import At, Text
from onebot_bot.texts import say
from onebot_bot.transport.client import OneBotClient

pytestmark = pytest.mark.usefixtures("passing_loggers")

GONE, OTHER = 918273645, 5


def test_an_entry_goes_with_its_traceback() -> None:
    """And only where the whole number stands in it."""
    lines = [
        b"the rest of an entry of an older file, about 10001\n",
        b"11-21 05:17:18 [INFO] a | private Ann(10001): hi\n",
        b"11-21 05:17:19 [ERROR] b | it broke chat=1/private/10001\n",
        b"Traceback (most recent call last):\n",
        b"11-21 05:17:20 [ERROR] b | it broke\n",
        b"ValueError: 10001\n",
        b"11-21 05:17:21 [INFO] a | private Bo(110001): 100010\n",
        b"ValueError: stays\n",
    ]
    assert list(without(lines, 10001)) == lines[-2:]


async def test_lines_before_go_and_lines_after_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In order, though another thread writes them; in the files that were turned over, too."""
    monkeypatch.setattr("onebot_bot.logfile.FILE_BYTES", 200)
    log = structlog.get_logger("onebot_bot.x")
    with logging_to("info", tmp_path / "bot.log"):
        for number in range(6):
            log.info("one line", user=GONE, number=number)
            log.info("one line", user=OTHER, number=number)
        await logs.forget(GONE)
        log.info("a line after", user=GONE)
    text = on_disk(tmp_path)
    assert text.count(b"user=%d" % GONE) == 1
    assert text.count(b"user=%d" % OTHER) == 6
    assert open_paths(tmp_path) == []


async def test_what_cannot_be_rewritten_is_told(tmp_path: Path) -> None:
    """With the file's name; logging goes on."""
    log = structlog.get_logger("onebot_bot.x")
    with logging_to("info", tmp_path / "bot.log"):
        log.info("before", user=GONE)
        (tmp_path / ".bot.log.part").mkdir()
        with pytest.raises(StoreError, match=r"bot\.log: lines about a person are still in it"):
            await logs.forget(GONE)
        log.info("after", user=GONE)
    assert [line.split()[5] for line in (tmp_path / "bot.log").read_text().splitlines()] == ["before", "after"]


async def test_without_a_file_there_is_nothing_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    """Nor without any logging; the console shows nothing of it."""
    await logs.forget(GONE)
    with logging_to("info", None):
        await logs.forget(GONE)
    assert capsys.readouterr().err == ""


async def test_a_bot_forgets_a_person_in_every_file(tmp_path: Path) -> None:
    """Database, its log, index, turn log, log: after /forget me and after the end; what others said stays."""
    path = write_config(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace('[log]\nfile = ""', "[log]\ncontent = true"), "utf-8")
    with logging_to("debug", tmp_path / "logs" / "bot.log"):
        async with App(path) as app, OneBotClient(app.url, 10000, app.token) as client:
            for user, words in ((GONE, "my needle"), (OTHER, "stays")):
                await client.send_event(client.private_message(user, words))
                assert await said(client) == (user, words)
                await client.send_event(client.group_message(77, user, [At("10000"), Text(f" {words} here")]))
                await client.next_call("send_group_msg")
            await client.send_event(client.private_message(GONE, "/forget me -y"))
            assert (await said(client))[1] == say("zh", "forget.done", messages=4, memories=0)
            running = on_disk(tmp_path)
    for data in (running, on_disk(tmp_path)):
        assert b"needle" not in data
        assert str(GONE).encode() not in data
        assert GONE.to_bytes(4, "big") not in data
        assert b"stays here" in data
    assert data.count(b'"outcome":"answered"') == 2


def open_paths(folder: Path) -> list[Path]:
    """What other users have any right to."""
    return [path for path in folder.iterdir() if open_to_others(path)]


def on_disk(folder: Path) -> bytes:
    """All files of a bot."""
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


class Full(io.StringIO):
    """A file on a full disk."""

    def write(self, _text: str) -> int:
        """No."""
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not with a traceback for each line; and again when it fills up another time."""
    handler: Any = LogFile(tmp_path / "bot.log")
    line, sound = logging.makeLogRecord({"msg": "a line"}), handler.stream
    for _ in range(2):
        handler.stream = Full()
        for _ in range(3):
            handler.emit(line)
        handler.stream = sound
        handler.emit(line)
    handler.close()
    told = f"{tmp_path / 'bot.log'} cannot be written; its lines are only here until it can."
    assert capsys.readouterr().err.splitlines() == [told] * 2
    assert (tmp_path / "bot.log").read_text(encoding="utf-8") == "a line\n" * 2
