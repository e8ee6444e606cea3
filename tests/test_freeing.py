"""onebot_bot.freeing."""

import asyncio
import gc
import subprocess
import sys
from typing import Any

import pytest
from fakes import until

from onebot_bot.freeing import ARENAS, EVERY, keep_giving_back, not_collecting, share_arenas, trim

POOLS = """
import ctypes, threading
from onebot_bot.freeing import share_arenas
said, libc, together = share_arenas(), ctypes.CDLL(None), threading.Barrier(9)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
tops = set()
def take():
    place = libc.malloc(4096)
    tops.add(place >> 26)  # each pool beside the first lies in 64 MiB of its own
    together.wait()
    libc.free(place)
threads = [threading.Thread(target=take) for _ in range(9)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(said, len(tops))
"""


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


async def test_what_can_be_freed_is_freed_first(clock: Any) -> None:
    """Else it would be given back an hour later."""
    done: list[str] = []

    async def shrink() -> None:
        done.append("shrink")

    task = asyncio.create_task(keep_giving_back(clock, lambda: done.append("give"), shrink))
    await until(lambda: clock.sleeping == 1)
    clock.advance(EVERY)
    await until(lambda: len(done) == 2)
    assert done == ["shrink", "give"]
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


def test_threads_share_few_pools() -> None:
    """Asked for in a process of its own, which it is for good: many threads at once, and no more pools than that."""
    done = subprocess.run([sys.executable, "-c", POOLS], capture_output=True, text=True, check=True)
    said, pools = done.stdout.split()
    assert said == "False" or int(pools) <= ARENAS + 1  # the first one may lie across a border


def test_a_number_of_pools_that_was_chosen_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the variable that glibc itself reads."""
    monkeypatch.setenv("MALLOC_ARENA_MAX", "8")
    assert not share_arenas()
