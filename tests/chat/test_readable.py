"""A message as one line of text."""

import pytest

from onebot_bot.chat.readable import readable
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
)


@pytest.mark.parametrize(
    ("segment", "text"),
    [
        (Text("hi"), "hi"),
        (At("5"), "@N5"),
        (At("5", "Ann"), "@Ann"),
        (At("all"), "@全体成员"),
        (Image(url="u"), "[图片]"),
        (Image(sub_type=1, summary="[动画表情]"), "[表情包]"),
        (Image(sub_type=1, summary="[哈哈]"), "[表情包：哈哈]"),
        (Mface(summary="[贴贴]"), "[表情包：贴贴]"),
        (Face("14", raw={"faceText": "/微笑"}), "[表情：微笑]"),
        (Face("14"), "[表情]"),
        (Record(file="a"), "[语音]"),
        (Video(file="a"), "[视频]"),
        (File(file="a.pdf"), "[文件：a.pdf]"),
        (Forward("1"), "[聊天记录]"),
        (Json('{"prompt": "[QQ小程序]哔哩哔哩"}'), "[卡片：[QQ小程序]哔哩哔哩]"),
        (Json("not json"), "[卡片：]"),
        (Json("[]"), "[卡片：]"),
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
