"""Whom a command is about: the person mentioned with @, or a QQ number."""

from onebot_bot.commands.context import Context
from onebot_bot.commands.registry import first_word, whole_number
from onebot_bot.protocol.segments import At


def take_person(context: Context, rest: str) -> tuple[int | None, str]:
    """The QQ number that begins `rest`, or else of whom the message mentions (not the bot), and what follows it."""
    word, after = first_word(rest)
    number = whole_number(word)
    if number:
        return number, after
    message = context.message
    mentioned = [part.qq for part in message.message if isinstance(part, At) and part.qq != str(message.self_id)]
    return next(filter(None, map(whole_number, mentioned)), None), rest
