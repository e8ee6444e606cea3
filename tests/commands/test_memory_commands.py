"""/memory and /why: who may see and change what, and how it is told."""

import base64
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from commands.desk import ADMIN, ANYONE, GROUP, NOON, OWNER, Desk, Room

from onebot_bot.commands import memory
from onebot_bot.engine.echo import EchoEngine
from onebot_bot.engine.request import Recalled
from onebot_bot.errors import ActionFailed, ActionUnknown
from onebot_bot.memories import Memories
from onebot_bot.memory.database import Database
from onebot_bot.memory.store import MemoryStore
from onebot_bot.protocol.actions import SendGroupMsg, SendPrivateMsg, UploadPrivateFile
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.texts import say

HERE = ChatId(10000, "group", GROUP)
ELSEWHERE = ChatId(10000, "private", OWNER)
OTHER = 9


@pytest.fixture
async def group(room: Room) -> Room:
    """A group that remembers what ANYONE said, what is about ANYONE, and what is neither."""
    memories = room.desk.memories
    await memories.add(HERE, "2 号的猫叫雪球", speaker=ANYONE)
    await memories.add(HERE, "2 号和 9 号去爬山", (ANYONE, OTHER), speaker=OTHER)
    await memories.add(HERE, "9 号怕高", (OTHER,), speaker=OTHER)
    return room


# --- one's own chat ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("user", [OWNER, ANYONE])
async def test_in_private_everybody_does_everything_with_their_own_memories(room: Room, user: int) -> None:
    """And what is forgotten is gone from list and search."""
    assert await room.type("/memory add 猫叫雪球", user) == "记住了（#1）：猫叫雪球"
    await room.type("/记忆 添加 狗叫豆豆", user)
    assert await room.type("/memory list", user) == "#2 狗叫豆豆\n#1 猫叫雪球\n（第 1/1 页，共 2 条）"
    assert (await room.type("/memory search 猫叫雪球", user)).startswith("#1 [1.00] 猫叫雪球")
    assert await room.type("/memory edit #2 狗叫黑豆", user) == "改好了（#2）：狗叫黑豆"
    assert (await room.type("/memory search 狗叫黑豆", user)).startswith("#2 [1.00] 狗叫黑豆")
    assert await room.type("/memory pin 2", user) == "已置顶 #2。"
    assert (await room.type("/memory list", user)).startswith("#2 📌 狗叫黑豆\n#1 猫叫雪球\n")
    assert await room.type("/memory unpin 2", user) == "#2 不再置顶。"
    assert (await room.type("/memory list", user)).startswith("#2 狗叫黑豆\n")
    assert await room.type("/memory forget #1 -y", user) == "已忘记 #1。"
    for seen in ("list", "search 猫叫雪球", "show 1"):
        assert "雪球" not in await room.type(f"/memory {seen}", user)


@pytest.mark.parametrize("verb", ["show 8", "edit 8 x", "forget 8", "pin 8", "unpin 8", "show 1"])
async def test_a_memory_that_is_not_there_is_said_to_be_unknown(room: Room, verb: str) -> None:
    """A forgotten one too."""
    await room.type("/memory add 猫叫雪球")
    await room.type("/memory forget 1 -y")
    assert await room.type(f"/memory {verb}") == say("zh", "memory.unknown", id=verb.split()[1])


async def test_show_tells_all_that_is_known_of_a_memory(room: Room) -> None:
    """Who, when, how often recalled, what became of it, and how well it can be read."""
    happened = int(datetime(2026, 11, 20, 8, 30).timestamp())  # noqa: DTZ001 - the machine's own zone, as shown
    await room.desk.memories.add(ELSEWHERE, "雪球八点半出生", (ANYONE, OWNER), speaker=OTHER, event_time=happened)
    await room.type("/memory pin 1")
    assert (await room.type("/memory show 1")).splitlines() == [
        "#1 雪球八点半出生",
        "记于 2026-11-21 12:00，说的人：9，关于：2、你",
        "发生在 2026-11-20 08:30",
        "还没有被想起过",
        "重要程度 0.5，已置顶",
        "状态：有效",
        "向量：还没核对（适配器：无）",
    ]


async def test_show_counts_recalls(room: Room) -> None:
    """How often it came to mind, and when last."""
    await room.type("/memory add 猫叫雪球")
    room.desk.memories.note([Recalled(at=1, memory_id=1, score=0.8, text="猫叫雪球")])
    await room.type("/memory pin 1")  # written after what nobody waited for
    assert "想起过 1 次，最近 2026-11-21 12:00" in await room.type("/memory show 1")
    assert "被想起过 1 次" in await room.type("/memory stats")


async def test_show_names_what_a_memory_gave_way_to(room: Room) -> None:
    """It is no longer listed, but can still be looked at."""
    await room.type("/memory add 李雷在上海")
    await room.type("/memory add 李雷在北京")
    await room.desk.store.supersede(1, 2)
    assert "#1" not in await room.type("/memory list")
    assert "状态：已被 #2 取代" in await room.type("/memory show 1")


async def test_stats_count_what_there_is(room: Room) -> None:
    """By status, pinned, and how well they can be read."""
    for text in ("甲", "乙", "丙"):
        await room.type(f"/memory add {text}")
    await room.type("/memory pin 2")
    await room.type("/memory forget 3 -y")
    told = await room.type("/memory stats")
    assert told == say(
        "zh", "memory.stats", active=2, pinned=1, superseded=0, forgotten=1, exact=0, unchecked=2, recalled=0
    )


@pytest.mark.parametrize(
    "text",
    [
        *("/memory", "/memory add", "/memory search", "/memory forget x", "/memory eat 1", "/memory edit 1"),
        *("/memory edit x y", "/memory show", "/memory show ##1", "/memory pin", "/memory stats 1", "/memory export 1"),
    ],
)
async def test_memory_mistakes_show_the_usage(room: Room, text: str) -> None:
    """With every verb."""
    assert await room.type(text) == say("zh", "memory.usage", prefix="/")


async def test_a_memory_that_is_an_essay_is_refused(room: Room) -> None:
    """One atomic fact each, told or changed."""
    await room.type("/memory add 短")
    for verb in ("add", "edit 1"):
        assert "401 > 400" in await room.type(f"/memory {verb} " + "长" * 401)


async def test_forgetting_names_what_was_trained_on_it(room: Room) -> None:
    """And how to have a model that was not."""
    await room.type("/memory add 猫叫雪球")
    room.desk.learning.trained = {1: ["20261120T020000Z", "20261121T020000Z"]}
    told = await room.type("/memory forget 1 -y")
    assert told.startswith("已忘记 #1。\n")
    assert "20261120T020000Z、20261121T020000Z" in told
    assert "/learn now" in told


async def test_an_engine_without_a_model_says_so(tmp_path: Path) -> None:
    """Keys take a model: the echo engine names the setting to change."""
    async with Database(tmp_path / "m.sqlite3") as database, MemoryStore(database, tmp_path / "m.faiss") as store:
        room = Room(Desk(tmp_path / "config.toml", Memories(EchoEngine(), store), store, database))
        assert "model.path" in await room.type("/memory add x")


# --- other chats ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["list", "search 秘密", "show 1", "stats", "export", "edit 1 x", "forget 1", "pin 1"])
async def test_no_chat_sees_or_changes_what_another_remembers(room: Room, verb: str) -> None:
    """Not even for the owner, by any verb."""
    await room.type("/memory add 秘密")
    for user, chat in ((OWNER, GROUP), (ADMIN, GROUP), (ANYONE, GROUP), (ANYONE, 0)):
        actions = await room.actions(f"/memory {verb}", user, chat)
        assert [type(action) for action in actions] == [SendGroupMsg if chat else SendPrivateMsg]
        assert "秘密" not in actions[0].message[0].text
    assert await room.type("/memory show 1") == await room.type("/memory show #1")
    assert await room.type("/memory list") == "#1 秘密\n（第 1/1 页，共 1 条）"


async def test_what_is_shared_is_seen_everywhere_and_changed_where_it_was_told(room: Room) -> None:
    """The owner alone shares."""
    await room.type("/memory add 下周团建")
    await room.desk.store.share(1, shared=True)
    assert "下周团建" in await room.type("/memory list", ADMIN, GROUP)
    assert "所有会话共享" in await room.type("/memory show 1", ADMIN, GROUP)
    for verb in ("forget 1 -y", "edit 1 x", "pin 1"):
        assert await room.type(f"/memory {verb}", ADMIN, GROUP) == say("zh", "memory.unknown", id=1)
    assert await room.type("/memory export", ADMIN, GROUP) == say("zh", "memory.none")
    assert "下周团建" in await room.type("/memory list")


# --- groups --------------------------------------------------------------------------------------------------------


async def test_a_member_sees_what_is_about_them_or_said_by_them(group: Room) -> None:
    """In list, search and show; the rest is not even known to be there."""
    listed = await group.type("/memory list", ANYONE, GROUP)
    assert listed == f"#2 2 号和 9 号去爬山\n#1 2 号的猫叫雪球\n（第 1/1 页，共 2 条）\n{say('zh', 'memory.yours')}"
    found = await group.type("/memory search 9 号怕高", ANYONE, GROUP)
    assert {line.partition(" ")[0] for line in found.splitlines()} == {"#1", "#2"}
    assert "雪球" in await group.type("/memory show 1", ANYONE, GROUP)
    assert await group.type("/memory show 3", ANYONE, GROUP) == say("zh", "memory.unknown", id=3)


async def test_a_stranger_to_the_memories_is_told_that_none_are_about_them(group: Room) -> None:
    """By list and search alike."""
    for verb in ("list", "search 雪球"):
        assert await group.type(f"/memory {verb}", 4, GROUP) == say("zh", "memory.none_yours")


async def test_a_member_may_have_their_own_forgotten_and_nobody_elses(group: Room) -> None:
    """What is about them, or said by them."""
    assert await group.type("/memory forget 3 -y", ANYONE, GROUP) == say("zh", "memory.unknown", id=3)
    assert await group.type("/memory forget 1 -y", ANYONE, GROUP) == "已忘记 #1。"
    assert "#3" in await group.type("/memory list", ADMIN, GROUP)


@pytest.mark.parametrize("verb", ["add x", "edit 1 x", "pin 1", "unpin 1", "stats", "export", "导出"])
async def test_the_memory_of_the_group_is_its_admins_to_change(group: Room, verb: str) -> None:
    """The refusal names the verb and whom to ask."""
    refusal = await group.type(f"/memory {verb}", ANYONE, GROUP)
    assert refusal.startswith(f"“/memory {verb.split(maxsplit=1)[0]}”需要群管理员权限")
    assert len(await group.desk.memories.export(HERE)) == 3


@pytest.mark.parametrize("user", [ADMIN, OWNER])
async def test_admins_see_and_change_all_that_the_group_remembers(group: Room, user: int) -> None:
    """The owner too."""
    assert "共 3 条" in await group.type("/memory list", user, GROUP)
    assert (await group.type("/memory search 9 号怕高", user, GROUP)).startswith("#3 [1.00]")
    assert await group.type("/memory edit 3 9 号不怕高", user, GROUP) == "改好了（#3）：9 号不怕高"
    assert await group.type("/memory forget 3 -y", user, GROUP) == "已忘记 #3。"


# --- files ---------------------------------------------------------------------------------------------------------


def lines_of(upload: Any) -> list[dict[str, Any]]:
    """The objects in an uploaded JSON Lines file."""
    data = base64.b64decode(upload.file.removeprefix("base64://"))
    return [msgspec.json.decode(line) for line in data.splitlines()]


async def test_an_export_goes_to_the_asker_alone(group: Room) -> None:
    """As a file in private, though it was asked for in the group."""
    upload, told = await group.actions("/memory export", ADMIN, GROUP)
    assert isinstance(upload, UploadPrivateFile)
    assert (upload.user_id, upload.file_name) == (ADMIN, "memories-group-7.jsonl")
    assert told.message[0].text == say("zh", "memory.exported", count=3, files=1)
    first = next(line for line in lines_of(upload) if line["id"] == 2)
    assert first["text"] == "2 号和 9 号去爬山"
    assert (first["speaker"], first["subjects"], first["status"]) == (OTHER, [ANYONE, OTHER], "active")
    assert datetime.fromisoformat(first["told"]).timestamp() == NOON


async def test_a_large_export_is_several_files(group: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """None of them so large that NapCat stalls; together they hold every memory once."""
    monkeypatch.setattr(memory, "LARGEST_FILE", 500)
    *uploads, told = await group.actions("/memory export", ADMIN, GROUP)
    assert len(uploads) > 1
    assert [upload.file_name for upload in uploads][:2] == ["memories-group-7-1.jsonl", "memories-group-7-2.jsonl"]
    assert sorted(line["id"] for upload in uploads for line in lines_of(upload)) == [1, 2, 3]
    assert told.message[0].text == say("zh", "memory.exported", count=3, files=len(uploads))


@pytest.mark.parametrize(
    "error", [ActionFailed("upload_private_file", 1200, "不是好友"), ActionUnknown("upload_private_file: 不是好友")]
)
async def test_a_file_that_cannot_be_sent_is_told(group: Room, error: Exception) -> None:
    """QQ takes files for friends only."""
    group.account.failures.append(error)
    _, told = await group.actions("/memory export", ADMIN, GROUP)
    assert "不是好友" in told.message[0].text
    assert "好友" in told.message[0].text


# --- /why ----------------------------------------------------------------------------------------------------------


async def test_why_shows_what_was_recalled_and_where_it_came_from(room: Room) -> None:
    """With number, score and text, who said it and when; or that nothing was asked."""
    assert await room.type("/why") == say("zh", "why.none")
    await room.type("/memory add 猫叫雪球")
    room.desk.found = [Recalled(at=1, memory_id=1, score=0.83, text="猫叫雪球"), Recalled(2, None, None, "")]
    assert await room.type("/why") == "\n".join(
        ["想起了 #1（相似度 0.83）：猫叫雪球（记于 2026-11-21 12:00，说的人：你）", say("zh", "why.nothing")]
    )


async def test_why_tells_how_near_the_nearest_was(room: Room) -> None:
    """Beside the floor that it did not reach."""
    room.desk.found = [Recalled(at=1, memory_id=None, score=0.21, text="")]
    assert "最接近的只有 0.21，至少要 0.30" in await room.type("/why")


async def test_why_does_not_tell_what_was_forgotten(room: Room) -> None:
    """Though the chat still knows that it was recalled."""
    await room.type("/memory add 猫叫雪球")
    room.desk.found = [Recalled(at=1, memory_id=1, score=0.83, text="猫叫雪球")]
    await room.type("/memory forget 1 -y")
    assert await room.type("/why") == say("zh", "why.gone", id=1, score=0.83)
