"""Every command, who may use it, and how mistakes are answered."""

import asyncio
from typing import Any

import pytest
from commands.desk import ADMIN, ANYONE, OWNER, Room, said

from onebot_bot.commands.dispatcher import build_registry
from onebot_bot.config import Config, load_config
from onebot_bot.engine.request import Counters, EngineStatus
from onebot_bot.sections.bot import BotConfig
from onebot_bot.texts import say


@pytest.mark.parametrize("text", ["/help", "／help", "/ help", "/HELP", "/帮助", "/菜单"])
async def test_help_lists_what_this_person_may_use(room: Room, text: str) -> None:
    """By any spelling; the owner's commands are shown to the owner only."""
    assert "config get" in await room.type(text)
    assert "config get" not in await room.type(text, ANYONE)
    assert "status" in await room.type(text, ANYONE)


async def test_status_shows_model_connections_queue_and_speed(room: Room) -> None:
    """What is asked for when somebody says it does not work."""
    text = await room.type("/status", ANYONE)
    for piece in ("scripted（就绪）", "10000×1", "12 条消息", "4 条", "进程内存 512 MiB", "1:02:05", "token/秒"):
        assert piece in text


async def test_status_shows_what_the_engine_counts(room: Room) -> None:
    """What is reused, cached, recalled and interrupted, and how long people wait."""
    counters = Counters(
        prompt_tokens=1234, reused_tokens=1000, decode_steps=10, decoded_rows=25, recalls=4, recall_seconds=0.01,
        kv_bytes=3 * 2**20, kv_budget=5 * 2**30, graphs="off: too old",
    )  # fmt: skip
    room.desk.engine = EngineStatus(
        state="ready", model="m", device="cuda:0 bfloat16", tokens_per_second=31.4, first_token_p50=0.6,
        first_token_p95=2.25, interrupts=7, answers=99, counters=counters,
    )  # fmt: skip
    text = await room.type("/status", ANYONE)
    for piece in (
        "31.4 token/秒，首字 0.6 秒，95% 在 2.2 秒内（最近 20 条），平均 2.5 条一起写",
        "1234 token，其中 1000 沿用上次的；缓存 3 MiB，最多 5.0 GiB",
        "4 次，平均 2.5 毫秒；被打断 7 次",
        "cuda:0 bfloat16, CUDA graphs off: too old",
    ):
        assert piece in text


async def test_sid_shows_the_chat_the_number_and_the_tier(room: Room) -> None:
    """What an operator writes into a config."""
    assert await room.type("/sid", ANYONE) == "会话：10000/private/2\n你：2（所有人）"
    assert await room.type("/sid", ADMIN, group=7) == "会话：10000/group/7\n你：3（群管理员）"


async def test_stop_says_whether_there_was_anything(room: Room) -> None:
    """In this chat only."""
    assert await room.type("/stop", ANYONE) == say("zh", "stop.done")
    assert await room.type("/停", ANYONE) == say("zh", "stop.idle")
    assert room.desk.did == ["stop 10000/private/2"] * 2


async def test_reset_in_a_group_takes_an_admin(room: Room) -> None:
    """Everybody may in private; the refusal names the tier and whom to ask."""
    assert await room.type("/reset", ANYONE) == say("zh", "reset.done")
    refusal = await room.type("/reset", ANYONE, group=7)
    assert "群管理员" in refusal
    assert await room.type("/reset", ADMIN, group=7) == say("zh", "reset.done")
    assert room.desk.did == ["reset 10000/private/2", "reset 10000/group/7"]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("/undo", "最近 1 轮"),
        ("/undo 9", "最近 2 轮"),
        ("/undo x", "[1-50]"),
        ("/undo 0", "[1-50]"),
        ("/undo 51", "[1-50]"),
    ],
)
async def test_undo_takes_a_number_within_its_range(room: Room, text: str, answer: str) -> None:
    """And says how many there were."""
    assert answer in await room.type(text, ANYONE)


async def test_reload_names_what_applies_now_and_what_after_a_restart(room: Room) -> None:
    """Key by key."""
    assert await room.type("/reload") == say("zh", "reload.same")
    room.desk.path.write_text("[server]\nport = 7000\n[chat]\nmax_bubbles = 1\n", encoding="utf-8")
    text = await room.type("/reload")
    assert "立即生效：chat.max_bubbles" in text
    assert "重启后生效：server.port" in text


async def test_config_gets_sets_and_lists(room: Room) -> None:
    """Written into the file and applied."""
    assert "chat.max_bubbles = 3" in await room.type("/config get chat.max_bubbles")
    assert "chat.max_bubbles" in await room.type("/config set chat.max_bubbles 2")
    assert load_config(room.desk.path).chat.max_bubbles == 2
    assert "chat.max_bubbles = 2" in await room.type("/config list")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("/config", "用法"),
        ("/config get", "用法"),
        ("/config set chat.max_bubbles", "用法"),
        ("/config set chat.max_bubbles 99", "chat.max_bubbles: Expected `int` <= 10"),
        ("/config get chat.max_bubles", "did you mean `chat.max_bubbles`?"),
        ("/config set server.token x", "密钥"),
    ],
)
async def test_config_mistakes_name_the_key_and_the_fix(room: Room, text: str, answer: str) -> None:
    """And change nothing."""
    assert answer in await room.type(text)
    assert load_config(room.desk.path) == Config()


async def test_a_token_is_never_shown(room: Room) -> None:
    """Not even to the owner, in a chat."""
    room.desk.path.write_text('[server]\ntoken = "hunter2"\n', encoding="utf-8")
    await room.type("/reload")
    assert "hunter2" not in await room.type("/config list")
    assert "***" in await room.type("/config get server.token")


async def test_commands_of_one_chat_keep_their_order(room: Room) -> None:
    """Typed one right after the other, the second sees what the first did."""
    account: Any = room.account
    async with asyncio.TaskGroup() as tasks:
        for text in ("/memory add 猫叫雪球", "/memory list"):
            tasks.create_task(room.dispatcher.run(account, said(text, OWNER), text))
    answers = [room.account.sent.get_nowait().message[0].text for _ in range(2)]
    assert answers[0].startswith("记住了")
    assert "猫叫雪球" in answers[1]


async def test_stop_does_not_wait_for_a_slow_command(room: Room) -> None:
    """A memory cannot be added before the model is loaded; stop, status and help are for just that time."""
    account: Any = room.account
    loading = asyncio.Event()
    add = room.desk.memories.add

    async def slow(*arguments: Any, **fields: Any) -> Any:
        await loading.wait()
        return await add(*arguments, **fields)

    room.desk.memories.add = slow  # type: ignore[method-assign]  # as while the model loads
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(room.dispatcher.run(account, said("/memory add x", OWNER), "/memory add x"))
        tasks.create_task(room.dispatcher.run(account, said("/stop", OWNER), "/stop"))
        assert (await account.next()).message[0].text == say("zh", "stop.done")
        loading.set()
    assert (await account.next()).message[0].text.startswith("记住了")


@pytest.mark.parametrize(
    ("command", "tier"), [("/reload", "机器人管理员"), ("/config list", "机器人管理员"), ("/learn now", "主人")]
)
async def test_higher_tiers_commands_are_refused_to_others(room: Room, command: str, tier: str) -> None:
    """Group admins too; the refusal says whom to ask."""
    for user, group in ((ANYONE, 0), (ADMIN, 7)):
        text = await room.type(command, user, group)
        assert f"需要{tier}权限" in text
        assert "owners" in text


async def test_an_unknown_command_names_the_nearest(room: Room) -> None:
    """In private, or when the bot is mentioned."""
    assert "/status" in await room.type("/statuss")
    assert "/help" in await room.type("/xyzzy")


def test_other_bots_commands_in_a_group_are_left_alone(room: Room) -> None:
    """Unless the bot is mentioned with them."""
    assert not room.dispatcher.matches("/roll 1d6", said("/roll 1d6", ANYONE, 7))
    assert room.dispatcher.matches("/roll 1d6", said("/roll 1d6", ANYONE, 7, mention=True))
    assert not room.dispatcher.matches("/", said("/", ANYONE))
    assert not room.dispatcher.matches("hello", said("hello", ANYONE))


async def test_a_broken_command_shows_an_id_and_no_traceback(room: Room) -> None:
    """The owner is told; the chat sees where to look."""
    room.desk.broken = True
    assert await room.type("/status", ANYONE, group=7) == "出错了，已经告诉主人（编号 abc123）。 [OB-2103]"
    assert isinstance(room.reported[0], ZeroDivisionError)


async def test_english_is_an_option(room: Room) -> None:
    """One catalogue, two languages."""
    room.bot = BotConfig(owners=[OWNER], language="en")
    assert (await room.type("/help")).startswith("Commands you may use:")


def test_every_command_is_described_in_both_languages() -> None:
    """And no spelling is used twice."""
    commands = build_registry().commands
    names = [name for command in commands for name in command.names]
    assert len(names) == len(set(names))
    for command in commands:
        assert say("zh", f"about.{command.names[0]}") != say("en", f"about.{command.names[0]}")


async def test_replies_take_their_place_in_the_send_queue(room: Room) -> None:
    """One each: somebody who types fast must not have the account frozen."""
    await room.type("/sid")
    await room.type("/help")
    assert room.queued == 2


async def test_a_reply_that_would_come_much_too_late_is_not_sent(room: Room) -> None:
    """The log says so; it is no failure that the owner should hear of."""
    room.late = True
    assert await room.actions("/sid") == []
    assert room.reported == []
