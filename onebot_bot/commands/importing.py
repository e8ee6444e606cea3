"""/import: a chat export that was sent here becomes this chat's history, shown before anything is written."""

import shlex
from datetime import datetime
from zoneinfo import ZoneInfo

from onebot_bot.commands.confirming import take_yes, unconfirmed
from onebot_bot.commands.context import Context
from onebot_bot.commands.import_control import Choice, Export, Speaker
from onebot_bot.commands.registry import MOST_DIGITS, Command, Tier
from onebot_bot.commands.verbs import usage
from onebot_bot.protocol.segments import Reply
from onebot_bot.texts import say

MOST_SHOWN = 12
"""People of an export that are listed."""


async def bring_in(context: Context, rest: str) -> str:
    """Preview the quoted file, or with -y import it."""
    rest, sure = take_yes(rest)
    choice, message = _choice(context, rest), _quoted(context)
    imports = context.services.imports(context.chat)
    if sure:
        count = await imports.bring_in(message, choice)
        return say(context.language, "import.done" if count else "import.nothing", count=count, prefix=context.prefix)
    export = await imports.look(message, choice)
    if not export.new:
        return say(context.language, "import.nothing")
    raise unconfirmed(context, _shown(context, export), f"import {rest}".rstrip())


def _quoted(context: Context) -> int:
    """The message with the file."""
    quote = next((part for part in context.message.message if isinstance(part, Reply)), None)
    number = quote.id.removeprefix("-") if quote is not None else ""
    if quote is None or not number.isdecimal() or len(number) > MOST_DIGITS:
        raise usage(context, "import")
    return int(quote.id)


def _choice(context: Context, rest: str) -> Choice:
    try:
        words = shlex.split(rest)
    except ValueError as error:  # a quotation mark without its other
        raise usage(context, "import") from error
    found = dict(zip(words[::2], words[1::2], strict=False))
    if len(words) % 2 or len(found) * 2 != len(words) or found.keys() - {"--me", "--only"}:
        raise usage(context, "import")
    return Choice(found.get("--me", ""), found.get("--only", ""))


def _shown(context: Context, export: Export) -> str:
    language = context.language
    more = len(export.speakers) - MOST_SHOWN
    lines = [
        say(
            language,
            "import.would",
            name=export.name or "-",
            messages=export.messages,
            new=export.new,
            left=export.left_out,
            begins=_day(context, export.begins),
            ends=_day(context, export.ends),
        ),
        *(_speaker(context, speaker) for speaker in export.speakers[:MOST_SHOWN]),
        *([say(language, "import.more", count=more)] if more > 0 else []),
        say(language, "import.quote"),
    ]
    return "\n".join(lines)


def _speaker(context: Context, speaker: Speaker) -> str:
    key = "import.bot" if speaker.bot else "import.person"
    return say(context.language, key, name=speaker.name, qq=speaker.qq or "-", messages=speaker.messages)


def _day(context: Context, at: int) -> str:
    zone = ZoneInfo(context.services.configuration.config.learning.timezone)
    return f"{datetime.fromtimestamp(at, zone):%Y-%m-%d}"


COMMANDS = (
    Command(
        names=("import", "导入"), handler=bring_in, tier=Tier.BOT_ADMIN, arguments="[--me NAME] [--only NAME] [-y]"
    ),
)
