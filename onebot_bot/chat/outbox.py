"""Sending to a chat: waits out a lost connection, and tells done, not done and unknown apart."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

import structlog

from onebot_bot.errors import ActionError, ActionUnknown, NotConnected
from onebot_bot.protocol.actions import SendGroupMsg, SendPrivateMsg, SetInputStatus
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.segments import Segment
from onebot_bot.transport.account import Account

log = structlog.get_logger(__name__)

TYPING = 1
"""`event_type` of set_input_status."""


class Clock(Protocol):
    """Time and waiting, so that tests need not wait."""

    def time(self) -> float:
        """Monotonic seconds."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""


class LoopClock:
    """The running loop's own."""

    def time(self) -> float:
        """Monotonic seconds."""
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class Outbox:
    """What one account sends."""

    def __init__(
        self, account: Account, patience: Callable[[], float], spawn: Callable[[Coroutine[Any, Any, None]], None]
    ) -> None:
        self._account = account
        self._spawn = spawn  # owns the tasks that nothing waits for
        self._patience = patience  # seconds to wait for a connection; read anew each time
        self._connected = asyncio.Event()
        self.waiting = 0
        """Messages that wait for a connection."""

    def connected(self) -> None:
        """The account has a connection (again): what waited goes out."""
        self._connected.set()

    async def send(self, chat: ChatId, segments: tuple[Segment, ...], temporary_group: int = 0) -> int | None:
        """Send one message and return its id, or None when QQ did not confirm it: it may be there, so never again.

        Raises:
            NotConnected: no connection came back in time; nothing was sent.
            ActionFailed: refused; nothing was sent.
        """
        action: SendGroupMsg | SendPrivateMsg = (
            SendGroupMsg(group_id=chat.peer, message=segments)
            if chat.kind == "group"
            else SendPrivateMsg(user_id=chat.peer, message=segments, group_id=temporary_group or None)
        )
        while True:
            await self.ready()
            try:
                return _message_id(await self._account.call(action))
            except ActionUnknown as error:
                log.warning("Nobody knows whether a message was sent; it is not sent again.", cause=str(error))
                return None
            except NotConnected:
                continue  # it went between the look and the call

    def show_typing(self, chat: ChatId) -> None:
        """Show "typing…" in a private chat, where the client can; returns at once."""
        if chat.kind == "private" and self._account.active is not None:
            self._spawn(self._show_typing(chat.peer))

    async def _show_typing(self, user_id: int) -> None:
        # Strangers and some clients have no such thing; the answer does not depend on it.
        with contextlib.suppress(ActionError):
            await self._account.call(SetInputStatus(user_id=user_id, event_type=TYPING))

    async def ready(self) -> None:
        """Return once the account has a connection.

        Raises:
            NotConnected: none came in time.
        """
        if self._account.active is not None:
            return
        self._connected.clear()
        self.waiting += 1
        try:
            async with asyncio.timeout(self._patience()):
                await self._connected.wait()
        except TimeoutError as error:
            raise NotConnected(
                f"account {self._account.self_id} had no connection for {self._patience():g} s, so an answer was not "
                "sent. Check that NapCat runs and that its WebSocket client is switched on."
            ) from error
        finally:
            self.waiting -= 1


def _message_id(data: object) -> int | None:
    found = data.get("message_id") if isinstance(data, dict) else None
    return int(found) if isinstance(found, int | str) and str(found).lstrip("-").isdigit() else None
