"""Cards as a line."""

import base64
import json
from typing import Any

import pytest

from onebot_bot.chat.cards import LONGEST, card_line, other_card
from onebot_bot.protocol.segments import UnknownSegment


def coded(text: str) -> str:
    """As QQ codes announcements."""
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("card", "line"),
    [
        (
            {
                "app": "com.tencent.miniapp_01",
                "prompt": "[QQ小程序]哔哩哔哩",
                "meta": {"detail_1": {"title": "哔哩哔哩", "desc": "猫的一天", "qqdocurl": "https://b23.tv/x"}},
            },
            "[QQ小程序]哔哩哔哩 | 猫的一天 | https://b23.tv/x",
        ),
        (
            {
                "app": "com.tencent.music.lua",
                "prompt": "[分享]晴天",
                "meta": {
                    "music": {"title": "晴天", "desc": "周杰伦", "tag": "QQ音乐", "jumpUrl": "https://y.qq.com/1"}
                },
            },
            "[分享]晴天 | 周杰伦 | QQ音乐 | https://y.qq.com/1",
        ),
        (
            {
                "app": "com.tencent.map",
                "prompt": "[应用]地图",
                "meta": {"Location.Search": {"name": "人民公园", "address": "南京西路231号", "lat": "31.2"}},
            },
            "[应用]地图 | 人民公园 | 南京西路231号",
        ),
        (
            {
                "app": "com.tencent.mannounce",
                "prompt": "[群公告]",
                "meta": {"mannounce": {"encode": 1, "title": coded("通知"), "text": coded("周六\n聚会")}},
            },
            "[群公告] | 通知 | 周六 聚会",
        ),
        (
            {"prompt": "[聊天记录]", "meta": {"detail": {"news": [{"text": "Ann: hi"}, {"text": "Bo: yo"}, 3]}}},
            "[聊天记录] | Ann: hi | Bo: yo",
        ),
        ({"app": "com.example.unknown"}, "com.example.unknown"),
        ({"prompt": 5, "meta": [1]}, ""),
        ({"prompt": "x", "meta": {"a": {"title": ["no"], "jumpUrl": "file:///etc/passwd"}}}, "x"),
        ({"prompt": "x", "meta": {"a": {"encode": 1, "title": "a"}}}, "x"),
    ],
)
def test_a_card_is_a_line(card: dict[str, Any], line: str) -> None:
    """What QQ shows for it, and what its kind adds; nothing twice."""
    assert card_line(json.dumps(card)) == line


@pytest.mark.parametrize("data", ["", "no json", "[]", "[" * 100_000, '"x"', "{" + " " * 300_000 + "}"])
def test_what_cannot_be_read_is_empty(data: str) -> None:
    """Whatever a stranger sends."""
    assert card_line(data) == ""


def test_a_long_card_is_cut() -> None:
    """Into one line of bounded length."""
    assert len(card_line(json.dumps({"prompt": "很长" * 1000}))) == LONGEST


def test_xml_cards_are_read_without_an_xml_parser() -> None:
    """Whose entities could blow up."""
    data = """<?xml version='1.0'?><msg serviceID="1" brief="[分享] A &amp; B"><item><title>A &amp; B</title>
        <summary size="1">words</summary></item></msg>"""
    assert other_card(UnknownSegment("xml", {"data": data})) == "[分享] A & B | words"


def test_other_segments_are_no_cards() -> None:
    """They are named by their type."""
    assert other_card(UnknownSegment("newthing", {"title": "x"})) is None
