"""/command: which commands there are in a chat; another bot may have one of the same name."""

import msgspec

from onebot_bot.commands.context import Context, Services
from onebot_bot.commands.registry import Command, Registry, first_word
from onebot_bot.commands.verbs import usage
from onebot_bot.errors import CommandError
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.texts import say

ALWAYS = ("help", "command")
"""What can be disabled nowhere: who did so could not find the way back."""
ENABLE, DISABLE = ("enable", "on", "启用", "开"), ("disable", "off", "停用", "禁用", "关")


def disabled(command: Command, chat: ChatId, services: Services) -> bool:
    """Whether a command is there in no chat, or not in this one."""
    name = command.names[0]
    if name in ALWAYS:
        return False
    everywhere = services.configuration.config.commands.disabled
    return name in services.groups.of(chat).disabled or not set(command.names).isdisjoint(everywhere)


async def toggle(context: Context, rest: str, registry: Registry) -> str:
    """Enable or disable a command in this chat, or list those that are disabled."""
    verb, name = first_word(rest)
    own = context.services.groups.of(context.chat)
    if not rest:
        return _shown(context, own.disabled)
    command = registry.find(name.removeprefix(context.prefix).casefold())
    if command is None or verb.casefold() not in (*ENABLE, *DISABLE):
        raise usage(context, "command")
    main = command.names[0]
    if main in ALWAYS:
        raise CommandError(say(context.language, "command.always", name=f"{context.prefix}{main}"))
    others = tuple(one for one in own.disabled if one != main)
    now = others if verb.casefold() in ENABLE else (*others, main)
    await context.services.groups.put(context.chat, msgspec.structs.replace(own, disabled=now))
    return _shown(context, now)


def _shown(context: Context, here: tuple[str, ...]) -> str:
    language, prefix = context.language, context.prefix
    everywhere = context.services.configuration.config.commands.disabled
    names = say(language, "list.comma").join(f"{prefix}{name}" for name in dict.fromkeys((*everywhere, *here)))
    return say(language, "command.disabled_here", names=names) if names else say(language, "command.all_enabled")
