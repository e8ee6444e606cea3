"""What of a message goes on record, however large it is: pure functions."""

from typing import Any

import msgspec

from onebot_bot.chat.forwards import kept
from onebot_bot.chat.readable import without_controls
from onebot_bot.memory.history import LONGEST
from onebot_bot.protocol.events import Message
from onebot_bot.protocol.segments import At, Reply, Segment, Text, encode_message, plain_text

MOST_BYTES = 256 * 1024
"""Of a message's segments as they are stored; people's have hundreds, bundles with pictures tens of thousands."""


def words_of(message: Message) -> str:
    """What somebody typed, as commands are looked for in it."""
    return without_controls(plain_text(message.message)[:LONGEST]).strip()


def worth_keeping(segments: tuple[Segment, ...]) -> list[Any] | None:
    """The segments as they are stored; None for plain words, which are kept as text already."""
    if all(isinstance(segment, Text | At | Reply) for segment in segments):
        return None
    found = encode_message(kept(segments))
    if len(msgspec.json.encode(found)) <= MOST_BYTES:
        return found
    share = MOST_BYTES // len(found)
    return [_light(segment, share) for segment in found]


def _light(segment: dict[str, Any], most: int) -> dict[str, Any]:
    """The segment, or where it is too heavy its type: those behind it keep their places."""
    return segment if len(msgspec.json.encode(segment)) <= most else {"type": segment["type"][:most], "data": {}}
