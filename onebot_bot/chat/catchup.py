"""After a new connection: what is on record and was not answered, and what was said while nobody was connected."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from typing import Any

from onebot_bot.chat.participation import Freshness
from onebot_bot.chat.services import Services
from onebot_bot.chat.session import ChatSession
from onebot_bot.memory.history import Entry
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.events import Message
from onebot_bot.transport.account import Account

GAP_CHATS = 30
"""Chats asked for what was missed, the latest first: QQ is not to be stormed after an outage."""
GAP_SECONDS = 3 * 86400

FillGap = Callable[[Account, list[ChatId]], Coroutine[Any, Any, list[Message]]]
"""What was said in these chats that the account has not heard, oldest first."""


class CatchUp:
    """What a router does when an account has a new connection; `find_session` makes one where there is none."""

    def __init__(
        self,
        services: Services,
        sessions: Mapping[ChatId, ChatSession],
        find_session: Callable[[Account, ChatId], ChatSession],
        fill_gap: FillGap,
    ) -> None:
        self._services = services
        self._sessions = sessions
        self._find_session = find_session
        self._fill_gap = fill_gap
        self._resuming: dict[int, asyncio.Lock] = {}
        self._asking: dict[int, asyncio.Task[list[Message]]] = {}

    async def after(self, account: Account, take: Callable[[Account, Message, Freshness], None]) -> None:
        """Answer what was left, then have `take` called with what was missed and is not on record, oldest first."""
        now = int(time.time())
        since = self._services.rest.oldest(now, self._services.settings().chat.answer_within)
        async with self._resuming.setdefault(account.self_id, asyncio.Lock()):
            await self._resume(account, since)
        chats = await self._services.history.recent_chats(account.self_id, now - GAP_SECONDS)
        for message in await self._ask(account, chats[:GAP_CHATS]):
            if not await self._known(message):
                take(account, message, Freshness.MISSED if message.time >= since else Freshness.OLD)

    async def _resume(self, account: Account, since: int) -> None:
        """Answer what was on record but not answered; what was being sent when the process ended counts as sent."""
        chats = {chat for chat, _ in await self._left(account, since)}
        async with AsyncExitStack() as stack:
            # A command that has just opened a message again is about to hand it in itself.
            for chat in chats:
                await stack.enter_async_context(self._find_session(account, chat).opening)
            left = [(chat, entry) for chat, entry in await self._left(account, since) if chat in chats]
            for chat, entry in left:
                if entry.state == "pending":
                    self._find_session(account, chat).resume(entry)
            for chat in chats:
                if out := [entry.id for where, entry in left if where == chat and entry.state == "sending"]:
                    await self._services.history.settle(out)
        sessions = [session for chat, session in self._sessions.items() if chat.account == account.self_id]
        # What came with the connection is heard by now; expiring it would be to give it up while it is answered.
        if rows := [row for session in sessions for row in session.being_written(since)]:
            await asyncio.wait(rows)
        owed = [row for chat, s in self._sessions.items() if chat.account == account.self_id for row in s.owed_rows]
        await self._services.history.expire(account.self_id, since, owed)

    async def _left(self, account: Account, since: int) -> list[tuple[ChatId, Entry]]:
        """What no session owes and nobody will answer.

        It is read twice: an answer may go out while the record is read, and what was then found is not so any more.
        What nobody owed between the two readings and is still there in the second one stays so.
        """
        first = await self._services.history.pending(account.self_id, since)
        unowed = {entry.id for chat, entry in first if not self._owed(chat, entry)}
        if not unowed:
            return []
        return [row for row in await self._services.history.pending(account.self_id, since) if row[1].id in unowed]

    def _owed(self, chat: ChatId, entry: Entry) -> bool:
        session = self._sessions.get(chat)
        return session is not None and session.owes(entry)

    async def _ask(self, account: Account, chats: list[ChatId]) -> list[Message]:
        """What was missed; nothing when a newer connection asks for it meanwhile, which hears it all the same."""
        if (older := self._asking.get(account.self_id)) is not None:
            older.cancel()
        task = self._asking[account.self_id] = asyncio.ensure_future(self._fill_gap(account, chats))
        try:
            return await task
        except asyncio.CancelledError:
            if self._asking.get(account.self_id) is task:
                raise
            return []
        finally:
            if self._asking.get(account.self_id) is task:
                del self._asking[account.self_id]

    async def _known(self, message: Message) -> bool:
        """Whether it is on record; in private also whether it is older than all that is: that was forgotten."""
        chat = message.chat_id
        if await self._services.history.known_ids(chat, [message.message_id]):
            return True
        begins = await self._services.history.begins(chat) if chat.kind == "private" else None
        return begins is not None and message.time < begins
