"""/proactive: whether the bot may speak first in a chat, which its group's admins or the person in private decide."""

import time

import msgspec

from onebot_bot.commands.context import Context
from onebot_bot.commands.registry import Command, Tier
from onebot_bot.commands.verbs import usage
from onebot_bot.errors import CommandError
from onebot_bot.hours import parse_span
from onebot_bot.memory.chat_settings import ChatSettings
from onebot_bot.protocol.events import PrivateMessage
from onebot_bot.texts import say

ON, OFF = ("on", "开", "开启"), ("off", "关", "关闭")


async def proactive(context: Context, rest: str) -> str:
    """Show or change whether the bot may speak first here."""
    choice, groups = rest.casefold(), context.services.groups
    if choice in ON:
        _require_friend(context)
        _require_enabled(context)
        await groups.put(context.chat, _with_first_words(context, int(time.time())))
    elif choice in OFF:
        await groups.put(context.chat, _with_first_words(context, 0))
    elif rest:
        raise usage(context, "proactive")
    return _shown(context)


def _with_first_words(context: Context, since: int) -> ChatSettings:
    return msgspec.structs.replace(context.services.groups.of(context.chat), first_words_since=since)


def _require_friend(context: Context) -> None:
    """Whoever writes by way of a group is no friend, and cannot be written to first."""
    if isinstance(context.message, PrivateMessage) and context.message.group_id:
        raise CommandError(say(context.language, "proactive.stranger"))


def _require_enabled(context: Context) -> None:
    if not context.services.configuration.config.proactive.enabled:
        raise CommandError(say(context.language, "proactive.disabled", who=say(context.language, "who.owner")))


def _shown(context: Context) -> str:
    if not context.services.groups.of(context.chat).first_words_since:
        return say(context.language, "proactive.off")
    _require_enabled(context)
    config = context.services.configuration.config.proactive
    return say(
        context.language,
        "proactive.on",
        minutes=config.idle_minutes,
        hours=parse_span(config.hours),
        most=config.per_day,
        count=context.services.first_words(context.chat),
    )


COMMANDS = (Command(names=("proactive", "主动"), handler=proactive, group_tier=Tier.GROUP_ADMIN, arguments="on|off"),)
