"""/backup and /restore."""

import pytest
from commands.desk import ADMIN, ANYONE, OWNER, Room


async def test_a_backup_is_made_and_told_of(room: Room) -> None:
    """Its name, what is in it, how many are kept, and how it is put back."""
    answer = await room.type("/backup")
    for words in (
        "backup-0.zip",
        "1.2 MB",
        "1,200 条消息，3 条记忆，0 张图片",
        "训练版本：无",
        "留最近 7 份",
        "/restore",
    ):
        assert words in answer


async def test_backups_are_listed_with_the_way_back(room: Room) -> None:
    """The newest first, at most ten, with the command that puts that one back."""
    assert "/backup" in await room.type("/恢复")
    for _ in range(12):
        await room.type("/备份")
    lines = (await room.type("/restore")).splitlines()
    assert (lines[0], lines[1]) == ("共 12 份备份，新的在前：", "· 2026-11-22 02:00  1.2 MB  backup-11.zip")
    assert [line for line in lines if line.startswith("·")][-1].endswith("backup-2.zip")
    assert "onebot-bot restore backup-11.zip" in lines


@pytest.mark.parametrize("who", [ANYONE, ADMIN])
async def test_only_the_owner_makes_and_sees_them(room: Room, who: int) -> None:
    """They are everybody's chats."""
    for command in ("/backup", "/restore"):
        await room.type(command, who)
    assert room.desk.backups.made == []
    assert "主人" in await room.type("/restore", who)
    assert "backup-0.zip" in await room.type("/backup", OWNER)
