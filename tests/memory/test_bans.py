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
