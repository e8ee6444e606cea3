"""How the console stands in for NapCat."""

from typing import Any

import pytest

from onebot_bot.cli import console_actions
from onebot_bot.cli.console_actions import Desk
from onebot_bot.protocol.action_frames import action_params
from onebot_bot.protocol.actions import (
    Action,
    GetGroupMsgHistory,
    SendGroupForwardMsg,
    SendGroupMsg,
    SendPrivateMsg,
)
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.events import GroupMessage, PrivateMessage
from onebot_bot.protocol.frames import decode_event
from onebot_bot.protocol.segments import Forward, Image, Node, Text
from onebot_bot.transport.client import Answer, Call, OneBotClient

PRIVATE = ChatId(10000, "private", 10001)
GROUP = ChatId(10000, "group", 20001)


@pytest.fixture
def desk() -> Desk:
    """Xiaoming is there, and the bot."""
    desk = Desk(OneBotClient("", 10000), "小忆")
    desk.names[10001] = "小明"
    return desk


def do(desk: Desk, action: Action) -> Answer:
    """The answer to an action."""
    return desk.answer(Call(action.name, action_params(action)))


def ask(desk: Desk, action: str, **params: Any) -> Answer:
    """The answer to an action by its name."""
    return desk.answer(Call(action, params))


def test_what_the_bot_says_is_in_the_history_as_its_own(desk: Desk) -> None:
    """In the shape of an event, in its own chat only."""
    desk.say(GROUP, 10001, (Text("你好"),))
    sent = do(desk, SendGroupMsg(20001, (Text("在"),)))["data"]["message_id"]
    events = [decode_event(raw) for raw in do(desk, GetGroupMsgHistory(20001))["data"]["messages"]]
    assert [event.sent_by_self for event in events if isinstance(event, GroupMessage)] == [False, True]
    assert isinstance(events[1], GroupMessage)
    assert (events[1].message_id, events[1].sender.name, events[1].chat_id) == (sent, "小忆", GROUP)
    assert ask(desk, "get_group_msg_history", group_id=5)["data"] == {"messages": []}


def test_a_private_message_belongs_to_the_other_person(desk: Desk) -> None:
    """Also one that the bot wrote, and one that names the group they met in."""
    for action in (SendPrivateMsg(10001, (Text("在"),)), SendPrivateMsg(10001, (Text("在"),), group_id=20001)):
        sent = do(desk, action)["data"]["message_id"]
        event = decode_event(ask(desk, "get_msg", message_id=sent)["data"])
        assert isinstance(event, PrivateMessage)
        assert event.chat_id == PRIVATE


def test_a_history_ends_at_the_message_named(desk: Desk) -> None:
    """At most `count`, oldest first; ids may be strings."""
    ids = [desk.say(GROUP, 10001, (Text(str(number)),)).id for number in range(5)]

    def found(**params: Any) -> list[int]:
        messages = ask(desk, "get_group_msg_history", group_id="20001", **params)["data"]["messages"]
        return [message["message_id"] for message in messages]

    assert found(count=2) == ids[3:]
    assert found(count=2, message_seq=ids[2]) == ids[1:3]
    assert ask(desk, "get_group_msg_history", group_id=20001, message_seq=1)["retcode"] == 1200


def test_old_messages_are_forgotten(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest first."""
    monkeypatch.setattr(console_actions, "KEPT", 2)
    ids = [desk.say(GROUP, 10001, (Text("x"),)).id for _ in range(3)]
    assert list(desk.said) == ids[1:]


def test_a_forward_can_be_opened(desk: Desk) -> None:
    """Made-up messages, existing ones, and forwards inside."""
    existing = desk.say(GROUP, 10001, (Text("真的"),))
    inner = Node(user_id="3", nickname="丙", content=(Node(user_id="4", nickname="丁", content=(Text("里"),)),))
    nodes = (Node(user_id="2", nickname="乙", content=(Text("假的"),)), Node(id=str(existing.id)), inner)
    data = do(desk, SendGroupForwardMsg(20001, nodes))["data"]
    (forward,) = desk.said[data["message_id"]].segments
    assert isinstance(forward, Forward)
    messages = ask(desk, "get_forward_msg", id=data["forward_id"])["data"]["messages"]
    assert [message["sender"]["nickname"] for message in messages] == ["乙", "小明", "丙"]
    assert messages[1]["message_id"] == existing.id
    assert messages[2]["message"][0]["data"]["content"][0]["raw_message"] == "里"


def test_a_message_can_be_taken_back(desk: Desk) -> None:
    """Once."""
    said = desk.say(PRIVATE, 10000, (Text("x"),))
    assert ask(desk, "delete_msg", message_id=said.id)["status"] == "ok"
    assert ask(desk, "delete_msg", message_id=said.id)["retcode"] == 1200
    assert ask(desk, "get_msg", message_id=said.id)["wording"] == "消息不存在"


def test_a_picture_can_be_asked_for_by_its_name(desk: Desk) -> None:
    """Its address is as good as the first time."""
    desk.say(PRIVATE, 10001, (Image(file="A.png", url="base64://eHg=", file_size="2"),))
    assert ask(desk, "get_image", file="A.png")["data"]["url"] == "base64://eHg="
    assert ask(desk, "get_image", file="B.png")["retcode"] == 1200


@pytest.mark.parametrize(
    ("message", "retcode"),
    [
        ([], 1200),
        ([{"type": "hologram", "data": {}}], 1200),
        ([{"type": "node", "data": {"id": "1"}}, {"type": "text", "data": {"text": "x"}}], 1400),
    ],
)
def test_a_message_that_napcat_refuses_is_refused(desk: Desk, message: list[Any], retcode: int) -> None:
    """And not remembered."""
    call = Call("send_msg", {"user_id": 10001, "message": message})
    answer = desk.answer(call)
    assert (answer["status"], answer["retcode"], desk.sent_by(call, answer)) == ("failed", retcode, None)
    assert desk.said == {}


def test_people_and_groups_are_those_that_were_seen(desk: Desk) -> None:
    """Members of every group are all who were there."""
    assert ask(desk, "get_friend_list")["data"] == [{"user_id": 10001, "nickname": "小明"}]
    assert ask(desk, "get_group_list")["data"] == []
    desk.say(GROUP, 10001, (Text("x"),))
    assert [group["group_id"] for group in ask(desk, "get_group_list")["data"]] == [20001]
    member = ask(desk, "get_group_member_info", group_id=20001, user_id=10001)["data"]
    assert (member["nickname"], member["role"]) == ("小明", "member")
    assert ask(desk, "get_group_member_info", group_id=20001, user_id=9)["retcode"] == 1200
    assert [one["user_id"] for one in ask(desk, "get_group_member_list", group_id=1)["data"]] == [10000, 10001]
    assert ask(desk, "get_stranger_info", user_id=9)["data"] == {"user_id": 9, "nickname": "9"}


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("set_msg_emoji_like", (0, "")),
        ("get_status", (0, "")),
        ("get_record", (1200, "file not found")),
        ("send_rocket", (1404, "不支持的Api send_rocket")),
        ("get_msg", (1400, "KeyError: 'message_id'")),
        ("send_private_msg", (1400, "KeyError: 'message'")),
    ],
)
def test_every_action_gets_an_answer(desk: Desk, action: str, expected: tuple[int, str]) -> None:
    """Done, impossible here, unknown, or badly asked."""
    answer = ask(desk, action)
    assert expected == (answer["retcode"], answer["wording"])
