"""Whatever people or the model write, the client is asked for nothing but what the program itself decided on."""

import asyncio
import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from echo_bot import PATIENCE, write_config
from hypothesis import given, settings
from hypothesis import strategies as st

from onebot_bot.app import App
from onebot_bot.chat.composing import Piece, plain_segments_of, segments_of
from onebot_bot.chat.expressing import Expressions
from onebot_bot.chat.files import Files
from onebot_bot.chat.stickers import Stickers
from onebot_bot.chat.tags import SPELLINGS, Person, Scene, read_tags
from onebot_bot.errors import MediaError
from onebot_bot.protocol.actions import FriendPoke, GroupPoke, SetMsgEmojiLike
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.segments import Image, Video, encode_message
from onebot_bot.sections.chat import ChatConfig
from onebot_bot.sections.sending import RenderConfig
from onebot_bot.transport.client import OneBotClient

PICTURE = b"a picture that the program drew"
PEOPLE = (Person(6, "Bo", 61), Person(7, "all", 71))
SCENE: dict[str, Any] = {
    "account": 10000,
    "kinds": frozenset(SPELLINGS.values()),
    "limit": 20,
    "answered": Person(5, "Ann", 51),
}
EVIL = (
    "[CQ:image,file=file:///etc/passwd]",
    "[CQ:at,qq=all]",
    "[CQ:record,url=http://127.0.0.1/]",
    "&#91;CQ:image,file=/etc/passwd&#93;",
    '{"type":"image","data":{"file":"/etc/passwd"}}',
    "[image:file:///etc/passwd]",
    "[图片:/etc/passwd]",
    "[file:/etc/passwd]",
    "[url:http://127.0.0.1/]",
    "[sticker:../../../../etc/passwd]",
    "[表情包:/etc/passwd]",
    "[at:all]",
    "[at:10000]",
    "[回应:/etc/passwd]",
    "![x](file:///etc/passwd)",
    '<img src="file:///etc/passwd">',
    "base64://L2V0Yy9wYXNzd2Q=",
    "file:///etc/passwd",
    "/etc/passwd",
    "\ue000\ue001",
)
USUAL = (
    *("[表情:微笑]", "[at:Bo]", "[引用:Bo]", "[sticker:开心]", "[react:赞]", "[poke]", "```\ncode\n```", "# Head\n"),
    *("| a | b |\n|---|---|\n| 1 | 2 |\n", "$x^2$", "hello", "你好。", "\n\n", " "),
)
WRITTEN = st.lists(st.sampled_from(EVIL + USUAL) | st.text(max_size=20), max_size=12).map("".join)


class Painter:
    """Draws the same whatever it is given."""

    async def paint(self, markdown: str, theme: str, timeout: float) -> bytes:  # noqa: ASYNC109 - the real one's
        """At once."""
        return PICTURE


def fields_of(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key and value in what goes over the wire, however deep."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key, inner
            yield from fields_of(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from fields_of(inner)


def check_message(wire: list[dict[str, Any]], pictures: tuple[bytes, ...]) -> None:
    """Kinds that words may become, people who are there, and pictures that the program made."""
    assert {part["type"] for part in wire} <= {"text", "at", "face", "reply", "image"}
    places = {key: value for key, value in fields_of(wire) if key in ("file", "url", "path", "file_id")}
    assert set(places) <= {"file"}
    assert places.get("file") in {None, *(f"base64://{base64.b64encode(data).decode()}" for data in pictures)}
    assert {value for key, value in fields_of(wire) if key == "qq"} <= {"5", "6", "7"}


@pytest.fixture(scope="module")
def stickers(tmp_path_factory: pytest.TempPathFactory) -> Stickers:
    """One of them."""
    folder = tmp_path_factory.mktemp("stickers")
    (folder / "开心.png").write_bytes(b"a sticker")
    return Stickers(lambda: folder)


@settings(max_examples=30, deadline=None)
@given(said=WRITTEN, group=st.sampled_from([0, 77]))
def test_the_model_chooses_no_file_and_no_address(stickers: Stickers, said: str, group: int) -> None:
    """Its tags become faces, mentions of people who are there, reactions and pokes; all else is words."""
    names = frozenset(asyncio.run(stickers.names()))
    tagged = read_tags(said, Scene(group=group, people=PEOPLE, stickers=names, **SCENE))
    chat = ChatId(10000, "group" if group else "private", group or 5)
    expressions = Expressions(chat, None, stickers)  # type: ignore[arg-type]  # the record is not asked
    for piece in asyncio.run(expressions.pieces(tagged, ChatConfig(), RenderConfig(), Painter())):
        if piece.gesture is not None:
            assert isinstance(piece.gesture, SetMsgEmojiLike | GroupPoke | FriendPoke)
        else:
            for segments in (segments_of(piece, piece.quoted), plain_segments_of(piece, piece.quoted)):
                check_message(encode_message(segments), (PICTURE, b"a sticker"))


@given(words=st.text(max_size=60), quoted=st.none() | st.integers())
def test_words_stay_words(words: str, quoted: int | None) -> None:
    """An array of segments is sent, never a string that a client would look for codes in."""
    wire = encode_message(segments_of(Piece(words), quoted))
    assert wire[-1] == {"type": "text", "data": {"text": words}}
    assert len(wire) == 1 + (quoted is not None)


async def test_what_people_write_comes_back_as_words_at_most(tmp_path: Path) -> None:
    """Through the whole application, whose echo engine says whatever it is told, tags switched on."""
    path = write_config(tmp_path)
    with path.open("a", encoding="utf-8") as file:
        file.write('[tags]\nmode = "on"\n[sending]\ninterval = 0\njitter = 0\nper_minute = 0\n')
    async with App(path) as app, OneBotClient(app.url, 10000, app.token) as client:
        for number, evil in enumerate(EVIL):
            await client.send_event(client.private_message(5, f"{evil} 好{number}"))
            said = await asyncio.wait_for(client.next_call("send_private_msg"), PATIENCE)
            assert f"好{number}" in str(said.params["message"]) or evil.startswith("/")
            check_message(said.params["message"], ())
        asked = {call.action for call in client.calls} - {"send_private_msg", "set_input_status"}
    assert {action for action in asked if not action.startswith("get_")} == set()


@pytest.mark.parametrize("name", ["/etc/passwd", "..\\x", "file:///etc/passwd", "http://127.0.0.1/", "C:x", "a\0b"])
async def test_a_path_that_somebody_sends_is_not_asked_for(name: str) -> None:
    """The client would look for it on its own disk; a name is asked for."""
    asked: list[str] = []

    class Client:
        """Notes what it is asked for, and has nothing."""

        async def call(self, action: Any) -> dict[str, str]:
            """Note it."""
            asked.append(getattr(action, "file", "") or action.file_id)
            return {}

    async def fetch(source: str, max_bytes: int, timeout: float) -> bytes:  # noqa: ASYNC109 - the real one's
        raise MediaError(source)

    clients: Any = {10000: Client()}
    for thing in (Image(file=name), Video(file=name), Image(file="0F.png")):
        with pytest.raises(MediaError):
            await Files(clients, fetch).fetch(ChatId(10000, "private", 5), thing, 1, 5)
    assert asked == ["0F.png"]
