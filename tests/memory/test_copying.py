"""onebot_bot.memory.copying."""

import asyncio
import sqlite3
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path

import pytest

from onebot_bot.errors import DatabaseDamaged, StoreError
from onebot_bot.memory import copying
from onebot_bot.memory.copying import check_database, copy_database, explain, off_loop
from onebot_bot.memory.database import Database

NOTES = ("CREATE TABLE notes (text TEXT NOT NULL)",)


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A database of some fifty pages, one written as the bot writes."""
    path = tmp_path / "notes.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(NOTES[0])
        connection.executemany("INSERT INTO notes VALUES (?)", [("x" * 4000,)] * 50)
        connection.commit()
    return path


def count(path: Path) -> int:
    """Notes in a file."""
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM notes").fetchone()[0])


def test_a_copy_is_of_one_moment(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever writes between any two pages neither changes it nor makes it begin anew."""
    monkeypatch.setattr(copying, "_PAGES", 1)
    looks = []
    with closing(sqlite3.connect(filled, isolation_level=None)) as other:

        def write() -> bool:
            looks.append(other.execute("INSERT INTO notes VALUES ('later')").rowcount)
            return False

        copy_database(filled, tmp_path / "copy.sqlite3", write)
        assert (count(tmp_path / "copy.sqlite3"), count(filled)) == (50, 50 + len(looks))
    assert len(looks) > 50
    check_database(tmp_path / "copy.sqlite3")
    assert (tmp_path / "copy.sqlite3").stat().st_mode & 0o777 == 0o600


def test_stopped_it_leaves_nothing(filled: Path, tmp_path: Path) -> None:
    """The older copy stays; a check that is stopped says nothing about the file."""
    (tmp_path / "copy.sqlite3").write_bytes(b"older")
    with pytest.raises(StoreError, match="was ended"):
        copy_database(filled, tmp_path / "copy.sqlite3", lambda: True)
    assert (tmp_path / "copy.sqlite3").read_bytes() == b"older"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_what_is_no_database_is_named(tmp_path: Path) -> None:
    """A missing file, and garbage."""
    with pytest.raises(StoreError, match=r"none\.sqlite3 does not exist"):
        copy_database(tmp_path / "none.sqlite3", tmp_path / "copy.sqlite3")
    (tmp_path / "bad.sqlite3").write_bytes(b"garbage " * 1000)
    with pytest.raises(DatabaseDamaged, match=r"bad\.sqlite3 is damaged"):
        copy_database(tmp_path / "bad.sqlite3", tmp_path / "copy.sqlite3")
    assert not (tmp_path / "copy.sqlite3").exists()


@pytest.mark.parametrize("missing", [2048, 4096, 20 * 4096, 20 * 4096 + 1])
def test_a_check_finds_what_was_torn(filled: Path, missing: int) -> None:
    """The last page half written or missing, or everything from the middle on."""
    with filled.open("r+b") as file:
        file.truncate(filled.stat().st_size - missing)
    with pytest.raises(DatabaseDamaged, match=r"notes\.sqlite3 is damaged"):
        check_database(filled)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (sqlite3.SQLITE_FULL, "disk is full. Free some space"),
        (sqlite3.SQLITE_READONLY, "cannot be written: .*owner and mode"),
        (sqlite3.SQLITE_CANTOPEN, "cannot be written: .*owner and mode"),
        (sqlite3.SQLITE_IOERR | 3 << 8, "Check the disk and its free space"),
        (sqlite3.SQLITE_BUSY, "held by another program"),
        (sqlite3.SQLITE_CORRUPT | 1 << 8, "damaged .*onebot-bot restore"),
        (sqlite3.SQLITE_ERROR, "no such table"),
    ],
)
def test_each_error_names_file_and_fix(code: int, words: str) -> None:
    """Whatever its extended code says besides."""
    error = sqlite3.OperationalError("no such table")
    error.sqlite_errorcode = code
    with pytest.raises(StoreError, match=rf"m\.sqlite3.*{words}"):
        raise explain(Path("m.sqlite3"), error)


async def test_who_is_cancelled_waits_for_the_end() -> None:
    """The thread is told to stop, and nothing runs on behind anybody's back."""
    ended = []

    def work(stopped: copying.Stopped) -> None:
        while not stopped():
            pass
        ended.append(True)
        raise StoreError("stopped")

    task = asyncio.create_task(off_loop(work))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [True]


async def test_the_log_is_emptied_after_the_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is forgotten while a copy is read leaves the log as soon as that has ended: nobody is in the way."""
    monkeypatch.setattr(copying, "_PAGES", 1)
    path = tmp_path / "m.sqlite3"
    scrubs: list[Future[None]] = []
    async with Database(path, [NOTES]) as database:
        await database.write(lambda c: c.execute("INSERT INTO notes VALUES (?)", ("secret " * 3000,)).rowcount)
        loop = asyncio.get_running_loop()

        def meanwhile() -> bool:
            if not scrubs:
                scrubs.append(asyncio.run_coroutine_threadsafe(forget(database), loop))
            return False

        await database.backup(tmp_path / "copy.sqlite3", meanwhile)
        await asyncio.wrap_future(scrubs[0])
        assert path.with_name("m.sqlite3-wal").stat().st_size == 0
        assert b"secret" not in path.read_bytes()


async def forget(database: Database) -> None:
    """Delete all notes, and what is left of them."""
    await database.write(lambda c: c.execute("DELETE FROM notes").rowcount)
    await database.scrub()
