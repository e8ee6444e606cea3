"""What is taken in beside the chats: once for each thing, bounded, ended in time, and none takes the others along."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from fakes import FakeClock, until

from onebot_bot.chat.gathering import AGAIN, MOST, MOST_OF_CHAT, Gathering, Key
from onebot_bot.errors import MediaError
from onebot_bot.protocol.chat_id import ChatId

ALICE = ChatId(10000, "private", 1)


class Work:
    """A job that waits for its gate, and then may fail."""

    def __init__(self, error: Exception | None = None) -> None:
        self.gate = asyncio.Event()
        self.error = error
        self.begun = 0

    async def __call__(self) -> None:
        """Do it."""
        self.begun += 1
        await self.gate.wait()
        if self.error is not None:
            raise self.error


def key(thing: str | int, chat: ChatId = ALICE) -> Key:
    """A thing of a chat."""
    return chat, thing


def reason_of(error: Exception) -> str:
    """The error's own words."""
    return str(error)


@pytest.fixture
async def gathering(clock: FakeClock) -> AsyncIterator[Gathering]:
    """An empty one."""
    async with Gathering(clock, reason_of) as made:
        yield made


async def test_a_thing_is_done_once_at_a_time(gathering: Gathering) -> None:
    """Who comes later waits for the same job."""
    work = Work()
    assert gathering.begin(key("a"), work) is gathering.begin(key("a"), work)
    await until(lambda: work.begun == 1)
    work.gate.set()
    await until(lambda: not gathering.running)
    assert work.begun == 1


async def test_more_than_there_is_room_for_is_refused(gathering: Gathering) -> None:
    """Not queued: whoever sends without end would fill the memory. One chat leaves room for others."""
    work = Work()
    assert [gathering.begin(key(n), work) is None for n in range(MOST_OF_CHAT + 1)] == [False] * MOST_OF_CHAT + [True]
    others = [key(0, ChatId(10000, "private", 2 + number)) for number in range(MOST)]
    assert sum(gathering.begin(other, work) is not None for other in others) == MOST - MOST_OF_CHAT


@pytest.mark.parametrize("error", [MediaError("broken"), ValueError("a bug")])
async def test_what_failed_is_not_tried_again(gathering: Gathering, clock: FakeClock, error: Exception) -> None:
    """And takes no other job along, whatever it was."""
    other, failing = Work(), Work(error)
    gathering.begin(key("other"), other)
    gathering.begin(key("failing"), failing)
    failing.gate.set()
    await until(lambda: set(gathering.running) == {key("other")})
    clock.advance(100 * AGAIN)
    assert gathering.failure(key("failing")) == str(error)
    assert gathering.begin(key("failing"), failing) is None
    assert gathering.failure(key("other")) is None


async def test_what_may_have_passed_is_tried_again_after_a_while(gathering: Gathering, clock: FakeClock) -> None:
    """The network was away, or the machine busy."""
    failing = Work(MediaError("gone"))
    failing.gate.set()
    gathering.begin(key("a"), failing)
    await until(lambda: not gathering.running)
    clock.advance(AGAIN - 1)
    assert gathering.begin(key("a"), failing) is None
    clock.advance(1)
    assert gathering.begin(key("a"), failing) is not None


async def test_waiting_ends_with_the_last_job_or_in_time(gathering: Gathering, clock: FakeClock) -> None:
    """And says whether there was anything to wait for."""
    quick, slow = Work(), Work()
    tasks = [gathering.begin(key("quick"), quick), None]
    waiting = asyncio.create_task(gathering.wait(tasks, 8.0))
    await until(lambda: bool(clock.sleeping))
    quick.gate.set()
    assert await waiting
    assert not await gathering.wait(tasks, 8.0)
    waiting = asyncio.create_task(gathering.wait([gathering.begin(key("slow"), slow)], 8.0))
    await until(lambda: bool(clock.sleeping))
    clock.advance(8.0)
    assert await waiting
    assert set(gathering.running) == {key("slow")}


async def test_leaving_ends_what_goes_on(clock: FakeClock) -> None:
    """And nothing is begun afterwards."""
    work = Work()
    async with Gathering(clock, reason_of) as made:
        task = made.begin(key("a"), work)
        assert task is not None
        await until(lambda: work.begun == 1)
    assert task.cancelled()
    assert made.begin(key("b"), work) is None
