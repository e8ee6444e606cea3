"""Chats at rest: everything is received, nothing is answered, and afterwards nothing is left out."""

import asyncio
import contextlib
import os
import signal
import sys
import textwrap
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fakes import FakeClock, ScriptedEngine, answer, until
from world import World

from onebot_bot.chat.answering import MOST_ASKED
from onebot_bot.chat.rest import ONE_REST, Rest
from onebot_bot.chat.router import ChatRouter
from onebot_bot.engine.request import Generation, Text
from onebot_bot.errors import ActionFailed
from onebot_bot.memory.database import Database
from onebot_bot.memory.history import Entry, History
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.segments import At
from onebot_bot.protocol.segments import Text as Words

ALICE = ChatId(10000, "private", 1)
GROUP = ChatId(10000, "group", 77)
BUSY = "我在整理今天的记忆，醒来再回你～"


def asked(generation: Generation) -> str:
    """The last turn that the model is shown."""
    turn = generation.request.conversation.turns[-1]
    return "".join(part.text for part in turn.parts if isinstance(part, Text))


@contextlib.asynccontextmanager
async def rested(world: World) -> AsyncIterator[None]:
    """A rest, entered within five seconds."""
    async with contextlib.AsyncExitStack() as stack:
        await asyncio.wait_for(stack.enter_async_context(world.router.paused()), 5)
        yield


async def resting(world: World, chat: ChatId, count: int = 1) -> None:
    """Until so many messages of a chat wait for the end of the rest, past their merge window."""
    await until(lambda: chat in world.sessions and len(world.sessions[chat]._pending) >= count)

    def waits() -> bool:
        if world.clock.sleeping:
            world.clock.advance(5)
        return not world.sessions[chat]._woken.is_set()

    await until(waits)


async def states(world: World, chat: ChatId) -> list[tuple[str, str]]:
    """Text and state of everything on record."""
    await world.settled()
    return [(entry.text, entry.state) for entry in await world.history.recent(chat, 200)]


async def sent(world: World) -> str:
    """The words of the next message that goes out."""
    return "".join(s.text for s in (await world.account.next()).message if isinstance(s, Words))


async def test_what_comes_during_a_rest_is_recorded_and_answered_after_it(world: World) -> None:
    """Pending on the disk at once; one answer sees all of it."""
    async with rested(world):
        world.say(world.private("one"))
        await resting(world, ALICE)
        world.say(world.private("two"))
        await resting(world, ALICE, 2)
        assert await states(world, ALICE) == [("one", "pending"), ("two", "pending")]
        assert world.engine.requests.empty()
    generation = await world.engine.next()
    assert asked(generation) == "one\ntwo"
    answer(generation, "good morning")
    assert [await sent(world), await sent(world)] == [BUSY, "good morning"]
    await until(lambda: not world.sessions[ALICE]._owed)
    assert await states(world, ALICE) == [("one", "answered"), ("two", "answered"), ("good morning", "heard")]


async def test_a_rest_lasts_any_time_and_answers_all_the_same(world: World) -> None:
    """`answer_within` is for outages: what came in the first minute of a night is answered after hours."""
    async with rested(world):
        world.say(world.private("good night"))
        await resting(world, ALICE)
        world.clock.advance(4 * 3600)
    assert asked(await world.engine.next()) == "good night"


async def test_everybody_in_a_group_gets_one_answer_together(world: World) -> None:
    """Two people who called the bot in the night are one turn; talk between people stays heard."""
    async with rested(world):
        world.say(world.group((At("10000"), Words("first")), user=1))
        world.say(world.group("not for the bot", user=2))
        world.say(world.group((At("10000"), Words("second")), user=3))
        await resting(world, GROUP, 2)
    generation = await world.engine.next()
    assert asked(generation).splitlines()[-2:] == ["[card1(1)] @小忆 first", "[card3(3)] @小忆 second"]
    answer(generation, "hello both")
    await until(lambda: not world.sessions[GROUP]._owed)
    assert [state for _, state in await states(world, GROUP)] == ["answered", "heard", "answered", "heard"]
    assert world.engine.requests.empty()


async def test_who_asks_directly_is_told_once(world: World) -> None:
    """Per chat and rest, in private and by @; a name that falls in a group is not asking."""
    for _ in range(2):
        async with rested(world):
            for text in ("hi", "hello?"):
                world.say(world.private(text))
                await resting(world, ALICE)
            world.say(world.group("小忆 is asleep", user=5))
            await resting(world, GROUP)
            assert await sent(world) == BUSY
            assert world.account.sent.empty()
        for _ in range(2):
            answer(await world.engine.next(), "yes")
            assert await sent(world) == "yes"
        await until(lambda: not any(session._owed for session in world.sessions.values()))


async def test_a_quote_of_the_excuse_is_meant_for_the_bot(world: World) -> None:
    """Though it is not on record."""
    async with rested(world):
        world.say(world.private("hi"))
        await resting(world, ALICE)
        await until(lambda: world.sessions[ALICE].said(5000))


async def test_a_failing_excuse_loses_nothing(world: World) -> None:
    """No connection, or refused: the answer comes in the morning all the same."""
    async with rested(world):
        world.account.failures.append(ActionFailed("send_private_msg", 1, "refused"))
        world.say(world.private("hi"))
        await resting(world, ALICE)
        await world.account.next()
    answer(await world.engine.next(), "morning")
    assert await sent(world) == "morning"


async def test_a_rest_begins_when_running_answers_are_written(world: World) -> None:
    """They are finished, also when their sender goes on talking; that waits."""
    world.say(world.private("before"))
    await world.quiet()
    generation = await world.engine.next()
    async with contextlib.AsyncExitStack() as stack:
        entering = asyncio.ensure_future(stack.enter_async_context(world.router.paused()))
        await until(lambda: world.router._services.rest.resting)
        world.say(world.private("during"))
        assert not generation.interrupted
        assert not entering.done()
        answer(generation, "finished")
        await asyncio.wait_for(entering, 5)
        assert await sent(world) == "finished"
        await resting(world, ALICE)
        assert world.engine.requests.empty()
    assert asked(await world.engine.next()) == "during"


async def test_a_rest_that_fails_ends(world: World) -> None:
    """Whatever happens inside."""
    with contextlib.suppress(ZeroDivisionError):
        async with rested(world):
            raise ZeroDivisionError
    world.say(world.private("hi"))
    await world.quiet()
    assert asked(await world.engine.next()) == "hi"


async def test_stop_during_a_rest_is_on_record_at_once(world: World) -> None:
    """And nothing is answered in the morning."""
    async with rested(world):
        world.say(world.private("never mind"))
        await resting(world, ALICE)
        assert world.sessions[ALICE].stop()
        async with asyncio.timeout(5):
            while await states(world, ALICE) != [("never mind", "dropped")]:
                await world.settled()
    await world.settled()
    assert world.engine.requests.empty()


async def test_commands_are_carried_out_during_a_rest(world: World) -> None:
    """Such as /status."""
    async with rested(world):
        world.say(world.private("/status"))
        assert await asyncio.wait_for(world.commands.get(), 5) == "/status"


async def test_later_talk_of_somebody_who_asked_is_not_taken_for_asking(world: World) -> None:
    """In a group what follows an @ at once belongs to it; an hour later it does not."""
    async with rested(world):
        world.say(world.group((At("10000"), Words("hey"))))
        world.say(world.group("where is my cat?"))
        await resting(world, GROUP, 2)
        world.clock.advance(3600)
        world.say(world.group("anyway, good night all"))
        assert [state for _, state in await states(world, GROUP)] == ["pending", "pending", "heard"]


async def test_a_very_long_night_still_fits_one_answer(world: World) -> None:
    """The last messages are asked; what came before is shown as said, as far as it fits."""
    async with rested(world):
        for number in range(MOST_ASKED + 5):
            world.say(world.private(f"m{number}"))
        await resting(world, ALICE, MOST_ASKED + 5)
    generation = await world.engine.next()
    lines = asked(generation).splitlines()
    assert lines == [f"m{number}" for number in range(MOST_ASKED + 5)]
    assert generation.request.conversation.keep == MOST_ASKED
    answer(generation, "so much!")
    await until(lambda: not world.sessions[ALICE]._owed)
    assert "pending" not in [state for _, state in await states(world, ALICE)]


async def test_what_was_said_in_an_outage_during_a_rest_is_answered(world: World) -> None:
    """It counts as of the rest's end, so `answer_within` does not drop it."""
    now = int(time.time())
    world.router._services.rest.remember(now - 7200, now - 10)
    left = Entry(role="user", text="left", time=now - 7000, user_id=1, message_id=999, state="pending")
    await world.history.append(ALICE, left)
    world.missed = [world.private("missed", user=2, time=now - 3600), world.private("old", user=3, time=now - 9000)]
    world.router.connected(world.account)
    await until(lambda: len(world.sessions) == 3 and world.clock.sleeping == 2)
    world.clock.advance(1)
    assert sorted([asked(await world.engine.next()), asked(await world.engine.next())]) == ["left", "missed"]
    assert await states(world, ChatId(10000, "private", 3)) == [("old", "heard")]


@pytest.mark.parametrize(
    ("began", "ended", "now", "expected"),
    [(1000, 8000, 8100, 1000), (1000, 8000, 8301, 8001), (1000, None, 90_000, 1000), (1000, 1050, 1060, 760)],
)
def test_how_old_a_message_may_be(began: float, ended: float | None, now: float, expected: int) -> None:
    """During a rest and shortly after it, as old as the rest; else `answer_within` seconds."""
    rest = Rest()
    rest.begin(began)
    if ended is not None:
        rest.end(ended)
    assert rest.oldest(now, 300) == expected


def test_a_rest_that_goes_on_after_a_kill_is_one_rest() -> None:
    """Two that lie apart are two."""
    rest = Rest()
    rest.remember(1000, 5000)
    rest.begin(5060)
    assert rest.oldest(9000, 300) == 1000
    rest.end(9000)
    rest.begin(9000 + ONE_REST + 1)
    assert rest.oldest(20_000, 300) == 9601


_KILLED_AT_REST = """
    import asyncio, os, signal, sys, time
    from pathlib import Path
    from fakes import FakeClock, ScriptedEngine
    from world import World
    from onebot_bot.chat.router import ChatRouter
    from onebot_bot.memory.database import Database
    from onebot_bot.memory.history import History

    async def night(path):
        async with Database(path) as database:
            world = World(ScriptedEngine(), FakeClock(), History(database))
            router = ChatRouter(world.services(), world, world.accounts, world.sessions, world.fill_gap)
            async with router, router.paused():
                world.router = router
                world.say(world.private("are you there?", time=int(time.time()) - 7000))
                world.say(world.group("小忆, tell me tomorrow", time=int(time.time()) - 6000))
                await world.settled()
                os.kill(os.getpid(), signal.SIGKILL)

    asyncio.run(night(Path(sys.argv[1])))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
async def test_a_kill_during_a_rest_loses_no_message(engine: ScriptedEngine, clock: FakeClock, tmp_path: Path) -> None:
    """The next process answers what came in the killed night, however old it is by then."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", textwrap.dedent(_KILLED_AT_REST), str(tmp_path / "memory.sqlite3")]
    environment = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{root / 'tests'}"}
    process = await asyncio.create_subprocess_exec(*command, env=environment, stderr=asyncio.subprocess.PIPE)
    _, errors = await process.communicate()
    assert process.returncode == -signal.SIGKILL, errors.decode()
    async with Database(tmp_path / "memory.sqlite3") as database:
        world = World(engine, clock, History(database))
        async with ChatRouter(world.services(), world, world.accounts, world.sessions, world.fill_gap) as router:
            world.router = router
            router._services.rest.remember(time.time() - 7200, time.time())
            router.connected(world.account)
            await until(lambda: world.clock.sleeping == 2)
            world.clock.advance(1)
            found = [asked(await world.engine.next()), asked(await world.engine.next())]
    assert sorted(found) == ["[card1(1)] 小忆, tell me tomorrow", "are you there?"]
