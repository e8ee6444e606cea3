"""The replies that are waited for: one timer for all of them, for nearly every reply comes long before its time."""

import asyncio

from msgspec import Struct

from onebot_bot.errors import ActionUnknown
from onebot_bot.protocol.frames import ActionResponse

AGAIN = 0.005
"""Seconds between two looks at least: so much later than its time a waiter may hear that nothing came."""


class _Waiter(Struct):
    """Who waits for one reply."""

    action: str
    limit: float
    """Seconds, as they were asked for."""
    due: float
    """By the loop's clock."""
    reply: "asyncio.Future[ActionResponse]"

    def give_up(self, why: str) -> None:
        """Wake it without a reply."""
        if not self.reply.done():
            self.reply.set_exception(ActionUnknown(why))


class Replies:
    """Actions sent and not yet answered, by echo; they outlive the link they were sent on."""

    def __init__(self) -> None:
        self._waiting: dict[str, _Waiter] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._next = 0.0
        """When the timer rings, by the loop's clock."""

    @property
    def echoes(self) -> list[str]:
        """What is waited for."""
        return list(self._waiting)

    def expect(self, echo: str, action: str, limit: float) -> "asyncio.Future[ActionResponse]":
        """Wait for a reply under `echo` for `limit` seconds; `forget` it when it is there, or no longer wanted.

        Returns:
            The reply to be, or ActionUnknown.
        """
        # Kept: to ask for the loop takes a system call, and this is done for every message.
        loop = self._loop = self._loop or asyncio.get_running_loop()
        reply: asyncio.Future[ActionResponse] = loop.create_future()
        due = loop.time() + limit
        self._waiting[echo] = _Waiter(action, limit, due, reply)
        if self._timer is None or due < self._next:
            self._ring(loop, due)
        return reply

    def resolve(self, response: ActionResponse) -> bool:
        """Hand a reply to whoever waits for it; whether anybody does."""
        waiter = self._waiting.get(response.echo)
        if waiter is None or waiter.reply.done():
            return False
        waiter.reply.set_result(response)
        return True

    def forget(self, echo: str) -> None:
        """Nobody waits for that one any more."""
        del self._waiting[echo]

    def abandon(self) -> None:
        """Wake everyone: the process ends and no reply will come."""
        for waiter in self._waiting.values():
            waiter.give_up("The bot shut down before the reply came; it may have been done.")
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self, loop: asyncio.AbstractEventLoop, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next = when
        self._timer = loop.call_at(when, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wake whose time is over, and look again when the next one's is."""
        self._timer, now = None, loop.time()
        left = []
        for waiter in self._waiting.values():
            if waiter.due <= now:
                waiter.give_up(f"{waiter.action} got no reply within {waiter.limit:g} s; it may have been done.")
            else:
                left.append(waiter.due)
        if left:
            self._ring(loop, max(min(left), now + AGAIN))
