"""How a command is found in a message, and what counts as a number."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from commands.desk import OWNER, said
from fakes import ScriptedEngine

from onebot_bot.commands import admin, turns
from onebot_bot.commands import memory as memory_commands
from onebot_bot.commands.context import Context
from onebot_bot.commands.dispatcher import build_registry
from onebot_bot.commands.registry import Registry, Tier, first_word, whole_number
from onebot_bot.errors import CommandError
from onebot_bot.memories import Memories
from onebot_bot.memory.database import Database
from onebot_bot.memory.store import MemoryStore
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.texts import say

CHAT = ChatId(10000, "private", 1)
LONG = "9" * 19


@pytest.fixture
async def context(tmp_path: Path) -> Any:
    """The owner's use of a command over real memories."""
    async with Database(tmp_path / "m.sqlite3") as database, MemoryStore(database, tmp_path / "m.faiss") as store:
        memories = Memories(ScriptedEngine(), store)
        await memories.vectors.prepare("fake")
        services: Any = SimpleNamespace(memories=memories, configuration=None)
        yield Context(CHAT, said("/memory", OWNER), Tier.OWNER, "/", "zh", services)


@pytest.mark.parametrize("divided", ["add x", "\u3000add x", " \n add x ", "\nadd x\n", "\tadd x"])
def test_any_white_space_divides_the_name_from_the_rest(divided: str) -> None:
    """Chinese input methods type U+3000; some people begin a new line."""
    text = f"／Memory {divided}" if divided[0] == "a" else f"／Memory{divided}"
    assert Registry(()).parse(text, ["/", "／"]) == ("／", "memory", "add x")


@pytest.mark.parametrize("text", ["", "/", "/\u3000", "/\n", "memory add x"])
def test_a_prefix_alone_is_no_command(text: str) -> None:
    """Nor is a name without one."""
    assert Registry(()).parse(text, ["/"]) is None


@pytest.mark.parametrize(
    ("text", "parts"),
    [("", ("", "")), (" \u3000", ("", "")), ("a", ("a", "")), (" a\u3000b  c\nd ", ("a", "b  c\nd"))],
)
def test_only_the_first_word_is_taken_off(text: str, parts: tuple[str, str]) -> None:
    """What follows it keeps its own spaces."""
    assert first_word(text) == parts


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("12", 12),
        ("9" * 18, 10**18 - 1),
        *((no, None) for no in (LONG, "9" * 5000, "", "-1", "٣", "²", "1 2")),
    ],
)
def test_only_numbers_that_sqlite_takes_are_numbers(text: str, number: int | None) -> None:
    """Python itself refuses to read thousands of digits."""
    assert whole_number(text) == number


@pytest.mark.parametrize("space", ["\u3000", "\n", " \u3000\n"])
async def test_the_verbs_of_memory_and_config_take_any_white_space(context: Context, space: str) -> None:
    """As the commands themselves do."""
    assert await memory_commands.memory(context, f"add{space}猫叫 雪球") == say(
        "zh", "memory.added", id=1, text="猫叫 雪球"
    )
    with pytest.raises(
        CommandError, match=r"config\.toml"
    ):  # found to be a secret: verb, key and value were told apart
        await admin.config(context, f"set{space}server.token{space}x")


@pytest.mark.parametrize("rest", [f"list {LONG}", "list x", "list 0", f"forget {LONG}", f"forget #{LONG}", "forget #"])
async def test_a_page_or_id_that_is_no_number_shows_the_usage(context: Context, rest: str) -> None:
    """Instead of an error from SQLite."""
    with pytest.raises(CommandError) as caught:
        await memory_commands.memory(context, rest)
    assert str(caught.value) == say("zh", "memory.usage", prefix="/")


@pytest.mark.parametrize("rest", [LONG, "9" * 5000])
async def test_too_many_turns_to_undo_show_the_usage(context: Context, rest: str) -> None:
    """However many digits."""
    with pytest.raises(CommandError) as caught:
        await turns.undo(context, rest)
    assert str(caught.value) == say("zh", "undo.usage", prefix="/")


async def test_the_longest_numbers_are_looked_up(context: Context) -> None:
    """There is no such page and no such memory."""
    most = "9" * 18
    assert await memory_commands.memory(context, f"list {most}") == say("zh", "memory.none")
    with pytest.raises(CommandError, match=f"#{most}"):
        await memory_commands.memory(context, f"forget {most}")


def test_what_must_not_wait_is_answered_at_once() -> None:
    """Stopping above all; what changes the chat or its memories keeps its turn."""
    at_once = {command.names[0] for command in build_registry().commands if command.at_once}
    assert at_once == {"help", "status", "sid", "stop", "learn", "backup", "queue"}
