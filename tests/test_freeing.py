"""onebot_bot.freeing."""

import asyncio
import gc
import sys
from typing import Any

import pytest
from fakes import until

from onebot_bot.freeing import EVERY, keep_giving_back, not_collecting, trim


async def test_what_is_free_is_given_back_every_hour(clock: Any) -> None:
    """Not at the start: there is nothing yet."""
    given: list[float] = []
    task = asyncio.create_task(keep_giving_back(clock, lambda: given.append(clock.time())))
    began = clock.time()
    for hours in (1, 2):
        await until(lambda: clock.sleeping == 1)
        assert len(given) == hours - 1
        clock.advance(EVERY)
        await until(lambda: len(given) == hours)  # noqa: B023 - waited for within the round
    assert given == [began + EVERY, began + 2 * EVERY]
    task.cancel()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc is Linux's")
def test_glibc_is_asked_by_its_own_function() -> None:
    """It says whether anything was given back."""
    give = trim()
    assert give is None or give() in (0, 1)


def test_imports_are_not_searched_for_circles(request: pytest.FixtureRequest) -> None:
    """However the blocks of two threads overlap; what they made is not searched later either."""
    request.addfinalizer(gc.unfreeze)
    first, second = not_collecting(), not_collecting()
    before = gc.get_freeze_count()
    with first:
        second.__enter__()
        assert not gc.isenabled()
    assert not gc.isenabled()
    second.__exit__(None, None, None)
    assert gc.isenabled()
    assert gc.get_freeze_count() > before
