"""The WebSocket endpoint that OneBot clients dial into.

Frames are decoded and handed on in the order they arrive, on the event loop, and nothing here waits for what
becomes of them: a handler that waits would hold back replies and pongs too. While the rest of the bot is still being
built, clients are let in and what they send waits in their sockets.
"""

import asyncio
import errno
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from http import HTTPStatus
from types import TracebackType
from typing import Self
from weakref import WeakKeyDictionary

import msgspec
import structlog
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.http11 import Request, Response

from onebot_bot.errors import ConfigError, FrameError
from onebot_bot.protocol.events import Event
from onebot_bot.protocol.frames import LARGEST_EVENT, ActionResponse, decode_frame
from onebot_bot.sections.server import ServerConfig
from onebot_bot.transport.account import Account, Link, peer_name
from onebot_bot.transport.feeding import FedConnection
from onebot_bot.transport.handshake import (
    Admission,
    Refusal,
    check_exposure,
    claimed_account,
    describe_token,
    given_token,
    judge,
    shown_path,
    too_many_accounts,
    too_many_guesses,
)
from onebot_bot.transport.knocks import Knocks
from onebot_bot.transport.status import Refused, status_of

MOST_ACCOUNTS = 1000
"""QQ numbers that may connect until the bot ends: what it keeps of each stays in memory."""
CLOSE_TIMEOUT = 2.0
"""Seconds for the closing handshake: it adds to the time in which a dead link is found out."""
AT_ONCE = 8
"""Frames of one link handled before everybody else has a turn: a burst on many links would hold the loop for long."""
MOST_QUEUED = 512
"""Frames of one link that wait for their turn before its socket is read no further."""
WRITE_LIMIT = 2**30
"""Bytes unread by a client from which websockets makes its own frames wait, ping and close among them.

More than ever lie there (`account.MOST_UNREAD`): behind the usual 32 KiB the ping that is to find out a client that
reads nothing would never be sent, and the close that is to end it would wait for ever.
"""

DOCTOR = "0"
"""The account by which `doctor` knocks, to be refused."""

SHUTTING_DOWN = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "A connection was refused: the bot is shutting down. The client will find it once it is back.",
)

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class OneBotServer:
    """Listens while its `async with` block runs.

    Args:
        config: host, port, limits and timeouts.
        token: the access token itself; empty asks for none.
        on_event, on_connect: as for `hear`; without them nobody hears before that is called.
        clock: seconds, for heartbeat ages.
        check_interval: seconds between looks at heartbeat ages.

    Raises:
        ConfigError: on entering: no token on a reachable address, or the address cannot be listened on.
    """

    def __init__(  # noqa: PLR0913 - two collaborators, two settings, two seams for tests
        self,
        config: ServerConfig,
        token: str,
        on_event: Callable[[Account, Event], None] | None = None,
        on_connect: Callable[[Account], None] | None = None,
        *,
        accounts: dict[int, Account] | None = None,
        clock: Callable[[], float] = time.monotonic,
        check_interval: float = 1.0,
    ) -> None:
        self.accounts: dict[int, Account] = {} if accounts is None else accounts
        """Every account that ever connected, by QQ number; others may hold the same dictionary."""
        self.draining = False
        """Set it to answer newcomers with 503 while the rest of the bot finishes."""
        self._config = config
        self._token = token
        self._heard = asyncio.Event()
        """Set once somebody hears, or nobody ever will."""
        self._on_event: Callable[[Account, Event], None]
        self._on_connect: Callable[[Account], None]
        if on_event and on_connect:
            self.hear(on_event, on_connect)
        self._clock = clock
        self._knocks = Knocks(clock)
        self._check_interval = check_interval
        self._refused: Refused | None = None
        self._admitted: WeakKeyDictionary[ServerConnection, Admission] = WeakKeyDictionary()
        self._server: Server
        self._tasks: asyncio.TaskGroup
        self._stack: AsyncExitStack

    async def __aenter__(self) -> Self:
        check_exposure(self._config.host, self._token)
        # Before the group: what goes wrong here is for a person, who should not see it wrapped.
        self._server = await self._listen()
        async with AsyncExitStack() as stack:
            self._tasks = await stack.enter_async_context(asyncio.TaskGroup())
            watcher = self._tasks.create_task(self._watch())
            stack.callback(watcher.cancel)
            stack.push_async_callback(self._stop)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Not handed on: the group would wrap an error of the block's own.
        await self._stack.aclose()

    def hear(self, on_event: Callable[[Account, Event], None], on_connect: Callable[[Account], None]) -> None:
        """From now on somebody hears, also what was sent before.

        Args:
            on_event: called for every event that is news, in order; must return at once.
            on_connect: called when an account gets a new connection that takes actions: before it, events may
                have been lost. Must return at once.
        """
        self._on_event, self._on_connect = on_event, on_connect
        self._heard.set()

    @property
    def port(self) -> int:
        """The port listened on, also when the configured one is 0."""
        return int(self._server.sockets[0].getsockname()[1])

    def configure(self, config: ServerConfig) -> None:
        """Take over what may change while running: the timeout of actions."""
        self._config = config
        for account in self.accounts.values():
            account.base_timeout = config.action_timeout

    # --- opening and closing ---------------------------------------------------------------------------

    async def _listen(self) -> Server:
        config = self._config
        try:
            return await serve(
                self._serve,
                config.host,
                config.port,
                process_request=self._judge,
                create_connection=FedConnection,
                compression=None,  # no OneBot client offers it, and it would cost memory for each link
                server_header=None,
                ping_interval=config.ping_interval,
                ping_timeout=config.ping_timeout,
                close_timeout=CLOSE_TIMEOUT,
                max_size=config.max_frame_mib * 2**20,
                max_queue=(MOST_QUEUED, AT_ONCE),
                write_limit=WRITE_LIMIT,
            )
        except OSError as error:
            raise ConfigError(
                f"server.host, server.port: cannot listen on {config.host}:{config.port}: "
                f"{error.strerror or error}. {_way_to_listen(error)}",
                code="OB-1101",
            ) from error

    async def _stop(self) -> None:
        self.draining = True
        self._heard.set()  # who waits for it would wait for ever
        self._server.close(reason="The bot is shutting down.")
        await self._server.wait_closed()
        for account in self.accounts.values():
            account.abandon()

    def _judge(self, socket: ServerConnection, request: Request) -> Response | None:
        asks = "Upgrade" not in request.headers
        if asks and self._token and not given_token(request.path, request.headers):
            return None  # a browser: websockets itself answers 426 and says what to use instead
        peer = peer_name(socket)
        verdict = SHUTTING_DOWN if self.draining else self._verdict(peer, request)
        if asks and (isinstance(verdict, Admission) or verdict.status == HTTPStatus.BAD_REQUEST):
            return socket.respond(HTTPStatus.OK, self._status())  # `doctor`; its token was the right one
        if isinstance(verdict, Admission):
            self._admitted[socket] = verdict
            return None
        if not asks and claimed_account(request.headers) != DOCTOR:
            self._refused = Refused(int(verdict.status), verdict.cause, peer, self._clock())
        if verdict.status != HTTPStatus.TOO_MANY_REQUESTS or self._knocks.first_refusal(peer):
            log.warning(
                verdict.cause,
                status=int(verdict.status),
                peer=peer,
                path=shown_path(request.path),
                token=describe_token(request.path, request.headers),
            )
        return socket.respond(verdict.status, f"{verdict.cause}\n")

    def _status(self) -> str:
        return msgspec.json.encode(status_of(self.accounts.values(), self._clock(), self._refused)).decode()

    def _verdict(self, peer: str, request: Request) -> Admission | Refusal:
        """Judge a request, unless too many tokens were tried from where it comes."""
        if self._token and (seconds := self._knocks.wait(peer, claimed_account(request.headers))):
            return too_many_guesses(seconds)
        verdict = judge(request.path, request.headers, self._token)
        if isinstance(verdict, Admission):
            if self._is_one_too_many(verdict.self_id):
                return too_many_accounts(MOST_ACCOUNTS)
            self._knocks.right(peer, str(verdict.self_id))
        elif verdict.status == HTTPStatus.UNAUTHORIZED:
            self._knocks.wrong(peer, given_token(request.path, request.headers))
        return verdict

    def _is_one_too_many(self, self_id: int) -> bool:
        known = {*self.accounts, *(admission.self_id for admission in self._admitted.values())}
        return self_id not in known and len(known) >= MOST_ACCOUNTS

    async def _serve(self, socket: ServerConnection) -> None:
        admission = self._admitted.pop(socket)
        await self._heard.wait()
        if self.draining:
            await socket.wait_closed()
            return
        account = self._account(admission.self_id)
        link = Link(socket, admission, self._clock())
        self._welcome(account, link)
        try:
            closed = await self._receive(account, link)
        finally:
            account.detach(link)
        _tell_end(account, link, closed, self._config)

    def _account(self, self_id: int) -> Account:
        account = self.accounts.get(self_id)
        if account is None:
            account = self.accounts[self_id] = Account(self_id, self._config.action_timeout, self._clock)
        return account

    def _welcome(self, account: Account, link: Link) -> None:
        evicted = account.attach(link)
        log.info(
            "A OneBot client connected.",
            account=account.self_id,
            peer=link.peer,
            client=repr(link.user_agent),
            role=link.role,
            path=repr(link.path),
            links=len(account.links),
        )
        for old in evicted:
            self._tasks.create_task(old.close("Too many connections of this account; the oldest goes."))
        if link.takes_actions:
            try:
                self._on_connect(account)
            except Exception:
                log.exception("A connection's start could not be handled.", code="OB-1130", account=account.self_id)

    # --- frames ----------------------------------------------------------------------------------------

    async def _receive(self, account: Account, link: Link) -> ConnectionClosed:
        try:
            while True:
                for _ in range(AT_ONCE):
                    self._take(account, link, await link.socket.recv(decode=False))
                await asyncio.sleep(0)
        except ConnectionClosed as closed:
            return closed

    def _take(self, account: Account, link: Link, data: bytes) -> None:
        try:
            frame = decode_frame(data)
            if isinstance(frame, ActionResponse):
                account.resolve(frame)
            elif account.admits(link, frame):
                self._on_event(account, frame)
                if len(data) > LARGEST_EVENT:
                    log.warning(
                        "A message is too large to be read: the chat is told so, with the words that it begins with.",
                        account=account.self_id,
                        bytes=len(data),
                    )
        except FrameError as error:
            log.warning(
                "A frame could not be read and was dropped.",
                account=account.self_id,
                cause=str(error),
                bytes=len(data),
            )
        except Exception:
            # One event that goes wrong must not take the connection, and every later event, with it.
            log.exception("An event could not be handled.", code="OB-1130", account=account.self_id)

    # --- links that died quietly -----------------------------------------------------------------------

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._check_interval)
            self.close_stale_links()

    def close_stale_links(self) -> None:
        """Close active links whose heartbeats have stopped, so that the client reconnects."""
        for account in self.accounts.values():
            if link := account.stale_link():
                log.warning(
                    "The heartbeats stopped for three intervals: the connection is closed so that the client "
                    "makes a new one.",
                    account=account.self_id,
                    peer=link.peer,
                    interval=link.interval,
                )
                self._tasks.create_task(link.close("The heartbeats stopped."))


def _way_to_listen(error: OSError) -> str:
    """What to do where a port cannot be listened on."""
    match error.errno:
        case errno.EADDRINUSE:
            return "Stop what uses the port, or change server.port in config.toml and the URL in NapCat."
        case errno.EACCES:
            return "Ports below 1024 are the system's: change server.port in config.toml and the URL in NapCat."
        case _:
            return 'Set server.host in config.toml to "127.0.0.1", or to "0.0.0.0" for other machines and containers.'


def _tell_end(account: Account, link: Link, closed: ConnectionClosed, config: ServerConfig) -> None:
    heir = account.active
    log.info(
        "A OneBot client disconnected.",
        account=account.self_id,
        peer=link.peer,
        cause=_cause(closed, config),
        used_now="none: the account is deaf and mute until the client comes back" if heir is None else heir.peer,
    )


def _cause(closed: ConnectionClosed, config: ServerConfig) -> str:
    sent, received = closed.sent, closed.rcvd
    if sent is not None and not closed.rcvd_then_sent:
        match sent.code:
            case CloseCode.MESSAGE_TOO_BIG:
                return f"a frame was larger than server.max_frame_mib = {config.max_frame_mib}; raise that key"
            case CloseCode.INTERNAL_ERROR:
                return f"it did not answer a ping within {config.ping_timeout:g} s"
        return f"closed by the bot ({sent.code}) {sent.reason}".rstrip(" .")
    if received is not None:
        return f"closed by the client ({received.code}) {received.reason}".rstrip(" .")
    return "it broke off"
