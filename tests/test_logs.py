"""Log lines in the look that QQ-bot users know."""

import logging
import re
import stat
from pathlib import Path

import pytest
import structlog

from onebot_bot.errors import StoreError
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


def test_every_line_of_an_error_ends_with_an_id(tmp_path: Path) -> None:
    """The error's own, or what the line says, or that of what nobody expected; other lines have none."""
    log = structlog.get_logger("onebot_bot.x")
    with logging_to("info", tmp_path / "bot.log"):
        log.error("told", code="OB-1305", file="a")
        log.error("raised", code="OB-1305", exc_info=StoreError("b", code="OB-1303"))
        logging.getLogger("websockets").error("theirs")
        log.warning("fine")
    lines = (tmp_path / "bot.log").read_text().splitlines()
    ends = [line.rpartition(" | ")[2] for line in lines if " | " in line]
    assert ends == ["told file=a [OB-1305]", "raised [OB-1303]", "theirs [OB-1000]", "fine"]


def test_nobody_in_a_chat_can_forge_a_line(tmp_path: Path) -> None:
    """Neither in the text nor in what is bound; a wide space and an emoji of parts stay as they are."""
    forged = "hi\n11-21 05:00:00 [ERROR] app | forged\x1b[31m\r\u2028\u202e\ud800"
    with logging_to("info", tmp_path / "bot.log"):
        structlog.get_logger("onebot_bot.x").info(forged, text=forged, whole="a\u3000b\U0001f468\u200d\U0001f469")
        logging.getLogger("websockets").warning("said %s", forged)
    text = (tmp_path / "bot.log").read_text(encoding="utf-8")
    tame = "hi⏎11-21 05:00:00 [ERROR] app | forged\ufffd[31m\ufffd\ufffd\ufffd\ufffd"
    ours, theirs = text.removesuffix("\n").split("\n")
    assert ours.partition(" x | ")[2] == f"{tame} text={tame} whole=a\u3000b\U0001f468\u200d\U0001f469"
    assert theirs.partition(" websockets | ")[2] == f"said {tame}"


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


def test_libraries_speak_only_when_something_is_wrong(tmp_path: Path) -> None:
    """FAISS tells at each start which of its variants it could not load, which is none of an operator's business."""
    with logging_to("info", tmp_path / "bot.log"):
        for library in ("faiss.loader", "websockets.server"):
            logging.getLogger(library).info("Could not load a variant.")
            logging.getLogger(library).warning("Something is wrong.")
    assert [line.split("] ")[1] for line in (tmp_path / "bot.log").read_text().splitlines()] == [
        "faiss.loader | Something is wrong.",
        "websockets.server | Something is wrong.",
    ]
