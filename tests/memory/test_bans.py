"""Bans: how long they hold, and that a restart forgets none."""

from pathlib import Path

from onebot_bot.memory.bans import Ban, Bans
from onebot_bot.memory.database import Database

TOM, ANN, OWNER = 3, 4, 1


async def test_a_ban_holds_for_its_time_and_through_a_restart(tmp_path: Path) -> None:
    """One without an end until it is lifted."""
    now = 1000.0
    async with Database(tmp_path / "m.sqlite3") as database:
        bans = Bans(database, lambda: now)
        await bans.put(TOM, 60, "spam", OWNER)
        await bans.put(ANN, None, "", OWNER)
        assert bans.banned(TOM)
        now += 59
        again = Bans(database, lambda: now)
        await again.restore()
        assert again.current() == [Ban(TOM, 1060, "spam", OWNER, 1000), Ban(ANN, None, "", OWNER, 1000)]
        now += 1
        assert not again.banned(TOM)
        assert again.banned(ANN)
        assert not await again.lift(TOM)
        assert await again.lift(ANN)
        await again.restore()
        assert again.current() == []


async def test_what_has_run_out_goes_with_the_next_ban(tmp_path: Path) -> None:
    """From memory and from the disk: months of bans are not kept."""
    now = 1000.0
    async with Database(tmp_path / "m.sqlite3") as database:
        bans = Bans(database, lambda: now)
        await bans.put(TOM, 60, "spam", OWNER)
        now += 60
        await bans.put(ANN, 60, "", OWNER)
        assert list(bans._all) == [ANN]
        rows = await database.read(lambda connection: connection.execute("SELECT user FROM bans").fetchall())
        assert rows == [(ANN,)]
