"""Actions: the parameters that are sent, and which there are."""

import json
from typing import Any

import pytest

from onebot_bot.protocol import actions
from onebot_bot.protocol.action_frames import encode_action
from onebot_bot.protocol.actions import ALLOWED_ACTIONS, Action
from onebot_bot.protocol.segments import Node, Reply, Text

# (the Struct, the action's name, the parameters that are sent)
ENCODED: list[tuple[Action, str, dict[str, Any]]] = [
    (
        actions.SendGroupMsg(3, (Reply("7"), Text("[CQ:image,file=/etc/passwd]"))),
        "send_group_msg",
        {
            "group_id": 3,
            "message": [
                {"type": "reply", "data": {"id": "7"}},
                {"type": "text", "data": {"text": "[CQ:image,file=/etc/passwd]"}},
            ],
        },
    ),
    (
        actions.SendPrivateMsg(2, (Text("你好"),)),
        "send_private_msg",
        {"user_id": 2, "message": [{"type": "text", "data": {"text": "你好"}}]},
    ),
    (
        actions.SendPrivateMsg(2, (), group_id=3),
        "send_private_msg",
        {"user_id": 2, "message": [], "group_id": 3},
    ),
    (
        actions.SendGroupForwardMsg(3, (Node("1", "a", (Text("b"),)),), news=({"text": "n"},)),
        "send_group_forward_msg",
        {
            "group_id": 3,
            "messages": [
                {
                    "type": "node",
                    "data": {
                        "user_id": "1",
                        "nickname": "a",
                        "content": [{"type": "text", "data": {"text": "b"}}],
                    },
                }
            ],
            "news": [{"text": "n"}],
        },
    ),
    (
        actions.SendPrivateForwardMsg(2, (Node(id="5"),), prompt="p"),
        "send_private_forward_msg",
        {"user_id": 2, "messages": [{"type": "node", "data": {"id": "5"}}], "prompt": "p"},
    ),
    (actions.DeleteMsg(7), "delete_msg", {"message_id": 7}),
    (actions.GetMsg(7), "get_msg", {"message_id": 7}),
    (actions.GetForwardMsg("75"), "get_forward_msg", {"id": "75"}),
    (actions.GetGroupMsgHistory(3), "get_group_msg_history", {"group_id": 3, "count": 20}),
    (
        actions.GetFriendMsgHistory(2, 5, message_seq=7),
        "get_friend_msg_history",
        {"user_id": 2, "count": 5, "message_seq": 7},
    ),
    (actions.GetImage("a"), "get_image", {"file": "a"}),
    (actions.GetRecord("a"), "get_record", {"file": "a", "out_format": "wav"}),
    (actions.GetFile("f"), "get_file", {"file_id": "f"}),
    (actions.GetGroupFileUrl(3, "f"), "get_group_file_url", {"group_id": 3, "file_id": "f"}),
    (actions.GetPrivateFileUrl("f"), "get_private_file_url", {"file_id": "f"}),
    (
        actions.GetGroupMemberInfo(3, 2),
        "get_group_member_info",
        {"group_id": 3, "user_id": 2, "no_cache": False},
    ),
    (actions.GetGroupMemberList(3), "get_group_member_list", {"group_id": 3, "no_cache": False}),
    (actions.GetGroupList(), "get_group_list", {"no_cache": False}),
    (actions.GetFriendList(), "get_friend_list", {"no_cache": False}),
    (actions.GetLoginInfo(), "get_login_info", {}),
    (actions.GetStatus(), "get_status", {}),
    (actions.GetVersionInfo(), "get_version_info", {}),
    (actions.GetStrangerInfo(2), "get_stranger_info", {"user_id": 2, "no_cache": False}),
    (actions.SetInputStatus(2), "set_input_status", {"user_id": 2, "event_type": 1}),
    (
        actions.SetMsgEmojiLike(7, "76"),
        "set_msg_emoji_like",
        {"message_id": 7, "emoji_id": "76", "set": True},
    ),
    (
        actions.SetFriendAddRequest("f", approve=False),
        "set_friend_add_request",
        {"flag": "f", "approve": False, "remark": ""},
    ),
    (
        actions.SetGroupAddRequest("f", approve=True),
        "set_group_add_request",
        {"flag": "f", "approve": True, "reason": ""},
    ),
    (actions.GetGroupSystemMsg(), "get_group_system_msg", {"count": 50}),
    (actions.GetDoubtFriendsAddRequest(), "get_doubt_friends_add_request", {"count": 50}),
    (actions.SetDoubtFriendsAddRequest("f"), "set_doubt_friends_add_request", {"flag": "f", "approve": True}),
    (actions.SetGroupBan(3, 2, 0), "set_group_ban", {"group_id": 3, "user_id": 2, "duration": 0}),
    (actions.SetGroupCard(3, 2, ""), "set_group_card", {"group_id": 3, "user_id": 2, "card": ""}),
    (actions.GroupPoke(3, 2), "group_poke", {"group_id": 3, "user_id": 2}),
    (actions.FriendPoke(2), "friend_poke", {"user_id": 2}),
    (
        actions.UploadGroupFile(3, "http://a/b", "b.txt", size=99),
        "upload_group_file",
        {"group_id": 3, "file": "http://a/b", "name": "b.txt"},
    ),
    (
        actions.UploadPrivateFile(2, "http://a/b", "b.txt"),
        "upload_private_file",
        {"user_id": 2, "file": "http://a/b", "name": "b.txt"},
    ),
    (
        actions.UploadFileStream(stream_id="s", is_complete=True),
        "upload_file_stream",
        {"stream_id": "s", "is_complete": True},
    ),
    (actions.MarkMsgAsRead(group_id=3), "mark_msg_as_read", {"group_id": 3}),
    (actions.FetchPttText(7), "fetch_ptt_text", {"message_id": 7}),
    (actions.OcrImage("a"), "ocr_image", {"image": "a"}),
    (actions.GetGroupAtAllRemain(3), "get_group_at_all_remain", {"group_id": 3}),
]


@pytest.mark.parametrize(("action", "name", "params"), ENCODED)
def test_every_action_is_encoded(action: Action, name: str, params: dict[str, Any]) -> None:
    """The frame has the action's name, its parameters and the echo; what is None is left out."""
    assert {"action": name, "params": params, "echo": "k-1"} == json.loads(encode_action(action, "k-1"))


def test_the_list_above_has_every_action() -> None:
    """No action is without a test of its frame, and none may be sent that has no Struct."""
    assert frozenset(name for _, name, _ in ENCODED) == ALLOWED_ACTIONS


@pytest.mark.parametrize(
    "name",
    [
        "bot_exit",
        "set_restart",
        "get_cookies",
        "get_credentials",
        "get_clientkey",
        "send_packet",
        "delete_friend",
        "send_qzone_msg",
        "send_msg",
        ".handle_quick_operation",
    ],
)
def test_dangerous_actions_cannot_be_sent(name: str) -> None:
    """What ends the client, tells its secrets or is ambiguous is not among the actions."""
    assert name not in ALLOWED_ACTIONS


def test_a_mute_needs_its_duration() -> None:
    """NapCat's default lifts a mute: there must be none here."""
    with pytest.raises(TypeError, match="duration"):
        actions.SetGroupBan(3, 2)  # type: ignore[call-arg]  # that is the test
