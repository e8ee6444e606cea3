"""A server on a free port, what it heard, and clients that dial in."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import structlog
from structlog.typing import EventDict, WrappedLogger

from onebot_bot.protocol.events import Event
from onebot_bot.sections.server import ServerConfig
from onebot_bot.transport.account import Account
from onebot_bot.transport.client import OneBotClient
from onebot_bot.transport.server import OneBotServer

SECRET = "secret"


@pytest.fixture
def heard() -> asyncio.Queue[tuple[Account, Event]]:
    """Every event handed on by `server`, with its account."""
    return asyncio.Queue()


@pytest.fixture
def greeted() -> asyncio.Queue[Account]:
    """Every account `server` called on_connect for."""
    return asyncio.Queue()


@pytest.fixture
def now() -> list[float]:
    """The one-element clock of `server`, seconds."""
    return [1000.0]


@pytest.fixture
async def server(
    heard: asyncio.Queue[tuple[Account, Event]], greeted: asyncio.Queue[Account], now: list[float]
) -> AsyncIterator[OneBotServer]:
    """A listening server whose token is `secret`."""
    async with OneBotServer(
        ServerConfig(port=0),
        SECRET,
        lambda account, event: heard.put_nowait((account, event)),
        greeted.put_nowait,
        clock=lambda: now[0],
    ) as running:
        yield running


@pytest.fixture
def dial(server: OneBotServer) -> Callable[..., OneBotClient]:
    """Make a client of `server`, by default account 10000 with the right token."""

    def make(self_id: int = 10000, token: str = SECRET, path: str = "/onebot/v11/ws", **options: Any) -> OneBotClient:
        return OneBotClient(f"ws://127.0.0.1:{server.port}{path}", self_id, token, **options)

    return make


@pytest.fixture
def lines() -> Iterator[asyncio.Queue[EventDict]]:
    """Every log line, as the fields it is made of."""
    queue: asyncio.Queue[EventDict] = asyncio.Queue()

    def keep(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        queue.put_nowait({**event, "level": method})
        raise structlog.DropEvent

    processors = structlog.get_config()["processors"]
    usual = list(processors)
    processors[:] = [keep]  # in place: loggers that are in use already hold this very list
    yield queue
    processors[:] = usual
