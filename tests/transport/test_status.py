"""onebot_bot.transport.status over a real server."""

from collections.abc import AsyncIterator

import pytest

from onebot_bot.errors import NotConnected
from onebot_bot.sections.server import ServerConfig
from onebot_bot.transport.client import OneBotClient
from onebot_bot.transport.server import OneBotServer
from onebot_bot.transport.status import BOT, AccountStatus, BotStatus, ask_status

TOKEN = "a-token"


@pytest.fixture
async def server() -> AsyncIterator[OneBotServer]:
    """On a port of its own."""
    async with OneBotServer(ServerConfig(port=0), TOKEN, lambda *_: None, lambda _: None) as server:
        yield server


async def test_the_bot_tells_how_its_accounts_are(server: OneBotServer) -> None:
    """To whom has the token, and without becoming a connection."""
    url = f"http://127.0.0.1:{server.port}/onebot/v11/ws"
    assert await ask_status(url, TOKEN, 5) == BotStatus(BOT, [])
    async with OneBotClient(f"ws://127.0.0.1:{server.port}/", 10000, TOKEN):
        told = await ask_status(url, TOKEN, 5)
    assert told.accounts == [AccountStatus(self_id=10000, links=1, online=True, silent=None)]


@pytest.mark.parametrize("token", ["wrong", ""])
async def test_nobody_is_told_without_the_token(server: OneBotServer, token: str) -> None:
    """A wrong one is refused as it is of clients; without one there is only the hint for browsers."""
    with pytest.raises(NotConnected, match="does not answer as this bot does"):
        await ask_status(f"http://127.0.0.1:{server.port}/", token, 5)
    assert server.accounts == {}
