"""/quota: how much was used today, and how much there is."""

from onebot_bot.commands.context import Context
from onebot_bot.commands.registry import Command, Tier
from onebot_bot.memory.usage import Peer
from onebot_bot.texts import say


async def quota(context: Context, _rest: str) -> str:
    """What the asker used today, and the group that it is asked in."""
    lines = [_line(context, ("user", context.message.user_id))]
    if context.chat.kind == "group":
        lines.append(_line(context, ("group", context.chat.peer)))
    return "\n".join(lines)


def _line(context: Context, peer: Peer) -> str:
    scope, used = peer[0], context.services.usage.of(peer)
    limits, free = context.services.configuration.config.limits, peer[0] == "user" and context.tier == Tier.OWNER
    answers: int = getattr(limits, f"{scope}_per_day")
    tokens: int = getattr(limits, f"{scope}_tokens_per_day")
    return say(
        context.language,
        f"quota.{scope}",
        answers=used.answers,
        most_answers=_most(context, 0 if free else answers),
        tokens=used.tokens,
        most_tokens=_most(context, 0 if free else tokens),
    )


def _most(context: Context, number: int) -> str:
    return str(number) if number else say(context.language, "quota.unlimited")


COMMANDS = (Command(names=("quota", "额度"), handler=quota),)
