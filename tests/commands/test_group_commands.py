"""What a group's admins decide for it."""

import time

import pytest
from commands.desk import ADMIN, ANYONE, GROUP, Room

from onebot_bot.memory.chat_settings import ChatSettings
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.texts import say

HERE = ChatId(10000, "group", GROUP)


async def typed(room: Room, text: str) -> str:
    """What the bot says to an admin."""
    return await room.type(text, ADMIN, GROUP)


@pytest.mark.parametrize(
    ("text", "mode"), [("/observe", "observe"), ("/旁听", "observe"), ("/shadow", "shadow"), ("/关", "off")]
)
async def test_a_mode_holds_in_its_group(room: Room, text: str, mode: str) -> None:
    """And is confirmed with the way back."""
    assert await typed(room, text) == say("zh", f"mode.{mode}", prefix="/")
    assert room.desk.groups.of(HERE) == ChatSettings(mode=mode)  # type: ignore[arg-type]  # a Literal
    assert room.desk.did == (["stop 10000/group/7"] if mode != "shadow" else [])


async def test_what_was_said_while_it_was_off_is_left_out(room: Room) -> None:
    """Switched on again it notes since when; from another mode it has heard everything."""
    await typed(room, "/observe")
    await typed(room, "/on")
    assert room.desk.groups.of(HERE).since == 0
    before = int(time.time())
    await typed(room, "/off")
    await typed(room, "/on")
    assert before <= room.desk.groups.of(HERE).since <= time.time()


async def test_the_talk_value_is_set_by_time_of_day(room: Room) -> None:
    """The latest word on the same hours holds; `default` is the configuration's."""
    assert "0.3" in await typed(room, "/talk 0.3")
    await typed(room, "/talk 0.5 18:00-23:00")
    assert "18:00-23:00 是 0.8" in await typed(room, "/话量 0.8 18：00～23：00")
    assert room.desk.groups.of(HERE) == ChatSettings(talk_value=0.3, talk_times=("18:00-23:00 0.8",))
    assert await typed(room, "/talk default") == say("zh", "talk.now", talk=0.0, times="")
    assert room.desk.groups.of(HERE) == ChatSettings()


async def test_quiet_hours_are_set_and_taken_back(room: Room) -> None:
    """Shown when nothing follows."""
    assert "23:00-07:00" in await typed(room, "/quiet 23-7")
    assert "23:00-07:00" in await typed(room, "/免打扰")
    assert await typed(room, "/quiet off") == say("zh", "quiet.none")
    assert room.desk.groups.of(HERE).quiet_hours == ""
    await typed(room, "/quiet default")
    assert room.desk.groups.of(HERE).quiet_hours is None


@pytest.mark.parametrize("text", ["/talk 2", "/talk x", "/talk 0.5 evening", "/quiet night", "/quiet 8-8"])
async def test_mistakes_show_how_it_is_written(room: Room, text: str) -> None:
    """And change nothing."""
    assert "用法" in await typed(room, text)
    assert room.desk.groups.of(HERE) == ChatSettings()


async def test_members_are_refused_and_private_chats_have_none_of_it(room: Room) -> None:
    """Neither is it listed there."""
    assert "群管理员" in await room.type("/off", ANYONE, GROUP)
    assert await room.type("/off") == say("zh", "command.group_only", name="/off")
    assert "/quiet" not in await room.type("/help")
    assert "/quiet" in await typed(room, "/help")


async def test_why_tells_the_decision_before_the_recalls(room: Room) -> None:
    """Both are asked for with one word."""
    room.desk.decided = "because"
    assert await room.type("/why") == f"because\n{say('zh', 'why.none')}"
