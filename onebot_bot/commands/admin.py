"""The owner's commands: reload, config, memory."""

from collections.abc import Awaitable, Callable, Sequence

from onebot_bot.commands.context import Context
from onebot_bot.commands.registry import Command, Tier, first_word, whole_number
from onebot_bot.config import SECRET_KEYS, Key, config_keys, get_key, shown_value
from onebot_bot.errors import CommandError
from onebot_bot.texts import Language, say

PAGE = 10
"""Memories on a page."""


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
            return "\n".join(f"{k.path} = {_value(context, k.path)}" for k in config_keys())
        case "get" | "查看", True, False:
            about = next((k.description for k in config_keys() if k.path == key), "")
            return say(context.language, "config.value", key=key, value=_value(context, key), about=about)
        case "set" | "设置", True, True:
            return _set(context, key, value)
        case _:
            raise CommandError(say(context.language, "config.usage", prefix=context.prefix))


def _value(context: Context, key: str) -> str:
    return shown_value(key, get_key(context.services.configuration.config, key))


def _set(context: Context, key: str, value: str) -> str:
    if key in SECRET_KEYS:
        raise CommandError(say(context.language, "config.secret"))
    return describe_changes(context.services.configuration.set(key, value), context.language)


async def memory(context: Context, rest: str) -> str:
    """Add, list, search or forget memories of this chat."""
    verb, argument = first_word(rest)
    handler = _MEMORY_VERBS.get(verb)
    if handler is None:
        raise CommandError(say(context.language, "memory.usage", prefix=context.prefix))
    return await handler(context, argument)


async def _add(context: Context, text: str) -> str:
    if not text:
        raise CommandError(say(context.language, "memory.usage", prefix=context.prefix))
    kept = await context.services.memories.add(context.chat, text)
    return say(context.language, "memory.added", id=kept.id, text=kept.text)


async def _list(context: Context, page: str) -> str:
    number = whole_number(page or "1")
    if not number:
        raise CommandError(say(context.language, "memory.usage", prefix=context.prefix))
    memories, total = await context.services.memories.page(context.chat, number, PAGE)
    if not total:
        return say(context.language, "memory.none")
    lines = [say(context.language, "memory.line", id=m.id, text=m.text) for m in memories]
    pages = -(-total // PAGE)
    return "\n".join([*lines, say(context.language, "memory.page", page=number, pages=pages, total=total)])


async def _search(context: Context, text: str) -> str:
    if not text:
        raise CommandError(say(context.language, "memory.usage", prefix=context.prefix))
    hits = await context.services.memories.search(context.chat, text)
    if not hits:
        return say(context.language, "memory.none")
    return "\n".join(
        say(context.language, "memory.hit", id=hit.memory_id, score=hit.score, text=hit.text) for hit in hits
    )


async def _forget(context: Context, number: str) -> str:
    memory_id = whole_number(number.lstrip("#"))
    if memory_id is None:
        raise CommandError(say(context.language, "memory.usage", prefix=context.prefix))
    forgotten = await context.services.memories.forget(context.chat, memory_id)
    return say(context.language, "memory.forgotten" if forgotten else "memory.unknown", id=memory_id)


_MEMORY_VERBS: dict[str, Callable[[Context, str], Awaitable[str]]] = {
    "add": _add,
    "添加": _add,
    "list": _list,
    "列表": _list,
    "search": _search,
    "搜索": _search,
    "forget": _forget,
    "忘记": _forget,
}

COMMANDS = (
    Command(names=("reload", "重载"), handler=reload, tier=Tier.OWNER),
    Command(names=("config", "配置"), handler=config, tier=Tier.OWNER, arguments="get|set|list …"),
    Command(names=("memory", "记忆"), handler=memory, tier=Tier.OWNER, arguments="add|list|search|forget …"),
)
