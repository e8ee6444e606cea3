"""Frames that mean harm, or come from a broken client: each is an event, an answer, or a FrameError, and soon."""

import json
from random import Random
from typing import Any

import msgspec
import pytest
from hostile import soon

from bench import fuzz_values, fuzz_wire
from bench.fuzz_wire import ANSWER, EVENTS, SEGMENTS
from onebot_bot.errors import FrameError
from onebot_bot.protocol.events import GroupMessage, UnknownEvent
from onebot_bot.protocol.frames import LARGEST_EVENT, LAST_DAY, ActionResponse, decode_event, decode_frame
from onebot_bot.protocol.large import TOO_LARGE
from onebot_bot.protocol.segments import (
    DEEPEST,
    MOST,
    At,
    Forward,
    Node,
    Reply,
    Text,
    UnknownSegment,
    decode_message,
    plain_text,
)

MIB = 2**20
GROUP_MESSAGE = EVENTS["group message"]


def group_message(**changes: Any) -> GroupMessage:
    """What a group message with those keys is read as."""
    found = decode_frame(json.dumps({**GROUP_MESSAGE, **changes}))
    assert isinstance(found, GroupMessage)
    return found


# --- size ----------------------------------------------------------------------------------------------------------


def test_an_event_of_64_mib_is_refused() -> None:
    """Before its words are looked at; the text says how large it was."""
    start = json.dumps(EVENTS["group_upload"]).encode()[:-1]
    frame = start + b',"group_memo":"' + b"x" * (64 * MIB) + b'"}'
    with soon(), pytest.raises(FrameError, match=f"{len(frame)} bytes, more than {LARGEST_EVENT}"):
        decode_frame(frame)


def test_of_a_message_of_64_mib_is_heard_who_wrote_it() -> None:
    """And how it begins; a code that the cut goes through is left out."""
    begin = "[CQ:reply,id=5][CQ:at,qq=10000] hi[CQ:image,file=a.png] &#91;x&#93;"
    raw = begin + "y" * (3990 - len(begin)) + "[CQ:at,qq=1]"
    wire = {**GROUP_MESSAGE, "raw_message": raw, "message": [{"type": "text", "data": {"text": "z" * (64 * MIB)}}]}
    frame = msgspec.json.encode(wire)
    with soon():
        found = decode_frame(frame)
    assert isinstance(found, GroupMessage)
    assert found.message[:4] == (Reply("5"), At("10000"), Text(" hi"), Text(" [x]" + "y" * (3990 - len(begin))))
    assert found.message[4:] == (UnknownSegment(TOO_LARGE),)
    assert (found.user_id, found.sender.nickname, found.raw_message) == (20000, "小明", "")


def test_a_message_that_is_large_elsewhere_is_refused() -> None:
    """As in its sender's name."""
    sender = {"user_id": 1, "nickname": "x" * (3 * MIB)}
    with soon(), pytest.raises(FrameError, match="more than"):
        group_message(sender=sender)


def test_so_is_one_of_a_shape_that_takes_long_to_read() -> None:
    """Here its post_type is a number, so that it is not known to be an event."""
    frame = b'{"post_type":5,"x":[' + b'"a",' * (LARGEST_EVENT // 4) + b"1]}"
    with soon(), pytest.raises(FrameError, match=f"more than {LARGEST_EVENT}"):
        decode_frame(frame)


def test_the_largest_event_that_is_read_is_read_soon() -> None:
    """Of lists in lists, which take longest; found by bench/fuzz.py."""
    content = ",".join([f"{'[' * 40}1{']' * 40}"] * ((LARGEST_EVENT - 1000) // 82))
    forward = f'[{{"type":"forward","data":{{"id":"1","content":[{content}]}}}}]'
    wire = json.dumps({**GROUP_MESSAGE, "message": None})
    with soon():
        found = decode_frame(wire.replace('"message": null', f'"message":{forward}'))
    assert isinstance(found, GroupMessage)
    assert isinstance(found.message[0], Forward)


def test_an_answer_may_have_64_mib() -> None:
    """Files come in them."""
    frame = json.dumps({**ANSWER, "data": {"base64": "A" * (64 * MIB)}}).encode()
    with soon():
        found = decode_frame(frame)
    assert isinstance(found, ActionResponse)
    assert (found.echo, len(found.data["base64"])) == ("1-1", 64 * MIB)


@pytest.mark.parametrize("item", [{"type": "text"}, {"type": "?"}, 5, None, "x", []])
def test_of_100_000_segments_the_first_are_read(item: Any) -> None:
    """Whatever they are."""
    with soon():
        assert len(group_message(message=[item] * 100_000).message) == MOST


def test_more_words_than_anybody_sends_are_left_out_or_cut() -> None:
    """100,000 segments of text are too large for an event; of 40,000 the first are read."""
    word = {"type": "text", "data": {"text": "a"}}
    with soon():
        assert group_message(message=[word] * 100_000, raw_message="").message == (UnknownSegment(TOO_LARGE),)
    with soon():
        assert group_message(message=[word] * 40_000).message == (Text("a"),) * MOST


def test_of_100_000_cq_codes_the_first_are_read() -> None:
    """The same for a message as one string."""
    with soon():
        assert len(group_message(message="[CQ:face,id=1]啊" * 100_000).message) == MOST


@pytest.mark.parametrize(
    "codes",
    [
        "[CQ:a,b=" * 60_000 + ",!",
        "[CQ:a" + ",b=" * 150_000,
        "[CQ:" + "a" * 500_000,
        "[CQ:a," + "b" * 500_000,
        "[CQ:a,b=" + "[" * 500_000,
        "&amp;" * 100_000,
    ],
)
def test_codes_that_never_end_are_read_once(codes: str) -> None:
    """No start of a code is looked at again for another one; found by bench/fuzz.py."""
    with soon():
        assert plain_text(decode_message(codes)).startswith(codes[:4].replace("&amp", "&"))


# --- depth ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [10, 100, 300, 1000, 100_000])
@pytest.mark.parametrize("opening", ['{"a":', "[", '{"post_type":"message","message":[', '{"echo":"1","data":['])
def test_any_depth_is_read_or_refused(opening: str, levels: int) -> None:
    """Never more than words about it."""
    closing = opening.replace('"', "").translate(str.maketrans("{[", "}]", ":,abcdefghijklmnopqrstuvwxyz_1"))[::-1]
    frame = '{"x":' + opening * levels + "1" + closing * levels + "}"
    with soon():
        try:
            assert isinstance(decode_frame(frame), UnknownEvent)
        except FrameError as error:
            assert levels >= 300, error  # noqa: PT017 - shallow ones are to be read


def test_nodes_in_nodes_are_opened_so_far() -> None:
    """And not by as many calls as there are of them."""
    wire: Any = [{"type": "text", "data": {"text": "in"}}]
    for _ in range(100):
        wire = [{"type": "node", "data": {"content": wire}}]
    found = decode_message(wire)
    depth = 0
    while found:
        assert isinstance(found[0], Node)
        found, depth = found[0].content, depth + 1
    assert depth == DEEPEST + 1


# --- values --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVENTS)
def test_every_field_of_every_event_may_be_anything(name: str) -> None:
    """Huge, negative, not finite, of another type, missing, twice: each is read as an event, or as unknown."""
    wire = EVENTS[name]
    for key in wire:
        for junk in (*fuzz_values.SCALARS, [], {}, [[]], {"a": 1}, fuzz_values.nested(100), "\ud83d\x00\u202e"):
            event = {**wire, key: junk}
            assert not isinstance(decode_event(event), ActionResponse)
            try:
                decode_frame(json.dumps(event))
            except FrameError as error:
                assert "digits" in str(error), (key, junk)  # noqa: PT017 - numbers of over 4,300 digits are not JSON
        twice = f'{{"{key}":[],{json.dumps(wire)[1:-1]},"{key}":{{}}}}'
        assert not isinstance(decode_frame(twice), ActionResponse)
        assert not isinstance(decode_event({k: v for k, v in wire.items() if k != key}), ActionResponse)


@pytest.mark.parametrize("name", EVENTS)
def test_every_event_is_read_with_ids_as_strings(name: str) -> None:
    """Other clients send them so; what is read is the same."""
    wire = EVENTS[name]
    ids = {key: str(item) for key, item in wire.items() if isinstance(item, int) and not isinstance(item, bool)}
    expected = decode_event(wire)
    assert not isinstance(expected, UnknownEvent)
    assert decode_frame(json.dumps({**wire, **ids})) == expected == decode_event({**wire, **ids})


@pytest.mark.parametrize("kind", SEGMENTS)
def test_every_field_of_every_segment_may_be_anything(kind: str) -> None:
    """A segment that does not fit is an unknown one, and can be put on record."""
    data = SEGMENTS[kind]
    for key in data:
        for junk in (*fuzz_values.SCALARS, [], {}, [[]], {"a": 10**30}, fuzz_values.nested(100)):
            found = decode_message([{"type": kind, "data": {**data, key: junk}}])
            msgspec.json.encode(found)
            assert len(found) == 1


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (-5, 0),
        (-(2**63), 0),
        (1_760_000_000_123, 1_760_000_000),
        (2**63 - 1, LAST_DAY),
        (10**11, LAST_DAY),
    ],
)
def test_times_are_dates(told: int, expected: int) -> None:
    """Milliseconds are seconds, and what is out of every calendar is brought into it."""
    assert group_message(time=told).time == expected


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**30, 1e300, float("nan"), float("inf")])
def test_ids_that_no_database_holds_make_no_message(number: float) -> None:
    """Nothing is done with such an event."""
    for key in ("user_id", "group_id", "message_id", "self_id", "time"):
        assert isinstance(decode_frame(json.dumps({**GROUP_MESSAGE, key: number})), UnknownEvent)


def test_what_a_client_says_of_an_action_is_short() -> None:
    """It stands in the log, and in what the owner is told."""
    found = decode_frame(json.dumps({**ANSWER, "status": "failed", "message": "no" * MIB}))
    assert isinstance(found, ActionResponse)
    assert len(found.words) == 1000


@pytest.mark.parametrize("name", ["friend request", "group request"])
def test_a_request_with_an_endless_flag_is_none(name: str) -> None:
    """It would be kept, and sent back."""
    assert isinstance(decode_frame(json.dumps({**EVENTS[name], "flag": "1" * 10_000})), UnknownEvent)


def test_the_last_of_doubled_keys_counts() -> None:
    """In the fast reading as in the other one."""
    frame = json.dumps(GROUP_MESSAGE)[:-1] + ',"user_id":1,"user_id":7}'
    lenient = frame.replace('"real_seq": "4821"', '"real_seq": 4821')
    for text in (frame, lenient):
        found = decode_frame(text)
        assert isinstance(found, GroupMessage)
        assert found.user_id == 7


def test_half_characters_are_mended_wherever_they_are() -> None:
    """In keys, names, words and what is not known; the database takes them all."""
    wire = {**GROUP_MESSAGE, "group_name": "\udc00", "message": [{"type": "\ud83d", "data": {"\ud83d": ["\udfff"]}}]}
    found = decode_frame(json.dumps(wire))
    assert isinstance(found, GroupMessage)
    assert found.group_name == "\ufffd"
    assert found.message == (UnknownSegment("\ufffd", {"\ufffd": ["\ufffd"]}),)


def test_a_backslash_before_an_escape_makes_it_words() -> None:
    """What looks like half a character in the JSON need not be one."""
    found = decode_frame(json.dumps({**GROUP_MESSAGE, "real_seq": 1, "message": "\\ud83d"}))
    assert isinstance(found, GroupMessage)
    assert found.message == (Text("\\ud83d"),)


# --- everything at once --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target", [fuzz_wire.decode_frames, fuzz_wire.decode_histories, fuzz_wire.read_cq_codes], ids=lambda f: f.__name__
)
def test_a_slice_of_the_fuzzing_finds_nothing(target: Any) -> None:
    """The bench's own cases, other ones."""
    for number in range(400):
        with soon():
            target(Random(f"test/{number}"))  # noqa: S311 - a game
