"""Fetch a web page that a message links to: as in media.py, and with rules for hosts, redirects and kinds."""

import asyncio
from http import HTTPStatus

import aiohttp
from yarl import URL

from onebot_bot import __version__
from onebot_bot.errors import MediaError, ReadingError
from onebot_bot.transport.media import cause_of, open_session, read_body, shown
from onebot_bot.transport.rules import Page, Rules

HEADERS = {
    "User-Agent": f"Mozilla/5.0 (compatible; onebot-bot/{__version__})",
    "Accept": "text/html,application/xhtml+xml,text/*;q=0.9,application/pdf;q=0.8,*/*;q=0.1",
    "Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8",
}
FIRST_FREE_PORT = 1024
"""Below it only the web's own ports are asked: on the others something else listens."""
_MOVED = (
    *(HTTPStatus.MOVED_PERMANENTLY, HTTPStatus.FOUND, HTTPStatus.SEE_OTHER),
    *(HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.PERMANENT_REDIRECT),
)


async def fetch_page(url: str, rules: Rules, timeout: float, *, allow_private: bool = False) -> Page:  # noqa: ASYNC109 - part of the result's contract: MediaError, not TimeoutError
    """Fetch what an `http://` or `https://` link leads to.

    Args:
        url: the link.
        rules: what of it is fetched.
        timeout: seconds for the whole of it, redirects included.
        allow_private: also fetch from addresses that are not public; for tests.

    Raises:
        MediaTooLarge: it is larger than the rules allow.
        MediaError: unreachable, too slow, or not there any more.
        ReadingError: the rules forbid it (`refused`), or it is of a kind that is not read (`kind`).
    """
    try:
        async with (
            asyncio.timeout(timeout),
            open_session(allow_private=allow_private, headers=HEADERS) as session,
        ):
            return await _follow(session, URL(url), rules)
    except TimeoutError as error:
        raise MediaError(f"{shown(url)} did not answer in full within {timeout:g} s.") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise MediaError(f"{shown(url)} cannot be fetched: {cause_of(error)}.") from error


async def _follow(session: aiohttp.ClientSession, url: URL, rules: Rules) -> Page:
    for _ in range(rules.redirects + 1):
        _check(url, rules)
        async with session.get(url, allow_redirects=False) as response:
            if response.status not in _MOVED:
                return await _page(response, rules)
            url = url.join(URL(response.headers.get("Location", "")))
    raise MediaError(f"{shown(str(url))} redirects more than {rules.redirects} times (reading.redirects).")


def _check(url: URL, rules: Rules) -> None:
    """Raise ReadingError when that address is not asked at all."""
    if url.scheme not in ("http", "https") or not url.host:
        raise ReadingError("refused", "Only http and https links are opened.")
    if url.user is not None or url.password is not None:
        raise ReadingError("refused", f"{shown(str(url))} carries a name or a password.")
    if not (url.is_default_port() or (url.port or 0) >= FIRST_FREE_PORT):
        raise ReadingError("refused", f"{shown(str(url))}: port {url.port} is not one of the web's.")
    if not rules.may_ask(url.host):
        raise ReadingError("refused", f"{shown(str(url))}: see reading.allowed_hosts and reading.denied_hosts.")


async def _page(response: aiohttp.ClientResponse, rules: Rules) -> Page:
    where = shown(str(response.url))
    named = "Content-Type" in response.headers
    kind = response.content_type if named else ""
    if response.status == HTTPStatus.OK and not rules.may_read(kind):
        raise ReadingError("kind", f"{where} is {kind}, which is not read.")
    data = await read_body(response, where, rules.max_bytes)
    return Page(str(response.url), data, kind, response.charset or "")
