"""Segments: what each wire form becomes, and back."""

from typing import Any

import msgspec
import pytest

from onebot_bot.protocol.segments import (
    At,
    Dice,
    Face,
    File,
    FlashTransfer,
    Forward,
    Image,
    Json,
    Markdown,
    Mface,
    Node,
    OnlineFile,
    Poke,
    Record,
    Reply,
    Rps,
    Segment,
    Text,
    UnknownSegment,
    Video,
    decode_message,
    decode_message_json,
    encode_message,
    encode_segment,
    plain_text,
    to_cq,
)

URL = "https://multimedia.nt.qq.com.cn/download?appid=1407&fileid=x&rkey=y"
# (type, data as NapCat writes it, what it is here); encoding the last gives the first two again.
KNOWN: list[tuple[str, dict[str, Any], Segment]] = [
    ("text", {"text": "你好\n"}, Text("你好\n")),
    ("at", {"qq": "10001"}, At("10001")),
    ("at", {"qq": "all"}, At("all")),
    ("at", {"qq": "10001", "name": "小明"}, At("10001", "小明")),
    ("face", {"id": "14"}, Face("14")),
    (
        "face",
        {"id": "14", "raw": {"faceText": "/微笑"}, "resultId": "3", "chainCount": 2},
        Face("14", {"faceText": "/微笑"}, "3", 2),
    ),
    (
        "image",
        {"summary": "[动画表情]", "file": "A.jpg", "sub_type": 1, "url": URL, "file_size": "1234"},
        Image("A.jpg", URL, summary="[动画表情]", sub_type=1, file_size="1234"),
    ),
    (
        "image",
        {
            "summary": "[开心]",
            "file": "ab-cd.gif",
            "url": URL,
            "key": "k",
            "emoji_id": "abcd",
            "emoji_package_id": 231,
        },
        Image("ab-cd.gif", URL, summary="[开心]", key="k", emoji_id="abcd", emoji_package_id=231),
    ),
    (
        "mface",
        {"emoji_package_id": 231, "emoji_id": "abcd", "key": "k", "summary": "[开心]"},
        Mface("abcd", 231, "k", "[开心]"),
    ),
    (
        "record",
        {"file": "a.amr", "path": "/data/a.amr", "url": "/data/a.amr", "file_size": "99"},
        Record("a.amr", "/data/a.amr", "/data/a.amr", "99"),
    ),
    ("video", {"file": "a.mp4", "url": URL, "file_size": "99"}, Video("a.mp4", URL, file_size="99")),
    ("file", {"file": "报告.pdf", "file_id": "/x-1", "file_size": "99"}, File("报告.pdf", "/x-1", "99")),
    ("reply", {"id": "-5"}, Reply("-5")),
    ("forward", {"id": "7590000000000000001"}, Forward("7590000000000000001")),
    ("forward", {"id": "7", "content": [{"message_id": 1}]}, Forward("7", [{"message_id": 1}])),
    ("json", {"data": '{"app":"com.tencent.miniapp"}'}, Json('{"app":"com.tencent.miniapp"}')),
    ("markdown", {"content": "# a"}, Markdown("# a")),
    ("dice", {"result": "6"}, Dice("6")),
    ("rps", {"result": "2"}, Rps("2")),
    ("poke", {"type": "1", "id": "-1"}, Poke("1", "-1")),
    ("flashtransfer", {"fileSetId": "f"}, FlashTransfer("f")),
    (
        "onlinefile",
        {"msgId": "1", "elementId": "2", "fileName": "a", "fileSize": "3", "isDir": True},
        OnlineFile("1", "2", "a", "3", is_dir=True),
    ),
    ("node", {"id": "5"}, Node(id="5")),
    (
        "node",
        {"user_id": "1", "nickname": "a", "content": [{"type": "text", "data": {"text": "b"}}]},
        Node("1", "a", (Text("b"),)),
    ),
    ("shake", {"a": 1}, UnknownSegment("shake", {"a": 1})),
]


@pytest.mark.parametrize(("name", "data", "segment"), KNOWN)
def test_every_segment_is_decoded(name: str, data: dict[str, Any], segment: Segment) -> None:
    """A segment becomes its Struct, from an object and from JSON alike."""
    wire = [{"type": name, "data": data}]
    assert (segment,) == decode_message(wire)
    assert (segment,) == decode_message_json(msgspec.json.encode(wire))


@pytest.mark.parametrize(("name", "data", "segment"), KNOWN)
def test_every_segment_is_encoded(name: str, data: dict[str, Any], segment: Segment) -> None:
    """A Struct becomes what NapCat takes, without what is empty."""
    assert {"type": name, "data": data} == encode_segment(segment)


@pytest.mark.parametrize(
    ("wire", "segment"),
    [
        ({"type": "at", "data": {"qq": 10001}}, At("10001")),
        ({"type": "reply", "data": {"id": -7, "seq": None}}, Reply("-7")),
        ({"type": "image", "data": {"file": "a", "sub_type": "1", "url": None}}, Image("a", sub_type=1)),
        ({"type": "image", "data": {"file": "a", "file_size": 12}}, Image("a", file_size="12")),
        ({"type": "rps", "data": None}, Rps()),
        ({"type": "dice"}, Dice()),
        ({"type": "text", "data": {"text": "a", "new": [1]}, "also": "new"}, Text("a")),
        (
            {"type": "node", "data": {"user_id": 1, "content": "a[CQ:face,id=1]"}},
            Node("1", "", (Text("a"), Face("1"))),
        ),
    ],
)
def test_the_forms_of_other_clients_fit(wire: dict[str, Any], segment: Segment) -> None:
    """Numbers for strings, strings for numbers, nulls and new keys are no obstacle."""
    assert (segment,) == decode_message([wire])
    assert (segment, Text("b")) == decode_message_json(
        msgspec.json.encode([wire, {"type": "text", "data": {"text": "b"}}])
    )


@pytest.mark.parametrize(
    ("wire", "segment"),
    [
        ({"type": "text", "data": {}}, UnknownSegment("text", {})),
        ({"type": "text", "data": {"text": ["a"]}}, UnknownSegment("text", {"text": ["a"]})),
        ({"type": "text", "data": {"text": True}}, UnknownSegment("text", {"text": True})),
        ({"type": "text", "data": "a"}, UnknownSegment("text", {"value": "a"})),
        ({"type": "node", "data": {"user_id": []}}, UnknownSegment("node", {"user_id": []})),
        ({"type": 5, "data": {}}, UnknownSegment("5", {"value": {}})),
        ({}, UnknownSegment("", {"value": {}})),
        (None, UnknownSegment("", {"value": None})),
        ([1], UnknownSegment("", {"value": [1]})),
    ],
)
def test_a_malformed_segment_is_kept_as_unknown(wire: Any, segment: Segment) -> None:
    """What does not fit is kept, and its neighbours are not lost."""
    assert (segment, Text("b")) == decode_message([wire, {"type": "text", "data": {"text": "b"}}])


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ([], ()),
        ("", ()),
        (None, ()),
        (5, ()),
        ({"type": "text", "data": {"text": "a"}}, (Text("a"),)),
        ("a[CQ:at,qq=1]", (Text("a"), At("1"))),
    ],
)
def test_every_form_of_a_message_is_decoded(raw: Any, expected: tuple[Segment, ...]) -> None:
    """An array, one object and a CQ string are messages; anything else is an empty one."""
    assert expected == decode_message(raw)
    assert expected == decode_message_json(msgspec.json.encode(raw))


def test_what_is_not_json_is_refused() -> None:
    """Broken JSON is told apart from a segment that is not known."""
    with pytest.raises(msgspec.DecodeError):
        decode_message_json(b'[{"type":')


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image("a.jpg"), False),
        (Image("a.jpg", summary="[图片]"), False),
        (Image("a.jpg", sub_type=1), True),
        (Image("a.jpg", summary="[动画表情]"), True),
        (Image("ab-cd.gif", emoji_id="abcd"), True),
    ],
)
def test_stickers_are_told_from_pictures(image: Image, expected: bool) -> None:  # noqa: FBT001  # a parameter of the test
    """The sub type, the summary or an emoji id makes a picture a sticker."""
    assert expected is image.is_sticker


def test_a_face_knows_its_name() -> None:
    """A face's name is QQ's own, or empty when the client left it out."""
    assert Face("14", {"faceText": "/微笑"}).text == "/微笑"
    assert Face("14", {"faceText": None}).text == ""
    assert Face("14").text == ""


def test_everybody_is_told_from_somebody() -> None:
    """Only `all` addresses everybody."""
    assert At("all").is_all
    assert not At("10001").is_all


@pytest.mark.parametrize(
    ("segment", "data"),
    [
        (Image(url="https://a/b.png"), {"file": "", "url": "https://a/b.png"}),
        (Dice(), {"result": ""}),
        (Mface("a"), {"emoji_package_id": 0, "emoji_id": "a", "key": "", "summary": ""}),
    ],
)
def test_keys_that_napcat_demands_are_sent(segment: Segment, data: dict[str, Any]) -> None:
    """A key that NapCat's schema requires is there though it is empty."""
    assert data == encode_segment(segment)["data"]


def test_a_node_holds_encoded_segments() -> None:
    """What a node holds is encoded to any depth."""
    inner = Node("2", "b", (Text("x"),))
    [encoded] = encode_message([Node("1", "a", (inner,))])
    assert encoded["data"]["content"] == [encode_segment(inner)]


def test_plain_text_is_the_words_only() -> None:
    """Everything but words is left out."""
    assert plain_text([At("1"), Text(" 你"), Face("1"), Text("好")]) == " 你好"


def test_a_face_is_shown_without_its_raw_object() -> None:
    """A CQ string has no place for objects."""
    assert to_cq([Face("14", {"faceText": "/微笑"})]) == "[CQ:face,id=14]"


def test_segments_can_be_stored_as_they_are() -> None:
    """msgspec itself writes and reads the union of segments."""
    segments = tuple(segment for _, _, segment in KNOWN)
    stored = msgspec.json.encode(segments)
    assert segments == msgspec.json.decode(stored, type=tuple[Segment, ...])
