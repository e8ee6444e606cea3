"""Friend requests and invitations to groups: decided by rule, or put before the owner."""

import asyncio
import random
import time
import unicodedata
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Literal

import structlog
from msgspec import Struct

from onebot_bot.chat.access import Access, Door
from onebot_bot.chat.outbox import Clock
from onebot_bot.chat.settings import Settings
from onebot_bot.chat.tasks import TaskOwner
from onebot_bot.errors import ActionError, NotConnected
from onebot_bot.memory.requests import Asked, RequestStore, line_of
from onebot_bot.protocol.actions import (
    Action,
    GetDoubtFriendsAddRequest,
    GetGroupSystemMsg,
    SetDoubtFriendsAddRequest,
    SetFriendAddRequest,
    SetGroupAddRequest,
)
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.events import FriendRequest, GroupRequest
from onebot_bot.sections.bot import BotConfig
from onebot_bot.sections.requests import RequestsConfig
from onebot_bot.texts import say
from onebot_bot.transport.account import Account

log = structlog.get_logger(__name__)

LONGEST_COMMENT = 200
"""Characters of what a stranger wrote that are kept and shown."""
MOST_LISTED = 50
"""Requests that QQ is asked for after an outage."""
HESITATION = 2.0
"""Seconds, and up to as many more, before a request is answered: nobody answers at once, and NapCat reports one several
times when it is (NapCat-Docker issue 78)."""

Verdict = Literal["ignore", "accept", "reject", "ask"]


def judge(asked: Asked, config: RequestsConfig, bot: BotConfig) -> Verdict:
    """What the rules say to a request; owners and bot admins are let in where others are asked about."""
    rule = config.groups if asked.kind == "group" else config.friends
    if rule in ("ignore", "reject"):
        return rule
    return "accept" if _trusted(asked, bot) or _fits(asked, rule, config) else "ask"


def _fits(asked: Asked, rule: str, config: RequestsConfig) -> bool:
    if rule == "answer":
        return answers(asked.comment, config.answers)
    if rule == "list":
        return asked.user in config.people or (asked.kind == "group" and asked.group in config.invited_to)
    # What QQ itself doubts is not for a rule to let in.
    return rule == "accept" and asked.kind != "doubt"


def _trusted(asked: Asked, bot: BotConfig) -> bool:
    return asked.user in bot.owners or asked.user in bot.admins


def answers(comment: str, right: list[str]) -> bool:
    """Whether what came with a request contains a right answer; QQ puts the question before `回答:`."""
    said = _plain(comment)
    said = said.rpartition("回答:")[2]
    return any(_plain(one) in said for one in right)


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().strip()


class Requests(TaskOwner):
    """What becomes of requests. An async context manager: leaving ends what is under way; it stays on record."""

    def __init__(  # noqa: PLR0913 - what it keeps, asks, tells and waits by
        self,
        store: RequestStore,
        *,
        accounts: Mapping[int, Account],
        settings: Callable[[], Settings],
        access: Access,
        tell: Callable[[str], Awaitable[None]],
        report: Callable[[str, ChatId | None, BaseException], str],
        clock: Clock,
        today: Callable[[], str],
    ) -> None:
        super().__init__(lambda error: report("report.request", None, error))
        self._store = store
        self._accounts = accounts
        self._settings = settings
        self._access = access
        self._tell = tell
        self._report = report
        self._clock = clock
        self._today = today
        self._one = asyncio.Lock()
        """One at a time: the cap is exact, and QQ is not stormed."""

    # --- what comes ----------------------------------------------------------------------------------------------

    def take(self, event: FriendRequest | GroupRequest) -> None:
        """Take a request; returns at once. One to join a group is the group's own business."""
        if isinstance(event, FriendRequest):
            asked = Asked(
                account=event.self_id,
                kind="friend",
                flag=event.flag,
                user=event.user_id,
                comment=_short(event.comment),
                came=event.time,
            )
        elif event.sub_type == "invite":
            asked = Asked(
                account=event.self_id,
                kind="group",
                flag=event.flag,
                user=event.user_id,
                group=event.group_id,
                comment=_short(event.comment),
                came=event.time,
            )
        else:
            return
        self.spawn(self._consider(asked))

    def connected(self, account: Account) -> None:
        """Ask for what came while there was no connection; returns at once."""
        self.spawn(self._catch_up(account))

    async def _catch_up(self, account: Account) -> None:
        config, now = self._settings().requests, int(time.time())
        lists: list[tuple[Action, Callable[[object, int, int], Iterator[Asked]]]] = []
        if config.groups != "ignore":
            lists.append((GetGroupSystemMsg(count=MOST_LISTED), _invitations))
        if config.friends != "ignore":
            lists.append((GetDoubtFriendsAddRequest(count=MOST_LISTED), _doubtful))
        for action, read in lists:
            try:
                data = await account.call(action)
            except ActionError as error:  # many clients have no such list
                log.debug("no list of requests", action=action.name, cause=str(error))
                continue
            for asked in read(data, account.self_id, now):
                await self._consider(asked)

    async def _consider(self, asked: Asked) -> None:
        settings = self._settings()
        verdict = judge(asked, settings.requests, settings.bot)
        if verdict == "ignore" or self._denied(asked, settings):
            return
        number = await self._store.add(asked)
        if number is None:
            return
        log.info("request", kind=asked.kind, user=asked.user, group=asked.group, id=number, verdict=verdict)
        async with self._one:
            dealt = await self._store.dealt_with(self._today())
            if dealt >= settings.requests.per_day:
                return
            await self._decide(asked, number, verdict)
            if dealt + 1 == settings.requests.per_day:
                await self._tell(say(settings.bot.language, "request.full", count=dealt + 1, prefix=self._prefix))

    def _denied(self, asked: Asked, settings: Settings) -> bool:
        return self._access.door_of(asked.user, asked.group, settings.bot, settings.access) is Door.CLOSED

    async def _decide(self, asked: Asked, number: int, verdict: Verdict) -> None:
        language = self._settings().bot.language
        if verdict == "ask":
            await self._store.mark(number, "waiting", self._today())
            line = line_of(asked, number, language)
            await self._tell(say(language, "request.asked", line=line, prefix=self._prefix, id=number))
            return
        await self._clock.sleep(HESITATION + HESITATION * random.random())  # noqa: S311 - no secret
        try:
            await self._answer(asked, accept=verdict == "accept", reason="")
        except ActionError as error:  # it waits, as if it had been asked about
            await self._store.mark(number, "waiting", self._today())
            self._report("report.request", None, error)
            return
        await self._store.mark(number, "accepted" if verdict == "accept" else "rejected", self._today())

    @property
    def _prefix(self) -> str:
        return next(iter(self._settings().commands.prefixes), "/")

    # --- what people decide --------------------------------------------------------------------------------------

    async def waiting(self, limit: int) -> list[Asked]:
        """The latest requests that nobody has decided yet, oldest first."""
        return await self._store.waiting(limit)

    async def decide(self, number: int, *, accept: bool, reason: str = "") -> Asked | None:
        """Accept or reject one; None when none of that id waits.

        Raises:
            ActionError: QQ was not told; it waits as before.
            StoreError: it could not be noted.
        """
        async with self._one:
            asked = await self._store.find(number)
            if asked is None:
                return None
            await self._answer(asked, accept=accept, reason=reason)
            await self._store.mark(number, "accepted" if accept else "rejected")
            return asked

    async def _answer(self, asked: Asked, *, accept: bool, reason: str) -> None:
        account = self._accounts.get(asked.account)
        if account is None:
            raise NotConnected(f"account {asked.account} is not connected, and it is the one that was asked.")
        action = _action(asked, accept=accept, reason=reason)
        if action is not None:
            await account.call(action)


def _action(asked: Asked, *, accept: bool, reason: str) -> Action | None:
    """What tells QQ; None where leaving it alone is the only way to reject."""
    if asked.kind == "group":
        return SetGroupAddRequest(asked.flag, accept, reason)
    if asked.kind == "friend":
        return SetFriendAddRequest(asked.flag, accept)
    return SetDoubtFriendsAddRequest(asked.flag) if accept else None  # NapCat accepts whatever `approve` says


# --- what QQ lists -------------------------------------------------------------------------------------------------


class _Listed(Struct, frozen=True):
    """An entry of either list, as far as it is told; NapCat's names."""

    flag: str
    user: int
    group: int
    comment: str


def _short(text: str) -> str:
    return " ".join(text.split())[:LONGEST_COMMENT]


def _invitations(data: object, account: int, now: int) -> Iterator[Asked]:
    """Invitations that nobody has answered, of get_group_system_msg."""
    for entry in _entries(data.get("invited_requests") if isinstance(data, dict) else None):
        if not entry.get("checked") and (listed := _listed(entry, "request_id", "invitor_uin", "group_id")).group:
            yield Asked(account=account, kind="group", flag=listed.flag, user=listed.user, group=listed.group, came=now)


def _doubtful(data: object, account: int, now: int) -> Iterator[Asked]:
    """What get_doubt_friends_add_request answers."""
    for entry in _entries(data):
        listed = _listed(entry, "flag", "uin", "")
        if listed.flag and listed.user:
            yield Asked(
                account=account, kind="doubt", flag=listed.flag, user=listed.user, comment=listed.comment, came=now
            )


def _entries(data: object) -> list[dict[str, object]]:
    found = data if isinstance(data, list) else []
    return [entry for entry in found[:MOST_LISTED] if isinstance(entry, dict)]


def _listed(entry: Mapping[str, object], flag: str, user: str, group: str) -> _Listed:
    return _Listed(
        flag=str(entry.get(flag) or ""),
        user=_number(entry.get(user)),
        group=_number(entry.get(group)),
        comment=_short(str(entry.get("msg") or "")),
    )


def _number(value: object) -> int:
    return int(value) if isinstance(value, int | str) and str(value).isascii() and str(value).isdigit() else 0
