"""/stats: a day of all chats, a chat's last days, and in a group only that group."""

from datetime import datetime, timedelta
from typing import get_args
from zoneinfo import ZoneInfo

import pytest
from commands.desk import ADMIN, ANYONE, GROUP, Room

from onebot_bot.chat.participation import Outcome, Silence
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.texts import say

HERE, ALICE = ChatId(10000, "group", GROUP), ChatId(10000, "private", 5)
OTHERS = ChatId(20000, "group", 9)
HEARD = {"seen": 1200.0, "answered": 40.0, "bubbles": 55.0, "tokens": 3000.0, "prompt": 90000.0, "seconds": 61.25}


def day(room: Room, back: int = 0) -> str:
    """So many days ago, where the people live."""
    now = datetime.now(ZoneInfo(room.desk.config.learning.timezone))
    return (now - timedelta(days=back)).date().isoformat()


@pytest.fixture
def counted(room: Room) -> Room:
    """A room in which something was counted today and yesterday."""
    room.desk.day = day(room, 1)
    room.desk.tallies.count(HERE, {"seen": 5, "silent.loop": 2})
    room.desk.day = day(room)
    room.desk.tallies.count(HERE, {**HEARD, "recalls": 3, "silent.closed": 900, "ended.no_reply": 12})
    room.desk.tallies.count(ALICE, {"seen": 2, "answered": 2, "commands": 1})
    room.desk.tallies.count(OTHERS, {"seen": 1})
    return room


async def test_a_day_of_all_chats(counted: Room) -> None:
    """Sums, reasons with the most frequent first, and the busiest chats."""
    lines = (await counted.type("/stats")).splitlines()
    assert lines == [
        f"{day(counted)}，3 个会话：",
        "听到 1,203 条消息、1 条指令，回答 42 次，共 55 条",
        "读了 90,000 词元，写了 3,000 词元，用时 61.2 秒，想起 3 次",
        "没有回答：没叫我，不插话 900，想了想没说 12",
        f"· 群 {GROUP}：听到 1,200，回答 40，词元 3,000，61.2 秒",
        "· 私聊 5：听到 2，回答 2，词元 0，0.0 秒",
        "· 群 9 (20000)：听到 1，回答 0，词元 0，0.0 秒",
    ]


@pytest.mark.parametrize("text", ["yesterday", "昨天", None])
async def test_another_day(counted: Room, text: str | None) -> None:
    """By name or by date."""
    answer = await counted.type(f"/stats {text or day(counted, 1)}")
    assert "听到 5 条" in answer
    assert "一分钟里来回太多 2" in answer


@pytest.mark.parametrize("chat", [f"group {GROUP}", f"群{GROUP}", str(HERE)])
async def test_a_chat_by_days(counted: Room, chat: str) -> None:
    """The last week, a line a day."""
    lines = (await counted.type(f"/统计 {chat}")).splitlines()
    assert lines[0] == f"群 {GROUP}，从 {day(counted, 6)} 起有记录的 2 天："
    assert "听到 1,205 条" in lines[1]
    assert [line.split("：")[0] for line in lines[-2:]] == [f"· {day(counted, 1)}", f"· {day(counted)}"]


async def test_in_a_group_only_that_group(counted: Room) -> None:
    """What goes on elsewhere is not told there."""
    answer = await counted.type("/stats", group=GROUP)
    assert "听到 1,205 条" in answer
    assert "私聊" not in answer
    assert "听到 5 条" in await counted.type("/stats yesterday", group=GROUP)
    assert await counted.type("/stats private 5", group=GROUP) == say("zh", "stats.elsewhere")


async def test_nothing_on_record(counted: Room) -> None:
    """A day or a chat without anything."""
    assert "2020-02-29" in await counted.type("/stats 2020-02-29")
    assert "私聊 6" in await counted.type("/stats private 6")


@pytest.mark.parametrize("rest", ["2026-02-30", "group", "明天", "10000/group/x", "group 99999999999999999999"])
async def test_what_is_neither_a_day_nor_a_chat(counted: Room, rest: str) -> None:
    """The usage is shown."""
    assert await counted.type(f"/stats {rest}") == say("zh", "stats.usage", prefix="/")


@pytest.mark.parametrize("user", [ADMIN, ANYONE])
async def test_it_is_for_bot_admins(counted: Room, user: int) -> None:
    """Not for a group's."""
    assert "听到" not in await counted.type("/stats", user=user, group=GROUP)


def test_every_reason_has_a_name() -> None:
    """In both languages."""
    names = [f"stats.silent.{silence.value}" for silence in Silence]
    names += [f"stats.ended.{outcome}" for outcome in get_args(Outcome) if outcome != "answered"]
    for name in names:
        assert say("zh", name) != say("en", name)


def test_why_names_every_outcome() -> None:
    """What /why says of an answer that was not sent."""
    plain = ("answered", "no_reply", "shadow", "interrupted")
    for outcome in set(get_args(Outcome)).difference(plain):
        assert say("en", f"withheld.{outcome}")
