"""A router over a real database, with a scripted engine, a scripted account and a clock that tests move."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fakes import FakeClock, ScriptedEngine
from world import World

from onebot_bot.chat.router import ChatRouter
from onebot_bot.memory.database import Database
from onebot_bot.memory.history import History


@pytest.fixture
async def world(engine: ScriptedEngine, clock: FakeClock, tmp_path: Path) -> AsyncIterator[World]:
    """A running router."""
    async with Database(tmp_path / "memory.sqlite3") as database:
        made = World(engine, clock, History(database))
        router = ChatRouter(made.services(), made, made.accounts, made.sessions, made.fill_gap)
        async with router:
            made.router = router
            yield made
