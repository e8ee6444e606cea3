"""/request: friend requests and invitations that wait for a decision."""

from onebot_bot.commands.context import Context
from onebot_bot.commands.registry import Command, Tier, first_word, whole_number
from onebot_bot.commands.verbs import usage
from onebot_bot.errors import CommandError
from onebot_bot.memory.requests import line_of
from onebot_bot.texts import say

MOST_SHOWN = 20
LONGEST_REASON = 100
"""Characters."""
ACCEPT, REJECT, LIST = ("accept", "yes", "同意"), ("reject", "no", "拒绝"), ("list", "列表", "")


async def request(context: Context, rest: str) -> str:
    """List what waits, or accept or reject one by its id."""
    verb, rest = first_word(rest)
    if verb.casefold() in LIST and not rest:
        return await _list(context)
    word, reason = first_word(rest)
    number, accept = whole_number(word.removeprefix("#")), verb.casefold() in ACCEPT
    if number is None or not (accept or verb.casefold() in REJECT) or (accept and reason):
        raise usage(context, "request")
    asked = await context.services.requests.decide(number, accept=accept, reason=reason[:LONGEST_REASON])
    if asked is None:
        raise CommandError(say(context.language, "request.unknown", id=number, prefix=context.prefix))
    return say(
        context.language,
        "request.accepted" if accept else "request.rejected",
        line=line_of(asked, asked.id, context.language),
    )


async def _list(context: Context) -> str:
    found = await context.services.requests.waiting(MOST_SHOWN)
    return "\n".join(line_of(asked, asked.id, context.language) for asked in found) or say(
        context.language, "request.none"
    )


COMMANDS = (
    Command(
        names=("request", "请求", "申请"), handler=request, tier=Tier.BOT_ADMIN, arguments="list | accept|reject ID"
    ),
)
