"""One WebSocket frame in, one value out: an event, or the answer to an action.

The fast way reads the frame twice, both times in C: once for the few keys that tell what it is, once into the
Struct. Whatever does not go that way takes the lenient one, which never fails on a JSON object.
"""

import json
import re
from typing import Any, cast

import msgspec

from onebot_bot.errors import FrameError
from onebot_bot.protocol import events
from onebot_bot.protocol.events import Event, MessageBase, UnknownEvent
from onebot_bot.protocol.large import shortened
from onebot_bot.protocol.lenient import fit
from onebot_bot.protocol.segments import decode_message, decode_message_json

_KINDS: dict[tuple[str, str], type[events.EventBase]] = {
    ("message", "group"): events.GroupMessage,
    ("message", "private"): events.PrivateMessage,
    ("message_sent", "group"): events.GroupMessage,
    ("message_sent", "private"): events.PrivateMessage,
    ("notice", "group_upload"): events.GroupUpload,
    ("notice", "group_admin"): events.GroupAdmin,
    ("notice", "group_decrease"): events.GroupDecrease,
    ("notice", "group_increase"): events.GroupIncrease,
    ("notice", "group_ban"): events.GroupBan,
    ("notice", "friend_add"): events.FriendAdd,
    ("notice", "group_recall"): events.GroupRecall,
    ("notice", "friend_recall"): events.FriendRecall,
    ("notice", "group_card"): events.GroupCard,
    ("notice", "essence"): events.Essence,
    ("notice", "group_msg_emoji_like"): events.EmojiLike,
    ("notice", "bot_offline"): events.BotOffline,
    ("notice", "online_file_receive"): events.OnlineFileReceive,
    ("notice", "online_file_send"): events.OnlineFileSend,
    ("notify", "poke"): events.PokeNotice,
    ("notify", "input_status"): events.InputStatus,
    ("notify", "title"): events.TitleNotice,
    ("notify", "group_name"): events.GroupNameNotice,
    ("notify", "profile_like"): events.ProfileLike,
    ("notify", "gray_tip"): events.GrayTip,
    ("request", "friend"): events.FriendRequest,
    ("request", "group"): events.GroupRequest,
    ("meta_event", "lifecycle"): events.Lifecycle,
    ("meta_event", "heartbeat"): events.Heartbeat,
}
# A time above this is in milliseconds: as seconds it would lie in the year 5138.
_LATEST_SECOND = 10**11
LONGEST_WORDS = 1000
LAST_DAY = 4_102_444_800
"""Unix seconds to which later times are brought down, the year 2100: far ones are no date at all in most libraries."""
LARGEST_EVENT = 2 * 2**20
"""Bytes of an event, and of an answer that is not as NapCat writes them: at its worst, lists in lists, reading takes a
second for 4 MiB, and everything else waits. NapCat's events have thousands; in its answers come files.
Of a larger message is heard who wrote it, and how it begins (large.py)."""
_HALVES = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")
"""Where there may be half a surrogate pair."""


class ActionResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to an action; answers come in the order of completion."""

    status: str = ""
    retcode: int = 0
    data: Any = None
    """None too when the action returns nothing: NapCat leaves the key out."""
    message: str = ""
    wording: str = ""
    echo: str = ""
    """Empty when the client lost it: LLOneBot does so with retcode 1400."""
    stream: str = ""

    @property
    def ok(self) -> bool:
        """Whether it was done, or (`async`, in go-cqhttp) will be."""
        return self.status in {"ok", "async"}

    @property
    def words(self) -> str:
        """What the client says of it, as far as anybody reads."""
        return (self.wording or self.message)[:LONGEST_WORDS]

    @property
    def ends_stream(self) -> bool:
        """Whether no further frame comes under this echo."""
        if self.stream != "stream-action":
            return True
        return isinstance(self.data, dict) and self.data.get("type") in {"response", "error"}


class _Header(msgspec.Struct):
    """The keys that tell what a frame is."""

    post_type: str = ""
    message_type: str = ""
    notice_type: str = ""
    request_type: str = ""
    meta_event_type: str = ""
    sub_type: str = ""
    echo: Any = None
    message: msgspec.Raw = msgspec.Raw(b"[]")


_RESPONSE = msgspec.json.Decoder(ActionResponse)
_HEADER = msgspec.json.Decoder(_Header)
_POST_TYPE = b"post_type"
"""In every event."""
_HEADER_NAMES = tuple(name for name in _Header.__struct_fields__ if name not in ("message", "echo"))
_DECODERS: dict[type[events.EventBase], msgspec.json.Decoder[Any]] = {
    kind: msgspec.json.Decoder(kind, strict=False) for kind in _KINDS.values()
}


def decode_frame(data: bytes | str) -> Event | ActionResponse:
    """Decode one frame. What has no `post_type` but `echo`, `retcode` or `status` is an answer.

    Raises:
        FrameError: it is not a JSON object, or one nested hundreds of levels deep; or it is too large.
    """
    try:
        return _decode_exact(data)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        _check_size(data)
        return _decode_object(_read_object(data))


def decode_event(raw: dict[str, Any]) -> Event:
    """Decode an event that is part of something else, as the messages of a history are; never raises."""
    kind = _KINDS.get(_key(_header_of(raw)))
    if kind is None:
        return UnknownEvent(raw)
    is_message = issubclass(kind, MessageBase)
    event = fit({**raw, "segments": ()} if is_message else raw, kind)
    if event is None:
        return UnknownEvent(raw)
    if isinstance(event, MessageBase):
        event = msgspec.structs.replace(event, message=decode_message(raw.get("message")))
    return _clamp_time(event)


def _decode_exact(data: bytes | str) -> Event | ActionResponse:
    if isinstance(data, bytes) and _POST_TYPE not in data:
        # Half of all frames are answers to us, and one look tells them.
        answer = _RESPONSE.decode(data)
        if answer.echo:
            return answer
    header = _HEADER.decode(data)
    kind = _KINDS.get(_key(header))
    if len(data) > LARGEST_EVENT and not _is_plain_answer(header):
        return _decode_large(data, kind)
    if kind is None:
        return _RESPONSE.decode(data) if _is_plain_answer(header) else _decode_object(_read_object(data))
    event = _DECODERS[kind].decode(data)
    if isinstance(event, MessageBase):
        # Nobody else holds the new Struct yet, so filling it in is still part of constructing it.
        msgspec.structs.force_setattr(event, "message", decode_message_json(header.message))
    return _clamp_time(event)


def _decode_large(data: bytes | str, kind: type[events.EventBase] | None) -> Event:
    """A message without its segments, of which who wrote it is heard all the same; raises FrameError for the rest."""
    if kind is None or not issubclass(kind, MessageBase):
        raise _too_large(data)
    try:
        return _clamp_time(shortened(_DECODERS[kind].decode(data)))
    except (msgspec.DecodeError, RecursionError, UnicodeError, FrameError) as error:
        raise _too_large(data) from error


def _too_large(data: bytes | str) -> FrameError:
    return FrameError(f"an event has {len(data)} bytes, more than {LARGEST_EVENT}")


def _check_size(data: bytes | str) -> None:
    if len(data) > LARGEST_EVENT:
        raise _too_large(data)


def _is_plain_answer(header: _Header) -> bool:
    """Whether it has no kind and echoes a string, as every answer to us does; the rest takes the lenient way."""
    return not header.post_type and isinstance(header.echo, str)


def _key(header: _Header) -> tuple[str, str]:
    if header.notice_type == "notify":
        return "notify", header.sub_type
    detail = header.message_type or header.notice_type or header.meta_event_type or header.request_type
    return header.post_type, detail


def _header_of(raw: dict[str, Any]) -> _Header:
    return msgspec.convert({name: str(raw.get(name) or "") for name in _HEADER_NAMES}, _Header)


def _clamp_time(event: events.EventBase) -> Event:
    if not 0 <= event.time <= LAST_DAY:
        seconds = event.time // 1000 if event.time > _LATEST_SECOND else event.time
        event = msgspec.structs.replace(event, time=min(max(seconds, 0), LAST_DAY))
    return cast("Event", event)


def _decode_object(raw: dict[str, Any]) -> Event | ActionResponse:
    if "post_type" in raw or raw.keys().isdisjoint({"echo", "retcode", "status"}):
        return decode_event(raw)
    response = fit(raw, ActionResponse)
    return UnknownEvent(raw) if response is None else response


def _read_object(data: bytes | str) -> dict[str, Any]:
    try:
        raw = _read_json(data if isinstance(data, str) else data.decode(errors="replace"))
    except (ValueError, RecursionError) as error:
        raise FrameError(f"a frame is not JSON: {error}") from error
    if not isinstance(raw, dict):
        raise FrameError(f"a frame is a JSON {type(raw).__name__}, not an object")
    return raw


def _read_json(text: str) -> Any:
    r"""Read JSON that may hold half a surrogate pair, as `\ud83d`.

    QQ cuts names in the middle of an emoji; msgspec refuses the escape that JavaScript writes for the half.
    """
    found = json.loads(text)
    return _mend(found) if _HALVES.search(text) else found


def _mend(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_mend(key): _mend(item) for key, item in value.items()}
    return [_mend(item) for item in value] if isinstance(value, list) else value
