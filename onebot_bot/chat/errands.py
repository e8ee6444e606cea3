"""What a message refers to and did not bring along is asked for: the message it quotes, what bundles hold, names."""

import asyncio
from typing import Any

import structlog
from msgspec.structs import replace

from onebot_bot.chat.forwards import DEPTH, Forwarded, Room, filled, messages_in
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
"""Questions asked side by side."""
MOST_WAITING = 32
"""Questions on their way or waiting; further messages are taken as they are."""


class Gate:
    """Lets few questions through at once: whoever sends many bundles does not storm QQ, and fills no memory."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    @property
    def crowded(self) -> bool:
        """Whether too many wait already for one more to do so."""
        return self._waiting >= MOST_WAITING

    async def call(self, account: Account, action: Action, seconds: float) -> Any:
        """The answer, with the wait for a turn, within so many seconds; raises ActionError, TimeoutError."""
        self._waiting += 1
        try:
            async with asyncio.timeout(seconds), self._slots:
                return await account.call(action, timeout=seconds)
        finally:
            self._waiting -= 1


class Errand:
    """The questions about one message, within their bounds; whoever asks nothing waits for nobody."""

    def __init__(self, account: Account, clock: Clock, gate: Gate) -> None:
        self._account = account
        self._clock = clock
        self._gate = gate
        self._left = FETCHES
        self._room = Room()
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
        found = messages_in(content, self._room)
        messages = [Forwarded(message.name, await self.opened(message.segments, depth - 1)) for message in found]
        return filled(forward, messages, depth)

    async def _ask(self, action: Action) -> Any:
        """The answer; None when there is none, or none may be asked for any more."""
        seconds = self._deadline - self._clock.time()
        if self._left < 1 or seconds <= 0 or self._gate.crowded:
            return None
        self._left -= 1
        try:
            return await self._gate.call(self._account, action, seconds)
        except (ActionError, TimeoutError) as error:
            log.info("Something a message refers to stays unknown.", action=action.name, cause=str(error))
            return None


def is_closed(segments: tuple[Segment, ...]) -> bool:
    """Whether there is a bundle among them that did not bring along what it holds."""
    for segment in segments:  # noqa: SIM110 - not any(): every message is asked, and a generator costs more
        if isinstance(segment, Forward) and segment.content is None:
            return True
    return False


def _content(data: Any) -> list[Any] | None:
    """NapCat and go-cqhttp say `messages`, the standard `message`."""
    found = (data.get("messages") or data.get("message")) if isinstance(data, dict) else None
    return found if isinstance(found, list) else None
