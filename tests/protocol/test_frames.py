"""Frames: every event and answer that a client sends, and everything that is neither."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onebot_bot.errors import FrameError
from onebot_bot.protocol import events
from onebot_bot.protocol.events import GroupMessage, PrivateMessage, Sender, UnknownEvent
from onebot_bot.protocol.frames import ActionResponse, decode_event, decode_frame
from onebot_bot.protocol.segments import At, Text, UnknownSegment

NOW = 1760000000
SELF = 10001


def message(**changes: Any) -> dict[str, Any]:
    """A group message as NapCat writes it, with these keys changed."""
    return {
        "self_id": SELF,
        "user_id": 20002,
        "time": NOW,
        "message_id": 123456,
        "message_seq": 123456,
        "real_id": 123456,
        "real_seq": "4821",
        "message_type": "group",
        "sender": {"user_id": 20002, "nickname": "小明", "card": "", "role": "member"},
        "raw_message": "[CQ:at,qq=10001] 在吗",
        "font": 14,
        "sub_type": "normal",
        "message": [{"type": "at", "data": {"qq": "10001"}}, {"type": "text", "data": {"text": " 在吗"}}],
        "message_format": "array",
        "post_type": "message",
        "group_id": 30003,
        "group_name": "测试群",
        **changes,
    }


def private(**changes: Any) -> dict[str, Any]:
    """A private message as NapCat writes it, with these keys changed."""
    wire = message(message_type="private", sub_type="friend", target_id=20002)
    del wire["group_id"], wire["group_name"]
    return {**wire, **changes}


def decode(wire: Any) -> events.Event | ActionResponse:
    """Decode the frame that holds this object."""
    return decode_frame(json.dumps(wire, ensure_ascii=False))


def decode_group(**changes: Any) -> GroupMessage:
    """Decode a group message with these keys changed."""
    event = decode(message(**changes))
    assert isinstance(event, GroupMessage)
    return event


GROUP_MESSAGE = GroupMessage(
    time=NOW,
    self_id=SELF,
    sub_type="normal",
    user_id=20002,
    message_id=123456,
    message_seq=123456,
    real_seq="4821",
    sender=Sender(user_id=20002, nickname="小明", role="member"),
    raw_message="[CQ:at,qq=10001] 在吗",
    message_format="array",
    message=(At("10001"), Text(" 在吗")),
    group_id=30003,
    group_name="测试群",
)


def test_a_group_message_is_decoded() -> None:
    """Every field of a group message arrives, from text and from bytes alike."""
    text = json.dumps(message(), ensure_ascii=False)
    assert decode_frame(text) == GROUP_MESSAGE
    assert decode_frame(text.encode()) == GROUP_MESSAGE


def test_a_message_inside_an_answer_is_decoded() -> None:
    """The messages of a history become the same Structs as those that arrive by themselves."""
    assert decode_event(message()) == GROUP_MESSAGE


def test_a_private_message_is_decoded() -> None:
    """A private message belongs to the chat with its writer."""
    event = decode(private(sub_type="group", group_id=30003, temp_source=0))
    assert isinstance(event, PrivateMessage)
    assert (event.sub_type, event.group_id, event.target_id) == ("group", 30003, 20002)
    assert str(event.chat_id) == "10001/private/20002"


def test_a_group_message_belongs_to_its_group() -> None:
    """The chat of a group message is the group."""
    assert str(GROUP_MESSAGE.chat_id) == "10001/group/30003"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, False),
        ({"post_type": "message_sent", "message_sent_type": "self", "user_id": SELF}, True),
        ({"user_id": SELF}, True),
        ({"post_type": "message_sent"}, True),
    ],
)
def test_own_messages_are_known(changes: dict[str, Any], expected: bool) -> None:  # noqa: FBT001  # a parameter of the test
    """A message is one's own by its post type or by its writer."""
    assert expected is decode_group(**changes).sent_by_self


def test_an_own_private_message_belongs_to_the_other_person() -> None:
    """What the account wrote belongs to the chat with whom it wrote to."""
    event = decode(private(post_type="message_sent", user_id=SELF, target_id=20002))
    assert isinstance(event, PrivateMessage)
    assert str(event.chat_id) == "10001/private/20002"


def test_a_message_in_cq_codes_is_the_same_message() -> None:
    """`messagePostFormat: string` makes no difference to the segments."""
    event = decode_group(message="[CQ:at,qq=10001] 在吗", message_format="string")
    assert event == msgspec.structs.replace(GROUP_MESSAGE, message_format="string")


@pytest.mark.parametrize(
    "changes",
    [
        {"user_id": "20002", "group_id": "30003", "message_id": "123456"},
        {"real_seq": 4821},
        {"self_id": "10001", "time": str(NOW)},
        {"time": NOW * 1000},
        {"time": NOW * 1000, "real_seq": 4821},
        {"sender": {"user_id": "20002", "nickname": "小明", "card": None, "role": "member", "level": 5}},
        {"anonymous": None, "new_key": {"a": []}},
        {"segments": "not the frame's own"},
        {"segments": [{"segment": "text", "text": "not the frame's own"}]},
        {"message": [{"data": {"qq": 10001}, "type": "at"}, {"type": "text", "data": {"text": " 在吗"}}]},
    ],
)
def test_the_dialects_of_other_clients_are_understood(changes: dict[str, Any]) -> None:
    """Strings for ids, milliseconds, nulls and new keys give the same message."""
    assert decode(message(**changes)) == GROUP_MESSAGE
    assert decode_event(message(**changes)) == GROUP_MESSAGE


def test_an_unknown_segment_does_not_lose_the_message() -> None:
    """A segment of a new type is kept beside those that are known."""
    event = decode_group(message=[{"type": "hologram", "data": {"a": 1}}, {"type": "text", "data": {"text": "b"}}])
    assert event.message == (UnknownSegment("hologram", {"a": 1}), Text("b"))


def test_half_an_emoji_does_not_lose_the_message() -> None:
    """A name that QQ cut in the middle of an emoji arrives with a replacement character."""
    frame = json.dumps(
        message(sender={"nickname": "小明\ud83d"}, message=[{"type": "text", "data": {"text": "😀\ud83d"}}])
    )
    event = decode_frame(frame)
    assert isinstance(event, GroupMessage)
    assert (event.sender.nickname, event.message) == ("小明\ufffd", (Text("😀\ufffd"),))


def test_broken_utf8_does_not_lose_the_message() -> None:
    """Bytes that are not UTF-8 inside a string arrive as a replacement character."""
    event = decode_frame(json.dumps(message(group_name="@@"), ensure_ascii=False).encode().replace(b"@@", b"a\xff"))
    assert isinstance(event, GroupMessage)
    assert event.group_name == "a\ufffd"


def test_an_empty_message_is_a_message() -> None:
    """NapCat sends messages of which it could convert nothing."""
    assert decode_group(message=[], raw_message="").message == ()


def test_the_name_shown_is_the_card_else_the_nickname() -> None:
    """A group's own name for a person goes before the nickname."""
    assert Sender(nickname="小明", card="班长").name == "班长"
    assert Sender(nickname="小明", card="").name == "小明"


def notice(**keys: Any) -> dict[str, Any]:
    """A notice as NapCat writes it."""
    return {"time": NOW, "self_id": SELF, "post_type": "notice", **keys}


@pytest.mark.parametrize(
    "wire",
    [
        {},
        {"a": 1},
        {"post_type": "sponsor"},
        {"post_type": 5, "status": "ok"},
        {"post_type": "message", "message_type": "guild"},
        message(user_id="nobody"),
        message(group_id=None),
        message(group_id=2**63),
        notice(notice_type="group_recall", group_id=3, user_id=2),
        notice(notice_type="client_status"),
        notice(notice_type="offline_file", user_id=2),
        notice(notice_type="notify", sub_type="lucky_king", group_id=3, user_id=2, target_id=4),
        notice(notice_type="notify", sub_type="honor", group_id=3, user_id=2, honor_type="talkative"),
        notice(notice_type="notify", sub_type=None),
        {"echo": {"a": 1}, "status": "ok", "retcode": 0},
    ],
)
def test_what_is_not_known_is_kept_as_it_came(wire: dict[str, Any]) -> None:
    """An object of an unknown type or shape is an unknown event, not an error."""
    assert UnknownEvent(wire) == decode(wire)


@pytest.mark.parametrize("frame", ["", "{", "hello", "[1]", "null", '"a"', b"\xff\xfe", b"\x00", "[" * 5000, "\ud83d"])
def test_what_is_no_object_is_an_error(frame: bytes | str) -> None:
    """A frame that is not a JSON object is refused."""
    with pytest.raises(FrameError, match="a frame is"):
        decode_frame(frame)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(message())), JSON)
def test_no_value_of_any_key_is_an_error(key: str, value: Any) -> None:
    """Whatever a key of a message holds, the frame becomes a message or an unknown event."""
    frame = json.dumps(message(**{key: value}))
    assert isinstance(decode_frame(frame), GroupMessage | PrivateMessage | UnknownEvent)


@given(st.dictionaries(st.sampled_from(["status", "retcode", "data", "echo", "message", "stream"]), JSON))
def test_no_answer_is_an_error(wire: dict[str, Any]) -> None:
    """Whatever an answer holds, it becomes an answer or an unknown event."""
    assert isinstance(decode(wire), ActionResponse | UnknownEvent)


def test_an_answer_is_told_from_an_event() -> None:
    """An answer keeps its data, its echo and the words of its error."""
    wire = {"status": "failed", "retcode": 1200, "data": None, "message": "m", "wording": "w", "echo": "a-1"}
    response = decode({**wire, "stream": "normal-action"})
    assert response == ActionResponse(
        status="failed", retcode=1200, message="m", wording="w", echo="a-1", stream="normal-action"
    )


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        (
            {"status": "ok", "retcode": 0, "data": [1], "echo": 5},
            ActionResponse(status="ok", data=[1], echo="5"),
        ),
        ({"status": "ok", "retcode": 0, "echo": None}, ActionResponse(status="ok")),
        ({"status": "failed", "retcode": "1400"}, ActionResponse(status="failed", retcode=1400)),
        ({"echo": "a"}, ActionResponse(echo="a")),
        ({"retcode": 1404, "wording": None}, ActionResponse(retcode=1404)),
    ],
)
def test_answers_of_other_clients_are_understood(wire: dict[str, Any], expected: ActionResponse) -> None:
    """Missing data, lost echoes and numbers as strings are no obstacle."""
    assert expected == decode(wire)


@pytest.mark.parametrize(("status", "expected"), [("ok", True), ("async", True), ("failed", False), ("", False)])
def test_an_answer_says_whether_it_was_done(status: str, expected: bool) -> None:  # noqa: FBT001  # a parameter of the test
    """Only `ok` and go-cqhttp's `async` count as done."""
    assert expected is ActionResponse(status=status).ok


@pytest.mark.parametrize(
    ("stream", "data", "expected"),
    [
        ("normal-action", None, True),
        ("", {"type": "stream"}, True),
        ("stream-action", {"type": "stream"}, False),
        ("stream-action", {"type": "response"}, True),
        ("stream-action", {"type": "error"}, True),
        ("stream-action", None, False),
    ],
)
def test_a_stream_ends_with_its_last_frame(stream: str, data: Any, expected: bool) -> None:  # noqa: FBT001  # a parameter of the test
    """Only a stream's response or error ends it."""
    assert expected is ActionResponse(stream=stream, data=data).ends_stream
