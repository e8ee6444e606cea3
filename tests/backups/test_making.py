"""onebot_bot.backups.making and contents."""

import errno
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from backups.conftest import damage

from onebot_bot.backups import making
from onebot_bot.backups.archive import check_archive, extract
from onebot_bot.backups.contents import DATABASE, Place, members_of
from onebot_bot.backups.making import SPARE, make, require_room
from onebot_bot.errors import DatabaseDamaged, StoreError
from onebot_bot.memory.database import Database
from onebot_bot.memory.pictures import PictureStore
from onebot_bot.memory.store import MemoryStore
from onebot_bot.sections.guard import GuardConfig
from onebot_bot.sections.tags import TagsConfig


def test_it_holds_what_cannot_be_had_again(place: Place, tmp_path: Path) -> None:
    """Not the index, no model, no picture that no message shows, of the adapters the one that serves."""
    made = make(place, tmp_path / "b.zip")
    manifest = check_archive(made.path)
    pictures = [name for name in manifest.files if name.startswith("memory_store/pictures/")]
    serving = "models/adapters/20261102T020000Z"
    assert sorted([
        *("config.toml", "memory_store/memory.sqlite3", "memory_store/token", "personas/cat.md"),
        *("stickers/wave/1.txt", "words.txt", "models/current", *pictures),
        *(f"{serving}/{name}" for name in ("before", "meta.json", "weights.bin")),
    ]) == sorted(manifest.files)  # fmt: skip
    assert (made.about.messages, made.about.pictures, made.about.adapter) == (2, 1, "20261102T020000Z")
    assert made.bytes == made.path.stat().st_size
    assert (manifest.about, len(pictures)) == (made.about, 1)


def test_what_settings_name_elsewhere_is_left_alone(place: Place, tmp_path: Path) -> None:
    """A folder of stickers on another disk, or one with everything in it."""
    (tmp_path / "outside.txt").write_text("x")
    for stickers, words in (("..", "../outside.txt"), (".", "memory_store/token"), ("models", ".env")):
        tags, guard = TagsConfig(stickers=stickers), GuardConfig(words_in=words)
        config = msgspec.structs.replace(place.config, tags=tags, guard=guard)
        made = make(msgspec.structs.replace(place, config=config), tmp_path / "b.zip")
        names = check_archive(made.path).files
        assert [name for name in names if name.startswith(("stickers", "words", "candidate", "."))] == []
        assert len([name for name in names if name.startswith("models/adapters/")]) == 3


def test_a_damaged_database_makes_no_backup(place: Place, tmp_path: Path) -> None:
    """It would push out a good one; the error names the database, not the copy."""
    path = place.folder / DATABASE
    damage(path, 0.5)
    (tmp_path / "b.zip").write_bytes(b"the one before")
    with pytest.raises(DatabaseDamaged, match=r"bot/memory_store/memory\.sqlite3 is damaged"):
        make(place, tmp_path / "b.zip")
    assert (tmp_path / "b.zip").read_bytes() == b"the one before"
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".")] == []


def test_a_full_disk_is_named_and_harms_nothing(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ENOSPC on the way, as the kernel gives it: the older file stays and nothing half written does."""
    (tmp_path / "b.zip").write_bytes(b"the one before")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("onebot_bot.backups.archive.os.fsync", full)
    with pytest.raises(StoreError, match=r"b\.zip was not made: .*No space left"):
        make(place, tmp_path / "b.zip")
    assert (tmp_path / "b.zip").read_bytes() == b"the one before"
    assert {path.name for path in tmp_path.iterdir()} == {"bot", "b.zip"}


def test_it_does_not_take_the_last_room(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The chats need some meanwhile; the error names what is needed, what is free, and the ways out."""
    require_room(tmp_path, 1000, SPARE + 1000)
    with pytest.raises(StoreError, match=r"backup\.keep.*onebot-bot backup FILE"):
        require_room(tmp_path, 1000, SPARE + 999)
    monkeypatch.setattr(making, "SPARE", 2**80)
    with pytest.raises(StoreError, match="are free"):
        make(place, tmp_path / "b.zip")


def test_nothing_to_back_up_is_said(place: Place, tmp_path: Path) -> None:
    """Before the first start."""
    (place.folder / DATABASE).unlink()
    with pytest.raises(StoreError, match=r"memory\.sqlite3 does not exist"):
        make(place, tmp_path / "b.zip")


def test_a_version_that_goes_meanwhile_is_read_anew(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A night promotes the next one and deletes it: the second try has the new one."""
    members, calls = members_of, []

    def racing(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise FileNotFoundError(2, "No such file", "weights.bin")
        return members(*arguments)

    monkeypatch.setattr(making, "members_of", racing)
    assert check_archive(make(place, tmp_path / "b.zip").path).about.adapter == "20261102T020000Z"


async def test_who_is_forgotten_is_not_in_the_next_one(place: Place, tmp_path: Path) -> None:
    """Neither words nor pictures, in no byte of it; the one before still has them."""
    store = place.folder / "memory_store"
    (tmp_path / "before").mkdir()
    (tmp_path / "after").mkdir()
    extract(make(place, tmp_path / "1.zip").path, tmp_path / "before")
    async with (
        Database(store / "memory.sqlite3") as database,
        MemoryStore(database, store / "memory.faiss") as memories,
    ):
        pictures = PictureStore(database, store / "pictures", lambda: 9999)
        await memories.forget_person(5)
        await pictures.sweep()
        extract(make(place, tmp_path / "2.zip").path, tmp_path / "after")
    for word in (b"second", b"a picture"):
        assert (_holds(tmp_path / "before", word), _holds(tmp_path / "after", word)) == (True, False)


def _holds(folder: Path, word: bytes) -> bool:
    return any(word in file.read_bytes() for file in folder.rglob("*") if file.is_file())
