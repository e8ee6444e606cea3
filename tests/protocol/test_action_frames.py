"""How long the answers to actions may take."""

import pytest

from onebot_bot.protocol import actions
from onebot_bot.protocol.action_frames import action_timeout, encode_action
from onebot_bot.protocol.actions import Action
from onebot_bot.protocol.segments import Image, Node, Record, Text

KIB = 1024


def test_a_short_message_takes_little_more_than_the_base() -> None:
    """A few hundred bytes add next to nothing."""
    action = actions.SendGroupMsg(3, (Text("你好"),))
    assert action_timeout(action, 15.0, encode_action(action, "x")) == pytest.approx(15.0, abs=0.01)


@pytest.mark.parametrize(
    ("action", "seconds"),
    [
        (actions.SendGroupMsg(3, (Image("base64://" + "A" * 1024 * KIB),)), 4.0),
        (actions.SendGroupMsg(3, (Image("http://a/b", file_size=str(2048 * KIB)),)), 8.0),
        (actions.SendPrivateMsg(2, (Record("http://a/b", file_size="unknown"),)), 0.0),
        (actions.SendGroupForwardMsg(3, (Node("1", "a", (Image("u", file_size=str(256 * KIB)),)),)), 1.0),
        (actions.UploadGroupFile(3, "http://a/b", "b", size=512 * KIB), 2.0),
        (actions.UploadFileStream(stream_id="s", chunk_data="A" * 256 * KIB), 1.0),
    ],
)
def test_a_large_action_may_take_as_long_as_its_upload(action: Action, seconds: float) -> None:
    """Every 256 KiB, sent or declared, are one more second."""
    assert seconds == pytest.approx(action_timeout(action, 15.0, encode_action(action, "x")) - 15.0, abs=0.01)
