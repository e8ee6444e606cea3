"""The commands about what is kept of oneself: export, optout, optin, forget."""

import asyncio

from onebot_bot.commands.confirming import take_yes, unconfirmed
from onebot_bot.commands.context import Context
from onebot_bot.commands.exporting import Kept, parts
from onebot_bot.commands.registry import Answer, Attachment, Command
from onebot_bot.commands.verbs import usage
from onebot_bot.texts import say

ME = ("me", "我")


async def export(context: Context, _rest: str) -> Answer:
    """Send all that is kept of the asker as zip files into their private chat."""
    user, people = context.message.user_id, context.services.own.people
    kept = Kept(
        user=user,
        messages=await people.messages(user),
        memories=await people.memories(user),
        branches=context.services.own.branches.private(user),
        personas=context.services.cast.choices.chosen_by(user),
        links=people.links(context.chat.account, user),
        opted_out=user in people.opted_out,
    )
    if kept.empty:
        return Answer(say(context.language, "export.none"))
    zips = await asyncio.to_thread(parts, kept, context.language)
    files = tuple(Attachment(name, data) for name, data in zips)
    counts = {"messages": len(kept.messages), "memories": len(kept.memories), "files": len(files)}
    return Answer(say(context.language, "export.done", **counts), files=files)


async def opt_out(context: Context, _rest: str) -> str:
    """Learn nothing from the asker from now on."""
    await context.services.own.people.opt_out(context.message.user_id)
    return say(context.language, "optout.done", prefix=context.prefix)


async def opt_in(context: Context, _rest: str) -> str:
    """Learn from the asker again."""
    await context.services.own.people.opt_in(context.message.user_id)
    return say(context.language, "optin.done")


async def forget(context: Context, rest: str) -> str:
    """Erase all that is kept of the asker; first say what that is."""
    whom, sure = take_yes(rest)
    if whom.casefold() not in ME:
        raise usage(context, "forget")
    if not sure:
        messages, memories = await context.services.own.people.counts(context.message.user_id)
        what = say(context.language, "forget.sure", messages=messages, memories=memories, prefix=context.prefix)
        raise unconfirmed(context, what, "forget me")
    return await _forget(context)


async def _forget(context: Context) -> str:
    learning = context.services.learning
    forgotten = await context.services.own.forget(context.message.user_id)
    trained = sorted({name for number in forgotten.memories for name in learning.trained_on(number)})
    lines = [say(context.language, "forget.done", messages=forgotten.messages, memories=len(forgotten.memories))]
    if forgotten.memories and learning.status().step is not None:
        # The night that goes on was begun with what is now forgotten.
        learning.cancel()
        lines.append(say(context.language, "forget.cancelled"))
    if trained:
        versions = say(context.language, "list.comma").join(trained)
        lines.append(say(context.language, "memory.trained", versions=versions, prefix=context.prefix))
    return "\n".join(lines)


COMMANDS = (
    Command(names=("export", "导出"), handler=export),
    Command(names=("optout", "不要学我"), handler=opt_out),
    Command(names=("optin", "可以学我"), handler=opt_in),
    Command(names=("forget", "忘记", "忘掉"), handler=forget, arguments="me"),
)
