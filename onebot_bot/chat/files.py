"""Files, pictures and videos of messages as bytes, from wherever the client says that they are."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

from onebot_bot.errors import ActionError, BotError, MediaError, MediaTooLarge
from onebot_bot.protocol.actions import Action, GetFile, GetGroupFileUrl, GetImage, GetPrivateFileUrl
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.segments import File, Image, Video
from onebot_bot.transport.account import Account

Thing = File | Image | Video


class Fetch(Protocol):
    """`transport.media.fetch_media`."""

    async def __call__(self, source: str, max_bytes: int, timeout: float) -> bytes:  # noqa: ASYNC109 - the real one's
        """The bytes; raises MediaError."""


class Files:
    """Fetches them. Paths that come along are those of NapCat's machine, and never opened here."""

    def __init__(self, accounts: Mapping[int, Account], fetch: Fetch) -> None:
        self._accounts = accounts
        self._fetch = fetch

    async def fetch(self, chat: ChatId, thing: Thing, max_mib: float, timeout: float) -> bytes:  # noqa: ASYNC109 - of all attempts together
        """The bytes, from the first address that gives them.

        Args:
            chat: where it was sent.
            thing: what to fetch.
            max_mib: the most to take.
            timeout: seconds for all attempts together.

        Raises:
            MediaError: no address gives it, or not in time.
        """
        failure: BotError = MediaError("It has no address, and nobody can be asked for one.")
        try:
            async with asyncio.timeout(timeout):
                async for address in self._addresses(chat, thing):
                    try:
                        return await self._fetch(address, int(max_mib * 2**20), timeout)
                    except MediaTooLarge:
                        raise
                    except MediaError as error:
                        failure = error
        except TimeoutError as error:
            raise MediaError(f"It did not come within {timeout:g} s.") from error
        raise failure

    async def _addresses(self, chat: ChatId, thing: Thing) -> AsyncIterator[str]:
        """The one that came along, then those that the client gives when it is asked."""
        # Some clients put it into `file`, which is a name with NapCat.
        known = thing.url or (thing.file if "://" in thing.file else "")
        if known:
            yield known
        account = self._accounts.get(chat.account)
        for action in _questions(chat, thing) if account is not None else ():
            try:
                answer: Any = await account.call(action) if account is not None else None
            except ActionError:
                continue
            if (address := _address_in(answer)) and address != known:
                yield address


def check_file_size(thing: Thing, max_mib: float) -> None:
    """Raise MediaTooLarge when QQ says that it is larger than may be fetched."""
    if thing.file_size.isdecimal() and int(thing.file_size[:20]) > max_mib * 2**20:
        raise MediaTooLarge(f"It has {thing.file_size[:20]} bytes, more than {max_mib:g} MiB.")


def _questions(chat: ChatId, thing: Thing) -> list[Action]:
    if isinstance(thing, Image | Video):
        ask = GetImage if isinstance(thing, Image) else GetFile
        return [ask(thing.file)] if _is_name(thing.file) else []
    if not thing.file_id:
        return []
    group = chat.kind == "group"
    first = GetGroupFileUrl(chat.peer, thing.file_id) if group else GetPrivateFileUrl(thing.file_id)
    return [first, GetFile(thing.file_id)]


def _is_name(file: str) -> bool:
    """Whether a client may name a file so; it is not asked for a path or an address of somebody's choice."""
    return bool(file) and not set(file) & set("/\\\0") and ":" not in file


def _address_in(answer: Any) -> str:
    found = answer if isinstance(answer, dict) else {}
    return f"base64://{found['base64']}" if found.get("base64") else str(found.get("url") or "")
