"""/ref: let the bot show one person's private chat with it in another's, once both want it."""

from collections.abc import Mapping

from onebot_bot.commands.context import Context
from onebot_bot.commands.registry import Answer, Command, Handler, whole_number
from onebot_bot.commands.verbs import carry_out, spelled, usage
from onebot_bot.errors import CommandError
from onebot_bot.memory.personal import MOST_LINKS, Link, Side
from onebot_bot.texts import say


async def ref(context: Context, rest: str) -> str | Answer:
    """List, ask for, allow or revoke references."""
    if context.chat.kind != "private":
        raise CommandError(say(context.language, "ref.private", prefix=context.prefix))
    return await carry_out(context, rest, _VERBS, "ref", default="list")


async def _list(context: Context, _argument: str) -> str:
    me = context.message.user_id
    links = context.services.own.people.links(context.chat.account, me)
    if not links:
        return say(context.language, "ref.none", prefix=context.prefix)
    return "\n".join(_shown(context, link, me) for link in links)


def _shown(context: Context, link: Link, me: int) -> str:
    reads = link.reader == me
    agreed, other = (link.reader_agrees, link.owner) if reads else (link.owner_agrees, link.reader)
    side = "reads" if reads else "read"
    step = "open" if link.open else "waits" if agreed else "asked"
    return say(context.language, f"ref.{side}_{step}", other=other, prefix=context.prefix)


async def _ask(context: Context, argument: str) -> str:
    """To see the other's."""
    other = _other(context, argument)
    link = context.services.own.people.link(context.chat.account, context.message.user_id, other)
    return await _agree(context, link, "reader")


async def _allow(context: Context, argument: str) -> str:
    """To let the other see one's own."""
    other = _other(context, argument)
    link = context.services.own.people.link(context.chat.account, other, context.message.user_id)
    return await _agree(context, link, "owner")


async def _agree(context: Context, before: Link, side: Side) -> str:
    people, me = context.services.own.people, context.message.user_id
    if len(people.links(context.chat.account, me)) >= MOST_LINKS:
        raise CommandError(say(context.language, "ref.many", most=MOST_LINKS, prefix=context.prefix))
    link = await people.agree(before, side)
    told = link != before and await _tell(context, link)
    return _shown(context, link, me) + (say(context.language, "ref.told") if told else "")


async def _tell(context: Context, link: Link) -> bool:
    """Let the other know what is asked of them, or agreed; but write to nobody who never wrote to the bot."""
    other = link.owner if link.reader == context.message.user_id else link.reader
    if not await context.services.own.people.writes(context.chat.account, other):
        return False
    return await context.tell(other, _shown(context, link, other))


async def _revoke(context: Context, argument: str) -> str:
    """Both ways."""
    other, me = _other(context, argument), context.message.user_id
    people, account = context.services.own.people, context.chat.account
    known = [link for link in people.links(account, me) if other in (link.reader, link.owner)]
    for link in known:
        await people.revoke(link)
    return say(context.language, "ref.revoked" if known else "ref.nothing", other=other)


def _other(context: Context, argument: str) -> int:
    number = whole_number(argument)
    if not number or number == context.message.user_id:
        raise usage(context, "ref")
    return number


_VERBS: Mapping[str, Handler] = spelled(
    (("list", "列表"), _list),
    (("ask", "申请"), _ask),
    (("allow", "同意", "允许"), _allow),
    (("revoke", "取消", "撤销"), _revoke),
)

COMMANDS = (Command(names=("ref", "引用"), handler=ref, arguments="list|ask|allow|revoke …"),)
