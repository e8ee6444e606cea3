"""Commands that do one of several things, told apart by the word that comes first."""

from collections.abc import Mapping
from typing import TypeVar

from onebot_bot.commands.context import Context
from onebot_bot.commands.registry import Answer, Handler, first_word
from onebot_bot.errors import CommandError
from onebot_bot.texts import say

T = TypeVar("T")


def spelled(*verbs: tuple[tuple[str, ...], T]) -> Mapping[str, T]:
    """What each verb does, by every spelling of it, lower case."""
    return {name: what for names, what in verbs for name in names}


def usage(context: Context, command: str) -> CommandError:
    """How the command is used."""
    return CommandError(say(context.language, f"{command}.usage", prefix=context.prefix))


async def carry_out(
    context: Context, rest: str, verbs: Mapping[str, Handler], command: str, default: str = ""
) -> str | Answer:
    """Do what the first word says with what follows it; `default` stands for nothing at all.

    Raises:
        CommandError: there is no such verb, or it refuses.
    """
    verb, argument = first_word(rest or default)
    handler = verbs.get(verb.casefold())
    if handler is None:
        raise usage(context, command)
    return await handler(context, argument)
