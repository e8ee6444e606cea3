"""Telling somebody in private what another person's command asks of them; seldom, for strangers may use commands."""

import time
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable

import structlog

from onebot_bot.errors import ActionError, StaleAnswer
from onebot_bot.protocol.actions import SendPrivateMsg
from onebot_bot.protocol.segments import Text
from onebot_bot.transport.account import Account

log = structlog.get_logger(__name__)

AGAIN = 86400.0
"""Seconds after which one person may have the same other told something once more."""
MOST = 5
"""Notices that one person may cause in that time."""
REMEMBERED = 4096
"""Notices that are remembered; while there are as many in that time, nobody is told."""

Ready = Callable[[Account], Awaitable[None]]
"""Waits for a place in the account's send queue; raises StaleAnswer when that would take too long."""


class Telling:
    """Sends the notices, and remembers for a day who caused whom to get one."""

    def __init__(self, ready: Ready, hears: Callable[[int], bool], clock: Callable[[], float] = time.monotonic) -> None:
        self._ready = ready
        self._hears = hears
        """Whether the bot has anything to do with a person at all."""
        self._clock = clock
        self._told: OrderedDict[tuple[int, int, int], float] = OrderedDict()
        """When, by account, who caused it and who was told; the oldest first."""

    async def tell(self, account: Account, by: int, to: int, text: str) -> bool:
        """Tell one person something that another caused; whether that was done."""
        key, now = (account.self_id, by, to), self._clock()
        self._forget(now)
        caused = Counter(who for _, who, _ in self._told)
        if key in self._told or caused[by] >= MOST or len(self._told) >= REMEMBERED or not self._hears(to):
            return False
        self._told[key] = now  # before it is sent: two commands at once are one notice
        try:
            await self._ready(account)
            await account.call(SendPrivateMsg(user_id=to, message=(Text(text),)))
        except (ActionError, StaleAnswer) as error:
            log.info("Somebody could not be told what another person asks of them.", user=to, cause=str(error))
            return False
        return True

    def _forget(self, now: float) -> None:
        while self._told and now - next(iter(self._told.values())) >= AGAIN:
            self._told.popitem(last=False)
