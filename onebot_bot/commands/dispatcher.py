"""From a message that starts like a command to its answer in the chat."""

import asyncio
import base64
from collections.abc import Callable, Sequence
from functools import partial
from weakref import WeakValueDictionary

import structlog

from onebot_bot.commands import (
    admin,
    backup,
    basic,
    branches,
    group,
    importing,
    learning,
    memory,
    model,
    persona,
    personal,
    pictures,
    proactive,
    profiles,
    quota,
    references,
    requests,
    rights,
    running,
    stats,
    toggling,
    turns,
)
from onebot_bot.commands.context import Context, Services
from onebot_bot.commands.registry import Answer, Attachment, Command, Registry, Tier
from onebot_bot.commands.telling import Ready, Telling
from onebot_bot.errors import ActionError, BotError, CommandError, StaleAnswer, named
from onebot_bot.protocol.actions import SendGroupMsg, SendPrivateMsg, UploadPrivateFile
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.events import GroupMessage, Message, PrivateMessage
from onebot_bot.protocol.segments import At, Image, Segment, Text
from onebot_bot.sections.bot import BotConfig
from onebot_bot.texts import Language, say
from onebot_bot.transport.account import Account

log = structlog.get_logger(__name__)

LONGEST_NAME = 30
"""Characters of an unknown command's name that are repeated."""

Report = Callable[[str, ChatId | None, BaseException], str]


def build_registry() -> Registry:
    """Every command there is, /help first."""
    registry: Registry | None = None

    async def show_help(context: Context, rest: str) -> str:
        assert registry is not None  # noqa: S101 - bound below, before anybody can call
        return await basic.show_help(context, rest, registry)

    async def toggle(context: Context, rest: str) -> str:
        assert registry is not None  # noqa: S101 - as above
        return await toggling.toggle(context, rest, registry)

    registry = Registry(
        [
            Command(names=("help", "帮助", "菜单"), handler=show_help, at_once=True),
            *basic.COMMANDS,
            *turns.COMMANDS,
            *branches.COMMANDS,
            *memory.COMMANDS,
            *personal.COMMANDS,
            *references.COMMANDS,
            *group.COMMANDS,
            *pictures.COMMANDS,
            *persona.COMMANDS,
            *profiles.COMMANDS,
            *admin.COMMANDS,
            *rights.COMMANDS,
            *quota.COMMANDS,
            *stats.COMMANDS,
            *requests.COMMANDS,
            *proactive.COMMANDS,
            Command(
                names=("command", "指令"), handler=toggle, group_tier=Tier.GROUP_ADMIN, arguments="enable|disable NAME"
            ),
            *learning.COMMANDS,
            *backup.COMMANDS,
            *running.COMMANDS,
            *model.COMMANDS,
            *importing.COMMANDS,
        ]
    )
    return registry


class Dispatcher:
    """Recognises commands, checks who asks, runs the handler and sends what it says."""

    def __init__(  # noqa: PLR0913 - what commands use, who may give them, how they are answered
        self,
        services: Services,
        bot: Callable[[], BotConfig],
        prefixes: Callable[[], Sequence[str]],
        report: Report,
        ready: Ready,
        *,
        hears: Callable[[int], bool] = lambda _: True,
    ) -> None:
        self._services = services
        self._bot = bot
        self._prefixes = prefixes
        self._report = report
        self._ready = ready
        self._telling = Telling(ready, hears)
        self._registry = build_registry()
        self._turns: WeakValueDictionary[ChatId, asyncio.Lock] = WeakValueDictionary()
        """One command of a chat at a time, in the order typed; a lock lives as long as somebody holds or awaits it."""

    def matches(self, text: str, message: Message) -> bool:
        """Whether this is for the commands.

        In a group an unknown command, or one that is disabled there, is none unless the bot is mentioned: other bots
        use the same prefix.
        """
        parsed = self._registry.parse(text, self._prefixes())
        if parsed is None:
            return False
        command = self._registry.find(parsed[1])
        known = command is not None and not toggling.disabled(command, message.chat_id, self._services)
        return known or isinstance(message, PrivateMessage) or _mentioned(message)

    async def run(self, account: Account, message: Message, text: str) -> None:
        """Carry a command out and answer it; failures are answered or told to the owner."""
        parsed = self._registry.parse(text, self._prefixes())
        if parsed is None:
            return
        command = self._registry.find(parsed[1])
        if command is None or command.at_once:
            await self._respond(account, message, parsed)
            return
        turn = self._turns.setdefault(message.chat_id, asyncio.Lock())
        async with turn:
            await self._respond(account, message, parsed)

    async def _respond(self, account: Account, message: Message, parsed: tuple[str, str, str]) -> None:
        answer = await self._answer(account, message, *parsed)
        if isinstance(answer, str):
            answer = Answer(answer)
        await self._give(account, message, answer)
        if answer.then is not None:
            answer.then()

    async def _give(self, account: Account, message: Message, answer: Answer) -> None:
        try:
            for file in answer.files:
                await self._ready(account)
                await account.call(_upload(message.user_id, file))
        except (ActionError, StaleAnswer) as error:
            answer = Answer(say(self._bot().language, "command.no_file", error=error))
        if not answer.text:  # what was asked for is the answer of the model
            return
        try:
            await self._ready(account)
            await account.call(_reply(message, answer))
        except StaleAnswer as error:
            log.warning("The reply to a command came too late to be sent.", cause=str(error))
        except ActionError as error:
            self._report("report.send", message.chat_id, error)

    async def _send(self, account: Account, chat: ChatId, text: str) -> int | None:
        await self._ready(account)
        group, words = chat.kind == "group", (Text(text),)
        data = await account.call(SendGroupMsg(chat.peer, words) if group else SendPrivateMsg(chat.peer, words))
        found = data.get("message_id") if isinstance(data, dict) else None
        return found if isinstance(found, int) else None

    async def _answer(self, account: Account, message: Message, prefix: str, name: str, rest: str) -> str | Answer:
        bot = self._bot()
        try:
            command = self._find(name, prefix, message.chat_id)
            tier = tier_of(message, bot)
            require(command, tier, message, f"{prefix}{name}", bot.language)
            tell = partial(self._telling.tell, account, message.user_id)
            send = partial(self._send, account)
            context = Context(message.chat_id, message, tier, prefix, bot.language, self._services, tell, send)
            log.info("command", name=command.names[0], user=message.user_id, chat=str(message.chat_id))
            return await command.handler(context, rest)
        except CommandError as error:
            return named(error)
        except BotError as error:
            return say(bot.language, "command.failed", error=named(error))
        except Exception as error:  # noqa: BLE001 - a command's fault is told, never shown as a traceback
            number = self._report("report.command", message.chat_id, error)
            return say(bot.language, "command.broken", id=number)

    def _find(self, name: str, prefix: str, chat: ChatId) -> Command:
        command, language = self._registry.find(name), self._bot().language
        if command is not None:
            if toggling.disabled(command, chat, self._services):
                raise CommandError(say(language, "command.disabled", name=f"{prefix}{name}", prefix=prefix))
            return command
        near = self._registry.nearest(name)
        hint = say(language, "command.near", name=f"{prefix}{near}") if near else ""
        shown = f"{prefix}{name[:LONGEST_NAME]}"
        raise CommandError(say(language, "command.unknown", name=shown, hint=hint, prefix=prefix))


def tier_of(message: Message, bot: BotConfig) -> Tier:
    """What the sender may use: owners and bot admins by the configuration, a group's admins by what QQ says of them."""
    if message.user_id in bot.owners:
        return Tier.OWNER
    if message.user_id in bot.admins:
        return Tier.BOT_ADMIN
    if isinstance(message, GroupMessage) and message.sender.role in ("owner", "admin"):
        return Tier.GROUP_ADMIN
    return Tier.EVERYONE


def require(command: Command, tier: Tier, message: Message, name: str, language: Language) -> None:
    """Raise the CommandError that says which tier it takes and whom to ask, unless the sender has it; or where to."""
    in_group = isinstance(message, GroupMessage)
    if command.group_only and not in_group:
        raise CommandError(say(language, "command.group_only", name=name))
    needed = command.tier_in(group=in_group)
    if tier < needed:
        who = say(language, f"who.{needed.name.lower()}")
        needs = say(language, f"tier.{needed.name.lower()}")
        raise CommandError(say(language, "command.refused", name=name, tier=needs, who=who))


def _mentioned(message: Message) -> bool:
    return any(isinstance(part, At) and part.qq == str(message.self_id) for part in message.message)


def _reply(message: Message, answer: Answer) -> SendGroupMsg | SendPrivateMsg:
    picture = (Image(file=_inline(answer.picture)),) if answer.picture else ()
    segments: tuple[Segment, ...] = (Text(answer.text), *picture)
    if isinstance(message, GroupMessage):
        return SendGroupMsg(group_id=message.group_id, message=segments)
    return SendPrivateMsg(user_id=message.user_id, message=segments, group_id=message.group_id or None)


def _upload(user_id: int, file: Attachment) -> UploadPrivateFile:
    return UploadPrivateFile(user_id=user_id, file=_inline(file.data), file_name=file.name)


def _inline(data: bytes) -> str:
    return f"base64://{base64.b64encode(data).decode()}"
