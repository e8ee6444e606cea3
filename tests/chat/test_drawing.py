"""A session whose answers are drawn: what goes out, and what goes wrong."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from fakes import FakeClock, ScriptedEngine, answer, until
from world import World

from onebot_bot.chat.presence import Presence
from onebot_bot.chat.router import ChatRouter
from onebot_bot.memory.chat_settings import ChatSettings
from onebot_bot.memory.database import Database
from onebot_bot.memory.history import History
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.segments import At, Image, Reply, Text

ALICE = ChatId(10000, "private", 1)
GROUP = ChatId(10000, "group", 77)
TABLE = "| a | b |\n|---|---|\n| 1 | 2 |"
PICTURE = Image(file="base64://UE5H")


class Easel:
    """Draws once the test lets it."""

    def __init__(self) -> None:
        self.may = asyncio.Event()
        self.may.set()
        self.drawing = asyncio.Event()
        self.settings = ChatSettings()

    async def paint(self, markdown: str, theme: str, timeout: float) -> bytes:  # noqa: ASYNC109 - the real one's
        """Always the same."""
        self.drawing.set()
        await self.may.wait()
        return b"PNG"


@pytest.fixture
def easel() -> Easel:
    """What draws in `drawn`."""
    return Easel()


@pytest.fixture
async def drawn(engine: ScriptedEngine, clock: FakeClock, tmp_path: Path, easel: Easel) -> AsyncIterator[World]:
    """A running router that draws."""
    async with Database(tmp_path / "memory.sqlite3") as database:
        made = World(engine, clock, History(database))
        presence = Presence(lambda _: easel.settings)
        services = msgspec.structs.replace(made.services(), painter=easel, presence=presence)
        async with ChatRouter(services, made, made.accounts, made.sessions, made.fill_gap) as router:
            made.router = router
            yield made


async def record(world: World, chat: ChatId) -> list[tuple[str, str, str]]:
    """Role, text and state of everything, once no turn is open."""
    await until(lambda: world.sessions[chat]._turn is None)
    return [(entry.role, entry.text, entry.state) for entry in await world.history.recent(chat, 9)]


async def test_a_table_goes_out_as_a_picture(drawn: World) -> None:
    """With the quote, and on record as the words that it is made of."""
    message = drawn.group((At("10000"), Text("compare")))
    drawn.say(message)
    await drawn.quiet()
    answer(await drawn.engine.next(), TABLE)
    assert (await drawn.account.next()).message == (Reply(str(message.message_id)), PICTURE)
    assert (await record(drawn, GROUP))[-1] == ("assistant", TABLE, "heard")


async def test_a_chat_may_want_words(drawn: World, easel: Easel) -> None:
    """As /render off says."""
    easel.settings = ChatSettings(pictures=False)
    drawn.say(drawn.private("compare"))
    await drawn.quiet()
    answer(await drawn.engine.next(), TABLE)
    assert (await drawn.account.next()).message == (Text(TABLE),)


async def test_stop_while_it_is_drawn_ends_the_turn(drawn: World, easel: Easel) -> None:
    """Nothing is sent."""
    easel.may.clear()
    drawn.say(drawn.private("compare"))
    await drawn.quiet()
    answer(await drawn.engine.next(), TABLE)
    await asyncio.wait_for(easel.drawing.wait(), 5)
    assert drawn.sessions[ALICE].stop()
    easel.may.set()
    assert await record(drawn, ALICE) == [("user", "compare", "dropped")]
    assert drawn.account.sent.empty()


async def test_a_very_long_answer_is_a_bundle(drawn: World) -> None:
    """One action, and one entry on record."""
    drawn.say(drawn.private("tell me all"))
    await drawn.quiet()
    answer(await drawn.engine.next(), "很长。" * 1000)
    sent = await drawn.account.next()
    assert (sent.name, [len(node.content[0].text) for node in sent.messages]) == (
        "send_private_forward_msg",
        [1500] * 2,
    )
    assert (await record(drawn, ALICE))[-1][:2] == ("assistant", "很长。" * 1000)


async def test_an_answer_that_is_too_late_is_dropped(drawn: World, caplog: pytest.LogCaptureFixture) -> None:
    """It is neither sent nor reported: the account's other messages came first."""
    drawn.configure("sending", interval=30.0, stale_after=10.0)
    for user in (1, 2):
        drawn.say(drawn.private("hi", user=user))
    await drawn.quiet()
    for text in ("first", "second"):
        answer(await drawn.engine.next(), text)
    assert (await drawn.account.next()).message == (Text("first"),)
    late = ChatId(10000, "private", 2)
    assert await record(drawn, late) == [("user", "hi", "dropped")]
    assert drawn.account.sent.empty()
    assert drawn.reports.empty()
