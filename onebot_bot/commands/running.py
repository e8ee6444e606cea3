"""The commands about the running bot: queue, send, shutdown."""

from collections.abc import Mapping

from onebot_bot.commands.confirming import take_yes, unconfirmed
from onebot_bot.commands.context import Context
from onebot_bot.commands.registry import Answer, Command, Tier, first_word, whole_number
from onebot_bot.commands.running_control import Busy
from onebot_bot.commands.verbs import spelled, usage
from onebot_bot.errors import CommandError
from onebot_bot.protocol.chat_id import ChatId, ChatKind
from onebot_bot.texts import say

MOST_SHOWN = 20
LONGEST = 4000
"""Characters of one message; QQ refuses longer ones."""

_KINDS: Mapping[str, ChatKind] = spelled((("group", "群"), "group"), (("private", "user", "私聊"), "private"))


async def queue(context: Context, _rest: str) -> str:
    """Which chats wait for answers, and what waits to be sent."""
    language, running = context.language, context.services.running
    engine = (await context.services.overview()).engine
    busy, unsent = running.busy(), running.unsent()
    lines = [say(language, "queue.head", running=engine.running, queued=engine.queued)]
    lines += [_line(context, one) for one in busy[:MOST_SHOWN]]
    if len(busy) > MOST_SHOWN:
        lines.append(say(language, "queue.more", count=len(busy) - MOST_SHOWN))
    lines += [say(language, "queue.unsent", account=account, count=count) for account, count in unsent.items()]
    return "\n".join(lines if busy or unsent else [*lines, say(language, "queue.none")])


def _line(context: Context, busy: Busy) -> str:
    doing = say(context.language, f"queue.{busy.doing}")
    return say(
        context.language, "queue.line", chat=busy.chat, doing=doing, messages=busy.messages, seconds=round(busy.seconds)
    )


async def send(context: Context, rest: str) -> str:
    """Say something in any chat of this account, in the bot's name; it goes on record as said by the bot."""
    word, rest = first_word(rest)
    number, text = first_word(rest)
    kind, peer = _KINDS.get(word.casefold()), whole_number(number)
    if kind is None or not peer or not text:
        raise usage(context, "send")
    if len(text) > LONGEST:
        raise CommandError(say(context.language, "send.long", most=LONGEST))
    chat = ChatId(context.chat.account, kind, peer)
    message_id = await context.send(chat, text)
    await context.services.own.said(chat, text, message_id)
    return say(context.language, "send.done", chat=say(context.language, f"send.{kind}", peer=peer))


async def shutdown(context: Context, rest: str) -> Answer:
    """End the bot, once that is confirmed and the answer is on its way."""
    rest, sure = take_yes(rest)
    if rest:
        raise usage(context, "shutdown")
    if not sure:
        owed = sum(busy.messages for busy in context.services.running.busy())
        within = context.services.configuration.config.chat.answer_within
        raise unconfirmed(context, say(context.language, "shutdown.sure", owed=owed, within=within), "shutdown")
    return Answer(say(context.language, "shutdown.done"), then=context.services.running.end)


COMMANDS = (
    Command(names=("queue", "队列"), handler=queue, tier=Tier.BOT_ADMIN, at_once=True),
    Command(names=("send", "发送", "代发"), handler=send, tier=Tier.BOT_ADMIN, arguments="group|private NUMBER TEXT"),
    Command(names=("shutdown", "关机"), handler=shutdown, tier=Tier.OWNER, arguments="-y"),
)
