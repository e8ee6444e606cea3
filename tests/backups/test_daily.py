"""onebot_bot.backups.daily."""

import asyncio
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from backups.conftest import damage
from fakes import FakeClock, until

from onebot_bot.backups.contents import DATABASE, Place
from onebot_bot.backups.daily import AGAIN, LOOK_EVERY, SETTLED, Backups, is_due
from onebot_bot.backups.shelf import Shelf
from onebot_bot.errors import StoreError
from onebot_bot.memory.database import Database
from onebot_bot.sections.backup import BackupConfig

ZONE = ZoneInfo("Asia/Shanghai")
START = datetime(2026, 11, 21, 4, 20, tzinfo=ZONE)


class Yard:
    """Backups by a clock that a test moves, and what the owner was told."""

    def __init__(self, database: Database, place: Place) -> None:
        self.place = place
        self.clock = FakeClock()
        self.told: list[str] = []
        self.shelf = Shelf(place.folder / "memory_store")
        self.backups = Backups(database, lambda: self.place, self.report, self.clock, self.local)

    def local(self) -> datetime:
        """START, and what the clock went on since."""
        return START + timedelta(seconds=self.clock.now - 1000)

    def report(self, kind: str, chat: object, error: BaseException) -> str:
        """Note it."""
        self.told.append(f"{kind}: {error}")
        return ""

    def configure(self, **changes: object) -> None:
        """Change [backup]."""
        section = msgspec.structs.replace(self.place.config.backup, **changes)
        self.place = msgspec.structs.replace(
            self.place, config=msgspec.structs.replace(self.place.config, backup=section)
        )

    async def after(self, seconds: float) -> list[str]:
        """Let time pass; the days and hours of which there are backups then."""
        await until(lambda: self.clock.sleeping == 1)
        self.clock.advance(seconds)
        await until(lambda: self.clock.sleeping == 1)
        return [f"{backup.made.astimezone(ZONE):%d %H:%M}" for backup in self.shelf.all()]


@pytest.fixture
async def yard(place: Place) -> AsyncIterator[Yard]:
    """With one of yesterday, and running."""
    async with Database(place.folder / DATABASE) as database:
        found = Yard(database, place)
        found.shelf.folder.mkdir()
        (found.shelf.folder / "backup-20261119T203000Z.zip").write_bytes(b"yesterday's")
        running = asyncio.create_task(found.backups.run())
        yield found
        running.cancel()
        await asyncio.wait([running])


@pytest.mark.parametrize(
    ("last", "now", "due"),
    [
        (None, "21 04:29", True),
        ("20 04:31", "21 04:29", False),
        ("20 04:31", "21 04:30", True),
        ("20 04:29", "21 00:00", True),
        ("21 04:30", "21 23:59", False),
    ],
)
def test_one_a_day_is_due(last: str | None, now: str, due: bool) -> None:  # noqa: FBT001 - a row of the table
    """Since the clock last showed the time; what was missed is made up for."""

    def moment(text: str) -> datetime:
        return datetime.strptime(f"2026-11-{text}", "%Y-%m-%d %H:%M").replace(tzinfo=ZONE)

    assert is_due(moment(last).astimezone(UTC) if last else None, moment(now), "04:30") == due


async def test_a_backup_a_day(yard: Yard) -> None:
    """Not before the start has settled, at the time, once; then the next day; off while it is switched off."""
    assert await yard.after(SETTLED) == ["20 04:30"]
    assert await yard.after(10 * LOOK_EVERY) == ["21 04:35", "20 04:30"]
    assert await yard.after(LOOK_EVERY) == ["21 04:35", "20 04:30"]
    yard.configure(enabled=False)
    assert len(await yard.after(86400)) == 2
    yard.configure(enabled=True)
    assert len(await yard.after(LOOK_EVERY)) == 3
    yard.configure(keep=1)
    assert await yard.after(86400) == ["23 04:37"]
    assert yard.told == []


async def test_a_failure_is_told_and_tried_again(yard: Yard) -> None:
    """After an hour, not every minute; the backups that are there stay."""
    path = yard.place.folder / DATABASE
    whole = path.read_bytes()
    damage(path)
    yard.configure(keep=1)
    assert await yard.after(SETTLED + 600) == ["20 04:30"]
    assert await yard.after(LOOK_EVERY) == ["20 04:30"]
    assert len(yard.told) == 1
    assert yard.told[0].startswith("report.backup: ")
    assert "memory.sqlite3 is damaged" in yard.told[0]
    path.write_bytes(whole)
    for _ in range(AGAIN - 2):
        assert len(await yard.after(LOOK_EVERY)) == 1
    assert await yard.after(LOOK_EVERY) != ["20 04:30"]


async def test_one_at_a_time(yard: Yard) -> None:
    """A second one asked for meanwhile is refused; both kinds are listed where the people live."""
    first, second = await asyncio.gather(yard.backups.make(), yard.backups.make(), return_exceptions=True)
    assert not isinstance(first, BaseException)
    assert isinstance(second, StoreError)
    kept = await yard.backups.kept()
    assert [(one.name, f"{one.made:%H:%M}") for one in kept] == [
        (first.path.name, "04:20"),
        ("backup-20261119T203000Z.zip", "04:30"),
    ]
    assert (first.messages, first.adapter, kept[0].bytes) == (2, "20261102T020000Z", first.bytes)


async def test_a_start_sweeps_nothing_that_is_being_made(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """One asked for before the folder was swept waits for that; and the other way round."""
    swept = threading.Event()
    sweep = Shelf.sweep

    def late(shelf: Shelf) -> None:
        swept.wait(5)
        sweep(shelf)

    monkeypatch.setattr(Shelf, "sweep", late)
    starting = asyncio.create_task(yard.backups.run())
    await until(yard.backups._writing.locked)
    making = asyncio.create_task(yard.backups.make())
    await asyncio.sleep(0)
    assert [path.name for path in yard.shelf.folder.iterdir()] == ["backup-20261119T203000Z.zip"]
    swept.set()
    assert (await making).path.exists()
    starting.cancel()
    await asyncio.wait([starting])


async def test_an_end_meanwhile_leaves_nothing(yard: Yard) -> None:
    """The bot ends as fast as ever, and what is half made goes."""
    making = asyncio.create_task(yard.backups.make())
    await asyncio.sleep(0)
    making.cancel()
    await asyncio.wait([making])
    assert making.cancelled()
    assert [path.name for path in yard.shelf.folder.iterdir()] == ["backup-20261119T203000Z.zip"]


def test_the_time_is_one() -> None:
    """As people write it; what is none is named with the key."""
    assert BackupConfig(time="4:05").time == "4:05"
    for wrong in ("24:00", "noon", "04:60", "04:30-05:00"):
        with pytest.raises(ValueError, match="time: "):
            BackupConfig(time=wrong)


async def test_what_holds_nothing_pushes_nothing_out(place: Place) -> None:
    """A database that was lost, or moved away on purpose: the owner is told, and the old backups stay."""
    async with Database(place.folder / "other" / "memory.sqlite3") as empty:
        lost = Yard(empty, place)
        (place.folder / "other" / "backups").mkdir()
        (place.folder / "other" / "backups" / "backup-20261101T203000Z.zip").write_bytes(b"x")
        running = asyncio.create_task(lost.backups.run())
        await until(lambda: lost.clock.sleeping == 1)
        assert len(lost.told) == 1
        assert "holds no messages, but there are backups, the newest backup-20261101T203000Z.zip" in lost.told[0]
        for _ in range(3):
            lost.clock.advance(86400)
            await until(lambda: lost.clock.sleeping == 1)
        assert [path.name for path in (place.folder / "other" / "backups").iterdir()] == ["backup-20261101T203000Z.zip"]
        running.cancel()
        await asyncio.wait([running])
