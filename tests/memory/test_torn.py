"""Files of the database as power cuts, full disks and bad sectors leave them."""

import functools
import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from onebot_bot.errors import DatabaseDamaged
from onebot_bot.memory.copying import BACKUPS
from onebot_bot.memory.database import Database
from onebot_bot.memory.schema import Step

NOTES: Step = ("CREATE TABLE notes (text TEXT NOT NULL)",)
WRITTEN = [f"note {number}" for number in range(40)]


def note(connection: sqlite3.Connection, text: str) -> None:
    """Write one note."""
    connection.execute("INSERT INTO notes VALUES (?)", (text,))


@pytest.fixture
async def killed(path: Path, tmp_path: Path) -> Path:
    """The files of a database whose process was killed: all notes are in its log alone."""
    async with Database(path, [NOTES]) as database:
        await database.scrub()
        for text in WRITTEN:
            await database.write(functools.partial(note, text=text))
        (tmp_path / "killed").mkdir()
        for name in ("memory.sqlite3", "memory.sqlite3-wal"):
            shutil.copy(path.with_name(name), tmp_path / "killed" / name)
    return tmp_path / "killed" / "memory.sqlite3"


async def notes(path: Path) -> list[str]:
    """What is there after a start; SQLite finds nothing wrong with it."""
    async with Database(path, [NOTES]) as database:
        assert await database.read(lambda c: c.execute("PRAGMA integrity_check").fetchone()) == ("ok",)
        return await database.read(lambda c: [row[0] for row in c.execute("SELECT text FROM notes ORDER BY rowid")])


async def test_what_was_acknowledged_is_in_the_log(killed: Path) -> None:
    """And is folded into the file by the next start."""
    assert await notes(killed) == WRITTEN


@pytest.mark.parametrize("share", [0.999, 0.7, 0.31, 0.02])
async def test_a_torn_log_ends_before_the_tear(killed: Path, share: float) -> None:
    """What lies before it is there, nothing is half there."""
    log = killed.with_name("memory.sqlite3-wal")
    log.write_bytes(log.read_bytes()[: int(log.stat().st_size * share)])
    found = await notes(killed)
    assert found == WRITTEN[: len(found)]
    assert len(found) >= int(len(WRITTEN) * share) - 1


async def test_a_damaged_log_ends_before_the_damage(killed: Path) -> None:
    """Each frame has its checksum."""
    log = killed.with_name("memory.sqlite3-wal")
    data = bytearray(log.read_bytes())
    data[len(data) // 2] ^= 0xFF
    log.write_bytes(data)
    found = await notes(killed)
    assert found == WRITTEN[: len(found)]
    assert 0 < len(found) < len(WRITTEN)


async def test_a_log_of_garbage_is_none(killed: Path) -> None:
    """The file as it was when the log was emptied last."""
    killed.with_name("memory.sqlite3-wal").write_bytes(b"\xa5" * 20_000)
    assert await notes(killed) == []


async def test_a_tear_that_the_log_mends_is_no_damage(killed: Path) -> None:
    """A kill in the middle of folding leaves a file that ends in half a page, and the page in the log."""
    with killed.open("ab") as file:
        file.write(b"x" * 1000)
    assert await notes(killed) == WRITTEN


@pytest.mark.parametrize("left", [0, 1000, 4096, 6000])
async def test_a_file_that_was_cut_is_refused(path: Path, left: int) -> None:
    """To nothing, within a page, between two: never taken for a new or a smaller one."""
    async with Database(path, [NOTES]):
        pass
    (path.parent / BACKUPS).mkdir()
    (path.parent / BACKUPS / "backup-20261121T203000Z.zip").write_bytes(b"")
    with path.open("r+b") as file:
        file.truncate(left)
    for _ in range(2):  # its lock is let go
        with pytest.raises(DatabaseDamaged, match=r"memory\.sqlite3 is damaged.*onebot-bot restore"):
            await Database(path, [NOTES]).__aenter__()


async def test_an_empty_file_without_backups_is_a_new_one(path: Path) -> None:
    """A first start may have been killed as soon as it had made it."""
    os.close(os.open(path, os.O_CREAT))
    assert await notes(path) == []


async def test_moved_away_it_is_made_anew(path: Path) -> None:
    """On purpose, whatever backups there are."""
    (path.parent / BACKUPS).mkdir()
    (path.parent / BACKUPS / "backup-20261121T203000Z.zip").write_bytes(b"")
    assert await notes(path) == []
