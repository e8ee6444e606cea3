"""/learn: the owner starts, watches, ends and undoes a night."""

import base64
from datetime import UTC, datetime

import pytest
from commands.desk import ADMIN, ANYONE, GROUP, OWNER, Room

from onebot_bot.commands.context import LearningStatus
from onebot_bot.controls import NoLearning
from onebot_bot.learning.work import STEPS
from onebot_bot.protocol.segments import Image, Text
from onebot_bot.sections.bot import BotConfig
from onebot_bot.texts import say

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize("verb", ["now", "status", "cancel", "rollback", "report"])
async def test_only_the_owner_may(room: Room, verb: str) -> None:
    """In private and in groups; nothing happens."""
    for user, group in ((ANYONE, 0), (ANYONE, GROUP), (ADMIN, GROUP)):
        assert "主人权限" in await room.type(f"/learn {verb}", user, group)
    assert room.desk.learning.did == []


@pytest.mark.parametrize("text", ["/learn", "/learn eat", "/learn now please"])
async def test_mistakes_show_the_usage(room: Room, text: str) -> None:
    """And start nothing."""
    assert await room.type(text) == say("zh", "learn.usage", prefix="/")
    assert room.desk.learning.did == []


async def test_now_says_that_it_began_or_why_not(room: Room) -> None:
    """In any spelling."""
    assert await room.type("/学习 现在") == say("zh", "learn.started", prefix="/")
    room.desk.learning.refusal = "磁盘空间不够"
    assert await room.type("/learn now") == "没有开始：磁盘空间不够 [OB-1401]"
    assert room.desk.learning.did == ["start"]


async def test_cancel_says_whether_there_was_anything(room: Room) -> None:
    """As /stop does."""
    assert await room.type("/learn cancel") == say("zh", "learn.idle")
    await room.type("/learn now")
    assert await room.type("/learn cancel") == say("zh", "learn.cancelled")


async def test_rollback_names_the_version_that_serves(room: Room) -> None:
    """Then the model as it came; then there is nothing to undo."""
    room.desk.learning.earlier = ["", "20261120T020000Z"]
    assert "20261120T020000Z" in await room.type("/learn rollback -y")
    assert await room.type("/learn rollback -y") == say("zh", "learn.rolled_back_bare")
    assert await room.type("/learn rollback -y") == say("zh", "learn.no_earlier")


async def test_status_at_rest_tells_the_next_night_and_the_last(room: Room) -> None:
    """And which version serves."""
    assert await room.type("/learn status") == (
        "现在没有在学习\n下一次：2026-11-22 02:00\n上一次：无\n正在用的版本：无，原来的模型"
    )
    room.desk.learning.now = LearningStatus(enabled=False, last_outcome="学会了 12 条", adapter="20261121T020000Z")
    assert await room.type("/learn status") == (
        "现在没有在学习\n下一次：无\n上一次：学会了 12 条\n正在用的版本：20261121T020000Z\n"
        "自动学习没有打开：/config set learning.enabled true"
    )


@pytest.mark.parametrize(
    ("eta", "left"), [(None, "?"), (20.0, "1 分钟"), (1500.0, "25 分钟"), (7500.0, "2 小时 5 分钟")]
)
async def test_status_of_a_run_tells_the_step_the_share_and_what_is_left(
    room: Room, eta: float | None, left: str
) -> None:
    """Nobody can say how long at first."""
    started = datetime(2026, 11, 21, 2, tzinfo=UTC)
    room.desk.learning.now = LearningStatus(enabled=True, step="stage1", share=0.42, eta=eta, started=started)
    first = (await room.type("/learn status")).splitlines()[0]
    assert first == f"正在学习：练习提问（第一阶段） 42%，2026-11-21 02:00 开始，大约还要 {left}"


async def test_every_step_has_a_name_in_both_languages(room: Room) -> None:
    """Whatever the night is doing can be told."""
    for step in STEPS:
        room.desk.learning.now = LearningStatus(enabled=True, step=step)
        for language in ("zh", "en"):
            room.bot = BotConfig(owners=[OWNER], language=language)
            assert say(language, f"learn.step.{step}") in await room.type("/learn status")


async def test_a_report_comes_with_its_plot(room: Room) -> None:
    """As a picture below the text; without one as text; or there is none yet."""
    assert await room.type("/learn report") == say("zh", "learn.no_report")
    room.desk.learning.told = "学会了 12 条", None
    (plain,) = await room.actions("/learn report")
    assert plain.message == (Text("学会了 12 条"),)
    room.desk.learning.told = "学会了 12 条", PNG
    (action,) = await room.actions("/learn report", OWNER, GROUP)
    assert action.message == (Text("学会了 12 条"), Image(file=f"base64://{base64.b64encode(PNG).decode()}"))


async def test_a_bot_without_a_model_says_that_there_is_none_to_teach(room: Room) -> None:
    """The setting is named."""
    room.desk.learning = NoLearning("zh")  # type: ignore[assignment]  # what controls.py gives
    assert "model.path" in await room.type("/learn now")
    assert await room.type("/learn cancel") == say("zh", "learn.idle")
    assert await room.type("/learn rollback -y") == say("zh", "learn.no_earlier")
    assert await room.type("/learn report") == say("zh", "learn.no_report")
    assert "原来的模型" in await room.type("/learn status")
    await room.type("/memory add 猫叫雪球")
    assert await room.type("/memory forget 1 -y") == "已忘记 #1。"
