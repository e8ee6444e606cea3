"""Whether long answers are pictures in a chat: each person's choice in private, the admins' in a group."""

import msgspec

from onebot_bot.commands.context import Context
from onebot_bot.commands.registry import Command, Tier
from onebot_bot.commands.verbs import usage
from onebot_bot.texts import say

_CHOICES: dict[str, bool | None] = {
    **dict.fromkeys(("on", "开"), True),
    **dict.fromkeys(("off", "关"), False),
    **dict.fromkeys(("default", "默认"), None),
}


async def render(context: Context, rest: str) -> str:
    """Show or change whether long answers are pictures here."""
    groups, choice = context.services.groups, rest.casefold()
    if choice in _CHOICES:
        await groups.put(context.chat, msgspec.structs.replace(groups.of(context.chat), pictures=_CHOICES[choice]))
    elif rest:
        raise usage(context, "render")
    own = groups.of(context.chat).pictures
    drawn = context.services.configuration.config.render.enabled if own is None else own
    return say(context.language, "render.on" if drawn else "render.off")


COMMANDS = (Command(names=("render", "图片"), handler=render, group_tier=Tier.GROUP_ADMIN, arguments="on|off|default"),)
