"""A message as one line of text."""

from typing import Any

import pytest

from onebot_bot.chat.forwards import MOST, kept
from onebot_bot.chat.readable import FORWARDED, readable
from onebot_bot.protocol.segments import (
    At,
    Dice,
    Face,
    File,
    Forward,
    Image,
    Json,
    Markdown,
    Mface,
    Poke,
    Record,
    Reply,
    Rps,
    Segment,
    Text,
    UnknownSegment,
    Video,
    encode_message,
)

CARD = "[卡片：A page | https://example.org/a]"


@pytest.mark.parametrize(
    ("segment", "text"),
    [
        (Text("hi"), "hi"),
        (At("5"), "@N5"),
        (At("5", "Ann"), "@Ann"),
        (At("all"), "@全体成员"),
        (UnknownSegment("too_large"), "[这条消息太大，后面的没有读]"),
        (Image(url="u"), "[图片]"),
        (Image(sub_type=1, summary="[动画表情]"), "[表情包]"),
        (Image(sub_type=1, summary="[哈哈]"), "[表情包：哈哈]"),
        (Mface(summary="[贴贴]"), "[表情包：贴贴]"),
        (Face("14", raw={"faceText": "/微笑"}), "[表情：微笑]"),
        (Face("14"), "[表情：微笑]"),
        (Face("99999"), "[表情]"),
        (Record(file="a"), "[语音]"),
        (Video(file="a"), "[视频]"),
        (File(file="a.pdf"), "[文件：a.pdf]"),
        (Forward("1"), "[聊天记录]"),
        (Json('{"prompt": "[QQ小程序]哔哩哔哩"}'), "[卡片：[QQ小程序]哔哩哔哩]"),
        (Json("not json"), "[卡片：]"),
        (Json("[]"), "[卡片：]"),
        (UnknownSegment("share", {"title": "A page", "url": "https://example.org/a"}), CARD),
        (Markdown("**b**"), "**b**"),
        (Dice("6"), "[骰子：6]"),
        (Rps("1"), "[猜拳：1]"),
        (Poke("1", "2"), "[戳一戳]"),
        (Reply("1"), ""),
        (UnknownSegment("newthing", {}), "[newthing]"),
    ],
)
def test_every_kind_of_segment_reads_as_something(segment: Segment, text: str) -> None:
    """Nothing is passed over in silence but the quote, which is shown apart."""
    assert readable([segment], "zh", lambda number: f"N{number}") == text


def test_segments_read_in_order() -> None:
    """As one line."""
    assert readable([At("5"), Text("look"), Image()], "en", lambda _: "Bo") == "@Bo look[picture]"


def inside(name: str, *segments: Segment) -> dict[str, Any]:
    """One message of a bundle, in the shape of an event."""
    return {"user_id": 5, "sender": {"nickname": name}, "message": encode_message(segments)}


def test_a_bundle_shows_what_it_holds() -> None:
    """Who said what, behind marks that say these are not the words of whoever forwarded it."""
    deeper = Forward("2", content=[inside("Cy", Text("deep"))])
    bundle = Forward("1", content=[inside("Ann", Text("one\ntwo"), Image()), inside("Bo", deeper)])
    assert readable([bundle], "en", str).split("\n") == [
        *("[forwarded messages]", "> Ann: one", "> two[picture]"),
        *("> Bo: [forwarded messages]", "> > Cy: deep"),
    ]


def test_a_name_in_a_bundle_is_one_line_that_shows() -> None:
    """Nothing invisible, nothing that turns the line around; one made of such things becomes the number."""
    bundle = Forward("1", content=[inside("\u202eA\u200bnn\n> Bo", Text("hi")), inside("\u3164\u200b", Text("ho"))])
    assert readable([bundle], "en", str).split("\n") == ["[forwarded messages]", "> Ann > Bo: hi", "> 5: ho"]


def test_bundles_in_bundles_are_opened_three_deep() -> None:
    """The fourth is named only, however deep a stranger nests them."""
    bundle = Forward("0", content=[inside("N0", Text("bottom"))])
    for number in range(1, 20):
        bundle = Forward(str(number), content=[inside(f"N{number}", bundle)])
    assert readable(kept([bundle]), "en", str).split("\n") == [
        "[forwarded messages]",
        *("> N19: [forwarded messages]", "> > N18: [forwarded messages]", "> > > N17: [forwarded messages]"),
    ]


def test_a_long_bundle_is_cut() -> None:
    """Neither many messages nor long ones fill the prompt, and the record keeps as many as are ever shown."""
    bundle = Forward("1", content=[inside("Ann", Text("x" * 1000)) for _ in range(500)])
    assert len(readable([bundle], "en", str)) < FORWARDED + 50
    (held,) = kept([bundle])
    assert isinstance(held, Forward)
    assert len(held.content or []) == MOST


@pytest.mark.parametrize(
    "item",
    [
        {"type": "node", "data": {"nickname": "Ann", "content": [{"type": "text", "data": {"text": "hi"}}]}},
        {"sender": {"nickname": "Ann"}, "content": "hi", "time": 1},
        {"sender": {"card": "Ann", "nickname": "x"}, "message": [{"type": "text", "data": {"text": "hi"}}]},
    ],
)
def test_bundles_of_other_clients_are_read(item: dict[str, Any]) -> None:
    """As nodes, and in go-cqhttp's shape; what is no message is passed over."""
    assert readable([Forward("1", content=[item, None, {}])], "en", str) == "[forwarded messages]\n> Ann: hi"
