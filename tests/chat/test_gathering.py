"""Jobs beside the chats: once for each thing, bounded, ended in time, and none takes the others along."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from fakes import FakeClock, until

from onebot_bot.chat.gathering import Gathering
from onebot_bot.errors import MediaError


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


@pytest.fixture
async def gathering(clock: FakeClock) -> AsyncIterator[Gathering[str]]:
    """With room for two."""
    async with Gathering[str](clock, 2, lambda error: type(error).__name__) as made:
        yield made


async def test_a_thing_is_done_once_at_a_time(gathering: Gathering[str]) -> None:
    """Who comes later waits for the same job."""
    work = Work()
    assert gathering.begin("a", work) is gathering.begin("a", work)
    await until(lambda: work.begun == 1)
    work.gate.set()
    await until(lambda: not gathering.running)
    assert work.begun == 1


async def test_more_than_there_is_room_for_is_refused(gathering: Gathering[str]) -> None:
    """Not queued: whoever sends without end would fill the memory."""
    works = [Work() for _ in range(3)]
    begun = [gathering.begin(str(number), work) is not None for number, work in enumerate(works)]
    assert begun == [True, True, False]


@pytest.mark.parametrize("error", [MediaError("gone"), ValueError("a bug")])
async def test_what_failed_is_not_tried_again(gathering: Gathering[str], error: Exception) -> None:
    """And takes no other job along, whatever it was."""
    other, failing = Work(), Work(error)
    gathering.begin("other", other)
    gathering.begin("failing", failing)
    failing.gate.set()
    await until(lambda: set(gathering.running) == {"other"})
    assert gathering.failed == {"failing": type(error).__name__}
    assert gathering.begin("failing", failing) is None


async def test_waiting_ends_with_the_last_job_or_in_time(gathering: Gathering[str], clock: FakeClock) -> None:
    """And says whether there was anything to wait for."""
    quick, slow = Work(), Work()
    tasks = [gathering.begin("quick", quick), None]
    waiting = asyncio.create_task(gathering.wait(tasks, 8.0))
    await until(lambda: bool(clock.sleeping))
    quick.gate.set()
    assert await waiting
    assert not await gathering.wait(tasks, 8.0)
    waiting = asyncio.create_task(gathering.wait([gathering.begin("slow", slow)], 8.0))
    await until(lambda: bool(clock.sleeping))
    clock.advance(8.0)
    assert await waiting
    assert set(gathering.running) == {"slow"}


async def test_leaving_ends_what_goes_on(clock: FakeClock) -> None:
    """And nothing is begun afterwards."""
    work = Work()
    async with Gathering[str](clock, 2, str) as made:
        task = made.begin("a", work)
        assert task is not None
        await until(lambda: work.begun == 1)
    assert task.cancelled()
    assert made.begin("b", work) is None
