"""Messages too large to be read: who wrote them, where, and the beginning of their words."""

from typing import TypeVar

import msgspec

from onebot_bot.errors import FrameError
from onebot_bot.protocol.cqcode import parse_cq
from onebot_bot.protocol.events import GroupMessage, MessageBase
from onebot_bot.protocol.segments import At, Reply, Segment, Text, UnknownSegment, decode_message

TOO_LARGE = "too_large"
"""The type of a segment of ours, which stands where the rest of a message would."""
LOOKED_AT = 4000
"""Characters of `raw_message` that are read: whom a message calls stands at its beginning."""
LONGEST_REST = 10_000
"""Characters of all else that is text, names above all."""

AnyMessage = TypeVar("AnyMessage", bound=MessageBase)


def shortened(message: AnyMessage) -> AnyMessage:
    """The message with the words, mentions and quote that it begins with, and `TOO_LARGE` behind them.

    Args:
        message: as decoded, without its segments.

    Raises:
        FrameError: it is something else that is large.
    """
    begins = beginning(message.raw_message)
    short = msgspec.structs.replace(message, raw_message="", message=(*begins, UnknownSegment(TOO_LARGE)))
    if _rest(short) > LONGEST_REST:
        raise FrameError("its names are too long")
    return short


def beginning(raw: str) -> tuple[Segment, ...]:
    """What a CQ string begins with that is small: words, mentions, a quote."""
    head = raw[:LOOKED_AT]
    if len(raw) > LOOKED_AT and head.rfind("[") > head.rfind("]"):
        head = head[: head.rfind("[")]  # words have no bracket in this notation: a code is cut in two
    return tuple(segment for segment in decode_message(parse_cq(head)) if isinstance(segment, Text | At | Reply))


def _rest(message: MessageBase) -> int:
    sender = message.sender
    names = (sender.nickname, sender.card, sender.role, message.sub_type, message.post_type, message.real_seq)
    return sum(map(len, names)) + (len(message.group_name) if isinstance(message, GroupMessage) else 0)
