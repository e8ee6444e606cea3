"""Who may connect: the opening request of a OneBot client, judged before the upgrade.

NapCat logs nothing but the HTTP status of a refusal (measured), so the status tells the cause and our own log
line tells the fix.
"""

import hmac
import ipaddress
import math
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal
from urllib.parse import parse_qs, urlsplit

from websockets.datastructures import Headers

from onebot_bot.errors import ConfigError

Role = Literal["universal", "api", "event"]

PATHS = frozenset(
    {
        "",
        "/onebot",
        "/onebot/v11",
        "/onebot/v11/ws",
        "/OneBotv11",
        "/ws",
        "/ws/api",
        "/ws/event",
    }
)
"""What people may have entered for another framework: NoneBot, aiocqhttp, AstrBot, Yunzai, Koishi, MaiBot."""

SUGGESTED_PATH = "/onebot/v11/ws"
_SELF_ID = re.compile(r"[1-9][0-9]{0,17}")


@dataclass(frozen=True, slots=True)
class Admission:
    """A request that may be upgraded."""

    self_id: int
    role: Role
    path: str
    user_agent: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that is answered with `status`; `cause` names the cause and the fix, never the token."""

    status: HTTPStatus
    cause: str


def check_exposure(host: str, token: str) -> None:
    """See that a server without a token can be reached from this machine only.

    Raises:
        ConfigError: the token is empty and `host` is not a loopback address.
    """
    if not token and not is_loopback(host):
        raise ConfigError(
            f"server.token is empty while server.host is {host!r}: anyone who reaches this port could speak "
            'for the bot. Set server.token = "auto" (or a token of your own), or server.host = "127.0.0.1".',
            code="OB-1005",
        )


def is_loopback(host: str) -> bool:
    """Whether listening on `host` is listening to this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def judge(target: str, headers: Headers, token: str) -> Admission | Refusal:
    """Admit a request or say why not; the token is compared in constant time.

    Args:
        target: the request target as sent, path and query.
        headers: the request's headers.
        token: the access token to ask for; empty asks for none.
    """
    path, _ = _split(target)
    if path.rstrip("/") not in PATHS:
        return Refusal(
            HTTPStatus.NOT_FOUND,
            "A connection was refused: nothing is served under its path. "
            f"Let the URL in NapCat's WebSocket client end with {SUGGESTED_PATH} .",
        )
    if token and (refusal := _check_token(given_token(target, headers), token)):
        return refusal
    self_id = _first(headers, "X-Self-ID")
    if not _SELF_ID.fullmatch(self_id):
        return Refusal(
            HTTPStatus.BAD_REQUEST,
            f"A connection was refused: its X-Self-ID header is {self_id[:32]!r}, not a QQ number. "
            "What connects must be a OneBot v11 reverse WebSocket client that is logged in.",
        )
    return Admission(int(self_id), _role(headers), path, _first(headers, "User-Agent")[:80])


def too_many_guesses(seconds: float) -> Refusal:
    """The answer to a token that is not looked at, for another `seconds`."""
    return Refusal(
        HTTPStatus.TOO_MANY_REQUESTS,
        "A connection was refused unread: too many different wrong access tokens came from its address. Enter the "
        f"bot's token in NapCat's WebSocket client; the next try is looked at in {math.ceil(seconds)} s.",
    )


def too_many_accounts(most: int) -> Refusal:
    """The answer to one account more than there may be."""
    return Refusal(
        HTTPStatus.INSUFFICIENT_STORAGE,
        f"A connection was refused: {most} accounts have connected since the start, which are as many as the bot "
        "keeps in mind. Restart it if others are to take their place.",
    )


def given_token(target: str, headers: Headers) -> bytes:
    """The token of a request, from wherever clients put it; empty when there is none."""
    # NapCat without a token still sends the bare word `Bearer`: an empty header says nothing, ask the query.
    return _header_token(headers) or _query_token(_split(target)[1])


def claimed_account(headers: Headers) -> str:
    """Which account a request says that it is of."""
    return _first(headers, "X-Self-ID")[:32]


def describe_token(target: str, headers: Headers) -> str:
    """Where a token arrived, for a log line: never the token."""
    if _header_token(headers):
        return "in the header"
    return "in the query" if _query_token(_split(target)[1]) else "none"


def shown_path(target: str) -> str:
    """The path as it may be logged: without the query, which may hold the token, and quoted."""
    return repr(_split(target)[0][:120])


def _split(target: str) -> tuple[str, str]:
    """Path and query of a request target; a proxy may send the whole URL."""
    if target.startswith("/"):
        path, _, query = target.partition("?")
        return path, query
    try:
        parts = urlsplit(target)
    except ValueError:  # a host such as `[::1` in it
        return target, ""
    return parts.path, parts.query


def _check_token(given: bytes, token: str) -> Refusal | None:
    if hmac.compare_digest(given, token.encode()):
        return None
    cause = "its access token is wrong" if given else "it sent no access token"
    return Refusal(
        HTTPStatus.UNAUTHORIZED,
        f"A connection was refused: {cause}. Enter the bot's token (server.token in config.toml; `auto` "
        "keeps it in memory_store/token) as the token of NapCat's WebSocket client.",
    )


def _header_token(headers: Headers) -> bytes:
    # websockets decodes headers as ISO-8859-1; a token typed in Chinese arrives as UTF-8 all the same.
    scheme, _, value = _first(headers, "Authorization").strip().partition(" ")
    return value.strip().encode("latin-1") if scheme.lower() in ("bearer", "token") else b""


def _query_token(query: str) -> bytes:
    values = parse_qs(query).get("access_token", [""])
    return values[0].encode()


def _role(headers: Headers) -> Role:
    match _first(headers, "X-Client-Role").strip().lower():
        case "api":
            return "api"
        case "event":
            return "event"
        case _:
            return "universal"


def _first(headers: Headers, name: str) -> str:
    """The first value of a header: `Headers.get` raises when a client repeats one."""
    values = headers.get_all(name)
    return values[0] if values else ""
