"""Bundles of forwarded messages, as far as they are looked into: pure functions over what clients put into them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from onebot_bot.chat.guards import clean_name
from onebot_bot.protocol.segments import Forward, Segment, decode_message, encode_message

DEPTH = 3
"""Bundles in bundles are opened so far; QQ itself nests no deeper."""
MOST = 100
"""Messages of one bundle that are kept."""
TOGETHER = 2000
"""Messages and segments that all the bundles of one message may hold together."""


class Room:
    """How much more of one message's bundles is looked into: bundles in bundles multiply."""

    def __init__(self) -> None:
        self.left = TOGETHER


class Forwarded(Struct, frozen=True):
    """One message of a bundle."""

    name: str
    segments: tuple[Segment, ...]


def messages_in(content: Sequence[Any] | None, room: Room) -> list[Forwarded]:
    """The messages of a bundle's `content`, in whichever of the clients' shapes; what has none is left out.

    So is what there is no `room` for.
    """
    found: list[Forwarded] = []
    for item in (content or ())[:MOST]:
        message = _message(item) if room.left > 0 else None
        if message is not None:
            room.left -= 1 + len(message.segments)
            found.append(message)
    return found


def inside(segments: Sequence[Segment], depth: int = DEPTH, room: Room | None = None) -> Iterator[Segment]:
    """What the bundles among the segments hold, in the order of showing."""
    room = room or Room()
    for bundle in segments:
        if isinstance(bundle, Forward) and depth > 0:
            for message in messages_in(bundle.content, room):
                for segment in message.segments:
                    if isinstance(segment, Forward):
                        yield from inside((segment,), depth - 1, room)
                    else:
                        yield segment


def kept(segments: Sequence[Segment], depth: int = DEPTH, room: Room | None = None) -> tuple[Segment, ...]:
    """The segments with what their bundles hold cut down to what is ever shown."""
    room = room or Room()
    return tuple(_kept(segment, depth, room) if isinstance(segment, Forward) else segment for segment in segments)


def filled(forward: Forward, messages: Sequence[Forwarded], depth: int = DEPTH, room: Room | None = None) -> Forward:
    """The bundle with those messages as its content."""
    room = room or Room()
    content = [
        {"sender": {"nickname": message.name}, "message": encode_message(kept(message.segments, depth - 1, room))}
        for message in messages[:MOST]
    ]
    return msgspec.structs.replace(forward, content=content)


def _kept(forward: Forward, depth: int, room: Room) -> Forward:
    if forward.content is None or depth < 1:
        return msgspec.structs.replace(forward, content=None)
    return filled(forward, messages_in(forward.content, room), depth, room)


def _message(item: Any) -> Forwarded | None:
    """An event, a `node`, or go-cqhttp's own shape, whose message is called `content`."""
    if not isinstance(item, dict):
        return None
    data = item["data"] if item.get("type") == "node" and isinstance(item.get("data"), dict) else item
    message = data.get("message") or data.get("content")
    if not message:
        return None
    return Forwarded(_name(data), decode_message(message))


def _name(data: Mapping[str, Any]) -> str:
    sender = data.get("sender")
    known = sender if isinstance(sender, dict) else {}
    name = known.get("card") or known.get("nickname") or data.get("nickname") or data.get("name") or ""
    return clean_name(str(name)) or clean_name(str(data.get("user_id") or "")) or "?"
