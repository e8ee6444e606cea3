"""Message segments: the pieces a OneBot v11 message is made of.

On the wire a segment is `{"type": ..., "data": {...}}`; here each type is one flat Struct. Fields are those
of NapCat, with what LLOneBot and go-cqhttp add. A type or a shape that is not known becomes an
`UnknownSegment`, never an error.
"""

import operator
from collections.abc import Iterable
from functools import reduce
from typing import Any, TypeAlias, cast

import msgspec

from onebot_bot.protocol.cqcode import format_cq, parse_cq
from onebot_bot.protocol.lenient import fit

_TAG = "segment"
MOST = 1000
"""Segments of one message that are read; QQ's own messages have at most some dozens."""
DEEPEST = 8
"""`node` segments inside one another that are opened."""


class SegmentBase(msgspec.Struct, frozen=True, omit_defaults=True, tag_field=_TAG):
    """Base of every segment; the tag is its OneBot `type`."""


class Text(SegmentBase, frozen=True, tag="text"):
    """Words."""

    text: str


class At(SegmentBase, frozen=True, tag="at"):
    """Somebody is addressed."""

    qq: str
    """A QQ number, or `all`."""
    name: str = ""
    """NapCat never fills it; some other clients do."""

    @property
    def is_all(self) -> bool:
        """Whether everybody in the group is addressed."""
        return self.qq == "all"


class Face(SegmentBase, frozen=True, tag="face"):
    """One of QQ's own small faces."""

    id: str
    raw: dict[str, Any] | None = None
    """QQ's own description; `faceText` in it is the face's name."""
    result_id: str | None = msgspec.field(name="resultId", default=None)
    chain_count: int | None = msgspec.field(name="chainCount", default=None)

    @property
    def text(self) -> str:
        """The face's name as QQ shows it, such as `/微笑`; empty when the client did not give it."""
        name = (self.raw or {}).get("faceText")
        return name if isinstance(name, str) else ""


class Image(SegmentBase, frozen=True, tag="image"):
    """A picture, a sticker, or a market face (which NapCat reports as a picture)."""

    file: str = ""
    """Received: the name that `get_image` takes. Sent: an address, `base64://` or a path on NapCat's host."""
    url: str = ""
    """Good for an hour or two only: download at once."""
    summary: str = ""
    sub_type: int = 0
    file_size: str = ""
    emoji_id: str = ""
    emoji_package_id: int = 0
    key: str = ""

    @property
    def is_sticker(self) -> bool:
        """Whether it stands for a feeling rather than shows something."""
        return self.sub_type != 0 or bool(self.emoji_id) or "动画表情" in self.summary


class Mface(SegmentBase, frozen=True, tag="mface"):
    """A market face as it is sent, and as LLOneBot reports it."""

    emoji_id: str = ""
    emoji_package_id: int = 0
    key: str = ""
    summary: str = ""
    url: str = ""


class Record(SegmentBase, frozen=True, tag="record"):
    """A voice message."""

    file: str = ""
    url: str = ""
    """Without a packet backend this is a path on NapCat's host."""
    path: str = ""
    file_size: str = ""


class Video(SegmentBase, frozen=True, tag="video"):
    """A video."""

    file: str = ""
    url: str = ""
    """Without a packet backend this is a path on NapCat's host."""
    path: str = ""
    file_size: str = ""


class File(SegmentBase, frozen=True, tag="file"):
    """A file; `file` is its name when received. A sent one goes alone."""

    file: str = ""
    file_id: str = ""
    file_size: str = ""
    url: str = ""
    """Often empty: ask `get_group_file_url` or `get_private_file_url`."""
    name: str = ""
    """The name to send it under."""


class Reply(SegmentBase, frozen=True, tag="reply"):
    """The message this one answers. NapCat leaves it out when QQ's own lookup fails."""

    id: str


class Forward(SegmentBase, frozen=True, tag="forward"):
    """A bundle of forwarded messages."""

    id: str
    """QQ's own 64-bit message id, for `get_forward_msg`."""
    content: list[Any] | None = None
    """The event-shaped messages, only when NapCat runs with `parseMultMsg`."""


class Json(SegmentBase, frozen=True, tag="json"):
    """A card: mini-program, share, location or contact."""

    data: str
    """JSON inside a string."""


class Markdown(SegmentBase, frozen=True, tag="markdown"):
    """Markdown; sent only inside a forward."""

    content: str


class Dice(SegmentBase, frozen=True, tag="dice"):
    """A thrown die; the result cannot be chosen."""

    result: str = ""


class Rps(SegmentBase, frozen=True, tag="rps"):
    """Rock, paper, scissors; the result cannot be chosen."""

    result: str = ""


class Poke(SegmentBase, frozen=True, tag="poke"):
    """A poke written as a message."""

    type: str = ""
    id: str = ""


class FlashTransfer(SegmentBase, frozen=True, tag="flashtransfer"):
    """A set of files offered through QQ's flash transfer."""

    file_set_id: str = msgspec.field(name="fileSetId", default="")


class OnlineFile(SegmentBase, frozen=True, tag="onlinefile"):
    """A file or a folder offered from one online client to another."""

    msg_id: str = msgspec.field(name="msgId", default="")
    element_id: str = msgspec.field(name="elementId", default="")
    file_name: str = msgspec.field(name="fileName", default="")
    file_size: str = msgspec.field(name="fileSize", default="")
    is_dir: bool = msgspec.field(name="isDir", default=False)


class Node(SegmentBase, frozen=True, tag="node"):
    """One message of a forward to send: an existing one by `id`, or a made-up one by the rest."""

    user_id: str = ""
    nickname: str = ""
    content: "tuple[Segment, ...]" = ()
    id: str = ""


class UnknownSegment(SegmentBase, frozen=True, tag="?"):
    """A segment of a type or a shape that is not known, as it came."""

    type: str
    data: dict[str, Any] = {}


Segment: TypeAlias = (
    Text
    | At
    | Face
    | Image
    | Mface
    | Record
    | Video
    | File
    | Reply
    | Forward
    | Json
    | Markdown
    | Dice
    | Rps
    | Poke
    | FlashTransfer
    | OnlineFile
    | Node
    | UnknownSegment
)

# Node is not among them: its content is made of wire segments, not of flat ones.
_FLAT: tuple[type[SegmentBase], ...] = (
    Text,
    At,
    Face,
    Image,
    Mface,
    Record,
    Video,
    File,
    Reply,
    Forward,
    Json,
    Markdown,
    Dice,
    Rps,
    Poke,
    FlashTransfer,
    OnlineFile,
)


def _type_of(kind: type[SegmentBase]) -> str:
    return cast("str", kind.__struct_config__.tag)


def _wire_of(kind: type[SegmentBase]) -> Any:
    """The `{"type", "data"}` Struct around a flat one."""
    return msgspec.defstruct(
        f"{kind.__name__}Wire", [("data", kind)], tag_field="type", tag=_type_of(kind), frozen=True
    )


# What NapCat's schema of a sent message (packages/napcat-onebot/types/message.ts) demands, if only as empty.
_REQUIRED: dict[str, dict[str, Any]] = {
    "image": {"file": ""},
    "record": {"file": ""},
    "video": {"file": ""},
    "file": {"file": ""},
    "mface": {"emoji_package_id": 0, "emoji_id": "", "key": "", "summary": ""},
    "dice": {"result": ""},
    "rps": {"result": ""},
}
_KINDS = {_type_of(kind): kind for kind in _FLAT}
# msgspec reads a whole array in one call when every type in it is known and exact, which is nearly always.
_DECODER: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
    list[reduce(operator.or_, map(_wire_of, _FLAT))] | str,  # type: ignore[misc]  # the union is built, not spelt
    strict=False,
)


def decode_message_json(data: bytes | msgspec.Raw) -> tuple[Segment, ...]:
    """Decode the JSON of a `message` value, its first `MOST` segments: the fast way for whole frames.

    Raises:
        msgspec.DecodeError: it is not JSON. What is wrong inside never raises.
    """
    try:
        decoded = _DECODER.decode(data)
    except msgspec.ValidationError:
        return decode_message(msgspec.json.decode(data))
    if isinstance(decoded, str):
        return decode_message(decoded)
    return tuple([wire.data for wire in decoded[:MOST]])


def decode_message(raw: Any, depth: int = DEEPEST) -> tuple[Segment, ...]:
    """Decode a message: an array of segments, one segment object, or a CQ string; its first `MOST` segments.

    Anything else is an empty message, and so is what `node` segments hold `depth` of them deep. What is not known
    inside becomes an `UnknownSegment`.
    """
    if isinstance(raw, str):
        raw = parse_cq(raw, MOST)
    elif isinstance(raw, dict):
        raw = [raw]
    if not isinstance(raw, list | tuple) or depth < 0:
        return ()
    return tuple([_decode_segment(item, depth) for item in raw[:MOST]])


def _decode_segment(raw: Any, depth: int) -> Segment:
    if not isinstance(raw, dict):
        return UnknownSegment("", {"value": raw})
    name, data = raw.get("type"), raw.get("data") or {}
    if not isinstance(name, str) or not isinstance(data, dict):
        return UnknownSegment(str(name or ""), {"value": data})
    if name == "node":
        return _decode_node(data, depth)
    kind = _KINDS.get(name)
    known = None if kind is None else fit(data, kind)
    return UnknownSegment(name, data) if known is None else cast("Segment", known)


def _decode_node(data: dict[str, Any], depth: int) -> Segment:
    node = fit({**data, "content": ()}, Node)
    if node is None:
        return UnknownSegment("node", data)
    return msgspec.structs.replace(node, content=decode_message(data.get("content"), depth - 1))


def encode_segment(segment: Segment) -> dict[str, Any]:
    """The segment as `{"type", "data"}`; defaults are left out, except where NapCat insists on the key."""
    if isinstance(segment, UnknownSegment):
        return {"type": segment.type, "data": segment.data}
    data: dict[str, Any] = msgspec.to_builtins(segment)
    name = data.pop(_TAG)
    data = _REQUIRED.get(name, {}) | data
    if isinstance(segment, Node) and segment.content:
        data["content"] = encode_message(segment.content)
    return {"type": name, "data": data}


def encode_message(segments: Iterable[Segment]) -> list[dict[str, Any]]:
    """The segments as the array that `message` takes."""
    return [encode_segment(segment) for segment in segments]


def plain_text(segments: Iterable[Segment]) -> str:
    """The words only, put together."""
    return "".join([segment.text for segment in segments if isinstance(segment, Text)])


def to_cq(segments: Iterable[Segment]) -> str:
    """The segments as one CQ string, for logs and for comparing with `raw_message`."""
    return format_cq(encode_message(segments))
