"""One QQ account: its connections, which of them is used, and the actions that wait for a reply.

The newest connection is the active one. Older ones stay open and passive: closing them makes NapCat close the
live one in turn, endlessly, and refusing the newcomer leaves the bot deaf behind a connection nobody reads.
Actions and what was heard belong to the account: NapCat answers on whatever connection it has at that moment.
"""

import asyncio
import itertools
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import structlog
from websockets.asyncio.server import ServerConnection
from websockets.protocol import State

from onebot_bot.errors import ActionError, ActionFailed, ActionUnknown, NotConnected
from onebot_bot.protocol.action_frames import action_timeout, encode_action
from onebot_bot.protocol.actions import ALLOWED_ACTIONS, Action
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.events import (
    Event,
    GroupMessage,
    Heartbeat,
    InputStatus,
    Lifecycle,
    Message,
    PrivateMessage,
)
from onebot_bot.protocol.frames import ActionResponse
from onebot_bot.transport.handshake import Admission, Role
from onebot_bot.transport.replies import Replies

MAX_LINKS = 8
MESSAGES_REMEMBERED = 8192
REMEMBERED_SECONDS = 86400.0
"""A message comes on every link within seconds; what is asked for after an outage is compared with the record."""
BIG_FRAME = 2**20
"""Bytes from which actions go one at a time: NapCat parses 0.2-0.4 s a MiB, doing nothing else meanwhile."""
LARGEST_FRAME = 50 * 2**20
"""NapCat closes the connection over this many bytes (its `maxPayload`)."""
MOST_UNREAD = 64 * 2**20
"""Bytes written to a client and not taken by it, from which its link counts as dead: it bounds our memory."""
LONG_FRAME = 2**16
"""Bytes from which a frame is written at once, so that `unread` knows of it."""
MISSED_HEARTBEATS = 3
TIMED_OUT = 1200
"""NapCat's retcode for everything thrown inside, QQ's own missing confirmation among it."""

_PROCESS = secrets.token_hex(3)
_numbers = itertools.count(1)

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Link:
    """One WebSocket connection of one account."""

    def __init__(self, socket: ServerConnection, admission: Admission, now: float) -> None:
        self.socket = socket
        self.role: Role = admission.role
        self.path = admission.path
        self.user_agent = admission.user_agent
        self.peer = peer_name(socket)
        self.connected_at = now
        """Clock seconds, as all times here."""
        self.interval: float | None = None
        """Seconds between heartbeats; None until the first one, and when the client has them off."""
        self.alive_at = now
        """When the last heartbeat came, or when events were first expected from here if that was later."""
        self._unwritten: list[bytes] = []
        """Frames of this round of the loop."""

    @property
    def is_open(self) -> bool:
        """Whether frames may still be sent."""
        return self.socket.state is State.OPEN and not self.socket.transport.is_closing()

    @property
    def takes_actions(self) -> bool:
        """Whether actions may be sent on it."""
        return self.role != "event"

    @property
    def carries_events(self) -> bool:
        """Whether events come from it."""
        return self.role != "api"

    def is_stale(self, now: float) -> bool:
        """Whether heartbeats that used to come have stopped."""
        return self.interval is not None and now - self.alive_at > MISSED_HEARTBEATS * self.interval

    def send(self, frame: bytes) -> None:
        """Have one text frame written before anything else is waited for.

        Frames that are sent in one round of the loop are written together: a system call for each would cost more
        than making it. websockets' own `send` would hold the caller of a link that is going down until it is gone.
        """
        self._unwritten.append(frame)
        if len(frame) > LONG_FRAME:
            self._write()
        elif len(self._unwritten) == 1:
            self.socket.loop.call_soon(self._write)

    def _write(self) -> None:
        """Write what was sent; a link that went down meanwhile loses it, as it loses what the system still holds."""
        frames, self._unwritten = self._unwritten, []
        if not frames or not self.is_open:
            return
        protocol = self.socket.protocol
        for frame in frames:
            protocol.send_text(frame)
        self.socket.transport.write(b"".join(protocol.data_to_send()))

    @property
    def unread(self) -> int:
        """Bytes that the system has not taken, because the client does not read what it has already."""
        return self.socket.transport.get_write_buffer_size()

    async def close(self, reason: str) -> None:
        """End the link; the client reconnects after its own interval."""
        try:
            self._write()
            await self.socket.close(reason=reason)
        except (AttributeError, OSError) as error:
            # asyncio's transport of a connection that was lost with bytes waiting has parts that are None.
            log.info("A connection was gone before it was closed.", peer=self.peer, cause=repr(error))
            self.drop()

    def drop(self) -> None:
        """End the link at once, and throw away what the client has not read."""
        self.socket.transport.abort()


def peer_name(socket: ServerConnection) -> str:
    """The address of the other end, for log lines."""
    address = socket.remote_address
    return str(address[0]) if isinstance(address, tuple) else "unknown"


class Account:
    """One QQ account, for as long as the process lives; links come and go."""

    def __init__(self, self_id: int, base_timeout: float, clock: Callable[[], float]) -> None:
        self.self_id = self_id
        self.base_timeout = base_timeout
        """Seconds to wait for a reply, before the allowance for size."""
        self.links: list[Link] = []
        """Newest first."""
        self.online = True
        """What the last heartbeat said of QQ itself."""
        self.string_format = False
        """Whether the last message came as one CQ string: what that cannot hold is lost."""
        self.skew: float | None = None
        """Seconds by which the client's clock was before ours at the last heartbeat; None before the first."""
        self._clock = clock
        self._watched: Link | None = None
        self._heard: OrderedDict[tuple[ChatId, int], float] = OrderedDict()
        """When each message was heard first; the oldest first."""
        self._big = asyncio.Lock()
        self.pending = Replies()
        """Actions sent and not yet answered, by echo; they outlive the link they were sent on."""

    @property
    def active(self) -> Link | None:
        """The newest open link that takes actions."""
        for link in self.links:  # not next(): every message asks for it several times
            if link.takes_actions and link.is_open:
                return link
        return None

    @property
    def event_source(self) -> Link | None:
        """The newest open link that carries events; differs from `active` when a client splits the two."""
        return next((link for link in self.links if link.carries_events and link.is_open), None)

    # --- links -----------------------------------------------------------------------------------------

    def attach(self, link: Link) -> list[Link]:
        """Make `link` the newest one.

        Returns:
            Links beyond the eighth, already taken off the list, for the caller to close.
        """
        self.links.insert(0, link)
        evicted = self.links[MAX_LINKS:]
        del self.links[MAX_LINKS:]
        return evicted

    def detach(self, link: Link) -> None:
        """Take off exactly this link, not whichever bears its number; the next newest takes over."""
        self.links = [other for other in self.links if other is not link]

    def stale_link(self) -> Link | None:
        """The link that events should come from, when its heartbeats have stopped; to be asked regularly."""
        link, now = self.event_source, self._clock()
        if link is not self._watched and link is not None:
            # Heartbeats went to a newer link until now: their absence from this one proves nothing yet.
            link.alive_at = now
        self._watched = link
        return link if link is not None and link.is_stale(now) else None

    # --- events ----------------------------------------------------------------------------------------

    def admits(self, link: Link, event: Event) -> bool:
        """Whether an event is news for the rest of the bot.

        A message is, from whichever link it comes first; other events have no id to tell them apart by, so
        only those of one link count. Heartbeats and the like end here.
        """
        if isinstance(event, GroupMessage | PrivateMessage):
            self.string_format = event.message_format == "string"
            return self.first_sight(event)
        if isinstance(event, Heartbeat):
            self._beat(link, event)
            return False
        if isinstance(event, InputStatus | Lifecycle):
            return False
        return link is self.event_source

    def first_sight(self, message: Message) -> bool:
        """Whether this message was not heard before, within a day; remembers it."""
        key = message.chat_id, message.message_id  # ids have 31 bits and collide across chats
        if key in self._heard:
            return False
        self._forget(now := self._clock())
        self._heard[key] = now
        return True

    def _forget(self, now: float) -> None:
        """What was heard over a day ago, and the oldest that there is no room for."""
        while self._heard:
            oldest = next(iter(self._heard.values()))
            if len(self._heard) < MESSAGES_REMEMBERED and now - oldest < REMEMBERED_SECONDS:
                return
            self._heard.popitem(last=False)

    def _beat(self, link: Link, beat: Heartbeat) -> None:
        link.alive_at = self._clock()
        self.skew = beat.time - time.time()
        # Lagrange sends seconds where the standard says milliseconds; nobody beats more than once a second.
        seconds = beat.interval if beat.interval < 1000 else beat.interval / 1000
        link.interval = seconds or None
        online = beat.status.online is not False
        if online != self.online:
            self.online = online
            self._tell_online()

    def _tell_online(self) -> None:
        if self.online:
            log.info("QQ is back online.", account=self.self_id)
            return
        log.warning(
            "QQ itself is offline: the OneBot client is connected, but its QQ was logged out or lost the "
            "network. Log in again in NapCat's WebUI.",
            account=self.self_id,
        )

    # --- actions ---------------------------------------------------------------------------------------

    async def call(self, action: Action, timeout: float | None = None) -> Any:  # noqa: ASYNC109 - ActionUnknown, not TimeoutError
        """Send an action on the active link and wait for its reply, on whatever link that comes.

        Args:
            action: what to do.
            timeout: seconds to wait; by default `protocol.action_frames.action_timeout`.

        Returns:
            The reply's `data`; None for actions that return nothing.

        Raises:
            NotConnected: no link is open: nothing was sent.
            ActionFailed: the client says it was not done.
            ActionUnknown: it may have been done. Never repeat it.
            ActionError: it is not on the allow-list, or larger than the client accepts: nothing was sent.
        """
        echo = f"{_PROCESS}-{next(_numbers):x}"
        frame = encode_action(action, echo)
        _check_sendable(action, frame)
        limit = action_timeout(action, self.base_timeout, frame) if timeout is None else timeout
        if len(frame) < BIG_FRAME:
            return _outcome(action, await self._exchange(action, echo, frame, limit))
        async with self._big:
            return _outcome(action, await self._exchange(action, echo, frame, limit))

    async def _exchange(self, action: Action, echo: str, frame: bytes, limit: float) -> ActionResponse:
        link = self._writable()
        if link is None:
            raise NotConnected(
                f"Account {self.self_id} has no connection, so {action.name} was not sent. "
                "Check that NapCat runs and that its WebSocket client is switched on."
            )
        reply = self.pending.expect(echo, action.name, limit)
        try:
            link.send(frame)
            return await reply
        finally:
            self.pending.forget(echo)

    def _writable(self) -> Link | None:
        """The active link, once those are gone that have been sent more than they will ever read."""
        while (link := self.active) is not None and link.unread > MOST_UNREAD:
            log.warning(
                "The OneBot client reads nothing: the connection is dropped so that the client makes a new one.",
                account=self.self_id,
                peer=link.peer,
                unread=link.unread,
            )
            link.drop()
        return link

    def resolve(self, response: ActionResponse) -> None:
        """Hand a reply to whoever waits for it; all but the last frame of a stream are passed over."""
        if not response.ends_stream:
            return
        if self.pending.resolve(response):
            return
        log.info(
            "A reply came that nobody waits for, or no longer.",
            account=self.self_id,
            echo=response.echo[:64],
            retcode=response.retcode,
            wording=response.words,
        )

    def abandon(self) -> None:
        """Wake everyone who waits for a reply: the process ends and none will come."""
        self.pending.abandon()


def _check_sendable(action: Action, frame: bytes) -> None:
    if action.name not in ALLOWED_ACTIONS:
        raise ActionError(f"{action.name} is not on the list of actions this bot may send.")
    if len(frame) > LARGEST_FRAME:
        raise ActionError(f"{action.name} is {len(frame) / 2**20:.0f} MiB; NapCat accepts at most 50 in one frame.")


def _outcome(action: Action, response: ActionResponse) -> Any:
    if response.ok:
        return response.data
    wording = response.words
    if response.retcode == TIMED_OUT and "timeout" in wording.lower():
        raise ActionUnknown(f"{action.name} was not confirmed by QQ; it may have been done: {wording}")
    raise ActionFailed(action.name, response.retcode, wording)
