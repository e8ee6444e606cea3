"""What the admins of a group decide for it: whether the bot speaks there, how readily, and when not."""

import time

import msgspec

from onebot_bot.commands.context import Context
from onebot_bot.commands.registry import Command, Handler, Tier
from onebot_bot.commands.verbs import usage
from onebot_bot.hours import parse_fraction, parse_share, parse_span
from onebot_bot.memory.chat_settings import ChatSettings, overlaid
from onebot_bot.sections.chat import Mode
from onebot_bot.texts import say

DEFAULT = ("default", "默认")
NEVER = ("off", "关", "无")
MOST_TIMES = 12
"""Spans of a day with talk values of their own."""


def _switch(mode: Mode) -> Handler:
    """The command that puts the bot into a mode."""

    async def switch(context: Context, _rest: str) -> str:
        own = context.services.groups.of(context.chat)
        before = own.mode or context.services.configuration.config.chat.mode
        since = int(time.time()) if before == "off" and mode != "off" else own.since
        await _change(context, msgspec.structs.replace(own, mode=mode, since=since))
        if mode in ("off", "observe"):
            context.services.chats.stop(context.chat)
        return say(context.language, f"mode.{mode}", prefix=context.prefix)

    return switch


async def _change(context: Context, settings: ChatSettings) -> None:
    await context.services.groups.put(context.chat, settings)


async def talk(context: Context, rest: str) -> str:
    """Show or change how readily the bot joins in."""
    own = context.services.groups.of(context.chat)
    if rest in DEFAULT:
        await _change(context, msgspec.structs.replace(own, talk_value=None, talk_times=()))
    elif rest:
        await _change(context, _with_talk(context, own, rest))
    return _talk_now(context)


def _with_talk(context: Context, own: ChatSettings, rest: str) -> ChatSettings:
    """With a talk value, or with one for some hours, which then replaces what was said of the same hours."""
    written, _, hours = rest.partition(" ")
    value = parse_fraction(written)
    if value is None:
        raise usage(context, "talk")
    if not hours.strip():
        return msgspec.structs.replace(own, talk_value=value)
    try:
        span = parse_span(hours)
    except ValueError as error:
        raise usage(context, "talk") from error
    others = [text for text in own.talk_times if parse_share(text)[0] != span]
    return msgspec.structs.replace(own, talk_times=(f"{span} {value:g}", *others)[:MOST_TIMES])


def _talk_now(context: Context) -> str:
    here = overlaid(context.services.configuration.config.chat, context.services.groups.of(context.chat))
    shares = [parse_share(text) for text in here.talk_times]
    times = "".join(say(context.language, "talk.time", hours=span, talk=share) for span, share in shares)
    return say(context.language, "talk.now", talk=here.talk_value, times=times)


async def quiet(context: Context, rest: str) -> str:
    """Show or change the quiet hours."""
    if rest:
        own = context.services.groups.of(context.chat)
        await _change(context, msgspec.structs.replace(own, quiet_hours=_hours(context, rest)))
    here = overlaid(context.services.configuration.config.chat, context.services.groups.of(context.chat))
    if not here.quiet_hours:
        return say(context.language, "quiet.none")
    return say(context.language, "quiet.now", hours=parse_span(here.quiet_hours))


def _hours(context: Context, written: str) -> str | None:
    """None for what config.toml says, empty for none."""
    if written in DEFAULT:
        return None
    if written in NEVER:
        return ""
    try:
        return str(parse_span(written))
    except ValueError as error:
        raise usage(context, "quiet") from error


def _command(names: tuple[str, ...], handler: Handler, arguments: str = "") -> Command:
    return Command(names=names, handler=handler, group_tier=Tier.GROUP_ADMIN, arguments=arguments, group_only=True)


COMMANDS = (
    _command(("on", "开", "开启"), _switch("on")),
    _command(("off", "关", "关闭"), _switch("off")),
    _command(("observe", "旁听"), _switch("observe")),
    _command(("shadow", "影子"), _switch("shadow")),
    _command(("talk", "话量"), talk, "0-1 …"),
    _command(("quiet", "免打扰"), quiet, "23:00-07:00"),
)
