"""Who is told what another person's command asks of them: not too often, and nobody whom the bot does not hear."""

from typing import Any

import pytest
from fakes import FakeAccount, FakeClock

from onebot_bot.commands import telling
from onebot_bot.commands.telling import AGAIN, MOST, Telling
from onebot_bot.errors import ActionUnknown, StaleAnswer

DENIED = 9


class Desk:
    """Tells people things, over a queue that a test may close."""

    def __init__(self) -> None:
        self.account: Any = FakeAccount()
        self.clock = FakeClock()
        self.full = False
        self.telling = Telling(self._ready, lambda user: user != DENIED, self.clock.time)

    async def _ready(self, _account: object) -> None:
        if self.full:
            raise StaleAnswer("too late")

    async def tell(self, by: int, to: int) -> bool:
        """One person's command concerns another."""
        return await self.telling.tell(self.account, by, to, "hi")


async def test_one_person_has_another_told_once_a_day() -> None:
    """Others may have the same person told, and the day after all is as it was."""
    desk = Desk()
    assert [await desk.tell(1, 2), await desk.tell(1, 2), await desk.tell(3, 2)] == [True, False, True]
    desk.clock.advance(AGAIN)
    assert await desk.tell(1, 2)
    sent = [desk.account.sent.get_nowait() for _ in range(3)]
    assert [(action.user_id, action.message[0].text) for action in sent] == [(2, "hi")] * 3


async def test_one_person_has_few_people_told() -> None:
    """However many they name."""
    desk = Desk()
    assert [await desk.tell(1, 100 + number) for number in range(MOST + 1)] == [True] * MOST + [False]


async def test_whom_the_bot_does_not_hear_it_does_not_tell() -> None:
    """Banned or on the deny list: nothing is sent."""
    desk = Desk()
    assert not await desk.tell(1, DENIED)
    assert desk.account.sent.empty()


async def test_what_cannot_be_sent_is_not_told() -> None:
    """QQ refuses, or the queue is too long: whoever gave the command is not told that it was."""
    desk = Desk()
    desk.account.failures.append(ActionUnknown("no friend"))
    assert not await desk.tell(1, 2)
    desk.full = True
    assert not await desk.tell(1, 3)


async def test_crowds_are_no_reason_to_remember_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """While as many notices are remembered as may be, nobody is told."""
    monkeypatch.setattr(telling, "REMEMBERED", 2)
    desk = Desk()
    assert [await desk.tell(user, 2) for user in (3, 4, 5)] == [True, True, False]
