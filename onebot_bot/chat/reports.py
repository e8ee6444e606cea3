"""Failures go to the owner, never into the group: in private, once per kind per hour, with an id that finds the log."""

import asyncio
import base64
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import NamedTuple

import structlog

from onebot_bot.errors import ActionError, BotError, NotConnected, ProfileError, id_of
from onebot_bot.protocol.actions import SendPrivateMsg
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.segments import Image, Segment, Text
from onebot_bot.sections.bot import BotConfig
from onebot_bot.texts import id_of_text, next_step, say, words
from onebot_bot.transport.account import Account

log = structlog.get_logger(__name__)

QUIET_SECONDS = 3600.0
"""The same kind of failure is told once in this time; the log has every one."""
MOST_KEPT = 20
"""Messages that wait for a connection; the log has the older ones."""


class _Message(NamedTuple):
    owner: int
    segments: tuple[Segment, ...]
    chat: ChatId | None


class Reports:
    """Tells the owners what went wrong; `tasks` owns the sending."""

    def __init__(
        self,
        bot: Callable[[], BotConfig],
        accounts: Mapping[int, Account],
        tasks: asyncio.TaskGroup,
        clock: Callable[[], float],
        ready: Callable[[Account], Awaitable[None]],
    ) -> None:
        self._bot = bot
        self._ready = ready  # waits for a place in the account's send queue
        self._accounts = accounts
        self._tasks = tasks
        self._clock = clock
        self._told: dict[tuple[str, str], float] = {}
        """When, of each kind; of profiles that fail, of each profile."""
        self._kept: deque[_Message] = deque(maxlen=MOST_KEPT)

    def report(self, kind: str, chat: ChatId | None, error: BaseException) -> str:
        """Log a failure and tell the owners, unless they were told of this kind within the hour.

        While nothing is connected the message is kept for `connected`.

        Args:
            kind: key of the catalogue, `report.…`.
            chat: where it happened; None when in no chat.
            error: what happened; its traceback goes into the log unless it was raised on purpose.

        Returns:
            The number that the log line and the message carry.
        """
        about = kind, error.profile if isinstance(error, ProfileError) else ""
        number = secrets.token_hex(3)
        code = id_of(error, id_of_text(kind))
        log.error(
            words("en", kind), code=code, id=number, chat=str(chat), error=str(error), exc_info=_unexpected(error)
        )
        now = self._clock()
        if now - self._told.get(about, -QUIET_SECONDS) >= QUIET_SECONDS:
            self._told[about] = now
            self._tasks.create_task(self._tell(kind, chat, error, number))
        return number

    def connected(self) -> None:
        """Tell the owners what could not be told while nothing was connected; returns at once."""
        if self._kept:
            kept = tuple(self._kept)
            self._kept.clear()
            self._tasks.create_task(self._send_all(kept))

    async def tell(self, text: str, picture: bytes | None = None) -> None:
        """Tell the owners something that is no failure, with a PNG below it; kept while nothing is connected."""
        shown = (Image(file=f"base64://{base64.b64encode(picture).decode()}"),) if picture else ()
        await self._send_all([_Message(owner, (Text(text), *shown), None) for owner in self._bot().owners])

    async def _tell(self, kind: str, chat: ChatId | None, error: BaseException, number: str) -> None:
        bot = self._bot()
        code = id_of(error, id_of_text(kind))
        text = say(
            bot.language,
            "report.error",
            what=words(bot.language, kind),
            code=code,
            chat=chat or "-",
            id=number,
            error=_shown(error),
            step=next_step(bot.language, code),
        )
        await self._send_all([_Message(owner, (Text(text),), chat) for owner in bot.owners])

    async def _send_all(self, messages: Iterable[_Message]) -> None:
        for message in messages:
            await self._send(message)

    async def _send(self, message: _Message) -> None:
        account = self._account(message.chat)
        if account is None:
            self._kept.append(message)
            return
        try:
            await self._ready(account)
            await account.call(SendPrivateMsg(user_id=message.owner, message=message.segments))
        except NotConnected:
            self._kept.append(message)
        except ActionError as error:
            log.warning("The owner could not be told.", owner=message.owner, cause=str(error))

    def _account(self, chat: ChatId | None) -> Account | None:
        """The account it happened on, else any that is connected."""
        own = self._accounts.get(chat.account) if chat else None
        candidates = ([own] if own else []) + list(self._accounts.values())
        return next((account for account in candidates if account.active is not None), None)


def _shown(error: BaseException) -> str:
    """What a person can act on; an unexpected error's text is in the log with its traceback."""
    return str(error) if isinstance(error, BotError) else type(error).__name__


def _unexpected(error: BaseException) -> BaseException | None:
    return None if isinstance(error, BotError) else error
