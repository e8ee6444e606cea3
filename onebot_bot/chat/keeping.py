"""What of a message goes on record, however large it is: pure functions."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from onebot_bot.chat.forwards import inside, kept
from onebot_bot.marks import legible
from onebot_bot.memory.erasing import ALONG
from onebot_bot.memory.history import LONGEST, Entry
from onebot_bot.memory.quoting import QUOTED
from onebot_bot.protocol.events import Message
from onebot_bot.protocol.segments import (
    At,
    File,
    Image,
    Json,
    Reply,
    Segment,
    Text,
    UnknownSegment,
    decode_message,
    encode_message,
    plain_text,
)
from onebot_bot.reading.links import links_in

MOST_ALONG = 20
"""Files, pictures and the like that are kept of a quoted message."""
INSIDE = 10_000
"""Places from here on are not those of a message's own segments."""
MOST_BYTES = 256 * 1024
"""Of a message's segments as they are stored; people's have hundreds, bundles with pictures tens of thousands."""


def words_of(message: Message) -> str:
    """What somebody typed, as commands are looked for in it."""
    return legible(plain_text(message.message)[:LONGEST]).strip()


def worth_keeping(segments: tuple[Segment, ...]) -> list[Any] | None:
    """The segments as they are stored; None for plain words, which are kept as text already."""
    if all(isinstance(segment, Text | At | Reply) for segment in segments):
        return None
    found = encode_message(kept(segments))
    if len(msgspec.json.encode(found)) <= MOST_BYTES:
        return found
    share = MOST_BYTES // len(found)
    return [_light(segment, share) for segment in found]


def quoted_along(quoted: Entry | None) -> tuple[Segment, ...]:
    """Of a quoted message that is on no record: whose it is, and what can be read of it.

    It is kept with the message that quotes it, and leaves that when the person is forgotten.
    """
    if quoted is None or quoted.id or quoted.role != "user":
        return ()
    held = decode_message(quoted.segments) if quoted.segments else (Text(quoted.text),)
    found = [segment for segment in held if _can_be_read(segment)][:MOST_ALONG]
    name, text = quoted.name or str(quoted.user_id), quoted.text[:QUOTED]
    data = {"user": quoted.user_id, "name": name, "text": text, "message": encode_message(found)}
    return (UnknownSegment(ALONG, data),)


def quoted_in(segments: Sequence[Segment]) -> Iterator[Segment]:
    """What `quoted_along` has put among them."""
    for segment in segments:
        if isinstance(segment, UnknownSegment) and segment.type == ALONG:
            yield from decode_message(segment.data.get("message"))


def held_in(segments: Sequence[Segment]) -> list[tuple[int, Segment]]:
    """What bundles among them hold, and quoted messages that are on no record, with places of their own."""
    return list(enumerate([*inside(segments), *quoted_in(segments)], INSIDE))


def _can_be_read(segment: Segment) -> bool:
    return isinstance(segment, File | Image | Json) or (isinstance(segment, Text) and bool(links_in(segment.text)))


def _light(segment: dict[str, Any], most: int) -> dict[str, Any]:
    """The segment, or where it is too heavy its type: those behind it keep their places."""
    return segment if len(msgspec.json.encode(segment)) <= most else {"type": segment["type"][:most], "data": {}}
