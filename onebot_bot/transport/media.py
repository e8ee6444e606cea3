"""Fetch what a message points at, without being led into the operator's own network.

Addresses come from strangers. Each is checked where the socket is made, after the name was resolved, so that
redirects, odd spellings and names that change between check and use (DNS rebinding) are all covered.
"""

import asyncio
import base64
import binascii
import ipaddress
import socket
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import urlsplit

import aiohttp

from onebot_bot.errors import MediaError, MediaTooLarge

MAX_REDIRECTS = 5
CHUNK = 64 * 1024
NOTHING: Mapping[str, str] = {}
NAT64 = ipaddress.ip_network("64:ff9b::/96")
UNICAST = ipaddress.ip_network("2000::/3")
"""All of IPv6 that is handed out; what lies outside is local, or a tunnel's."""
CLOSED = tuple(map(ipaddress.IPv4Network, ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32")))
"""Global by the registry's word, and all the same no server of the internet: protocols' own addresses (one of them
Oracle Cloud's metadata), old tunnels, and Azure's machine agent."""
EXPIRED = b"-5503007"
"""QQ's retcode of a download address whose rkey has run out; it comes with HTTP 400."""


async def fetch_media(source: str, max_bytes: int, timeout: float, *, allow_private: bool = False) -> bytes:  # noqa: ASYNC109 - part of the result's contract: MediaError, not TimeoutError
    """Fetch `http://`, `https://` or `base64://`.

    Args:
        source: the address, or `base64://` followed by the data itself.
        max_bytes: the most bytes to accept, counted after decompression.
        timeout: seconds for the whole of it.
        allow_private: also fetch from addresses that are not public; for tests.

    Raises:
        MediaError: refused, unreachable, too large, too slow, or not there any more.
    """
    scheme, _, rest = source.partition("://")
    match scheme.lower():
        case "base64":
            return _decode(rest, max_bytes)
        case "http" | "https":
            return await _download(source, max_bytes, timeout, allow_private=allow_private)
        case _:
            raise MediaError("Only http, https and base64 sources are fetched: others would read this machine.")


def _decode(text: str, max_bytes: int) -> bytes:
    if len(text) // 4 * 3 > max_bytes + 2:  # two bytes may be padding
        raise MediaTooLarge(_too_large("base64 data", max_bytes))
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise MediaError(f"The base64 data is damaged: {error}.") from error
    if len(data) > max_bytes:
        raise MediaTooLarge(_too_large("base64 data", max_bytes))
    return data


async def _download(url: str, max_bytes: int, limit: float, *, allow_private: bool) -> bytes:
    where = shown(url)
    try:
        async with (
            asyncio.timeout(limit),
            open_session(allow_private=allow_private) as session,
            session.get(url, max_redirects=MAX_REDIRECTS) as response,
        ):
            return await read_body(response, where, max_bytes)
    except TimeoutError as error:
        raise MediaError(f"{where} did not answer in full within {limit:g} s.") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise MediaError(f"{where} cannot be fetched: {cause_of(error)}.") from error


def open_session(*, allow_private: bool, headers: Mapping[str, str] = NOTHING) -> aiohttp.ClientSession:
    """A session that reaches public addresses only, unless told otherwise, and remembers nothing."""
    connector = aiohttp.TCPConnector(
        socket_factory=_open_socket if allow_private else _open_public_socket, force_close=True
    )
    return aiohttp.ClientSession(
        connector=connector,
        # The caller's limit is the only one.
        timeout=aiohttp.ClientTimeout(total=None),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Accept-Encoding": "identity", **headers},
    )


async def read_body(response: aiohttp.ClientResponse, where: str, max_bytes: int) -> bytes:
    """The body of an answer; raises MediaError when it is a refusal, or larger than `max_bytes`."""
    if response.status != HTTPStatus.OK:
        raise MediaError(await _refused(response, where))
    if (response.content_length or 0) > max_bytes:
        raise MediaTooLarge(_too_large(where, max_bytes))
    body = bytearray()
    async for chunk in response.content.iter_chunked(CHUNK):
        body += chunk
        if len(body) > max_bytes:
            raise MediaTooLarge(_too_large(where, max_bytes))
    return bytes(body)


async def _refused(response: aiohttp.ClientResponse, where: str) -> str:
    head = await response.content.read(CHUNK)
    if EXPIRED in head:
        return f"{where}: the download address has expired; ask the client for a fresh one."
    return f"{where} answered {response.status} {response.reason or ''}".rstrip() + "."


def _open_public_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    host = str(address[4][0])
    if not is_public(host):
        raise PermissionError(f"{host} is not a public address, and messages may not point into private networks")
    return _open_socket(address)


def _open_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, protocol, _, _ = address
    return socket.socket(family, kind, protocol)


def is_public(host: str) -> bool:
    """Whether an IP address is one of the public internet, also when it is wrapped in an IPv6 one."""
    address = ipaddress.ip_address(host.partition("%")[0])
    inner = _wrapped(address) if isinstance(address, ipaddress.IPv6Address) else None
    if inner is not None:
        return is_public(str(inner))
    if isinstance(address, ipaddress.IPv6Address):
        return address.is_global and address in UNICAST
    return address.is_global and not address.is_multicast and not any(address in closed for closed in CLOSED)


def _wrapped(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that a translator or tunnel would make of `address` (RFC 4291, 3056, 4380, 6052)."""
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address.teredo is not None:
        return address.teredo[1]
    return address.ipv4_mapped or address.sixtofour


def shown(url: str) -> str:
    """The address without its query: QQ's holds a key."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "The address"
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"[:200]


def cause_of(error: Exception) -> str:
    """The words of the error without the query of an address."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return str(error.os_error.strerror or error.os_error)
    if isinstance(error, aiohttp.InvalidURL | aiohttp.TooManyRedirects | ValueError):
        return type(error).__name__
    return str(error) or type(error).__name__


def _too_large(what: str, max_bytes: int) -> str:
    return f"{what} is larger than {max_bytes / 2**20:.1f} MiB."
