"""Where the bot may speak first."""

import time
from typing import Any

import msgspec
import pytest
from commands.desk import ADMIN, ANYONE, GROUP, Room, said

from onebot_bot.memory.chat_settings import ChatSettings
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.texts import say

HERE, MINE = ChatId(10000, "group", GROUP), ChatId(10000, "private", ANYONE)


@pytest.fixture
def open_room(room: Room) -> Room:
    """One whose owner lets the bot speak first."""
    desk = room.desk
    enabled = msgspec.structs.replace(desk.config.proactive, enabled=True)
    desk.config = msgspec.structs.replace(desk.config, proactive=enabled)
    return room


async def test_everybody_decides_in_private_and_admins_in_groups(open_room: Room) -> None:
    """Shown with the rules and the day's count; `off` takes it back."""
    groups = open_room.desk.groups
    open_room.desk.first_words = lambda chat: 1 if chat == MINE else 0
    assert await open_room.type("/proactive", ANYONE) == say("zh", "proactive.off")
    before = int(time.time())
    shown = say("zh", "proactive.on", minutes=180, hours="09:00-22:00", most=2, count=1)
    assert await open_room.type("/主动 开", ANYONE) == shown
    assert before <= groups.of(MINE).first_words_since <= time.time()
    assert "群管理员" in await open_room.type("/proactive on", ANYONE, GROUP)
    assert groups.of(HERE) == ChatSettings()
    await open_room.type("/proactive on", ADMIN, GROUP)
    assert groups.spoken_to_first() == [MINE, HERE]
    assert await open_room.type("/proactive off", ANYONE) == say("zh", "proactive.off")
    assert groups.spoken_to_first() == [HERE]
    assert await open_room.type("/proactive maybe") == say("zh", "proactive.usage", prefix="/")


async def test_where_the_owner_has_it_off_it_says_whom_to_ask(room: Room) -> None:
    """Nothing is noted."""
    assert "proactive.enabled" in await room.type("/proactive on", ANYONE)
    assert room.desk.groups.of(MINE) == ChatSettings()
    assert await room.type("/proactive", ANYONE) == say("zh", "proactive.off")


async def test_who_is_no_friend_cannot_be_written_to_first(open_room: Room) -> None:
    """They write by way of a group."""
    account: Any = open_room.account
    stranger = msgspec.structs.replace(said("/proactive on", ANYONE), group_id=GROUP)
    await open_room.dispatcher.run(account, stranger, "/proactive on")
    assert (await open_room.account.next()).message[0].text == say("zh", "proactive.stranger")
    assert open_room.desk.groups.of(MINE) == ChatSettings()
