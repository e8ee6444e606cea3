"""A database in a folder of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from facts import opened

from onebot_bot.memory.database import Database
from onebot_bot.memory.store import MemoryStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the test's database lies."""
    return tmp_path / "memory.sqlite3"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    """An open database."""
    async with Database(path) as opened:
        yield opened


@pytest.fixture
async def store(path: Path) -> AsyncIterator[MemoryStore]:
    """An empty store that searches for the keys of MODEL."""
    async with opened(path) as empty:
        yield empty
