"""onebot_bot.backups.restoring."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from backups.conftest import damage, texts_of

from onebot_bot.backups import restoring
from onebot_bot.backups.contents import DATABASE, Place
from onebot_bot.backups.making import make
from onebot_bot.backups.restoring import restore
from onebot_bot.errors import StoreError
from onebot_bot.learning.versions import Versions
from onebot_bot.memory.database import Database


@pytest.fixture
def archive(place: Place, tmp_path: Path) -> Path:
    """A backup of the filled folder."""
    return make(place, tmp_path / "b.zip").path


def test_into_a_fresh_folder(archive: Path, place: Place, tmp_path: Path) -> None:
    """Everything is there, private, and the adapter serves."""
    done = restore(archive, tmp_path / "new" / "config.toml")
    new = tmp_path / "new"
    assert (done.replaced, done.about.messages) == (None, 2)
    assert texts_of(new) == ["first", "second"]
    for name in ("config.toml", "memory_store/token", "personas/cat.md", "stickers/wave/1.txt", "words.txt"):
        assert (new / name).read_bytes() == (place.folder / name).read_bytes()
    assert [file.read_bytes() for file in (new / "memory_store" / "pictures").iterdir()] == [b"a picture"]
    current = Versions(new / "models", lambda: "base").current()
    assert current is not None
    assert current.name == "20261102T020000Z"
    assert [(new / name).stat().st_mode & 0o77 for name in ("config.toml", DATABASE, "memory_store/token")] == [0, 0, 0]
    assert list((new / "memory_store" / "backups").iterdir()) == []


def test_what_was_there_is_kept_aside(archive: Path, place: Place) -> None:
    """The damaged database with its log, the index, pictures, settings, personas of today: nothing is mixed."""
    folder = place.folder
    ruins = ("memory_store/memory.sqlite3", "memory_store/memory.sqlite3-wal", "memory_store/memory.faiss")
    for name in ruins:
        (folder / name).write_bytes(b"ruin")
    (folder / "personas" / "dog.md").write_text("你是狗。", encoding="utf-8")
    (folder / "config.toml").write_text("version = 1\n", encoding="utf-8")
    done = restore(archive, place.path)
    assert done.replaced is not None
    assert texts_of(folder) == ["first", "second"]
    assert [path.name for path in (folder / "personas").iterdir()] == ["cat.md"]
    for name in ruins:
        assert (done.replaced / name).read_bytes() == b"ruin"
    assert (done.replaced / "config.toml").read_text(encoding="utf-8") == "version = 1\n"
    assert (done.replaced / "personas" / "dog.md").exists()
    assert (done.replaced / "memory_store" / "pictures" / "stray.jpg").exists()
    assert done.replaced.stat().st_mode & 0o77 == 0
    assert not (folder / "memory_store" / "memory.faiss").exists()


async def test_not_while_the_bot_runs(archive: Path, place: Place) -> None:
    """Its lock is respected, and nothing changed."""
    async with Database(place.folder / DATABASE):
        with pytest.raises(StoreError, match="in use by another bot"):
            restore(archive, place.path)
    assert not (place.folder / "memory_store" / "restoring").exists()
    assert texts_of(place.folder) == ["first", "second"]


def times(folder: Path) -> dict[Path, int]:
    """When each file was written, the lock's aside."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
    return {path: path.stat().st_mtime_ns for path in files}


def test_a_damaged_backup_changes_nothing(archive: Path, place: Place) -> None:
    """It is read to its end before anything is moved."""
    damage(archive)
    before = times(place.folder)
    with pytest.raises(StoreError, match="damaged"):
        restore(archive, place.path)
    assert times(place.folder) == before


@pytest.mark.parametrize("moves", [1, 2, 5, 8])
async def test_killed_half_way_it_is_finished_first(
    archive: Path, place: Place, monkeypatch: pytest.MonkeyPatch, moves: int
) -> None:
    """After any number of moves the bot refuses to start and names the command, and that command finishes it."""
    (place.folder / "memory_store" / "memory.sqlite3-wal").write_bytes(b"of the database before")
    left = [moves]

    def killed(source: Any, target: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return shutil.move(source, target)

    monkeypatch.setattr(restoring, "shutil", type("Killed", (), {"move": killed, "copy2": shutil.copy2,
                                                                 "copyfile": shutil.copyfile}))  # fmt: skip
    with pytest.raises(KeyboardInterrupt):
        restore(archive, place.path)
    monkeypatch.undo()
    with pytest.raises(StoreError, match=r"interrupted\. Finish it with: onebot-bot restore .*b\.zip --config"):
        await Database(place.folder / DATABASE).__aenter__()
    restore(archive, place.path)
    async with Database(place.folder / DATABASE):
        assert texts_of(place.folder) == ["first", "second"]
