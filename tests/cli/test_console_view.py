"""What the console shows."""

import pytest

from onebot_bot.cli.console_actions import Desk
from onebot_bot.cli.console_view import Screen, action_line, message_lines, raw_line
from onebot_bot.errors import CommandError
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.segments import At, Face, Image, Reply, Segment, Text
from onebot_bot.transport.client import Call, OneBotClient, failed, ok

CHAT = ChatId(10000, "group", 20001)


@pytest.fixture
def desk() -> Desk:
    """Xiaoming is there, and the bot."""
    desk = Desk(OneBotClient("", 10000), "小忆")
    desk.names[10001] = "小明"
    return desk


@pytest.fixture
def shown() -> list[str]:
    """Every piece that a screen wrote."""
    return []


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        ((At("10001"), Text("好")), "@小明 好"),
        ((At("10001"), Text(" 好")), "@小明 好"),
        ((At("5"), Text("好")), "@5 好"),
        ((At("all"),), "@全体成员"),
        ((Image(file="base64://" + "AAAA" * 4096), Text("看")), "[图片 12 KiB]看"),
        ((Image(file="a.png", file_size="2048"),), "[图片 2 KiB]"),
        ((Image(file="http://x/a.png"),), "[图片]"),
        ((Image(file="a.gif", file_size="2048", sub_type=1),), "[表情包]"),
        ((Face("14", raw={"faceText": "/微笑"}),), "[表情：微笑]"),
    ],
)
def test_a_message_is_one_readable_line(desk: Desk, segments: tuple[Segment, ...], expected: str) -> None:
    """Whatever it is made of."""
    assert message_lines(desk.say(CHAT, 10000, segments), desk, "zh") == [expected]


def test_a_quote_stands_above(desk: Desk) -> None:
    """Shortened; one that is not there is told of."""
    quoted = desk.say(CHAT, 10001, (Text("长" * 60),))
    lines = message_lines(desk.say(CHAT, 10000, (Reply(str(quoted.id)), Text("好"))), desk, "zh")
    assert lines == [f"↱ 小明：{'长' * 39}…", "好"]
    for lost in ("1", "x"):
        assert message_lines(desk.say(CHAT, 10000, (Reply(lost), Text("好"))), desk, "zh")[0] == "↱ 一条找不到的消息"


def test_a_forward_is_opened(desk: Desk) -> None:
    """Forwards inside it too, each a step to the right."""
    inner = {"type": "node", "data": {"nickname": "丁", "content": [{"type": "text", "data": {"text": "里"}}]}}
    nodes = [
        {"type": "node", "data": {"nickname": "乙", "content": [{"type": "text", "data": {"text": "外"}}]}},
        {"type": "node", "data": {"nickname": "丙", "content": [inner]}},
    ]
    call = Call("send_group_forward_msg", {"group_id": 20001, "messages": nodes})
    said = desk.sent_by(call, desk.answer(call))
    assert said is not None
    assert message_lines(said, desk, "zh") == [
        "[聊天记录，2 条]",
        "  乙：外",
        "  丙：[聊天记录，1 条]",
        "    丁：里",
    ]


def test_further_lines_stand_below_the_first(shown: list[str]) -> None:
    """Wide characters count twice."""
    Screen(shown.append, colour=False).bubble("小忆", ["一\n二", "三"])
    assert shown == ["小忆 ▏一\n     ▏二\n     ▏三"]


def test_nothing_said_steers_the_terminal(shown: list[str]) -> None:
    """Neither the bot's words nor an error's."""
    screen = Screen(shown.append, colour=False)
    screen.bubble("a\x1b", ["\x1b[2Jb\r\nc\td"])
    screen.error(CommandError("\x07"))
    assert shown == ["a� ▏�[2Jb\n   ▏c\td", "✗ � [OB-2000]"]


def test_a_terminal_gets_colours(shown: list[str]) -> None:
    """The name, what is aside, and errors."""
    screen = Screen(shown.append, colour=True)
    screen.bubble("小忆", ["好"])
    screen.dim("x")
    screen.error(CommandError("y"))
    assert shown == ["\x1b[36m小忆 \x1b[0m▏好", "\x1b[2m· x\x1b[0m", "\x1b[31m✗ y [OB-2000]\x1b[0m"]


def test_an_action_is_one_line() -> None:
    """A deed with what it is done to, a question with the answer in short."""
    like = Call("set_msg_emoji_like", {"message_id": 5, "emoji_id": "66"})
    assert action_line(like, ok(), "zh") == 'set_msg_emoji_like message_id=5 emoji_id="66" → ok'
    history = Call("get_group_msg_history", {"group_id": 5})
    assert action_line(history, ok({"messages": [1, 2]}), "en") == "get_group_msg_history → [2 items]"
    assert action_line(history, failed(1200, "不行"), "en") == "get_group_msg_history → 1200 不行"
    assert action_line(Call("x"), failed(1404, "不支持的Api x"), "zh") == "x → 1404 不支持的Api x"


def test_long_strings_of_a_raw_frame_are_cut() -> None:
    """A picture would fill the screen."""
    assert raw_line("→", {"a": ["x" * 300, 1]}) == '→ {"a": ["' + "x" * 199 + '…", 1]}'
