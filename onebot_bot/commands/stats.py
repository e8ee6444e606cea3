"""/stats: what the bot heard, answered and spent, by day and chat, and why it was silent."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from onebot_bot.commands.context import Context
from onebot_bot.commands.registry import Command, Tier
from onebot_bot.commands.verbs import usage
from onebot_bot.errors import CommandError
from onebot_bot.memory.tallies import Counts
from onebot_bot.protocol.chat_id import ChatId, ChatKind, parse_chat_id
from onebot_bot.texts import say

DAYS = 7
"""Of one chat."""
MOST_CHATS = 12
"""In one answer, the busiest."""
MOST_REASONS = 8
_BEFORE_TODAY: Mapping[str, int] = {"": 0, "today": 0, "今天": 0, "yesterday": 1, "昨天": 1}
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_CHAT = re.compile(r"(group|private|群|私聊)\s*(\d{1,18})")
_KINDS: Mapping[str, ChatKind] = {"group": "group", "群": "group", "private": "private", "私聊": "private"}


async def stats(context: Context, rest: str) -> str:
    """A day of all chats, or the last days of one; in a group only of that group: others are none of its business."""
    day, chat = _day(context, rest), _chat(context, rest)
    if day is None and chat is None:
        raise usage(context, "stats")
    if context.chat.kind == "group":
        if chat not in (None, context.chat):
            raise CommandError(say(context.language, "stats.elsewhere"))
        return await _of_chat(context, context.chat, day if rest else None)
    return await _of_day(context, day) if day is not None else await _of_chat(context, chat or context.chat)


def _today(context: Context) -> date:
    return datetime.now(ZoneInfo(context.services.configuration.config.learning.timezone)).date()


def _day(context: Context, rest: str) -> date | None:
    """The day that was written; None when none was."""
    if rest in _BEFORE_TODAY:
        return _today(context) - timedelta(days=_BEFORE_TODAY[rest])
    if not _DAY.fullmatch(rest):
        return None
    try:
        return datetime.strptime(rest, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError as error:
        raise usage(context, "stats") from error


def _chat(context: Context, rest: str) -> ChatId | None:
    """The chat that was written; None when none was."""
    if rest in ("here", "这里", "chat"):
        return context.chat
    if written := _CHAT.fullmatch(rest):
        return ChatId(context.chat.account, _KINDS[written[1]], int(written[2]))
    try:
        return parse_chat_id(rest)
    except ValueError:
        return None


# --- a day ---------------------------------------------------------------------------------------------------------


async def _of_day(context: Context, day: date) -> str:
    found = await context.services.tallies.of_day(day.isoformat())
    head = say(context.language, "stats.day", day=day, chats=len(found))
    if not found:
        return say(context.language, "stats.none", what=day)
    busiest = sorted(found, key=lambda chat: (-found[chat].get("answered", 0), -found[chat].get("seen", 0), chat))
    lines = [_line(context, _name(context, chat), found[chat]) for chat in busiest[:MOST_CHATS]]
    more = len(busiest) - MOST_CHATS
    foot = [say(context.language, "list.more", count=more)] if more > 0 else []
    return "\n".join([head, *_body(context, _sum(found.values())), *lines, *foot])


def _name(context: Context, chat: ChatId) -> str:
    """Of another account with its number."""
    name = say(context.language, f"stats.{chat.kind}", number=chat.peer)
    return name if chat.account == context.chat.account else f"{name} ({chat.account})"


# --- a chat --------------------------------------------------------------------------------------------------------


async def _of_chat(context: Context, chat: ChatId, day: date | None = None) -> str:
    """The last days of a chat, or one of them."""
    since = day or _today(context) - timedelta(days=DAYS - 1)
    found = await context.services.tallies.of_chat(chat, since.isoformat())
    if day is not None:
        found = {written: counts for written, counts in found.items() if written == day.isoformat()}
    name = _name(context, chat)
    if not found:
        return say(context.language, "stats.none", what=name)
    head = say(context.language, "stats.chat", chat=name, since=since, days=len(found))
    lines = [_line(context, written, counts) for written, counts in found.items()] if len(found) > 1 else []
    return "\n".join([head, *_body(context, _sum(found.values())), *lines])


# --- both ----------------------------------------------------------------------------------------------------------


def _sum(counts: Iterable[Counts]) -> Counts:
    total: Counter[str] = Counter()
    for some in counts:
        total.update(some)
    return total


def _body(context: Context, counts: Counts) -> list[str]:
    """What was heard, what it cost, and why there was silence."""
    numbers = {name: counts.get(name, 0) for name in _NUMBERS}
    lines = [say(context.language, "stats.heard", **numbers), say(context.language, "stats.spent", **numbers)]
    reasons = _reasons(context, counts)
    return [*lines, say(context.language, "stats.silent", reasons=reasons)] if reasons else lines


_NUMBERS = ("seen", "commands", "answered", "bubbles", "prompt", "tokens", "seconds", "recalls")


def _line(context: Context, what: object, counts: Counts) -> str:
    return say(context.language, "stats.line", what=what, **{name: counts.get(name, 0) for name in _NUMBERS})


def _reasons(context: Context, counts: Counts) -> str:
    """The most frequent first: `silent.…` for what was not to be answered, `ended.…` for what was."""
    found = [(amount, what) for what, amount in counts.items() if what.startswith(("silent.", "ended."))]
    most = sorted(found, key=lambda one: (-one[0], one[1]))[:MOST_REASONS]
    named = [
        say(context.language, "stats.reason", why=say(context.language, f"stats.{what}"), count=n) for n, what in most
    ]
    return say(context.language, "stats.comma").join(named)


COMMANDS = (
    Command(names=("stats", "统计"), handler=stats, tier=Tier.BOT_ADMIN, arguments="[today|yesterday|DATE|group N]"),
)
