"""CQ codes: known answers, and that nothing is lost on the way there and back."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onebot_bot.protocol.cqcode import escape, escape_value, format_cq, parse_cq, unescape
from onebot_bot.protocol.segments import (
    At,
    Face,
    File,
    Image,
    Json,
    Record,
    Reply,
    Segment,
    Text,
    UnknownSegment,
    decode_message,
    to_cq,
)

# Mostly the characters that the notation gives a meaning to, and what people in QQ write.
SPECIAL = st.text(alphabet=st.sampled_from("&[],=;#\n\r ampCQ:0914你好吗，。😀"))
WORDS = st.one_of(SPECIAL, st.text())
VALUES = st.one_of(SPECIAL, st.text()).filter(bool)
SEGMENTS: st.SearchStrategy[Segment] = st.one_of(
    st.builds(Text, WORDS),
    st.builds(At, VALUES, VALUES),
    st.builds(Face, VALUES),
    st.builds(Image, VALUES, url=WORDS, summary=WORDS, sub_type=st.integers(0, 13)),
    st.builds(Record, VALUES, path=WORDS),
    st.builds(File, VALUES, file_id=WORDS),
    st.builds(Reply, VALUES),
    st.builds(Json, VALUES),
    st.builds(UnknownSegment, st.just("shake"), st.dictionaries(st.sampled_from("ab"), WORDS)),
)


def merge_text(segments: list[Segment]) -> tuple[Segment, ...]:
    """What a CQ string cannot tell apart made the same: neighbouring words, and words that are empty."""
    merged: list[Segment] = []
    for segment in segments:
        last = merged[-1] if merged else None
        if isinstance(segment, Text) and isinstance(last, Text):
            merged[-1] = Text(last.text + segment.text)
        elif segment != Text(""):
            merged.append(segment)
    return tuple(merged)


@given(st.lists(SEGMENTS, max_size=6))
def test_segments_survive_the_way_through_a_cq_string(segments: list[Segment]) -> None:
    """Segments written as a CQ string read back as they were."""
    assert merge_text(segments) == decode_message(to_cq(segments))


@given(WORDS)
def test_escaping_is_undone(text: str) -> None:
    """Either way of escaping is undone by the one way of unescaping."""
    assert text == unescape(escape(text))
    assert text == unescape(escape_value(text))


@given(WORDS)
def test_escaped_words_hold_no_code(text: str) -> None:
    """Words that look like a code stay words when escaped."""
    assert ([{"type": "text", "data": {"text": text}}] if text else []) == parse_cq(escape(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("a&amp;#91;b", [{"type": "text", "data": {"text": "a&#91;b"}}]),
        (
            "[CQ:reply,id=5][CQ:at,qq=10001] 你好",
            [
                {"type": "reply", "data": {"id": "5"}},
                {"type": "at", "data": {"qq": "10001"}},
                {"type": "text", "data": {"text": " 你好"}},
            ],
        ),
        (
            "[CQ:image,file=a.png,url=https://q.cn/d?appid=1406&amp;rkey=x=y]",
            [{"type": "image", "data": {"file": "a.png", "url": "https://q.cn/d?appid=1406&rkey=x=y"}}],
        ),
        ("[CQ:at,qq=1,name=a&#44;b\nc]", [{"type": "at", "data": {"qq": "1", "name": "a,b\nc"}}]),
        ("[CQ:dice]", [{"type": "dice", "data": {}}]),
        ("[CQ:at, qq=1]", [{"type": "text", "data": {"text": "[CQ:at, qq=1]"}}]),
        ("[CQ:at,qq=1", [{"type": "text", "data": {"text": "[CQ:at,qq=1"}}]),
        ("[CQ:,qq=1]", [{"type": "text", "data": {"text": "[CQ:,qq=1]"}}]),
    ],
)
def test_a_cq_string_is_read(text: str, expected: list[dict[str, Any]]) -> None:
    """Codes, escapes and what only looks like a code are told apart."""
    assert expected == parse_cq(text)


def test_values_that_are_no_strings_are_written() -> None:
    """Numbers and booleans are written, objects and lists are left out."""
    data = {"n": 5, "yes": True, "no": False, "raw": {"a": 1}, "list": [1], "none": None}
    assert format_cq([{"type": "x", "data": data}]) == "[CQ:x,n=5,yes=true,no=false]"


def test_special_characters_are_escaped_where_they_matter() -> None:
    """A comma is escaped inside a code only."""
    written = to_cq([Text("[a],&"), At("1", "[a],&=")])
    assert written == "&#91;a&#93;,&amp;[CQ:at,qq=1,name=&#91;a&#93;&#44;&amp;=]"
