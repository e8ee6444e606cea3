"""Opening links: rules for hosts, kinds and redirects, limits, and no way into private networks."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from onebot_bot.errors import MediaError, MediaTooLarge, ReadingError
from onebot_bot.transport.pages import fetch_page
from onebot_bot.transport.rules import Page, Rules

HTML = "<title>页</title><p>你好"
RULES: dict[str, Any] = {"max_bytes": 4096, "redirects": 2, "may_ask": lambda _: True, "may_read": lambda _: True}


async def page(request: web.Request) -> web.Response:
    """A page in an encoding that its server names."""
    return web.Response(body=HTML.encode("gbk"), headers={"Content-Type": "text/html; charset=gbk"})


async def film(request: web.Request) -> web.Response:
    """Something that nobody reads."""
    return web.Response(body=b"...", content_type="video/mp4")


async def unfolding(request: web.Request) -> web.Response:
    """Few bytes that are many, though nobody asked for that."""
    return web.Response(body=gzip.compress(bytes(2**20)), headers={"Content-Encoding": "gzip"})


async def silent(request: web.Request) -> web.Response:
    """Never answers."""
    await asyncio.Event().wait()
    raise AssertionError


async def elsewhere(request: web.Request) -> web.Response:
    """Redirects to wherever `to` says."""
    raise web.HTTPFound(request.query["to"])


async def around(request: web.Request) -> web.Response:
    """Redirects to itself."""
    raise web.HTTPMovedPermanently("/around")


async def nowhere(request: web.Request) -> web.Response:
    """Redirects, and does not say where to."""
    return web.Response(status=302)


async def asked(request: web.Request) -> web.Response:
    """How the request introduces itself."""
    return web.Response(text="|".join(request.headers[name] for name in ("User-Agent", "Accept-Language")))


@pytest.fixture
async def site() -> AsyncIterator[Callable[[str], str]]:
    """A web server on loopback; gives the URL of a path."""
    app = web.Application()
    for handler in (page, film, unfolding, silent, elsewhere, around, nowhere, asked):
        app.router.add_get(f"/{handler.__name__}", handler)
    async with TestServer(app) as server:
        yield lambda path: str(server.make_url(path))


async def opened(url: str, timeout: float = 5, **rules: Any) -> Page:  # noqa: ASYNC109 - of what is tested
    """What a link leads to, on this machine too."""
    return await fetch_page(url, Rules(**RULES | rules), timeout, allow_private=True)


async def reason(url: str, **rules: Any) -> str:
    """Why a link is not opened."""
    with pytest.raises(ReadingError) as caught:
        await opened(url, **rules)
    return caught.value.reason


async def test_a_page_comes_with_its_kind_and_encoding(site: Callable[[str], str]) -> None:
    """As its server names them."""
    assert await opened(site("/page")) == Page(site("/page"), HTML.encode("gbk"), "text/html", "gbk")


async def test_a_server_may_say_nothing_of_what_it_sends() -> None:
    """Then there is neither a kind nor an encoding."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwords")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        assert await opened(url) == Page(url, b"words", "", "")


async def test_it_says_what_it_is_and_asks_for_chinese(site: Callable[[str], str]) -> None:
    """A page may exist in several languages."""
    assert (await opened(site("/asked"))).data.startswith(b"Mozilla/5.0 (compatible; onebot-bot/")
    assert (await opened(site("/asked"))).data.endswith(b"|zh-CN,zh;q=0.9,en;q=0.8")


async def test_redirects_are_followed_so_far(site: Callable[[str], str]) -> None:
    """To where they lead in the end, relative ones too."""
    assert (await opened(site("/elsewhere?to=/page"))).url == site("/page")
    with pytest.raises(MediaError, match="redirects more than 0 times"):
        await opened(site("/elsewhere?to=/page"), redirects=0)
    with pytest.raises(MediaError, match="redirects more than 2 times"):
        await opened(site("/around"))
    with pytest.raises(MediaError):
        await opened(site("/nowhere"))


async def test_hosts_are_asked_about_at_every_step(site: Callable[[str], str]) -> None:
    """A shortened link must not lead where the link itself could not."""
    here = site("/").split("/")[2].partition(":")[0]
    assert await reason(site("/page"), may_ask=lambda host: host != here) == "refused"
    away = site("/elsewhere?to=http://denied.example/")
    assert await reason(away, may_ask=lambda host: host != "denied.example") == "refused"


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://a.example/",
        "gopher://a.example/",
        "data:text/html,words",
        "javascript:alert(1)",
        "http:///path",
        "http://user:secret@a.example/",
        "http://a.example:22/",
        "https://a.example:80/",
    ],
)
async def test_what_is_no_ordinary_link_is_refused(url: str) -> None:
    """Other schemes, passwords, and the ports of other services."""
    assert await reason(url) == "refused"


async def test_kinds_that_nobody_reads_are_not_fetched(site: Callable[[str], str]) -> None:
    """The head tells."""
    assert await reason(site("/film"), may_read=lambda kind: kind == "text/html") == "kind"


@pytest.mark.parametrize("path", ["/page", "/unfolding"])
async def test_what_is_too_large_is_refused(site: Callable[[str], str], path: str) -> None:
    """Also when it unfolds to that."""
    with pytest.raises(MediaTooLarge, match="larger than"):
        await opened(site(path), max_bytes=16)


async def test_a_silent_server_is_given_up(site: Callable[[str], str]) -> None:
    """The limit of time covers everything."""
    with pytest.raises(MediaError, match=r"within 0\.05 s"):
        await opened(site("/silent"), timeout=0.05)


async def test_a_missing_page_names_its_status_but_not_its_query(site: Callable[[str], str]) -> None:
    """The query may hold a key."""
    with pytest.raises(MediaError, match="404") as caught:
        await opened(site("/nothing") + "?token=hunter2")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://[::1", "http://exa mple/", "http://a.example:99999/", "http://\u0000/"])
async def test_a_malformed_link_is_an_ordinary_error(url: str) -> None:
    """Whatever a stranger writes ends in one of two errors."""
    with pytest.raises((MediaError, ReadingError)):
        await opened(url)


@pytest.mark.parametrize(
    "host",
    ["localhost", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "0", "①②⑦.⓪.⓪.①", "[::ffff:127.0.0.1]", "[::]"],
)
async def test_loopback_stays_shut(site: Callable[[str], str], host: str) -> None:
    """However it is spelt."""
    port = site("/").rpartition(":")[2].rstrip("/")
    with pytest.raises(MediaError):
        await fetch_page(f"http://{host}:{port}/page", Rules(**RULES), 5)


async def test_a_redirect_into_the_private_network_is_refused(
    site: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first address passes as public; the one it leads to is checked again."""
    public = site("/").split("/")[2].partition(":")[0]
    monkeypatch.setattr("onebot_bot.transport.media.is_public", lambda host: host == public)
    with pytest.raises(MediaError, match="not a public address"):
        await fetch_page(site("/elsewhere?to=http://127.0.0.2:9999/page"), Rules(**RULES), 5)
