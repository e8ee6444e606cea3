"""onebot_bot.backups.shelf."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from backups.conftest import damage

from onebot_bot.backups.contents import DATABASE, Place
from onebot_bot.backups.making import make
from onebot_bot.backups.shelf import Shelf, with_way_back
from onebot_bot.errors import DatabaseDamaged


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """With a backup of each of ten days, and files that are none."""
    found = Shelf(tmp_path)
    found.folder.mkdir()
    for day in range(1, 11):
        (found.folder / f"backup-202611{day:02}T203000Z.zip").write_bytes(b"x")
    for name in ("backup-20261301T203000Z.zip", "notes.txt", ".backup-20261101T203000Z.zip.part"):
        (found.folder / name).write_bytes(b"x")
    return found


def days(shelf: Shelf) -> list[int]:
    """Of which days there are backups."""
    return [backup.made.day for backup in shelf.all()]


def test_only_backups_count(shelf: Shelf, tmp_path: Path) -> None:
    """Newest first; a folder that is not there has none."""
    assert days(shelf) == list(range(10, 0, -1))
    assert Shelf(tmp_path / "none").all() == []


def test_the_newest_stay(shelf: Shelf) -> None:
    """And the one just made, whatever the clock said."""
    made = shelf.folder / "backup-20261103T203000Z.zip"
    shelf.prune(3, made)
    assert days(shelf) == [10, 9, 3]
    shelf.prune(1, made)
    assert days(shelf) == [3]
    assert (shelf.folder / "notes.txt").exists()


def test_what_cannot_be_deleted_is_left(shelf: Shelf) -> None:
    """The backup that was made counts all the same, and the others go."""
    stuck = shelf.folder / "backup-20261105T203000Z.zip"
    stuck.unlink()
    stuck.mkdir()
    shelf.prune(2, shelf.folder / "backup-20261110T203000Z.zip")
    assert days(shelf) == [10, 9, 5]


def test_copies_made_for_updates_go_with_time(shelf: Shelf) -> None:
    """They hold those who were forgotten since."""
    old, new = (shelf.folder / f"memory.v{n}.sqlite3" for n in (3, 4))
    for path, age in ((old, 8), (new, 6)):
        path.write_bytes(b"x")
        os.utime(path, (0, time.time() - age * 86400))
    shelf.prune(7, shelf.all()[0].path)
    assert (old.exists(), new.exists()) == (False, True)


def test_two_of_one_second_have_two_names(tmp_path: Path) -> None:
    """Neither takes the other's place."""
    shelf = Shelf(tmp_path)
    shelf.folder.mkdir()
    first = shelf.free_path(0)
    first.write_bytes(b"x")
    assert (first.name, shelf.free_path(0).name) == ("backup-19700101T000000Z.zip", "backup-19700101T000000Z-1.zip")


def test_a_clock_that_was_set_back_hides_no_day(shelf: Shelf) -> None:
    """What was made in what is now the future is not the last one."""
    assert shelf.last(datetime(2026, 11, 5, 21, tzinfo=UTC)) == datetime(2026, 11, 5, 20, 30, tzinfo=UTC)
    assert shelf.last(datetime(2026, 10, 1, tzinfo=UTC)) is None


def test_what_a_kill_left_is_swept(shelf: Shelf) -> None:
    """Half archives and copies; backups stay."""
    (shelf.folder / ".copy-1").mkdir()
    (shelf.folder / ".copy-1" / "memory.sqlite3").write_bytes(b"x")
    shelf.sweep()
    assert [path.name for path in shelf.folder.iterdir() if path.name.startswith(".")] == []
    assert len(days(shelf)) == 10


def test_the_way_back_is_the_newest_good_one(place: Place) -> None:
    """A damaged one is passed over; without any the error says so."""
    path = place.folder / DATABASE
    shelf = Shelf(path.parent)
    good, bad = (shelf.folder / f"backup-2026110{day}T000000Z.zip" for day in (1, 2))
    for target in (good, bad):
        make(place, target)
    damage(bad)
    error = DatabaseDamaged(path, "page 5")
    assert f"onebot-bot restore {good}" in str(with_way_back(error))
    good.unlink()
    assert "There is no good backup" in str(with_way_back(error))
