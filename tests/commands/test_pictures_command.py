"""/render: whose choice it is, and that it lasts."""

import pytest
from commands.desk import ANYONE, GROUP, OWNER, Room

from onebot_bot.protocol.chat_id import ChatId


@pytest.mark.parametrize(
    ("choice", "kept", "answer"), [("off", False, "不把"), ("开", True, "画成"), ("default", None, "画成")]
)
async def test_a_chat_has_its_own_choice(room: Room, choice: str, kept: bool | None, answer: str) -> None:  # noqa: FBT001 - a parameter
    """It is kept with the chat's settings; without one config.toml decides."""
    assert answer in await room.type(f"/render {choice}")
    assert room.desk.groups.of(ChatId(10000, "private", OWNER)).pictures is kept
    assert answer in await room.type("/render")


async def test_in_a_group_it_is_the_admins(room: Room) -> None:
    """A member is told who may."""
    assert "管理员" in await room.type("/render off", ANYONE, GROUP)
    assert room.desk.groups.of(ChatId(10000, "group", GROUP)).pictures is None


async def test_another_word_is_answered_with_the_usage(room: Room) -> None:
    """Nothing changes."""
    assert "用法" in await room.type("/render maybe")
    assert room.desk.groups.of(ChatId(10000, "private", OWNER)).pictures is None
