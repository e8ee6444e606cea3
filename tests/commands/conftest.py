"""A chat over real memories, for every test of commands."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from commands.desk import NOON, Desk, Room
from commands.lounge import Lounge, lounge_at
from fakes import FakeClock, ScriptedEngine

from onebot_bot.memories import Memories
from onebot_bot.memory.database import Database
from onebot_bot.memory.store import MemoryStore


@pytest.fixture
async def room(tmp_path: Path) -> Any:
    """A private room over real memories and a real config file."""
    path = tmp_path / "config.toml"
    path.write_text("", encoding="utf-8")
    async with (
        Database(tmp_path / "m.sqlite3") as database,
        MemoryStore(database, tmp_path / "m.faiss", clock=lambda: NOON) as store,
    ):
        memories = Memories(ScriptedEngine(), store)
        await memories.vectors.prepare("fake")
        yield Room(Desk(path, memories, store, database))


@pytest.fixture
async def lounge(tmp_path: Path, engine: ScriptedEngine, clock: FakeClock) -> AsyncIterator[Lounge]:
    """People who talk to the bot, in private and in a group."""
    async with lounge_at(tmp_path, engine, clock) as opened:
        yield opened
