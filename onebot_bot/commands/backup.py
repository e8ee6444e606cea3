"""The commands about backups: make one; see which there are, and how one is put back."""

from onebot_bot.commands.context import Context
from onebot_bot.commands.registry import Command, Tier
from onebot_bot.texts import say

SHOWN = 10
"""Backups that are listed."""


async def backup(context: Context, _rest: str) -> str:
    """Make one now."""
    language, made = context.language, await context.services.backups.make()
    return say(
        language,
        "backup.made",
        name=made.path.name,
        folder=made.path.parent,
        size=_size(made.bytes),
        messages=made.messages,
        memories=made.memories,
        pictures=made.pictures,
        adapter=made.adapter or say(language, "backup.no_adapter"),
        keep=context.services.configuration.config.backup.keep,
        prefix=context.prefix,
    )


async def restore(context: Context, _rest: str) -> str:
    """List them and tell how one is put back, which cannot be done while the bot runs."""
    language, kept = context.language, await context.services.backups.kept()
    if not kept:
        return say(language, "restore.none", prefix=context.prefix)
    lines = [
        say(language, "restore.line", made=f"{one.made:%Y-%m-%d %H:%M}", size=_size(one.bytes), name=one.name)
        for one in kept[:SHOWN]
    ]
    head = say(language, "restore.head", count=len(kept))
    return "\n".join([head, *lines, say(language, "restore.how", name=kept[0].name)])


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"


COMMANDS = (
    Command(names=("backup", "备份"), handler=backup, tier=Tier.OWNER, at_once=True),
    Command(names=("restore", "恢复"), handler=restore, tier=Tier.OWNER),
)
