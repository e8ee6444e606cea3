"""Commands told apart by their first word."""

from types import SimpleNamespace
from typing import Any

import pytest

from onebot_bot.commands.context import Context
from onebot_bot.commands.verbs import carry_out, spelled
from onebot_bot.errors import CommandError


async def _list(_context: Context, rest: str) -> str:
    return f"list {rest}"


async def _new(_context: Context, rest: str) -> str:
    return f"new {rest}"


VERBS = spelled((("list", "列表"), _list), (("new",), _new))
CONTEXT: Any = SimpleNamespace(language="en", prefix="/")


@pytest.mark.parametrize(
    ("rest", "done"),
    [("", "list "), ("列表", "list "), ("LIST 2", "list 2"), ("new  a b ", "new a b")],
)
async def test_the_first_word_says_what_is_done(rest: str, done: str) -> None:
    """By any spelling and in any case; nothing at all stands for the default."""
    assert await carry_out(CONTEXT, rest, VERBS, "branch", default="list") == done


@pytest.mark.parametrize("rest", ["", "nonsense", "listed"])
async def test_anything_else_is_told_how_to_use_it(rest: str) -> None:
    """Where there is no default, also nothing at all."""
    with pytest.raises(CommandError, match="/branch"):
        await carry_out(CONTEXT, rest, VERBS, "branch")
