"""Waiting for many replies with one timer."""

import asyncio

import pytest

from onebot_bot.errors import ActionUnknown
from onebot_bot.protocol.frames import ActionResponse
from onebot_bot.transport.replies import Replies


async def test_each_waits_its_own_time() -> None:
    """A short patience that is asked for later ends first, and the longer ones after it in their turn."""
    replies = Replies()
    long, short, longest = (
        replies.expect(echo, "get_status", limit) for echo, limit in (("a", 0.03), ("b", 0.01), ("c", 60))
    )
    with pytest.raises(ActionUnknown, match=r"get_status got no reply within 0\.01 s"):
        await asyncio.wait_for(short, 5)
    assert not long.done()
    with pytest.raises(ActionUnknown, match=r"within 0\.03 s"):
        await asyncio.wait_for(long, 5)
    assert replies.resolve(ActionResponse(echo="c", status="ok"))
    assert (await longest).ok


async def test_nobody_is_answered_twice() -> None:
    """A reply that nobody waits for, or no longer, is said to be so."""
    replies = Replies()
    reply = replies.expect("a", "get_status", 60)
    assert replies.resolve(ActionResponse(echo="a"))
    assert not replies.resolve(ActionResponse(echo="a"))
    replies.forget("a")
    assert not replies.resolve(ActionResponse(echo="a"))
    assert (reply.done(), replies.echoes) == (True, [])
    replies.abandon()
