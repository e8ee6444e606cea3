"""Durability, group commit, opening and migrating, on real files."""

import asyncio
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest
import structlog

from onebot_bot.errors import StoreError
from onebot_bot.memory.database import Database
from onebot_bot.memory.schema import Step

NOTES: Step = ("CREATE TABLE notes (text TEXT NOT NULL)",)
COLOURS: Step = ("ALTER TABLE notes ADD COLUMN colour TEXT NOT NULL DEFAULT 'red'",)


def note(connection: sqlite3.Connection, text: str) -> str:
    """Write one note."""
    connection.execute("INSERT INTO notes (text) VALUES (?)", (text,))
    return text


def notes(connection: sqlite3.Connection) -> list[str]:
    """All notes in the order of writing."""
    return [row[0] for row in connection.execute("SELECT text FROM notes ORDER BY rowid")]


def file_notes(path: Path) -> list[str]:
    """All notes of a closed database."""
    with closing(sqlite3.connect(path)) as connection:
        return notes(connection)


def modes(folder: Path) -> dict[str, int]:
    """The permissions of each file in `folder`."""
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}


def file_bytes(path: Path) -> bytes:
    """All of a file."""
    return path.read_bytes()


def overwrite_page(path: Path) -> None:
    """Put garbage in the place of the third page."""
    with path.open("r+b") as file:
        file.seek(2 * 4096)
        file.write(b"\xff" * 4096)


@contextmanager
def busy_writer(database: Database) -> Iterator[None]:
    """Hold the writer thread, so that what is queued inside the block becomes one batch."""
    held, go_on = threading.Event(), threading.Event()

    def hold(_: sqlite3.Connection) -> None:
        held.set()
        assert go_on.wait(5)

    database.submit(hold)
    assert held.wait(5)
    try:
        yield
    finally:
        go_on.set()


async def test_a_read_sees_every_finished_write(path: Path) -> None:
    """What was awaited is there for the reader."""
    async with Database(path, [NOTES]) as database:
        assert await database.write(lambda c: note(c, "a")) == "a"

        assert await database.read(notes) == ["a"]


async def test_queued_writes_share_a_commit(path: Path) -> None:
    """A hundred writes that wait together become one transaction, in their order."""
    statements: list[str] = []
    async with Database(path, [NOTES]) as database:
        await database.write(lambda c: c.set_trace_callback(statements.append))
        with busy_writer(database):
            futures = [database.submit(partial(note, text=str(n))) for n in range(100)]
        results = await asyncio.gather(*futures)
        await database.write(lambda c: c.set_trace_callback(None))

        assert [str(n) for n in range(100)] == results == await database.read(notes)
    # One for the write that set the trace, one for what held the writer, one for the hundred.
    assert statements.count("COMMIT") == 3


async def test_a_failing_write_fails_alone(path: Path) -> None:
    """What fails in a batch is undone, and its neighbours are not."""

    def fail(connection: sqlite3.Connection) -> None:
        note(connection, "half")
        raise ValueError("no")

    async with Database(path, [NOTES]) as database:
        with busy_writer(database):
            before = database.submit(lambda c: note(c, "before"))
            failing = database.submit(fail)
            broken = database.submit(lambda c: c.execute("INSERT INTO nowhere VALUES (1)"))
            after = database.submit(lambda c: note(c, "after"))
        results = await asyncio.gather(before, failing, broken, after, return_exceptions=True)

        assert await database.read(notes) == ["before", "after"]
    assert results[0] == "before"
    assert isinstance(results[1], ValueError)
    assert isinstance(results[2], StoreError)
    assert results[3] == "after"


async def test_a_full_disk_fails_the_batch_and_is_survived(path: Path) -> None:
    """Every write of the batch learns that the disk is full; with space again, the next one works."""
    async with Database(path, [NOTES]) as database:
        pages = await database.write(lambda c: c.execute("PRAGMA page_count").fetchone()[0])
        await database.write(lambda c: c.execute(f"PRAGMA max_page_count = {pages}").fetchone())
        with busy_writer(database):
            small = database.submit(lambda c: note(c, "small"))
            large = database.submit(lambda c: note(c, "x" * 100_000))
        outcomes = await asyncio.gather(small, large, return_exceptions=True)
        await database.write(lambda c: c.execute("PRAGMA max_page_count = 1000000").fetchone())
        await database.write(lambda c: note(c, "again"))

        assert await database.read(notes) == ["again"]
    assert ["the disk is full" in str(outcome) for outcome in outcomes] == [True, True]


async def test_a_cancelled_caller_does_not_take_its_write_back(path: Path) -> None:
    """Cancelling who waits leaves the write in the queue."""
    async with Database(path, [NOTES]) as database:
        with busy_writer(database):
            waiting = asyncio.create_task(database.write(lambda c: note(c, "kept")))
            await asyncio.sleep(0)
            waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await database.write(lambda c: note(c, "next"))

        assert await database.read(notes) == ["kept", "next"]


async def test_closing_writes_what_is_queued(path: Path) -> None:
    """Nothing that was handed in before the end is lost, and all of it lands in the one file."""
    async with Database(path, [NOTES]) as database:
        futures = [database.submit(partial(note, text=str(n))) for n in range(50)]

    assert [str(n) for n in range(50)] == file_notes(path)
    assert await asyncio.gather(*futures)
    assert not path.with_name(f"{path.name}-wal").exists()


async def test_a_closed_database_takes_nothing(path: Path) -> None:
    """Writing and reading after the end say that it is not open."""
    async with Database(path, [NOTES]) as database:
        pass

    with pytest.raises(StoreError, match="not open"):
        database.submit(notes)
    with pytest.raises(StoreError, match="not open"):
        await database.read(notes)


async def test_a_lost_post_is_logged(path: Path) -> None:
    """A write nobody waits for says in the log that it failed."""
    async with Database(path, [NOTES]) as database:
        with structlog.testing.capture_logs() as lines:
            database.post(lambda c: c.execute("INSERT INTO nowhere VALUES (1)"))
            await database.write(notes)

    assert [line["event"] for line in lines] == ["a write was lost"]


async def test_a_post_is_written_before_what_is_written_next(path: Path) -> None:
    """It is held back, but nothing overtakes it; leaving writes what is held."""
    async with Database(path, [NOTES]) as database:
        database.post(lambda c: note(c, "a"))
        await database.write(lambda c: note(c, "b"))
        assert await database.read(notes) == ["a", "b"]
        database.post(lambda c: note(c, "c"))
    async with Database(path, [NOTES]) as database:
        assert await database.read(notes) == ["a", "b", "c"]


async def test_a_post_is_written_by_itself_in_the_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where nothing else is written, and from any thread."""
    monkeypatch.setattr("onebot_bot.memory.writer.HELD", 0.0)
    loop, written = asyncio.get_running_loop(), asyncio.Event()
    async with Database(path, [NOTES]) as database:
        for _ in range(2):
            await asyncio.to_thread(database.post, lambda _: loop.call_soon_threadsafe(written.set))
            await written.wait()
            written.clear()


async def test_the_reader_cannot_write(path: Path) -> None:
    """A write through the reader is refused."""
    async with Database(path, [NOTES]) as database:
        with pytest.raises(StoreError, match="readonly"):
            await database.read(lambda c: note(c, "a"))


KILLED = """
import asyncio, sys
from pathlib import Path
from onebot_bot.memory.database import Database

async def main():
    async with Database(Path(sys.argv[1]), [("CREATE TABLE notes (text TEXT NOT NULL)",)]) as database:
        for n in range(10_000):
            await database.write(lambda c: c.execute("INSERT INTO notes VALUES (?)", (str(n),)).rowcount)
            print(n, flush=True)

asyncio.run(main())
"""


def killed_after(path: Path, count: int) -> list[str]:
    """Run the program above, kill it after `count` writes, and return those it knew to be written."""
    command = [sys.executable, "-c", KILLED, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        acknowledged = [process.stdout.readline().strip() for _ in range(count)]
        process.kill()
        return acknowledged + process.stdout.read().split()


async def test_what_was_acknowledged_survives_a_kill(path: Path) -> None:
    """Every write whose future was done is there after SIGKILL, and the folder is free again."""
    acknowledged = killed_after(path, 20)

    async with Database(path, [NOTES]) as database:
        written = await database.read(notes)
    assert acknowledged == written[: len(acknowledged)]
    assert len(acknowledged) >= 20


# --- opening ---


async def test_everything_made_is_private(path: Path) -> None:
    """The file, its log and the lock are for the owner's eyes only."""
    names = ("memory.sqlite3", "memory.sqlite3-wal", "memory.sqlite3-shm", "memory.lock")
    async with Database(path):
        assert dict.fromkeys(names, 0o600) == modes(path.parent)


async def test_a_write_is_on_the_disk_before_it_is_done(database: Database) -> None:
    """The writer logs ahead and waits for the disk."""
    pragmas = ("journal_mode", "synchronous", "foreign_keys", "secure_delete")
    values = await database.write(lambda c: [c.execute(f"PRAGMA {p}").fetchone()[0] for p in pragmas])

    assert values == ["wal", 2, 1, 1]  # 2: FULL


async def test_a_second_bot_is_refused(database: Database) -> None:
    """Two bots cannot open one folder, and the second learns why."""
    with pytest.raises(StoreError, match=r"in use by another bot \(process \d+\)"):
        await Database(database.path).__aenter__()


async def test_a_folder_is_free_after_the_end(path: Path) -> None:
    """Leaving releases the lock."""
    for _ in range(2):
        async with Database(path, [NOTES]) as database:
            await database.write(lambda c: note(c, "a"))

    assert file_notes(path) == ["a", "a"]


@pytest.fixture
def garbage(path: Path) -> bytes:
    """What lies where the database should."""
    path.write_bytes(b"not a database at all" * 100)
    return path.read_bytes()


async def test_a_file_that_is_no_database_is_named(path: Path, garbage: bytes) -> None:
    """The error names the file and the way back."""
    with pytest.raises(StoreError, match=r"memory\.sqlite3 is damaged or no database .*backups"):
        await Database(path).__aenter__()
    assert garbage == file_bytes(path)


async def test_a_damaged_page_is_found_at_the_start(path: Path) -> None:
    """A file with a page overwritten is refused before anything is written to it, and its lock is released."""
    async with Database(path, [NOTES]) as database:
        for n in range(200):
            await database.write(partial(note, text=f"{n}" * 100))
    overwrite_page(path)

    for _ in range(2):
        with pytest.raises(StoreError, match="is damaged"):
            await Database(path, [NOTES]).__aenter__()


async def test_a_file_held_by_another_program_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database browser with an open transaction is waited for, then named."""
    monkeypatch.setattr("onebot_bot.memory.database.BUSY_MS", 50)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")

        with pytest.raises(StoreError, match="held by another program"):
            await Database(path, [NOTES]).__aenter__()


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A file where the folder should be is an error about that path."""
    (tmp_path / "store").write_text("in the way")

    with pytest.raises(StoreError, match=r"store/memory\.sqlite3 cannot be opened"):
        await Database(tmp_path / "store" / "memory.sqlite3").__aenter__()


# --- migrating and copying ---


async def test_an_older_file_is_migrated_and_kept(path: Path) -> None:
    """The missing steps are applied, and a copy of the old version lies in backups."""
    async with Database(path, [NOTES]) as database:
        await database.write(lambda c: note(c, "old"))

    async with Database(path, [NOTES, COLOURS]) as database:
        rows = await database.read(lambda c: c.execute("SELECT text, colour FROM notes").fetchall())

    assert rows == [("old", "red")]
    assert file_notes(path.parent / "backups" / "memory.v1.sqlite3") == ["old"]


async def test_a_step_that_fails_leaves_the_version_before(path: Path) -> None:
    """A migration is whole or not at all."""
    async with Database(path, [NOTES]):
        pass
    half: Step = ("CREATE TABLE extra (x)", "CREATE TABLE notes (again)")

    with pytest.raises(StoreError, match="already exists"):
        await Database(path, [NOTES, half]).__aenter__()

    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == 1
        tables = connection.execute("SELECT name FROM sqlite_master").fetchall()
    assert tables == [("notes",)]


async def test_a_newer_file_is_refused(path: Path) -> None:
    """A file of a later program is left alone."""
    async with Database(path, [NOTES, COLOURS]):
        pass

    with pytest.raises(StoreError, match=r"memory\.sqlite3: version 2 is newer .* \(up to 1\)"):
        await Database(path, [NOTES]).__aenter__()


async def test_a_backup_is_whole_and_private(path: Path) -> None:
    """A copy made while the bot runs holds what was written, for the owner's eyes only."""
    target = path.parent / "backups" / "today.sqlite3"
    async with Database(path, [NOTES]) as database:
        await database.write(lambda c: note(c, "a"))
        await database.backup(target)

    assert file_notes(target) == ["a"]
    assert modes(target.parent) == {"today.sqlite3": 0o600}


async def test_what_need_not_last_a_power_cut_costs_no_fsync(database: Database) -> None:
    """The setting follows each transaction, and what comes after is synced again."""

    def synchronous(connection: sqlite3.Connection) -> int:
        return int(connection.execute("PRAGMA synchronous").fetchone()[0])

    assert await database.write(synchronous, lasting=False) == 1
    assert await database.write(synchronous) == 2
    assert await database.write(synchronous, lasting=False) == 1
