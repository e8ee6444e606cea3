"""What a message refers to and did not bring along is asked for: the message it quotes, what bundles hold, names."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import structlog
from msgspec.structs import replace

from onebot_bot.chat.forwards import DEPTH, Forwarded, filled, messages_in
from onebot_bot.chat.guards import clean_name
from onebot_bot.chat.outbox import Clock
from onebot_bot.errors import ActionError
from onebot_bot.protocol.actions import Action, GetForwardMsg, GetGroupMemberInfo, GetMsg, GetStrangerInfo
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.events import GroupMessage, Message, PrivateMessage
from onebot_bot.protocol.frames import decode_event
from onebot_bot.protocol.segments import Forward, Segment
from onebot_bot.transport.account import Account

log = structlog.get_logger(__name__)

FETCHES = 32
"""Questions that one message may cost."""
SECONDS = 8.0
"""Within which they must be answered; then the message is taken as it is."""
AT_ONCE = 4
"""Messages that are asked about side by side."""
MOST_WAITING = 32
"""Messages that may wait for that; further ones are taken as they are."""


class Errand:
    """The questions about one message, within their bounds."""

    def __init__(self, account: Account, clock: Clock, fetches: int = FETCHES) -> None:
        self._account = account
        self._clock = clock
        self._left = fetches
        self._deadline = clock.time() + SECONDS

    async def quoted(self, chat: ChatId, message_id: int) -> Message | None:
        """A message of that chat, and no other's; None when it cannot be had."""
        data = await self._ask(GetMsg(message_id))
        event = decode_event(data) if isinstance(data, dict) else None
        if not isinstance(event, GroupMessage | PrivateMessage):
            return None
        return event if event.chat_id == chat and event.message_id == message_id else None

    async def whole(self, message: Message) -> Message:
        """The message with its bundles opened."""
        if not is_closed(message.message):
            return message
        return replace(message, message=await self.opened(message.message))

    async def opened(self, segments: tuple[Segment, ...], depth: int = DEPTH) -> tuple[Segment, ...]:
        """The segments with what their bundles hold, `depth` bundles deep; what cannot be had stays closed."""
        return tuple(
            [await self._open(segment, depth) if isinstance(segment, Forward) else segment for segment in segments]
        )

    async def name(self, chat: ChatId, user: int) -> str:
        """What somebody is called, best in that chat; empty when it cannot be had."""
        member: list[Action] = [GetGroupMemberInfo(chat.peer, user)] if chat.kind == "group" else []
        for action in (*member, GetStrangerInfo(user)):
            data = await self._ask(action)
            found = data if isinstance(data, dict) else {}
            if name := clean_name(str(found.get("card") or found.get("nickname") or "")):
                return name
        return ""

    async def _open(self, forward: Forward, depth: int) -> Forward:
        if depth < 1:
            return forward
        content = forward.content
        if content is None:
            content = _content(await self._ask(GetForwardMsg(forward.id)))
        if content is None:
            return forward
        messages = [
            Forwarded(message.name, await self.opened(message.segments, depth - 1)) for message in messages_in(content)
        ]
        return filled(forward, messages, depth)

    async def _ask(self, action: Action) -> Any:
        """The answer; None when there is none, or none may be asked for any more."""
        seconds = self._deadline - self._clock.time()
        if self._left < 1 or seconds <= 0:
            return None
        self._left -= 1
        try:
            return await self._account.call(action, timeout=seconds)
        except ActionError as error:
            log.info("Something a message refers to stays unknown.", action=action.name, cause=str(error))
            return None


class Errands:
    """Begins them, few at once: whoever sends many bundles holds nobody up."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    @contextlib.asynccontextmanager
    async def begin(self, account: Account) -> AsyncIterator[Errand]:
        """One message's; one that may ask nothing when too many wait already."""
        if self._waiting >= MOST_WAITING:
            yield Errand(account, self._clock, 0)
            return
        self._waiting += 1
        try:
            async with self._slots:
                yield Errand(account, self._clock)
        finally:
            self._waiting -= 1


def is_closed(segments: tuple[Segment, ...]) -> bool:
    """Whether there is a bundle among them that did not bring along what it holds."""
    return any(isinstance(segment, Forward) and segment.content is None for segment in segments)


def _content(data: Any) -> list[Any] | None:
    """NapCat and go-cqhttp say `messages`, the standard `message`."""
    found = (data.get("messages") or data.get("message")) if isinstance(data, dict) else None
    return found if isinstance(found, list) else None
