"""A burst is read piece by piece, and whole."""

import asyncio
from collections.abc import Callable

import pytest
from websockets.asyncio.server import ServerConnection

from onebot_bot.protocol.events import Event, PrivateMessage
from onebot_bot.protocol.segments import plain_text
from onebot_bot.transport import feeding
from onebot_bot.transport.account import Account
from onebot_bot.transport.client import OneBotClient

Heard = asyncio.Queue[tuple[Account, Event]]
Dial = Callable[..., OneBotClient]
COUNT = 200
WORDS = [f"number {number}" for number in range(COUNT)]


@pytest.fixture(autouse=True)
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Bytes of every piece that was read; each ends its connection's turn."""
    found: list[int] = []
    read = ServerConnection.data_received

    def noted(self: ServerConnection, data: bytes) -> None:
        found.append(len(data))
        read(self, data)

    monkeypatch.setattr(ServerConnection, "data_received", noted)
    monkeypatch.setattr(feeding, "AT_ONCE", -1.0)
    return found


async def say(client: OneBotClient) -> None:
    """All the words, before the other side has a turn."""
    for words in WORDS:
        await client.send_event(client.private_message(20000, words))


async def all_heard(heard: Heard) -> list[str]:
    """What came of them, in order."""
    found = [(await asyncio.wait_for(heard.get(), 5))[1] for _ in WORDS]
    return [plain_text(event.message) for event in found if isinstance(event, PrivateMessage)]


async def test_it_comes_in_order_and_in_pieces(dial: Dial, heard: Heard, sizes: list[int]) -> None:
    """Each piece is bounded, and the loop goes round between two of them."""
    async with dial() as client:
        await say(client)
        assert await all_heard(heard) == WORDS
    assert max(sizes) == feeding.PIECE
    assert sum(sizes) > 3 * feeding.PIECE


async def test_what_came_before_the_end_is_heard(dial: Dial, heard: Heard) -> None:
    """A client that hangs up right behind its words loses none of them."""
    async with dial() as client:
        await say(client)
        client._socket.transport.close()
        assert await all_heard(heard) == WORDS


async def test_one_long_frame_is_put_together(dial: Dial, heard: Heard) -> None:
    """Frames go over the pieces' edges."""
    words = "长" * feeding.PIECE
    async with dial() as client:
        await client.send_event(client.private_message(20000, words))
        await say(client)
        _, event = await asyncio.wait_for(heard.get(), 5)
        assert isinstance(event, PrivateMessage)
        assert plain_text(event.message) == words
        assert await all_heard(heard) == WORDS
