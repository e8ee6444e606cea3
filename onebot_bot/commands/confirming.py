"""What destroys something is first shown, and done when it is typed again with -y."""

from onebot_bot.commands.context import Context
from onebot_bot.commands.registry import first_word
from onebot_bot.errors import CommandError
from onebot_bot.texts import say

YES = ("-y", "--yes", "确认")


def take_yes(rest: str) -> tuple[str, bool]:
    """What was typed without a `-y` before or behind it, and whether there was one."""
    word, after = first_word(rest)
    if word.casefold() in YES:
        return after, True
    before, last = [*rest.rsplit(maxsplit=1), "", ""][:2] if len(rest.split()) > 1 else (rest, "")
    return (before, True) if last.casefold() in YES else (rest, False)


def unconfirmed(context: Context, what: str, again: str) -> CommandError:
    """What somebody is told who has to type it again: `what` would happen, on `again`."""
    text = say(context.language, "command.confirm", what=what, again=f"{context.prefix}{again} -y")
    return CommandError(text, code="")  # a question, no failure
