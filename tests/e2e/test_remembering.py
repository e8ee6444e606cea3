"""What people tell the trial bot comes to its mind later, without a word of training by its user."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.bot_process import OWNER, Bot, NapCat

pytestmark = pytest.mark.model

GROUP, OTHER_GROUP, USER = 30001, 30002, 20001
REMEMBERING = 240.0
"""Seconds until a new memory was refined, on whatever machine this is."""
EXACT = "SELECT count(*) FROM memories WHERE account = ? AND status = 'active' AND exact IS NOT 1"


@pytest.fixture(scope="module")
def bot(trial_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    """A bot that reads chats as soon as they are quiet and refines what it reads, with the adapter that is shipped."""
    running = Bot(tmp_path_factory.mktemp("bot") / "remembering", trial_folder)
    running.write({"bot.language": "en", "learning.quiet_minutes": 0.01, "learning.refine_idle": True})
    running.write({"generation.max_new_tokens": 48})
    running.start()
    yield running
    running.kill()


async def refined(napcat: NapCat) -> None:
    """Wait until all that this account remembers is read out word for word."""
    async with asyncio.timeout(REMEMBERING):
        await napcat.bot.logs_until(lambda: napcat.bot.query(EXACT, napcat.self_id) == [(0,)])


async def test_a_fact_is_remembered(napcat: NapCat) -> None:
    """Told in private, noted after the quiet spell, recalled when the talk itself is out of sight; /why shows it."""
    await napcat.ask(OWNER, "My birthday is March 14.", "Tom")
    await napcat.until("/memory list", "March 14")
    await refined(napcat)
    await napcat.command("/reset")
    assert "March 14" in await napcat.ask(OWNER, "When is my birthday?", "Tom")
    assert "birthday is March 14" in await napcat.command("/why")
    # What the other tests tell it need not be refined.
    await napcat.configure({"learning.refine_idle": False})


async def test_what_is_not_asked_for_is_not_recalled(napcat: NapCat) -> None:
    """A greeting calls for no memory."""
    await napcat.ask(OWNER, "My birthday is March 14.")
    await napcat.until("/memory list", "March 14")
    await napcat.command("/reset")
    assert "March" not in await napcat.ask(OWNER, "Hello, how are you?")
    assert "March" not in await napcat.command("/why")


async def test_a_silent_group_is_heard(napcat: NapCat) -> None:
    """What is said where the bot does not answer is noted too, for that group alone."""
    await napcat.tell_group(GROUP, USER, "My birthday is May 2.")
    async with asyncio.timeout(REMEMBERING):
        while "May 2" not in await napcat.ask_group(GROUP, OWNER, "/memory list"):
            continue
    assert "May 2" not in await napcat.ask_group(OTHER_GROUP, OWNER, "/memory list")
    assert "May 2" not in await napcat.command("/memory list")


async def test_a_forgotten_fact_does_not_come_back(napcat: NapCat) -> None:
    """Neither from the chat that it was told in nor after a restart of the reading."""
    await napcat.ask(OWNER, "My birthday is March 14.")
    await napcat.until("/memory list", "March 14")
    ((number,),) = napcat.bot.query("SELECT id FROM memories WHERE account = ? AND status = 'active'", napcat.self_id)
    await napcat.command(f"/memory forget {number} -y")
    await napcat.ask(OWNER, "My job is teacher.")
    await napcat.until("/memory list", "teacher")
    assert "March" not in await napcat.command("/memory list")
