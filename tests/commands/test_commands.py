"""Every command, who may use it, and how mistakes are answered."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeAccount, ScriptedEngine

from onebot_bot.commands.context import Overview
from onebot_bot.commands.dispatcher import Dispatcher, build_registry
from onebot_bot.config import BotConfig, Config, Key, changed_keys, load_config
from onebot_bot.config_file import set_key
from onebot_bot.engine.echo import EchoEngine
from onebot_bot.engine.request import Recalled
from onebot_bot.memories import Memories
from onebot_bot.memory.database import Database
from onebot_bot.memory.history import Counts
from onebot_bot.memory.store import MemoryStore
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.events import GroupMessage, Message, PrivateMessage, Sender
from onebot_bot.protocol.segments import At, Segment, Text
from onebot_bot.texts import say

OWNER, ANYONE, ADMIN = 1, 2, 3


class Desk:
    """What handlers may use, and what they did with it."""

    def __init__(self, path: Path, memories: Memories) -> None:
        self.path = path
        self.memories = memories
        self.chats = self
        self.configuration = self
        self.config = Config()
        self.did: list[str] = []
        self.found: Sequence[Recalled] = ()
        self.broken = False

    def stop(self, chat: ChatId) -> bool:
        """Note it."""
        self.did.append(f"stop {chat}")
        return len(self.did) == 1

    async def reset(self, chat: ChatId) -> None:
        """Note it."""
        self.did.append(f"reset {chat}")

    async def undo(self, chat: ChatId, turns: int) -> int:
        """There are two turns."""
        return min(turns, 2)

    def recalls(self, chat: ChatId) -> Sequence[Recalled]:
        """What the test says."""
        return self.found

    def reload(self) -> list[Key]:
        """The real file."""
        return self._apply(load_config(self.path))

    def set(self, key: str, value: str) -> list[Key]:
        """The real file."""
        return self._apply(set_key(self.path, key, value))

    def _apply(self, config: Config) -> list[Key]:
        keys, self.config = changed_keys(self.config, config), config
        return keys

    async def overview(self) -> Overview:
        """Made up."""
        if self.broken:
            raise ZeroDivisionError
        engine = ScriptedEngine().status
        return Overview(engine, ["10000×1"], Counts(12, 3, 1), 4, 3725.0, 512 * 2**20, "0.1.0")


class Room:
    """A chat in which commands are typed."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.account = FakeAccount()
        self.reported: list[BaseException] = []
        self.bot = BotConfig(owners=[OWNER])
        self.dispatcher = Dispatcher(desk, lambda: self.bot, lambda: ["/", "／"], self.report)

    def report(self, kind: str, chat: ChatId | None, error: BaseException) -> str:
        """Note it."""
        self.reported.append(error)
        return "abc123"

    async def type(self, text: str, user: int = OWNER, group: int = 0) -> str:
        """Type a command; what the bot answers."""
        message = said(text, user, group)
        assert self.dispatcher.matches(text, message)
        account: Any = self.account
        await self.dispatcher.run(account, message, text)
        action = await self.account.next()
        assert (getattr(action, "group_id", None) or None) == (group or None)
        answer: str = action.message[0].text
        return answer


def said(text: str, user: int, group: int = 0, *, mention: bool = False) -> Message:
    """A message with that text."""
    parts: tuple[Segment, ...] = (At("10000"), Text(text)) if mention else (Text(text),)
    sender = Sender(user_id=user, nickname="n", role="admin" if user == ADMIN else "member")
    common: dict[str, Any] = {
        "time": 1, "self_id": 10000, "user_id": user, "message_id": 5, "sender": sender, "message": parts
    }  # fmt: skip
    return GroupMessage(group_id=group, **common) if group else PrivateMessage(**common)


@pytest.fixture
async def room(tmp_path: Path) -> Any:
    """A private room over real memories and a real config file."""
    path = tmp_path / "config.toml"
    path.write_text("", encoding="utf-8")
    async with Database(tmp_path / "m.sqlite3") as database, MemoryStore(database, tmp_path / "m.faiss") as store:
        memories = Memories(ScriptedEngine(), store)
        await memories.prepare("fake")
        yield Room(Desk(path, memories))


@pytest.mark.parametrize("text", ["/help", "／help", "/ help", "/HELP", "/帮助", "/菜单"])
async def test_help_lists_what_this_person_may_use(room: Room, text: str) -> None:
    """By any spelling; the owner's commands are shown to the owner only."""
    assert "memory add" in await room.type(text)
    assert "memory add" not in await room.type(text, ANYONE)
    assert "status" in await room.type(text, ANYONE)


async def test_status_shows_model_connections_queue_and_speed(room: Room) -> None:
    """What is asked for when somebody says it does not work."""
    text = await room.type("/status", ANYONE)
    for piece in ("scripted（就绪）", "10000×1", "12 条消息", "4 条", "进程内存 512 MiB", "1:02:05", "token/秒"):
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


async def test_why_shows_what_was_recalled(room: Room) -> None:
    """With score and text; or that nothing came to mind; or that nothing was asked."""
    assert await room.type("/why") == say("zh", "why.none")
    room.desk.found = [Recalled(at=1, memory_id=7, score=0.83, text="猫叫雪球"), Recalled(2, None, None, "")]
    assert await room.type("/why") == "想起了 #7（相似度 0.83）：猫叫雪球\n" + say("zh", "why.nothing")


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


async def test_memories_can_be_added_listed_searched_and_forgotten(room: Room) -> None:
    """And forgotten ones are gone from list and search."""
    assert await room.type("/memory add 猫叫雪球") == "记住了（#1）：猫叫雪球"
    await room.type("/记忆 添加 狗叫豆豆")
    assert await room.type("/memory list") == "#2 狗叫豆豆\n#1 猫叫雪球\n（第 1/1 页，共 2 条）"
    assert (await room.type("/memory search 猫叫雪球")).startswith("#1 [1.00] 猫叫雪球")
    assert await room.type("/memory forget #1") == "已忘记 #1。"
    assert "雪球" not in await room.type("/memory list")
    assert "雪球" not in await room.type("/memory search 猫叫雪球")
    assert "没有记忆 #1" in await room.type("/memory forget 1")


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

    async def slow(*arguments: Any) -> Any:
        await loading.wait()
        return await add(*arguments)

    room.desk.memories.add = slow  # type: ignore[method-assign,assignment]  # as while the model loads
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(room.dispatcher.run(account, said("/memory add x", OWNER), "/memory add x"))
        tasks.create_task(room.dispatcher.run(account, said("/stop", OWNER), "/stop"))
        assert (await account.next()).message[0].text == say("zh", "stop.done")
        loading.set()
    assert (await account.next()).message[0].text.startswith("记住了")


async def test_memories_of_one_chat_are_not_seen_in_another(room: Room) -> None:
    """Neither listed, nor found, nor forgotten from there."""
    await room.type("/memory add 秘密")
    assert await room.type("/memory list", group=7) == say("zh", "memory.none")
    assert await room.type("/memory search 秘密", group=7) == say("zh", "memory.none")
    assert "没有记忆" in await room.type("/memory forget 1", group=7)
    assert "秘密" in await room.type("/memory list")


@pytest.mark.parametrize("text", ["/memory", "/memory add", "/memory search", "/memory forget x", "/memory eat 1"])
async def test_memory_mistakes_show_the_usage(room: Room, text: str) -> None:
    """With every verb."""
    assert "用法：/memory add" in await room.type(text)


async def test_a_memory_that_is_an_essay_is_refused(room: Room) -> None:
    """One atomic fact each."""
    assert "401 > 400" in await room.type("/memory add " + "长" * 401)


@pytest.mark.parametrize("command", ["/reload", "/config list", "/memory list"])
async def test_the_owners_commands_are_refused_to_others(room: Room, command: str) -> None:
    """Group admins too; the refusal says whom to ask."""
    for user, group in ((ANYONE, 0), (ADMIN, 7)):
        text = await room.type(command, user, group)
        assert "主人权限" in text
        assert "owners" in text


async def test_an_unknown_command_names_the_nearest(room: Room) -> None:
    """In private, or when the bot is mentioned."""
    assert "/status" in await room.type("/statsu")
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
    assert await room.type("/status", ANYONE, group=7) == "出错了，已经告诉主人（编号 abc123）。"
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


async def test_an_engine_without_a_model_says_so(tmp_path: Path) -> None:
    """Keys take a model: the echo engine names the setting to change."""
    async with Database(tmp_path / "m.sqlite3") as database, MemoryStore(database, tmp_path / "m.faiss") as store:
        room = Room(Desk(tmp_path / "config.toml", Memories(EchoEngine(), store)))
        assert "model.path" in await room.type("/memory add x")
