"""Bots in processes of their own, with the trial model."""

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from e2e.bot_process import Bot, NapCat

_accounts = itertools.count(10001)


@pytest.fixture(scope="session")
def bot(trial_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    """A running bot for all tests that leave it as they found it: loading the model takes seconds."""
    running = Bot(tmp_path_factory.mktemp("bot") / "shared", trial_folder)
    running.start()
    yield running
    running.kill()


@pytest.fixture(scope="session")
def own_bot(trial_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    """A bot for tests that end it; it runs if one of them left it running."""
    idle = Bot(tmp_path_factory.mktemp("bot") / "own", trial_folder)
    yield idle
    idle.kill()


@pytest.fixture
def account() -> int:
    """A QQ number that no other test uses: what it said and heard is this test's alone."""
    return next(_accounts)


@pytest.fixture
async def napcat(bot: Bot, account: int) -> AsyncIterator[NapCat]:
    """NapCat of a new account, connected to the shared bot."""
    async with bot.dial(account) as connected:
        yield connected
