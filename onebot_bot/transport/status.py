"""How the accounts of a running bot are, as `doctor` asks it: a plain GET with the token, on the server's own port."""

import asyncio
from collections.abc import Iterable

import msgspec
from msgspec import Struct

from onebot_bot.errors import NotConnected
from onebot_bot.transport.account import Account

BOT = "onebot-bot"
LARGEST = 2**20
"""Bytes of an answer that are read."""


class AccountStatus(Struct, frozen=True):
    """One QQ account that has been connected since the bot was started."""

    self_id: int
    links: int
    """Open connections that take actions."""
    online: bool
    """What the last heartbeat said of QQ itself."""
    silent: float | None
    """Seconds since the last heartbeat; None while there is none to wait for."""
    skew: float | None = None
    """Seconds by which the client's clock is before the bot's; None before its first heartbeat."""
    string_format: bool = False
    """Whether its messages come as CQ strings."""


class Refused(Struct, frozen=True):
    """The last client that was not let in."""

    status: int
    """Of HTTP, as the client saw it."""
    cause: str
    peer: str
    at: float
    """Clock seconds, as the bot keeps it; since then, as it is told."""


class BotStatus(Struct, frozen=True):
    """What the bot says of itself."""

    bot: str
    accounts: list[AccountStatus]
    refused: Refused | None = None


def status_of(accounts: Iterable[Account], now: float, refused: Refused | None = None) -> BotStatus:
    """How they are at `now`, seconds of their clock."""
    since = None if refused is None else msgspec.structs.replace(refused, at=now - refused.at)
    return BotStatus(BOT, [_account_status(account, now) for account in accounts], since)


def _account_status(account: Account, now: float) -> AccountStatus:
    source = account.event_source
    beats = source is not None and source.interval is not None
    return AccountStatus(
        self_id=account.self_id,
        links=sum(link.takes_actions and link.is_open for link in account.links),
        online=account.online,
        silent=now - source.alive_at if source is not None and beats else None,
        skew=account.skew,
        string_format=account.string_format,
    )


async def ask_status(url: str, token: str, seconds: float) -> BotStatus:
    """Ask the bot at `url`, http.

    Raises:
        NotConnected: nobody answers there within so many seconds, or it is no bot that takes this token.
    """
    import aiohttp  # noqa: PLC0415 - the server, which answers, listens a tenth of a second earlier without

    headers = {"Authorization": f"Bearer {token}"}
    try:
        async with (
            asyncio.timeout(seconds),
            aiohttp.ClientSession() as session,
            session.get(url, headers=headers, allow_redirects=False) as response,
        ):
            found = msgspec.json.decode(await response.content.read(LARGEST), type=BotStatus)
    except (aiohttp.ClientError, OSError, TimeoutError, msgspec.DecodeError) as error:
        raise NotConnected(f"{url} does not answer as this bot does: {error or type(error).__name__}") from error
    if found.bot != BOT:
        raise NotConnected(f"{url} is another program.")
    return found
