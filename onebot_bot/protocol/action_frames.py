"""The frames that actions become, and how long their answers may take."""

from collections.abc import Iterable
from functools import cache
from itertools import chain
from typing import Any, cast

import msgspec

from onebot_bot.protocol.actions import Action
from onebot_bot.protocol.segments import File, Image, Node, Record, Segment, SegmentBase, Text, Video, encode_segment

# NapCat's own estimate of how fast QQ takes an upload, `timeout.uploadSpeedKBps`.
_BYTES_PER_SECOND = 256 * 1024


def action_params(action: Action) -> dict[str, Any]:
    """The action's `params`: what is not None, messages as arrays of `{"type", "data"}`."""
    found: dict[str, Any] = {}
    for name, wire in _fields(type(action)):
        value = getattr(action, name)
        if value is not None:
            found[wire] = _to_wire(value) if isinstance(value, tuple | SegmentBase) else value
    return found


@cache
def _fields(kind: type[Action]) -> tuple[tuple[str, str], ...]:
    """What is sent of a kind of action: names here and in the frame."""
    names = zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True)
    return tuple((name, wire) for name, wire in names if name not in kind.unsent)


def encode_action(action: Action, echo: str) -> bytes:
    """The frame that asks for the action; its answer carries the same `echo`."""
    frame = {"action": action.name, "params": action_params(action), "echo": echo}
    return msgspec.json.encode(frame)


def action_timeout(action: Action, base: float, frame: bytes) -> float:
    """How long to wait for the answer to `action`, which is sent as `frame`, in seconds.

    NapCat itself waits 10 s and the time of the upload at 256 KiB/s: with a `base` above that its answer,
    which tells more than a timeout of ours, comes first.
    """
    media = int(getattr(action, "size", 0))
    for segment in _segments_of(action):
        if not isinstance(segment, Text):
            media += _declared_size(segment)
    return base + (len(frame) + media) / _BYTES_PER_SECOND


def _to_wire(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_to_wire(item) for item in value]
    return encode_segment(cast("Segment", value)) if isinstance(value, SegmentBase) else value


def _segments_of(action: Action) -> Iterable[Segment]:
    message: tuple[Segment, ...] = getattr(action, "message", ()) or getattr(action, "messages", ())
    within = [segment.content for segment in message if isinstance(segment, Node)]
    return chain(message, *within)


def _declared_size(segment: Segment) -> int:
    if isinstance(segment, Image | Record | Video | File) and segment.file_size.isdecimal():
        return int(segment.file_size)
    return 0
