"""What the bot writes is its user's alone, whatever the umask."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from echo_bot import said, write_config

from onebot_bot.app import App
from onebot_bot.logs import logging_to
from onebot_bot.memory.database import Database
from onebot_bot.private import close_to_others, open_to_others, private_files
from onebot_bot.transport.client import OneBotClient

pytestmark = [
    pytest.mark.usefixtures("passing_loggers"),
    pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's"),
]


@pytest.fixture(autouse=True)
def _careless() -> Iterator[None]:
    """A user whose files everybody may write."""
    before = os.umask(0)
    yield
    os.umask(before)


def open_paths(folder: Path) -> list[str]:
    """What others have any right to below a folder."""
    return [str(path.relative_to(folder)) for path in sorted(folder.rglob("*")) if open_to_others(path)]


def names(folder: Path) -> set[str]:
    """Of all files and folders below."""
    return {path.name for path in folder.rglob("*")}


async def test_all_that_a_bot_writes_is_private(tmp_path: Path) -> None:
    """Database, index, token, logs, pictures, what nights leave; what was there before is closed."""
    path = write_config(tmp_path)
    for name in ("memory_store", "training/runs"):
        (tmp_path / name).mkdir(parents=True)
    with logging_to("info", tmp_path / "logs" / "bot.log"):
        async with App(path) as app, OneBotClient(app.url, 10000, app.token) as client:
            await client.send_event(client.private_message(5, "你好"))
            assert await asyncio.wait_for(said(client), 60) == (5, "你好")
            (tmp_path / "training" / "runs" / "metrics.jsonl").touch()
            path.touch()
            app.configuration.set("log.level", "info")
    assert open_paths(tmp_path) == ["config.toml", "training"]  # the person's own, from before
    assert {"memory.sqlite3", "token", "bot.log"} < names(tmp_path)
    assert any(name.startswith("turns-") for name in names(tmp_path))


async def test_an_import_before_the_first_start_is_private(tmp_path: Path) -> None:
    """The folder too."""
    async with Database(tmp_path / "memory_store" / "memory.sqlite3") as database:
        await database.backup(tmp_path / "memory_store" / "backups" / "copy.sqlite3")
    assert open_paths(tmp_path) == []


def test_turned_over_logs_are_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new file as well as the old ones, and one that an older version left open."""
    monkeypatch.setattr("onebot_bot.logfile.FILE_BYTES", 10)
    (tmp_path / "logs").mkdir(0o700)
    (tmp_path / "logs" / "bot.log").touch(0o666)
    with logging_to("info", tmp_path / "logs" / "bot.log"):
        for number in range(3):
            structlog.get_logger("onebot_bot.x").info("a line", number=number)
    assert len(list((tmp_path / "logs").iterdir())) == 4  # an empty file is turned over, too
    assert open_paths(tmp_path) == []


def test_a_folder_that_is_not_ours_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mount of another user's in a container; what does not exist is not made."""

    def refuse(self: Path, mode: int) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "chmod", refuse)
    (tmp_path / "memory_store").mkdir(0o755)
    close_to_others(tmp_path / "memory_store")
    close_to_others(tmp_path / "none")
    assert open_paths(tmp_path) == ["memory_store"]


def test_the_umask_comes_back(tmp_path: Path) -> None:
    """Children have the private one too, for it is the process's."""
    with private_files():
        (tmp_path / "inside").touch()
    (tmp_path / "outside").touch()
    assert open_paths(tmp_path) == ["outside"]
