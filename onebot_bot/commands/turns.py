"""The commands about the last exchanges of a chat: reset, undo, retry, continue, edit, nosave, inject."""

from onebot_bot.commands.context import Context
from onebot_bot.commands.registry import Command, Tier, whole_number
from onebot_bot.commands.verbs import usage
from onebot_bot.errors import CommandError
from onebot_bot.memory.history import Entry
from onebot_bot.protocol.events import PrivateMessage
from onebot_bot.texts import say

MOST_UNDONE = 50
LONGEST_LINE = 4000
"""Characters of a line that is put into the history, or takes another one's place there."""
ANSWERED = ""
"""Said by a command whose answer is the model's."""


async def reset(context: Context, _rest: str) -> str:
    """Let the model start afresh."""
    await context.services.own.reset(context.chat)
    return say(context.language, "reset.done")


async def undo(context: Context, rest: str) -> str:
    """Take the last n exchanges out of view."""
    turns = whole_number(rest or "1")
    if turns is None or not 1 <= turns <= MOST_UNDONE:
        raise usage(context, "undo")
    count = await context.services.own.undo(context.chat, turns)
    return say(context.language, "undo.done" if count else "undo.none", count=count)


async def retry(context: Context, _rest: str) -> str:
    """Have the last message answered again."""
    asked = await _asked(context)
    await context.services.own.ask_again(context.chat, asked, temporary_group(context))
    return ANSWERED


async def go_on(context: Context, _rest: str) -> str:
    """Have the last answer continued."""
    await _asked(context)
    line = say(context.language, "see.continue")
    await context.services.own.ask(context.chat, context.message.user_id, line, temporary_group(context))
    return ANSWERED


async def _asked(context: Context) -> list[Entry]:
    """What was answered last, if the asker may have it answered again: their own, or as an admin anybody's."""
    _require_speaking(context)
    asked = await context.services.own.last_asked(context.chat)
    if not asked:
        raise CommandError(say(context.language, "turn.none"))
    limited = context.chat.kind == "group" and context.tier < Tier.GROUP_ADMIN
    if limited and any(entry.user_id != context.message.user_id for entry in asked):
        raise CommandError(say(context.language, "turn.not_yours"))
    return asked


async def edit(context: Context, rest: str) -> str:
    """Let one's last message say something else and have it answered."""
    text = _line(context, rest, "edit.usage")
    _require_speaking(context)
    user = context.message.user_id
    if not await context.services.own.edit(context.chat, user, text, temporary_group(context)):
        raise CommandError(say(context.language, "edit.none"))
    return ANSWERED


async def off_record(context: Context, rest: str) -> str:
    """Have a message answered without keeping either."""
    text = _line(context, rest, "nosave.usage")
    _require_speaking(context)
    message = context.message
    entry = Entry(
        role="user",
        text=text,
        time=message.time,
        user_id=message.user_id,
        name=message.sender.name,
        message_id=message.message_id,
    )
    context.services.own.ask_off_record(context.chat, entry, temporary_group(context))
    return ANSWERED


async def inject(context: Context, rest: str) -> str:
    """Put a line into the history, as context."""
    text = _line(context, rest, "inject.usage")
    line = say(context.language, "see.injected", text=text)
    await context.services.own.put(context.chat, context.message.user_id, line)
    return say(context.language, "inject.done")


def _line(context: Context, text: str, usage: str) -> str:
    if not text:
        raise CommandError(say(context.language, usage, prefix=context.prefix))
    if len(text) > LONGEST_LINE:
        raise CommandError(say(context.language, "turn.long", length=len(text), most=LONGEST_LINE))
    return text


def _require_speaking(context: Context) -> None:
    """Raise CommandError in a group where the bot does not speak."""
    mode = context.services.groups.of(context.chat).mode or context.services.configuration.config.chat.mode
    if context.chat.kind == "group" and mode != "on":
        raise CommandError(say(context.language, "turn.silent", prefix=context.prefix))


def temporary_group(context: Context) -> int:
    """The group of a temporary session, for the answer to find its way; 0: none."""
    return context.message.group_id if isinstance(context.message, PrivateMessage) else 0


COMMANDS = (
    Command(names=("reset", "new", "重置", "清空"), handler=reset, group_tier=Tier.GROUP_ADMIN),
    Command(names=("undo", "撤销", "撤回"), handler=undo, group_tier=Tier.GROUP_ADMIN, arguments="[n]"),
    Command(names=("retry", "重试", "重答"), handler=retry),
    Command(names=("continue", "继续"), handler=go_on),
    Command(names=("edit", "改", "修改"), handler=edit, arguments="…"),
    Command(names=("nosave", "不记", "悄悄"), handler=off_record, arguments="…"),
    Command(names=("inject", "背景", "注入"), handler=inject, group_tier=Tier.GROUP_ADMIN, arguments="…"),
)
