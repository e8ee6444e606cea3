"""The commands about the configuration: reload, config."""

from collections.abc import Iterator, Sequence

from onebot_bot.commands.context import Context
from onebot_bot.commands.registry import Command, Tier, first_word
from onebot_bot.commands.verbs import usage
from onebot_bot.config import SECRET_KEYS, Key, config_keys, get_key, shown_value
from onebot_bot.errors import CommandError
from onebot_bot.texts import Language, say

OWNERS_KEYS = (
    *("bot.owners", "bot.admins", "server.", "model.", "log.", "guard.words", "backup."),
    *("memory.embedding", "tags.stickers"),
)
OWNERS_ENDS = (".path", ".adapter")
"""What bot admins do not set, by how a key begins or ends: who rules the bot, who may connect, and which files it reads
and writes, also those of profiles."""


async def reload(context: Context, _rest: str) -> str:
    """Read config.toml again."""
    return describe_changes(context.services.configuration.reload(), context.language)


def describe_changes(keys: Sequence[Key], language: Language) -> str:
    """Which keys changed, which apply now and which after a restart."""
    if not keys:
        return say(language, "reload.same")
    lines = [say(language, "reload.done")]
    if now := [key.path for key in keys if key.live]:
        lines.append(say(language, "reload.now", keys="、".join(now)))
    if later := [key.path for key in keys if not key.live]:
        lines.append(say(language, "reload.restart", keys="、".join(later)))
    return "\n".join(lines)


async def config(context: Context, rest: str) -> str:
    """Show or change a setting."""
    verb, rest = first_word(rest)
    key, value = first_word(rest)
    match verb, bool(key), bool(value):
        case "list" | "列表", False, _:
            return "\n".join(f"{k.path} = {_value(context, k.path)}" for k in _keys(context))
        case "get" | "查看", True, False:
            about = next((k.description for k in _keys(context) if k.path == key), "")
            return say(context.language, "config.value", key=key, value=_value(context, key), about=about)
        case "set" | "设置", True, True:
            return _set(context, key, value)
        case _:
            raise usage(context, "config")


def _keys(context: Context) -> Iterator[Key]:
    return config_keys(context.services.configuration.config.profiles)


def _value(context: Context, key: str) -> str:
    return shown_value(key, get_key(context.services.configuration.config, key))


def _set(context: Context, key: str, value: str) -> str:
    if context.tier < Tier.OWNER and (key.startswith(OWNERS_KEYS) or key.endswith(OWNERS_ENDS)):
        language, name = context.language, f"{context.prefix}config set {key}"
        tier, who = say(language, "tier.owner"), say(language, "who.owner")
        raise CommandError(say(language, "command.refused", name=name, tier=tier, who=who))
    if key in SECRET_KEYS:
        raise CommandError(say(context.language, "config.secret"))
    return describe_changes(context.services.configuration.set(key, value), context.language)


COMMANDS = (
    Command(names=("reload", "重载"), handler=reload, tier=Tier.BOT_ADMIN),
    Command(names=("config", "配置"), handler=config, tier=Tier.BOT_ADMIN, arguments="get|set|list …"),
)
