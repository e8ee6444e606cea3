"""Sending to a chat: queues, waits out a lost connection, and tells done, not done and unknown apart."""

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from time import monotonic
from typing import Any, Protocol

import structlog

from onebot_bot.errors import ActionError, ActionFailed, ActionUnknown, NotConnected, StaleAnswer
from onebot_bot.protocol.actions import (
    Action,
    SendGroupForwardMsg,
    SendGroupMsg,
    SendPrivateForwardMsg,
    SendPrivateMsg,
    SetInputStatus,
)
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.segments import Node, Segment, Text
from onebot_bot.sections.sending import SendingConfig
from onebot_bot.transport.account import Account

log = structlog.get_logger(__name__)

MINUTE = 60.0
TYPING = 1
"""`event_type` of set_input_status."""


class Clock(Protocol):
    """Time and waiting, so that tests need not wait."""

    def time(self) -> float:
        """Monotonic seconds."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""


class LoopClock:
    """The one that the running loop goes by."""

    time = staticmethod(monotonic)
    """Not the loop's own method: to find the loop takes a system call, and a message asks for the time often."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class Pacing:
    """The send queue of one account: first come, first served, and so in order within a chat too.

    Nobody outside Tencent knows the limits. OneBot v11 has its rate-limited calls half a second apart, and a queue
    that was released at once after a stall had accounts frozen (NapCatQQ issue 130): hence the cap, and no answers
    that are much too late.
    """

    def __init__(
        self, config: Callable[[], SendingConfig], clock: Clock, draw: Callable[[], float] = random.random
    ) -> None:
        self._config = config  # read anew each time
        self._clock = clock
        self._draw = draw  # evenly from 0 to 1
        self._turn = asyncio.Lock()  # its waiters are woken in the order in which they came
        self._left: deque[float] = deque()
        """When the messages of the last minute left, clock seconds."""
        self.waiting = 0
        """Messages that wait for their turn."""

    async def wait(self, *, begins: bool) -> None:
        """Return when the next message may leave; it counts as sent.

        Args:
            begins: whether it begins an answer, which is better not given than given much too late.

        Raises:
            StaleAnswer: it begins an answer and would wait for others longer than `sending.stale_after`.
        """
        now, due = self._clock.time(), None
        if not self.waiting and (due := self._due(self._config(), now)) <= now:
            self._left.append(now)  # nobody is before it, as nearly always
            return
        self.waiting += 1
        try:
            await self._wait(now, due, begins=begins)
        finally:
            self.waiting -= 1

    async def _wait(self, came: float, due: float | None, *, begins: bool) -> None:
        """`due`: when it may leave, where that is known."""
        async with self._turn:
            config, now = self._config(), self._clock.time()
            due = max(now, self._due(config, now) if due is None else due)
            if begins and due - came > config.stale_after:
                raise StaleAnswer(
                    f"an answer would be {due - came:.0f} s late behind the account's other messages and is not sent; "
                    f"sending.stale_after is {config.stale_after:g}"
                )
            if due > now:
                await self._clock.sleep(due - now)
            self._left.append(self._clock.time())

    def _due(self, config: SendingConfig, now: float) -> float:
        """Clock seconds at which the next message may leave."""
        while self._left and self._left[0] <= now - MINUTE:
            self._left.popleft()
        if not self._left:
            return now
        spaced = self._left[-1] + config.interval + config.jitter * self._draw()
        full = 0 < config.per_minute <= len(self._left)
        return max(spaced, self._left[-config.per_minute] + MINUTE) if full else spaced


class Queues:
    """The send queues of all accounts: whatever the bot says, answers, replies to commands, reports, goes through."""

    def __init__(self, config: Callable[[], SendingConfig], clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._queues: dict[int, Pacing] = {}

    def of(self, self_id: int) -> Pacing:
        """One account's."""
        if self_id not in self._queues:
            self._queues[self_id] = Pacing(self._config, self._clock)
        return self._queues[self_id]

    def waiting(self) -> dict[int, int]:
        """Messages that wait for their turn, by account."""
        return {self_id: pacing.waiting for self_id, pacing in self._queues.items() if pacing.waiting}

    async def reply(self, account: Account) -> None:
        """Return when the account may send what somebody waits for; raises StaleAnswer as `Pacing.wait`."""
        await self.of(account.self_id).wait(begins=True)

    async def tell(self, account: Account) -> None:
        """Return when the account may send what is worth sending however late."""
        await self.of(account.self_id).wait(begins=False)


class Outbox:
    """What one account sends."""

    def __init__(
        self,
        account: Account,
        patience: Callable[[], float],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        pacing: Pacing,
    ) -> None:
        self._account = account
        self._pacing = pacing
        self._spawn = spawn  # owns the tasks that nothing waits for
        self._patience = patience  # seconds to wait for a connection; read anew each time
        self._connected = asyncio.Event()
        self.waiting = 0
        """Messages that wait for a connection."""

    def connected(self) -> None:
        """The account has a connection (again): what waited goes out."""
        self._connected.set()

    async def send(
        self,
        chat: ChatId,
        segments: tuple[Segment, ...],
        temporary_group: int = 0,
        words: tuple[Segment, ...] = (),
    ) -> int | None:
        """Send one message and return its id, or None when QQ did not confirm it: it may be there, so never again.

        Args:
            chat: where to.
            segments: the message.
            temporary_group: the group of a temporary session.
            words: what is sent instead where QQ refuses the message, as it does a mention of somebody who has left.

        Raises:
            NotConnected: no connection came back in time; nothing was sent.
            ActionFailed: refused; nothing was sent.
        """
        try:
            return await self._send(chat, segments, temporary_group)
        except ActionFailed as error:
            if not words:
                raise
            log.info("A message with tags was refused and is sent as words.", cause=str(error))
            return await self._send(chat, words, temporary_group)

    async def _send(self, chat: ChatId, segments: tuple[Segment, ...], temporary_group: int) -> int | None:
        if chat.kind == "group":
            return await self._deliver(SendGroupMsg(group_id=chat.peer, message=segments))
        return await self._deliver(
            SendPrivateMsg(user_id=chat.peer, message=segments, group_id=temporary_group or None)
        )

    async def send_bundle(
        self, chat: ChatId, texts: Sequence[str], nickname: str, temporary_group: int = 0
    ) -> int | None:
        """Send texts as a bundle of forwarded messages under that name; one by one where the client cannot bundle.

        Returns and raises what `send` does; of several messages the last one's id.
        """
        own = str(self._account.self_id)
        nodes = tuple(Node(user_id=own, nickname=nickname, content=(Text(text),)) for text in texts)
        try:
            if chat.kind == "group":
                return await self._deliver(SendGroupForwardMsg(group_id=chat.peer, messages=nodes))
            return await self._deliver(SendPrivateForwardMsg(user_id=chat.peer, messages=nodes))
        except ActionFailed as error:  # without a packet backend NapCat may not be able to
            log.warning("A long answer is sent message by message, not as a bundle.", cause=str(error))
            return await self._send_each(chat, texts, temporary_group)

    async def _send_each(self, chat: ChatId, texts: Sequence[str], temporary_group: int) -> int | None:
        message_id = None
        for text in texts:
            await self.ready()
            message_id = await self.send(chat, (Text(text),), temporary_group)
        return message_id

    async def _deliver(
        self, action: SendGroupMsg | SendPrivateMsg | SendGroupForwardMsg | SendPrivateForwardMsg
    ) -> int | None:
        while True:
            try:
                return _message_id(await self._account.call(action))
            except ActionUnknown as error:
                log.warning("Nobody knows whether a message was sent; it is not sent again.", cause=str(error))
                return None
            except NotConnected:
                await self._connection()

    async def do(self, gesture: Action) -> bool:
        """Carry out what is no message, a poke or a reaction; whether the client did: some cannot."""
        try:
            await self._account.call(gesture)
        except ActionError as error:
            log.info("A gesture was left out.", action=gesture.name, cause=str(error))
            return False
        return True

    def show_typing(self, chat: ChatId) -> None:
        """Show "typing…" in a private chat, where the client can; returns at once."""
        if chat.kind == "private" and self._account.active is not None:
            self._spawn(self._show_typing(chat.peer))

    async def _show_typing(self, user_id: int) -> None:
        # Strangers and some clients have no such thing; the answer does not depend on it.
        with contextlib.suppress(ActionError):
            await self._account.call(SetInputStatus(user_id=user_id, event_type=TYPING))

    async def ready(self, *, begins: bool = False) -> None:
        """Return once the account has a connection and it is this message's turn.

        Args:
            begins: whether the message begins an answer.

        Raises:
            NotConnected: no connection came in time.
            StaleAnswer: as `Pacing.wait`.
        """
        if self._account.active is None:
            await self._connection()
        await self._pacing.wait(begins=begins)

    async def _connection(self) -> None:
        """Wait for one; raises NotConnected when none came in time."""
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
