"""Who may do what: /admin, /ban and /unban, /access."""

import time
from collections.abc import Mapping

from onebot_bot.commands.context import Context
from onebot_bot.commands.durations import FOREVER, parse_duration
from onebot_bot.commands.people import take_person
from onebot_bot.commands.registry import Command, Tier, first_word, whole_number
from onebot_bot.commands.verbs import spelled, usage
from onebot_bot.errors import CommandError
from onebot_bot.memory.bans import Ban
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.texts import say

ADD, REMOVE, LIST = ("add", "添加"), ("remove", "移除", "删除"), ("list", "列表", "")
LONGEST_REASON = 200
"""Characters."""
MOST_SHOWN = 30
"""Bans, or numbers of a list, in one answer."""
_KINDS: Mapping[str, str] = spelled(
    (("user", "users", "用户", "私聊"), "users"),
    (("group", "groups", "群"), "groups"),
)
_MODES: Mapping[str, str] = spelled(
    (("deny-list", "deny", "blacklist", "黑名单"), "deny-list"),
    (("allow-list", "allow", "whitelist", "白名单"), "allow-list"),
)


# --- bot admins ----------------------------------------------------------------------------------------------------


async def admin(context: Context, rest: str) -> str:
    """Name bot admins, dismiss them, or list them."""
    verb, rest = first_word(rest)
    admins = context.services.configuration.config.bot.admins
    if verb in LIST and not rest:
        return _admins(context, admins)
    person, rest = take_person(context, rest)
    if person is None or rest:
        raise usage(context, "admin")
    if verb in ADD:
        return _put_admins(context, [*admins, *([] if person in admins else [person])], "admin.added", person)
    if verb in REMOVE:
        return _put_admins(context, [one for one in admins if one != person], "admin.removed", person)
    raise usage(context, "admin")


def _put_admins(context: Context, admins: list[int], key: str, person: int) -> str:
    context.services.configuration.set("bot.admins", str(admins))
    return f"{say(context.language, key, user=person)}\n{_admins(context, admins)}"


def _admins(context: Context, admins: list[int]) -> str:
    if not admins:
        return say(context.language, "admin.none", prefix=context.prefix)
    return say(context.language, "admin.list", users=_numbers(context, admins))


# --- bans ----------------------------------------------------------------------------------------------------------


async def ban(context: Context, rest: str) -> str:
    """Let somebody no longer be heard, for a time or until it is lifted; or list who is not."""
    if rest in LIST:
        return _bans(context)
    person, rest = take_person(context, rest)
    if person is None:
        raise usage(context, "ban")
    _spare(context, person)
    word, reason = first_word(rest)
    seconds = parse_duration(word)
    if seconds is None and word.casefold() not in FOREVER:
        reason = rest
    kept = await context.services.bans.put(person, seconds, reason[:LONGEST_REASON], context.message.user_id)
    return say(context.language, "ban.done", user=person, until=_until(context, kept), reason=_reason(context, kept))


def _spare(context: Context, person: int) -> None:
    """Nobody bans the bot, an owner, themselves, or, unless they are an owner, a bot admin."""
    bot = context.services.configuration.config.bot
    spared = {*bot.owners, context.message.user_id, context.message.self_id}
    if person in spared or (person in bot.admins and context.tier < Tier.OWNER):
        raise CommandError(say(context.language, "ban.spared", user=person))


def _bans(context: Context) -> str:
    bans = context.services.bans.current()
    lines = [
        say(context.language, "ban.line", user=one.user, until=_until(context, one), reason=_reason(context, one))
        for one in bans[:MOST_SHOWN]
    ]
    more = len(bans) - MOST_SHOWN
    foot = [say(context.language, "list.more", count=more)] if more > 0 else []
    return "\n".join([*lines, *foot]) or say(context.language, "ban.none")


def _until(context: Context, one: Ban) -> str:
    if one.until is None:
        return say(context.language, "ban.forever")
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(one.until))
    return say(context.language, "ban.until", when=when)


def _reason(context: Context, one: Ban) -> str:
    return say(context.language, "ban.reason", reason=one.reason) if one.reason else ""


async def unban(context: Context, rest: str) -> str:
    """Let somebody be heard again."""
    person, rest = take_person(context, rest)
    if person is None or rest:
        raise usage(context, "unban")
    lifted = await context.services.bans.lift(person)
    return say(context.language, "unban.done" if lifted else "unban.none", user=person)


# --- lists ---------------------------------------------------------------------------------------------------------


async def access(context: Context, rest: str) -> str:
    """Show or change who is heard: the mode for private chats or groups, and the numbers on the lists."""
    if not rest:
        return _shown(context)
    first, rest = first_word(rest)
    second, rest = first_word(rest)
    if (kind := _KINDS.get(first.casefold())) and (mode := _MODES.get(second.casefold())) and not rest:
        context.services.configuration.set(f"access.{kind}", mode)
        return _shown(context)
    kind = _KINDS.get(second.casefold())
    lists = {"allow": "allow", "允许": "allow", "deny": "deny", "拒绝": "deny", **dict.fromkeys(REMOVE, "")}
    wanted = lists.get(first.casefold())
    if kind is None or wanted is None:
        raise usage(context, "access")
    _enlist(context, wanted, kind, _listed_number(context, kind, rest))
    return _shown(context)


def _listed_number(context: Context, kind: str, rest: str) -> int:
    """The number meant; in a group a missing one is the group's own."""
    if kind == "users":
        number, rest = take_person(context, rest)
    else:
        here = context.chat.peer if context.chat.kind == "group" and not rest else None
        number, rest = (here or whole_number(rest), "")
    if not number or rest:
        raise usage(context, "access")
    return number


def _enlist(context: Context, wanted: str, kind: str, number: int) -> None:
    """Put a number on the allow or the deny list, and so off the other; or off both."""
    if wanted == "deny" and kind == "users":
        _spare(context, number)
    config = context.services.configuration.config.access
    for name in ("allow", "deny"):
        before: list[int] = getattr(config, f"{name}_{kind}")
        after = [one for one in before if one != number] + ([number] if name == wanted else [])
        if after != before:
            context.services.configuration.set(f"access.{name}_{kind}", str(after))
    if wanted == "deny":
        chat = ChatId(context.chat.account, "group" if kind == "groups" else "private", number)
        context.services.chats.stop(chat)


def _shown(context: Context) -> str:
    config, language = context.services.configuration.config.access, context.language
    return "\n".join(
        say(
            language,
            f"access.{kind}",
            mode=say(language, f"access.{getattr(config, kind)}"),
            allowed=_numbers(context, getattr(config, f"allow_{kind}")),
            denied=_numbers(context, getattr(config, f"deny_{kind}")),
        )
        for kind in ("users", "groups")
    )


def _numbers(context: Context, numbers: list[int]) -> str:
    shown = [str(number) for number in numbers[:MOST_SHOWN]]
    more = len(numbers) - MOST_SHOWN
    shown += [say(context.language, "list.more", count=more)] if more > 0 else []
    return say(context.language, "list.comma").join(shown) or say(context.language, "learn.nothing")


COMMANDS = (
    Command(names=("admin", "管理员"), handler=admin, tier=Tier.OWNER, arguments="add|remove|list QQ"),
    Command(names=("ban", "封禁", "拉黑"), handler=ban, tier=Tier.BOT_ADMIN, arguments="QQ [2h] [reason] | list"),
    Command(names=("unban", "解封"), handler=unban, tier=Tier.BOT_ADMIN, arguments="QQ"),
    Command(
        names=("access", "名单"),
        handler=access,
        tier=Tier.BOT_ADMIN,
        arguments="users|groups allow-list|deny-list | allow|deny|remove user|group QQ",
    ),
)
