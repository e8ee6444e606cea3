"""Waiting for news with one timer for many waits."""

import asyncio

from onebot_bot.chat.idling import Idling


async def test_who_waits_in_vain_is_woken() -> None:
    """The event is set when the time is over, also where an earlier wait had set the timer for later."""
    idling, event = Idling(), asyncio.Event()
    event.set()
    await idling.wait(event, 60)
    event.clear()
    await asyncio.wait_for(idling.wait(event, 0.01), 5)
    assert event.is_set()


async def test_an_earlier_timer_wakes_nobody_too_soon() -> None:
    """A wait that began after the timer was set has its own whole time."""
    idling, event, other = Idling(), asyncio.Event(), asyncio.Event()
    event.set()
    await idling.wait(event, 0.01)
    idling._look(asyncio.get_running_loop())  # as the timer does with nobody waiting
    waiting = asyncio.ensure_future(idling.wait(other, 60))
    await asyncio.sleep(0)
    idling._look(asyncio.get_running_loop())
    assert not other.is_set()
    other.set()
    await asyncio.wait_for(waiting, 5)
