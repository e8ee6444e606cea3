"""Events other than messages: what each wire form becomes."""

import json
from typing import Any

import pytest

from onebot_bot.protocol import events
from onebot_bot.protocol.frames import ActionResponse, decode_event, decode_frame

NOW = 1760000000
SELF = 10001


def decode(wire: Any) -> events.Event | ActionResponse:
    """Decode the frame that holds this object."""
    return decode_frame(json.dumps(wire, ensure_ascii=False))


def notice(**keys: Any) -> dict[str, Any]:
    """A notice as NapCat writes it."""
    return {"time": NOW, "self_id": SELF, "post_type": "notice", **keys}


# (what NapCat sends beside time, self_id and post_type; the Struct; its fields)
NOTICES: list[tuple[dict[str, Any], type[events.EventBase], dict[str, Any]]] = [
    (
        {
            "notice_type": "group_upload",
            "group_id": 3,
            "user_id": 2,
            "file": {"id": "/f", "name": "a", "size": 9, "busid": 1},
        },
        events.GroupUpload,
        {"group_id": 3, "user_id": 2, "file": events.UploadedFile(id="/f", name="a", size=9, busid=1)},
    ),
    (
        {"notice_type": "group_admin", "sub_type": "unset", "group_id": 3, "user_id": 2},
        events.GroupAdmin,
        {"sub_type": "unset", "group_id": 3, "user_id": 2},
    ),
    (
        {
            "notice_type": "group_decrease",
            "sub_type": "kick_me",
            "group_id": 3,
            "user_id": SELF,
            "operator_id": 5,
        },
        events.GroupDecrease,
        {"sub_type": "kick_me", "group_id": 3, "user_id": SELF, "operator_id": 5},
    ),
    (
        {
            "notice_type": "group_increase",
            "sub_type": "invite",
            "group_id": 3,
            "user_id": 2,
            "operator_id": 5,
        },
        events.GroupIncrease,
        {"sub_type": "invite", "group_id": 3, "user_id": 2, "operator_id": 5},
    ),
    (
        {
            "notice_type": "group_ban",
            "sub_type": "ban",
            "group_id": 3,
            "user_id": 0,
            "operator_id": 5,
            "duration": -1,
        },
        events.GroupBan,
        {"sub_type": "ban", "group_id": 3, "user_id": 0, "operator_id": 5, "duration": -1},
    ),
    ({"notice_type": "friend_add", "user_id": 2}, events.FriendAdd, {"user_id": 2}),
    (
        {"notice_type": "group_recall", "group_id": 3, "user_id": 2, "operator_id": 5, "message_id": -7},
        events.GroupRecall,
        {"group_id": 3, "user_id": 2, "operator_id": 5, "message_id": -7},
    ),
    (
        {"notice_type": "friend_recall", "user_id": 2, "message_id": 7},
        events.FriendRecall,
        {"user_id": 2, "message_id": 7},
    ),
    (
        {"notice_type": "group_card", "group_id": 3, "user_id": 2, "card_new": "b", "card_old": ""},
        events.GroupCard,
        {"group_id": 3, "user_id": 2, "card_new": "b", "card_old": ""},
    ),
    (
        {
            "notice_type": "essence",
            "sub_type": "add",
            "group_id": 3,
            "user_id": 2,
            "message_id": 7,
            "sender_id": 2,
            "operator_id": 5,
        },
        events.Essence,
        {"sub_type": "add", "group_id": 3, "message_id": 7, "sender_id": 2, "operator_id": 5},
    ),
    (
        {
            "notice_type": "group_msg_emoji_like",
            "group_id": 3,
            "user_id": 2,
            "message_id": 7,
            "likes": [{"emoji_id": "76", "count": 1}],
            "is_add": False,
        },
        events.EmojiLike,
        {
            "group_id": 3,
            "user_id": 2,
            "message_id": 7,
            "likes": (events.EmojiCount(emoji_id="76", count=1),),
            "is_add": False,
        },
    ),
    (
        {"notice_type": "bot_offline", "user_id": SELF, "tag": "下线通知", "message": "你的账号已在别处登录"},
        events.BotOffline,
        {"user_id": SELF, "tag": "下线通知", "message": "你的账号已在别处登录"},
    ),
    (
        {"notice_type": "online_file_receive", "sub_type": "receive", "peer_id": 2},
        events.OnlineFileReceive,
        {"sub_type": "receive", "peer_id": 2},
    ),
    (
        {"notice_type": "online_file_send", "sub_type": "refuse", "peer_id": 2},
        events.OnlineFileSend,
        {"sub_type": "refuse", "peer_id": 2},
    ),
    (
        {
            "notice_type": "notify",
            "sub_type": "poke",
            "group_id": 3,
            "user_id": 2,
            "target_id": SELF,
            "raw_info": [{"txt": "拍了拍"}],
        },
        events.PokeNotice,
        {"group_id": 3, "user_id": 2, "target_id": SELF, "raw_info": [{"txt": "拍了拍"}]},
    ),
    (
        {
            "notice_type": "notify",
            "sub_type": "input_status",
            "user_id": 2,
            "group_id": 0,
            "event_type": 1,
            "status_text": "对方正在输入...",
        },
        events.InputStatus,
        {"user_id": 2, "group_id": 0, "event_type": 1, "status_text": "对方正在输入..."},
    ),
    (
        {"notice_type": "notify", "sub_type": "title", "group_id": 3, "user_id": 2, "title": "龙王"},
        events.TitleNotice,
        {"group_id": 3, "user_id": 2, "title": "龙王"},
    ),
    (
        {"notice_type": "notify", "sub_type": "group_name", "group_id": 3, "user_id": 2, "name_new": "新名"},
        events.GroupNameNotice,
        {"group_id": 3, "user_id": 2, "name_new": "新名"},
    ),
    (
        {
            "notice_type": "notify",
            "sub_type": "profile_like",
            "operator_id": 2,
            "operator_nick": "小明",
            "times": 10,
        },
        events.ProfileLike,
        {"operator_id": 2, "operator_nick": "小明", "times": 10},
    ),
    (
        {
            "notice_type": "notify",
            "sub_type": "gray_tip",
            "group_id": 3,
            "user_id": 2,
            "message_id": 7,
            "busi_id": "1",
            "content": "{}",
        },
        events.GrayTip,
        {"group_id": 3, "user_id": 2, "message_id": 7, "busi_id": "1", "content": "{}"},
    ),
]


@pytest.mark.parametrize(("wire", "kind", "fields"), NOTICES)
def test_every_notice_is_decoded(wire: dict[str, Any], kind: type[events.EventBase], fields: dict[str, Any]) -> None:
    """A notice becomes its own Struct with all of its fields."""
    expected = kind(time=NOW, self_id=SELF, **fields)
    assert expected == decode(notice(**wire))
    assert expected == decode_event(notice(**wire))


def test_a_poke_tells_who_poked_and_where() -> None:
    """In private the poker is the sender: `user_id` is always the friend."""
    group = decode(notice(notice_type="notify", sub_type="poke", group_id=3, user_id=2, target_id=SELF))
    assert isinstance(group, events.PokeNotice)
    assert (group.poker_id, str(group.chat_id)) == (2, "10001/group/3")
    own = decode(notice(notice_type="notify", sub_type="poke", user_id=2, target_id=2, sender_id=SELF))
    assert isinstance(own, events.PokeNotice)
    assert (own.poker_id, str(own.chat_id)) == (SELF, "10001/private/2")


def test_requests_are_decoded() -> None:
    """The flag of a request stays a string, also when a client writes a number."""
    common = {"time": NOW, "self_id": SELF, "post_type": "request", "user_id": 2, "comment": "加我"}
    assert decode({**common, "request_type": "friend", "flag": 1760000000}) == events.FriendRequest(
        time=NOW, self_id=SELF, user_id=2, comment="加我", flag="1760000000"
    )
    wire = {**common, "request_type": "group", "sub_type": "invite", "group_id": 3, "flag": "0012"}
    assert decode(wire) == events.GroupRequest(
        time=NOW, self_id=SELF, sub_type="invite", group_id=3, user_id=2, comment="加我", flag="0012"
    )


def test_meta_events_are_decoded() -> None:
    """The first frame of a connection and the heartbeat are understood."""
    meta = {"time": NOW, "self_id": SELF, "post_type": "meta_event"}
    assert decode({**meta, "meta_event_type": "lifecycle", "sub_type": "connect"}) == events.Lifecycle(
        time=NOW, self_id=SELF, sub_type="connect"
    )
    beat = {
        **meta,
        "meta_event_type": "heartbeat",
        "status": {"online": False, "good": True},
        "interval": 30000,
    }
    assert decode(beat) == events.Heartbeat(
        time=NOW, self_id=SELF, interval=30000, status=events.HeartbeatStatus(online=False)
    )
