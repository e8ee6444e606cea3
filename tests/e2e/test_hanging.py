"""The model hangs in a real process: it restarts itself whole, and nobody's message is lost."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e import hanging_bot
from e2e.bot_process import OWNER, PATIENCE, Bot

USER = 20001


class HangingBot(Bot):
    """A bot whose model hangs once."""

    @property
    def command(self) -> list[str]:
        """The script, run as a person runs the bot."""
        return [sys.executable, hanging_bot.__file__, "run", "--config", str(self.config)]


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[Bot]:
    """It runs, and hangs as soon as somebody asks something."""
    bot = HangingBot(tmp_path / "bot", tmp_path / "model")
    bot.write({"model.stall": 0.5, "learning.enabled": False, "generation.max_new_tokens": 3})
    bot.start()
    yield bot
    bot.kill()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no exec: there a service starts it again")
async def test_a_hang_restarts_the_process_and_the_message_is_answered(hanging: Bot, account: int) -> None:
    """The same process number, the listening socket and the lock are free again, the owner is told."""
    before = hanging.pid
    async with hanging.dial(account) as napcat:
        await napcat.tell(USER, "Are you there?")
        assert await napcat.wait_closed() == 1001
    await hanging.listening()
    async with hanging.dial(account) as napcat:
        assert (await napcat.answer(USER)).text == "abc"
        assert "model.stall is 0.5" in (await napcat.answer(OWNER)).text
        await napcat.settled()
        assert await napcat.ask(USER, "And now?") == "abc"
        await napcat.settled()
        assert [row.role for row in napcat.record(USER)] == ["user", "assistant"] * 2
    assert hanging.pid == before
    assert "hang_once" in hanging.log
    assert await hanging.stop(PATIENCE) == 0
