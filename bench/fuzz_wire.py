"""Targets of fuzz.py that take frames apart: every event, segment and answer of a OneBot client, and worse ones."""

from collections.abc import Mapping
from random import Random
from typing import Any

import msgspec

from bench import fuzz_values as values
from onebot_bot.chat.happenings import happening_of
from onebot_bot.errors import FrameError
from onebot_bot.protocol.cqcode import parse_cq
from onebot_bot.protocol.events import GroupMessage, PrivateMessage
from onebot_bot.protocol.frames import LAST_DAY, ActionResponse, decode_event, decode_frame
from onebot_bot.protocol.segments import decode_message, encode_message, plain_text, to_cq

SELF, USER, GROUP, NOW = 10000, 20000, 30000, 1_760_000_000

SEGMENTS: Mapping[str, dict[str, Any]] = {
    "text": {"text": "在吗 https://a.example/x"},
    "at": {"qq": "10000", "name": "Bob"},
    "face": {"id": "14", "raw": {"faceText": "/微笑", "faceIndex": 14}, "resultId": "1", "chainCount": 2},
    "image": {
        "summary": "[动画表情]", "file": "A.jpg", "sub_type": 1,
        "url": "https://a.example/p?a=1&amp;b=2", "file_size": "12",
        "emoji_id": "e", "emoji_package_id": 3, "key": "k",
    },
    "mface": {"emoji_id": "e", "emoji_package_id": 1, "key": "k", "summary": "[doge]", "url": ""},
    "record": {"file": "a.amr", "path": "/tmp/a.amr", "url": "", "file_size": "100"},
    "video": {"file": "a.mp4", "url": "https://a.example/v", "file_size": "100"},
    "file": {"file": "报告.pdf", "file_id": "/f", "file_size": "100", "url": ""},
    "reply": {"id": "123456"},
    "forward": {
        "id": "7350000000000000000",
        "content": [
            {"sender": {"nickname": "A"}, "message": [{"type": "text", "data": {"text": "嗨"}}]},
            {"type": "node", "data": {"name": "B", "content": "[CQ:face,id=1]你好"}},
        ],
    },
    "json": {"data": '{"app":"com.tencent.x","prompt":"[分享]题目","meta":{"news":{"title":"题目","jumpUrl":"https://a.example"}}}'},
    "xml": {"data": '<msg brief="[分享]题目"><item><title>题目</title><summary>话</summary></item></msg>'},
    "markdown": {"content": "# 题目\n|a|b|\n|-|-|"},
    "dice": {"result": "3"},
    "rps": {"result": "1"},
    "poke": {"type": "1", "id": "-1"},
    "flashtransfer": {"fileSetId": "s"},
    "onlinefile": {"msgId": "1", "elementId": "2", "fileName": "a", "fileSize": "3", "isDir": False},
    "node": {"user_id": "1", "nickname": "n", "content": [{"type": "text", "data": {"text": "x"}}]},
    "location": {"lat": "31.2", "lon": "121.4", "title": "人民广场"},
}  # fmt: skip
"""The data of every type, as NapCat and others send it."""


def _message(kind: str, **fields: Any) -> dict[str, Any]:
    return {
        "self_id": SELF, "user_id": USER, "time": NOW, "message_id": 12345, "message_seq": 12345, "real_id": 12345,
        "real_seq": "4821", "message_type": kind, "post_type": "message", "sub_type": "normal", "font": 14,
        "sender": {"user_id": USER, "nickname": "小明", "card": "明", "role": "member"}, "raw_message": "在吗",
        "message": [{"type": "text", "data": {"text": "在吗"}}], "message_format": "array", **fields,
    }  # fmt: skip


def _notice(kind: str, **fields: Any) -> dict[str, Any]:
    return {"time": NOW, "self_id": SELF, "post_type": "notice", "notice_type": kind, **fields}


def _here(kind: str, **fields: Any) -> dict[str, Any]:
    return _notice(kind, group_id=GROUP, user_id=USER, **fields)


EVENTS: Mapping[str, dict[str, Any]] = {
    "group message": _message("group", group_id=GROUP, group_name="群"),
    "private message": _message("private", target_id=USER, temp_source=0),
    "own message": _message("private", target_id=USER) | {"post_type": "message_sent", "user_id": SELF},
    "group_upload": _here("group_upload", file={"id": "/f", "name": "a.pdf", "size": 5, "busid": 102}),
    "group_admin": _here("group_admin", sub_type="set"),
    "group_decrease": _here("group_decrease", sub_type="kick", operator_id=USER + 1),
    "group_increase": _here("group_increase", sub_type="invite", operator_id=USER + 1),
    "group_ban": _here("group_ban", sub_type="ban", operator_id=USER + 1, duration=60),
    "friend_add": _notice("friend_add", user_id=USER),
    "group_recall": _here("group_recall", operator_id=USER, message_id=12345),
    "friend_recall": _notice("friend_recall", user_id=USER, message_id=12345),
    "group_card": _here("group_card", card_new="新", card_old="旧"),
    "essence": _notice("essence", sub_type="add", group_id=GROUP, message_id=1, sender_id=USER, operator_id=USER),
    "group_msg_emoji_like": _here(
        "group_msg_emoji_like", message_id=1, likes=[{"emoji_id": "66", "count": 1}], is_add=True
    ),
    "bot_offline": _notice("bot_offline", user_id=SELF, tag="BotOfflineEvent", message="被踢下线"),
    "online_file_receive": _notice("online_file_receive", peer_id=USER, sub_type="x"),
    "online_file_send": _notice("online_file_send", peer_id=USER, sub_type="x"),
    "poke": _here("notify", sub_type="poke", target_id=SELF, raw_info=[{"type": "nor", "txt": "戳了戳"}]),
    "private poke": _notice("notify", sub_type="poke", user_id=USER, target_id=SELF, sender_id=USER),
    "input_status": _here("notify", sub_type="input_status", event_type=1, status_text="对方正在输入..."),
    "title": _here("notify", sub_type="title", title="头衔"),
    "group_name": _here("notify", sub_type="group_name", name_new="新名"),
    "profile_like": _notice("notify", sub_type="profile_like", operator_id=USER, operator_nick="n", times=1),
    "gray_tip": _here("notify", sub_type="gray_tip", message_id=1, busi_id="2401", content="{}"),
    "friend request": {
        "time": NOW, "self_id": SELF, "post_type": "request", "request_type": "friend", "user_id": USER,
        "comment": "我是小明",
        "flag": "1760000000",
    },
    "group request": {
        "time": NOW, "self_id": SELF, "post_type": "request", "request_type": "group", "sub_type": "invite",
        "group_id": GROUP, "user_id": USER, "comment": "", "flag": "1760000001",
    },
    "lifecycle": {
        "time": NOW, "self_id": SELF, "post_type": "meta_event", "meta_event_type": "lifecycle", "sub_type": "connect"
    },
    "heartbeat": {
        "time": NOW, "self_id": SELF, "post_type": "meta_event", "meta_event_type": "heartbeat",
        "status": {"online": True, "good": True}, "interval": 30000,
    },
}  # fmt: skip
"""Every kind that a client reports, with every key."""
ANSWER: dict[str, Any] = {
    "status": "ok", "retcode": 0, "data": {"message_id": 5}, "message": "", "wording": "", "echo": "1-1",
    "stream": "normal-action",
}  # fmt: skip


def segments(random: Random) -> Any:
    """A `message` value: some segments, changed; at times a CQ string or something else."""
    kinds = random.choices(tuple(SEGMENTS), k=random.randint(0, 5))
    made: Any = [{"type": kind, "data": SEGMENTS[kind]} for kind in kinds]
    if random.random() < 0.1:
        return to_cq(decode_message(made)) + values.text(random)
    if random.random() < 0.05:
        return values.value(random)
    return values.changed(random, made)


def event(random: Random) -> dict[str, Any]:
    """An event of any kind, changed in some places."""
    wire = EVENTS[random.choice(_WEIGHTED)]
    if "raw_message" in wire and random.random() < 0.7:
        wire = {**wire, "message": segments(random), "sender": {**wire["sender"], "card": values.text(random, 4)}}
    made = values.changed(random, wire)
    return made if isinstance(made, dict) else wire


_WEIGHTED = (*EVENTS, *("group message",) * 20, *("private message",) * 5)


def decode_frames(random: Random) -> None:
    """A frame: an event, an answer, or anything else."""
    kind = random.random()
    wire = event(random) if kind < 0.85 else values.changed(random, ANSWER) if kind < 0.95 else values.value(random)
    try:
        found = decode_frame(values.written(random, wire))
    except FrameError:
        return
    if isinstance(found, GroupMessage | PrivateMessage):
        _check_message(found)
    if not isinstance(found, ActionResponse):
        happening_of(found)


def decode_histories(random: Random) -> None:
    """An event inside an answer."""
    try:
        answer = decode_frame(values.written(random, {**ANSWER, "data": event(random)}))
    except FrameError:
        return
    data = answer.data if isinstance(answer, ActionResponse) else None
    found = decode_event(data) if isinstance(data, dict) else None
    if isinstance(found, GroupMessage | PrivateMessage):
        _check_message(found)


def _check_message(message: GroupMessage | PrivateMessage) -> None:
    """It is fit for the database and for every date library."""
    assert 0 <= message.time <= LAST_DAY
    assert all(-(2**63) <= number < 2**63 for number in (message.user_id, message.message_id, message.chat_id.peer))
    msgspec.json.encode(encode_message(message.message))


def read_cq_codes(random: Random) -> None:
    """A message as one string: what is no code stays text, and nothing is lost."""
    made = values.text(random, 30) if random.random() < 0.5 else str(segments(random))
    found = decode_message(made)
    plain = "".join(part["data"].get("text", "") for part in parse_cq(made, 1000) if part["type"] == "text")
    assert plain_text(found) == plain or len(found) == 1000
