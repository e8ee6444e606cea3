"""Log lines in the look that QQ-bot users know."""

import logging
import re
import stat
from pathlib import Path

import pytest
import structlog

from onebot_bot.logs import logging_to, set_level

LINE = re.compile(r"^\d\d-\d\d \d\d:\d\d:\d\d \[INFO\] chat\.session \| hello size=3 chat=1/private/2$")


def test_a_line_has_time_level_module_and_what_is_bound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On the console and in the file alike."""
    with logging_to("info", tmp_path / "logs" / "bot.log"), structlog.contextvars.bound_contextvars(chat="1/private/2"):
        structlog.get_logger("onebot_bot.chat.session").info("hello", size=3)
    lines = [capsys.readouterr().err.splitlines()[-1], *(tmp_path / "logs" / "bot.log").read_text().splitlines()]
    assert [line for line in lines if not LINE.match(line)] == []
    assert len(lines) == 2


def test_the_file_is_the_owners_alone(tmp_path: Path) -> None:
    """It holds private messages."""
    with logging_to("info", tmp_path / "bot.log"):
        pass
    assert stat.S_IMODE((tmp_path / "bot.log").stat().st_mode) == 0o600


def test_an_exception_is_written_with_its_traceback(tmp_path: Path) -> None:
    """Of our own loggers and of libraries'."""
    with logging_to("info", tmp_path / "bot.log"):
        try:
            _ = 1 / 0
        except ZeroDivisionError:
            structlog.get_logger("onebot_bot.x").exception("ours")
            logging.getLogger("websockets").exception("theirs")
    text = (tmp_path / "bot.log").read_text()
    assert text.count("ZeroDivisionError: division by zero") == 2
    assert "[ERROR] x | ours" in text
    assert "[ERROR] websockets | theirs" in text


def test_the_level_changes_while_running(tmp_path: Path) -> None:
    """A saved log.level applies at once."""
    log = structlog.get_logger("onebot_bot.x")
    with logging_to("warning", tmp_path / "bot.log"):
        log.info("first")
        set_level("info")
        log.info("second")
    text = (tmp_path / "bot.log").read_text()
    assert "first" not in text
    assert "second" in text
