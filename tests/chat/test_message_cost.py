"""What one plain message costs on its way through the chats, counted in calls and transactions: no clock is asked."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest
from fakes import answer, until
from world import World

import onebot_bot
from onebot_bot.memory.leaving import LEAVING, Leaving
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.segments import At, Text

MOST_CALLS = 410
"""Of our own functions, for a message, from the router to the answer on record."""
MEASURED = 20
OURS = str(Path(onebot_bot.__file__).parent)
GROUP = ChatId(10000, "group", 77)


@pytest.fixture(autouse=True)
def at_once(world: World) -> None:
    """Nobody's next message is waited for."""
    world.configure("chat", merge_window=0.0, exchanges_per_minute=0)


@pytest.fixture
def leaving(tmp_path: Path) -> Iterator[Leaving]:
    """What is being sent."""
    with Leaving(tmp_path / LEAVING) as found:
        yield found


async def exchange(world: World, words: str) -> None:
    """A group message that mentions the bot, and its answer."""
    world.say(world.group((At("10000"), Text(words))))
    answer(await world.engine.next(), f"to {words}")
    await world.account.next()
    await until(lambda: world.sessions[GROUP]._turn is None)


async def test_a_plain_message_takes_few_calls(world: World) -> None:
    """A message passes every part of the bot, so what each asks anew adds up."""
    await exchange(world, "first")
    calls = 0

    def count(frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call" and frame.f_code.co_filename.startswith(OURS)

    sys.setprofile(count)
    try:
        for number in range(MEASURED):
            await exchange(world, f"number {number}")
    finally:
        sys.setprofile(None)
    assert calls / MEASURED < MOST_CALLS


async def test_a_plain_message_takes_two_transactions(world: World, leaving: Leaving) -> None:
    """Its words before it is answered, and the answer; that it leaves is noted without one."""
    await world.history.resume(leaving)
    await exchange(world, "first")
    begun: list[str] = []
    writer = world.history._database._writer
    assert writer is not None

    def note(statement: str) -> None:
        if statement.startswith("BEGIN"):
            begun.append(statement)

    writer._connection.set_trace_callback(note)
    await exchange(world, "second")
    writer._connection.set_trace_callback(None)
    assert len(begun) == 2
