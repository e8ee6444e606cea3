"""Files as bytes: from the address that came along, or one that the client gives."""

import asyncio
import base64
from typing import Any

import pytest
from fakes import FakeAccount

from onebot_bot.chat.files import Files, check_file_size
from onebot_bot.errors import ActionFailed, MediaError, MediaTooLarge
from onebot_bot.protocol.actions import GetFile, GetGroupFileUrl, GetImage, GetPrivateFileUrl
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.segments import File, Image, Video
from onebot_bot.transport.media import fetch_media

ALICE, GROUP = ChatId(10000, "private", 1), ChatId(10000, "group", 77)
GONE = "https://qq.example/gone"


class Storage(FakeAccount):
    """An account whose answers are by action."""

    def __init__(self, **answers: Any) -> None:
        super().__init__()
        self.answers = answers
        self.asked: list[Any] = []

    async def call(self, action: Any, timeout: float | None = None) -> Any:  # noqa: ASYNC109 - the real one's
        """What is known of a file."""
        self.asked.append(action)
        if action.name not in self.answers:
            raise ActionFailed(action.name, 1400, "no packet backend")
        return self.answers[action.name]


async def web(source: str, max_bytes: int, timeout: float) -> bytes:  # noqa: ASYNC109 - the real one's
    """The address itself; what is gone, slow or large is told by its name."""
    if source.startswith("base64://"):
        return await fetch_media(source, max_bytes, timeout)
    if not source.startswith("https://") or source.endswith("gone"):
        raise MediaError(f"{source}: gone")
    if source.endswith("large"):
        raise MediaTooLarge("larger than allowed")
    if source.endswith("slow"):
        await asyncio.Event().wait()
    return source.encode()


async def fetched(account: Storage, thing: File | Image | Video, chat: ChatId = ALICE, timeout: float = 5.0) -> bytes:  # noqa: ASYNC109 - of what is tested
    """What comes of it."""
    accounts: dict[int, Any] = {10000: account}
    return await Files(accounts, web).fetch(chat, thing, 1.0, timeout)


async def test_the_address_that_came_along_is_taken() -> None:
    """Nobody is asked then."""
    account = Storage()
    assert await fetched(account, File(file="a.txt", url="https://qq.example/a")) == b"https://qq.example/a"
    assert account.asked == []


@pytest.mark.parametrize(
    ("chat", "thing", "action"),
    [
        (ALICE, File(file="a.txt", file_id="/id"), GetPrivateFileUrl("/id")),
        (GROUP, File(file="a.txt", file_id="/id", url=GONE), GetGroupFileUrl(77, "/id")),
        (ALICE, Image(file="a.png", url=GONE), GetImage("a.png")),
        (ALICE, Video(file="a.mp4"), GetFile("a.mp4")),
    ],
)
async def test_the_client_is_asked_for_an_address(chat: ChatId, thing: File | Image | Video, action: Any) -> None:
    """In the way that fits the chat, when there is none or it has run out."""
    account = Storage(**{action.name: {"url": "https://qq.example/fresh"}})
    assert await fetched(account, thing, chat) == b"https://qq.example/fresh"
    assert account.asked == [action]


async def test_an_address_may_stand_in_place_of_the_name() -> None:
    """As with clients other than NapCat."""
    account = Storage()
    assert await fetched(account, Image(file="https://qq.example/a")) == b"https://qq.example/a"


async def test_no_address_is_tried_twice() -> None:
    """A client may know no other than the one that has run out."""
    tried: list[str] = []

    async def gone(source: str, max_bytes: int, timeout: float) -> bytes:  # noqa: ASYNC109 - the real one's
        tried.append(source)
        raise MediaError("gone")

    account = Storage(get_image={"url": GONE})
    accounts: dict[int, Any] = {10000: account}
    with pytest.raises(MediaError):
        await Files(accounts, gone).fetch(ALICE, Image(file="a.png", url=GONE), 1.0, 5.0)
    assert tried == [GONE]


async def test_without_addresses_the_client_may_give_the_file() -> None:
    """By get_file, with NapCat's enableLocalFile2Url; the path of its own machine is never opened."""
    whole = base64.b64encode(b"words").decode()
    account = Storage(get_file={"file": "/etc/hostname", "url": "/etc/hostname", "base64": whole})
    assert await fetched(account, File(file="a.txt", file_id="/id")) == b"words"
    assert account.asked == [GetPrivateFileUrl("/id"), GetFile("/id")]
    for answer in ({"file": "/etc/hostname", "url": "/etc/hostname"}, {"file": "/etc/hostname"}, None, ["?"]):
        with pytest.raises(MediaError):
            await fetched(Storage(get_file=answer), File(file="a.txt", file_id="/id"))


async def test_what_is_too_large_is_not_asked_for_again() -> None:
    """Another address would give the same."""
    account = Storage(get_file={"url": "https://qq.example/a"})
    with pytest.raises(MediaTooLarge):
        await fetched(account, File(file="a.txt", file_id="/id", url="https://qq.example/large"))
    assert account.asked == []


async def test_all_attempts_share_one_limit_of_time() -> None:
    """However many addresses there are."""
    with pytest.raises(MediaError, match=r"within 0\.05 s"):
        await fetched(Storage(), File(file="a.txt", url="https://qq.example/slow"), timeout=0.05)


async def test_what_has_no_address_at_all_is_an_error() -> None:
    """Nor an account that could be asked."""
    with pytest.raises(MediaError, match="no address"):
        await Files({}, web).fetch(ALICE, File(file="a.txt", file_id="/id"), 1.0, 5.0)


@pytest.mark.parametrize("size", ["", "unknown", "-1", "1048576"])
def test_sizes_within_the_limit_pass(size: str) -> None:
    """And so does what nobody told."""
    check_file_size(File(file="a", file_size=size), 1.0)


@pytest.mark.parametrize("size", ["1048577", "9" * 10_000])
def test_sizes_beyond_the_limit_are_told_beforehand(size: str) -> None:
    """QQ says how large a file is."""
    with pytest.raises(MediaTooLarge):
        check_file_size(File(file="a", file_size=size), 1.0)
