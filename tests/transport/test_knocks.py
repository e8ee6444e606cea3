"""Tokens that are tried one after the other, without a socket and with one."""

import asyncio
import itertools
import time
from collections.abc import Callable
from http import HTTPStatus

import pytest
from structlog.typing import EventDict
from transport.conftest import SECRET

from onebot_bot.errors import NotConnected
from onebot_bot.transport import knocks
from onebot_bot.transport.client import OneBotClient
from onebot_bot.transport.knocks import BURST, MOST, REFILL, Knocks, origin_of

STRANGER, ACCOUNT = "203.0.113.5", "10000"


class Door:
    """Knocks with a clock that a test turns; counts the guesses that were looked at."""

    def __init__(self) -> None:
        self.now = 0.0
        self.knocks = Knocks(lambda: self.now)
        self._numbers = itertools.count()

    def guess(self, address: str = STRANGER, account: str = ACCOUNT, token: str = "") -> bool:
        """Try a token, by default one that was never tried; whether it was looked at."""
        if self.knocks.wait(address, account):
            return False
        self.knocks.wrong(address, (token or f"guess {next(self._numbers)}").encode())
        return True


@pytest.fixture
def door() -> Door:
    """Nobody knocked yet."""
    return Door()


def test_a_day_of_guessing_is_a_few_thousand_guesses(door: Door) -> None:
    """However often somebody knocks."""
    looked_at = 0
    for second in range(86_400):
        door.now = float(second)
        looked_at += door.guess()
    assert looked_at == pytest.approx(BURST + 86_400 / REFILL, abs=2)


def test_the_same_wrong_token_is_one_guess(door: Door) -> None:
    """A client that was set up wrongly tries every three seconds, and gets in as soon as it is set right."""
    assert all(door.guess(token="mistyped") for _ in range(1000))
    assert door.knocks.wait(STRANGER, ACCOUNT) == 0


def test_one_address_does_not_slow_another(door: Door) -> None:
    """Nor the bot's own account somewhere else."""
    while door.guess():
        pass
    assert door.knocks.wait("203.0.113.6", ACCOUNT) == 0
    assert 0 < door.knocks.wait(STRANGER, ACCOUNT) <= REFILL


def test_who_was_let_in_from_there_is_never_locked_out(door: Door) -> None:
    """Behind a proxy the right client and somebody who guesses may have one address."""
    door.knocks.right(STRANGER, ACCOUNT)
    while door.guess(account="10001"):
        pass
    assert door.knocks.wait(STRANGER, ACCOUNT) == 0
    assert door.knocks.wait(STRANGER, "10001") > 0


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("203.0.113.5", "203.0.113.5"),
        ("::ffff:203.0.113.5", "203.0.113.5"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", "unknown"),
    ],
)
def test_addresses_of_one_line_count_as_one(address: str, origin: str) -> None:
    """A network of IPv6 is one guesser, and a wrapped IPv4 address is that address."""
    assert origin_of(address) == origin


def test_the_table_is_bounded_and_quick(door: Door) -> None:
    """A million addresses leave the newest ones, at microseconds each."""
    began = time.thread_time()
    for number in range(20_000):
        door.guess(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
        door.knocks.right("192.0.2.1", str(number))
    assert len(door.knocks._strangers) == len(door.knocks._friends) == MOST
    assert (time.thread_time() - began) / 20_000 < 0.001


def test_what_is_kept_of_guesses_is_not_the_guesses(door: Door) -> None:
    """One of them may be the right token with a letter wrong."""
    door.guess(token="hunter2")
    assert b"hunter2" not in b"".join(door.knocks._strangers[STRANGER]._recent)


async def test_guessing_meets_429_and_the_right_client_does_not(
    dial: Callable[..., OneBotClient], lines: asyncio.Queue[EventDict], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over real connections: one line for each guess that was looked at and one for all others; no token in any."""
    monkeypatch.setattr(knocks, "BURST", 3)
    async with dial():
        pass
    for number in range(8):
        with pytest.raises(NotConnected, match=f"refused with {401 if number < 3 else 429}"):
            await dial(20000, token=f"hunter{number}").__aenter__()
    with pytest.raises(NotConnected, match="refused with 429"):
        await dial(20000, token=SECRET).__aenter__()  # nobody knows that it is right: it was not looked at
    async with dial():
        pass
    said = [lines.get_nowait() for _ in range(lines.qsize())]
    assert [line["status"] for line in said if "status" in line] == [401, 401, 401, HTTPStatus.TOO_MANY_REQUESTS]
    assert "hunter" not in str(said)
