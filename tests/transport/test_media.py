"""Fetching what messages point at: limits, refusals, and no way into private networks."""

import asyncio
import base64
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from onebot_bot.errors import MediaError
from onebot_bot.transport.media import fetch_media, is_public

BODY = bytes(range(256)) * 16


async def picture(request: web.Request) -> web.Response:
    """4 KiB."""
    return web.Response(body=BODY)


async def asked(request: web.Request) -> web.Response:
    """Which encodings the request accepts."""
    return web.Response(text=request.headers["Accept-Encoding"])


async def endless(request: web.Request) -> web.StreamResponse:
    """A body without a declared length that never ends by itself."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"x" * 65536)


async def silent(request: web.Request) -> web.Response:
    """Never answers."""
    await asyncio.Event().wait()
    raise AssertionError


async def expired(request: web.Request) -> web.Response:
    """What QQ's picture server says once the key has run out."""
    body = {"retcode": -5503007, "retmsg": "download url has expired"}
    return web.json_response(body, status=400)


async def elsewhere(request: web.Request) -> web.Response:
    """Redirects to wherever `to` says."""
    raise web.HTTPFound(request.query["to"])


@pytest.fixture
async def site() -> AsyncIterator[Callable[[str], str]]:
    """A web server on loopback; gives the URL of a path."""
    app = web.Application()
    for handler in (picture, asked, endless, silent, expired, elsewhere):
        app.router.add_get(f"/{handler.__name__}", handler)
    async with TestServer(app) as server:
        yield lambda path: str(server.make_url(path))


async def test_a_picture_is_fetched(site: Callable[[str], str]) -> None:
    """The body comes back as it is."""
    assert await fetch_media(site("/picture"), 4096, 5, allow_private=True) == BODY


async def test_compression_is_not_asked_for(site: Callable[[str], str]) -> None:
    """Pictures are compressed already, and a small body could unfold to a huge one."""
    assert await fetch_media(site("/asked"), 4096, 5, allow_private=True) == b"identity"


async def test_base64_is_decoded() -> None:
    """Data inside the address needs no network."""
    source = "base64://" + base64.b64encode(BODY).decode()
    assert await fetch_media(source, 4096, 5) == BODY


@pytest.mark.parametrize("size", [4095, 16])
async def test_what_is_too_large_is_refused(site: Callable[[str], str], size: int) -> None:
    """The limit holds for both kinds of source, to the byte."""
    with pytest.raises(MediaError, match="larger than"):
        await fetch_media(site("/picture"), size, 5, allow_private=True)
    with pytest.raises(MediaError, match="larger than"):
        await fetch_media("base64://" + base64.b64encode(BODY).decode(), size, 5)


async def test_a_body_without_length_is_cut_off(site: Callable[[str], str]) -> None:
    """An endless body ends at the limit."""
    with pytest.raises(MediaError, match="larger than"):
        await fetch_media(site("/endless"), 2**20, 5, allow_private=True)


async def test_a_silent_server_is_given_up(site: Callable[[str], str]) -> None:
    """The limit of time covers everything."""
    with pytest.raises(MediaError, match=r"within 0\.05 s"):
        await fetch_media(site("/silent"), 4096, 0.05, allow_private=True)


async def test_an_expired_address_is_told_apart(site: Callable[[str], str]) -> None:
    """QQ's addresses last an hour or two; the error says to ask for a new one."""
    with pytest.raises(MediaError, match="expired"):
        await fetch_media(site("/expired"), 4096, 5, allow_private=True)


async def test_a_missing_page_names_its_status_but_not_its_query(site: Callable[[str], str]) -> None:
    """The query may hold a key and stays out of the error."""
    with pytest.raises(MediaError, match="404") as caught:
        await fetch_media(site("/nothing") + "?rkey=hunter2", 4096, 5, allow_private=True)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "source",
    [
        "file:///etc/passwd",
        "/etc/passwd",
        "data:text/plain,hi",
        "ftp://example.com/x",
        "gopher://x/",
        "",
        "x",
    ],
)
async def test_other_schemes_are_refused(source: str) -> None:
    """Only http, https and base64 are ever opened."""
    with pytest.raises(MediaError, match="Only http"):
        await fetch_media(source, 4096, 5, allow_private=True)


@pytest.mark.parametrize("source", ["base64://%%%", "base64://QUJ"])
async def test_damaged_base64_is_refused(source: str) -> None:
    """It is an error, not an empty picture."""
    with pytest.raises(MediaError, match="damaged"):
        await fetch_media(source, 4096, 5)


@pytest.mark.parametrize("url", ["http://", "http://[::1", "http://exa mple/", "http://:80/"])
async def test_a_malformed_address_is_an_ordinary_error(url: str) -> None:
    """Whatever a stranger writes ends in MediaError."""
    with pytest.raises(MediaError):
        await fetch_media(url, 4096, 5)


async def test_loopback_is_refused(site: Callable[[str], str]) -> None:
    """The very page that tests may fetch is closed to messages."""
    with pytest.raises(MediaError, match="not a public address"):
        await fetch_media(site("/picture"), 4096, 5)


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1", "0", "0.0.0.0", "127.0.0.1."),
        *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[0:0:0:0:0:0:0:1]"),
        *("①②⑦.⓪.⓪.①", "１２７.０.０.１", "127。0。0。1", "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ", "%31%32%37.0.0.1", "a@127.0.0.1", "localhost."),
    ],
)
async def test_every_spelling_of_loopback_is_refused(site: Callable[[str], str], host: str) -> None:
    """Names, short, decimal, octal and numeric forms, IPv6 wrappings and other scripts all end at the same check."""
    port = site("/").rpartition(":")[2].rstrip("/")
    with pytest.raises(MediaError, match=r"not a public address|cannot be fetched"):
        await fetch_media(f"http://{host}:{port}/picture", 4096, 5)


async def test_a_redirect_into_the_private_network_is_refused(
    site: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first address passes as public; the one it redirects to is checked again."""
    public = site("/").split("/")[2].partition(":")[0]
    monkeypatch.setattr("onebot_bot.transport.media.is_public", lambda host: host == public)
    with pytest.raises(MediaError, match="not a public address"):
        await fetch_media(site("/elsewhere?to=http://127.0.0.2:9/picture"), 4096, 5)


async def test_a_redirect_to_another_scheme_is_refused(site: Callable[[str], str]) -> None:
    """A redirect cannot reach what the address itself could not."""
    with pytest.raises(MediaError):
        await fetch_media(site("/elsewhere?to=file:///etc/passwd"), 4096, 5, allow_private=True)


async def test_an_endless_redirect_is_refused(site: Callable[[str], str]) -> None:
    """A page that redirects to itself is left after a few rounds."""
    here = site("/elsewhere")
    app = web.Application()

    async def again(request: web.Request) -> web.Response:
        raise web.HTTPFound(request.path)

    app.router.add_get("/again", again)
    async with TestServer(app) as server:
        with pytest.raises(MediaError, match="TooManyRedirects"):
            await fetch_media(f"{here}?to={server.make_url('/again')}", 4096, 5, allow_private=True)


async def test_a_name_that_resolves_to_loopback_is_refused(
    site: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check is made on the address that is connected to, so a name cannot change its mind in between."""
    port = int(site("/").rpartition(":")[2].rstrip("/"))
    loop = asyncio.get_running_loop()

    async def resolve(*args: Any, **options: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(loop, "getaddrinfo", resolve)
    with pytest.raises(MediaError, match=r"127\.0\.0\.1 is not a public address"):
        await fetch_media(f"http://pictures.example:{port}/picture", 4096, 5)


@pytest.mark.parametrize(
    "host",
    [
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "2002:a00:1::",
        "2001:0:a00:1::",
        "::127.0.0.1",
        "::ffff:0:a00:1",
        "64:ff9b:1::a00:1",
        "fec0::1",
        "fd00:ec2::254",
        "100.100.100.200",
        "192.0.0.192",
        "192.88.99.1",
        "168.63.129.16",
    ],
)
def test_private_addresses_are_not_public(host: str) -> None:
    """Private, local, shared, reserved and multicast addresses, wrapped ones too, and where clouds keep secrets."""
    assert not is_public(host)


@pytest.mark.parametrize("host", ["203.205.254.1", "8.8.8.8", "2402:4e00::1", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses_are_public(host: str) -> None:
    """The check lets the internet through."""
    assert is_public(host)
