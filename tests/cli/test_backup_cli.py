"""`onebot-bot backup` and `onebot-bot restore`."""

import asyncio
import os
from pathlib import Path

import pytest
from backups.conftest import damage, fill, texts_of

from onebot_bot.__main__ import main, run_loop
from onebot_bot.backups.archive import check_archive
from onebot_bot.memory.database import Database


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bot's, with something of everything."""
    (tmp_path / "bot").mkdir()
    return run_loop(fill(tmp_path / "bot")).folder


def backups(folder: Path) -> list[Path]:
    """Those of its own, oldest first."""
    return sorted((folder / "memory_store" / "backups").glob("backup-*.zip"))


def test_there_and_back(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Into a file, and from it into a folder that was not there; each says what and what to do next."""
    config, file = str(folder / "config.toml"), tmp_path / "bot.zip"
    assert main(["backup", str(file), "--config", config]) == 0
    assert check_archive(file).about.messages == 2
    assert "2 messages, 0 memories, 1 pictures, adapter 20261102T020000Z" in capsys.readouterr().out
    assert main(["restore", str(file), "--into", str(tmp_path / "new")]) == 0
    assert f"onebot-bot run --config {tmp_path / 'new' / 'config.toml'}" in capsys.readouterr().out
    assert texts_of(tmp_path / "new") == ["first", "second"]
    assert backups(folder) == []


def test_its_own_are_listed_and_found_by_name(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One that is damaged says so; what is replaced is kept, and the last line says where."""
    at = ["--config", str(folder / "config.toml")]
    assert main(["restore", *at]) == 0
    assert "onebot-bot backup" in capsys.readouterr().out
    assert main(["backup", *at]) == main(["backup", *at]) == 0
    good, bad = backups(folder)
    damage(bad)
    (folder / "memory_store" / "memory.sqlite3").write_bytes(b"ruin" * 1000)
    capsys.readouterr()
    assert main(["restore", *at]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "2 messages" in next(line for line in lines if line.startswith(str(good)))
    assert "damaged" in next(line for line in lines if line.startswith(str(bad)))
    assert main(["restore", bad.name, *at]) == 1
    assert f"{bad} is damaged" in capsys.readouterr().err
    assert main(["restore", good.name, *at]) == 0
    assert "replaced-" in capsys.readouterr().out
    assert texts_of(folder) == ["first", "second"]


def test_too_many_go(folder: Path) -> None:
    """As many as `backup.keep` stay; a file of one's own choice counts for nothing."""
    config = folder / "config.toml"
    config.write_text(f"{config.read_text(encoding='utf-8')}[backup]\nkeep = 2\n", encoding="utf-8")
    for _ in range(3):
        assert main(["backup", "--config", str(config)]) == 0
    assert len(backups(folder)) == 2


@pytest.mark.parametrize(
    "arguments", [["backup", "."], ["restore", "none.zip"], ["backup", "config.toml/x.zip"], ["backup", "config.toml"]]
)
def test_what_cannot_be_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    """A folder, a missing file, a file for a folder, a file that is no backup and is not written over."""
    monkeypatch.chdir(folder)
    before = (folder / "config.toml").read_bytes()
    assert main(arguments) == 1
    assert (folder / "config.toml").read_bytes() == before
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_while_the_bot_runs(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A backup is made beside it; a restore is refused and names the process."""
    at = ["--config", str(folder / "config.toml")]

    async def inside() -> None:
        async with Database(folder / "memory_store" / "memory.sqlite3"):
            await _command(["backup", str(tmp_path / "b.zip"), *at], 0)
            await _command(["restore", str(tmp_path / "b.zip"), *at], 1)

    run_loop(inside())
    assert f"in use by another bot (process {os.getpid()})" in capsys.readouterr().err
    assert check_archive(tmp_path / "b.zip").about.messages == 2


async def _command(arguments: list[str], status: int) -> None:
    """Run one in another thread, for it has a loop of its own."""
    assert await asyncio.to_thread(main, arguments) == status
