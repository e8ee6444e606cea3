"""From events to sessions: every message finds its chat's task, every command its handler."""

import asyncio
import contextlib
import logging
import re
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from types import TracebackType
from typing import Any, Protocol, Self

import msgspec
import structlog

from onebot_bot.chat.access import Door
from onebot_bot.chat.errands import Errand, Gate, is_closed
from onebot_bot.chat.forwards import kept
from onebot_bot.chat.guards import clean_name, label
from onebot_bot.chat.happenings import Happening, happening_of
from onebot_bot.chat.outbox import Outbox, Queues
from onebot_bot.chat.participation import Decision, Freshness, Seen, Trigger, find_trigger, mentions
from onebot_bot.chat.readable import names_in, readable
from onebot_bot.chat.services import Services
from onebot_bot.chat.session import ChatSession
from onebot_bot.chat.witness import Witness
from onebot_bot.memory.erasing import QUOTED
from onebot_bot.memory.history import Entry
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.events import Event, FriendRecall, GroupMessage, GroupRecall, Message, PrivateMessage
from onebot_bot.protocol.segments import At, Reply, Segment, Text, encode_message, plain_text
from onebot_bot.texts import say
from onebot_bot.transport.account import Account

log = structlog.get_logger(__name__)
_levels = logging.getLogger(__name__)  # a line that nobody will see is not put together

GAP_CHATS = 30
"""Chats asked for what was missed, the latest first: QQ is not to be stormed after an outage."""
GAP_SECONDS = 3 * 86400
CLAIMS = 1024
RECALLED = 1024
_ID = re.compile(r"-?[0-9]{1,18}")


class CommandHook(Protocol):
    """What the router needs of the commands."""

    def matches(self, text: str, message: Message) -> bool:
        """Whether this is for the commands, not for the model."""

    async def run(self, account: Account, message: Message, text: str) -> None:
        """Carry it out and answer it; never raises."""


FillGap = Callable[[Account, list[ChatId]], Coroutine[Any, Any, list[Message]]]
"""What was said in these chats that the account has not heard, oldest first."""


class ChatRouter:
    """Owns every session's task. An async context manager: leaving ends them; what they owed stays on record."""

    def __init__(
        self,
        services: Services,
        commands: CommandHook,
        accounts: Mapping[int, Account],
        sessions: dict[ChatId, ChatSession],
        fill_gap: FillGap,
    ) -> None:
        self._services = services
        self._commands = commands
        self._accounts = accounts
        self._fill_gap = fill_gap
        self._sessions = sessions
        self._owned: set[asyncio.Task[None]] = set()
        self._outboxes: dict[int, Outbox] = {}
        self._queues = services.queues or Queues(lambda: services.settings().sending, services.clock)
        self._claimed: OrderedDict[tuple[int, str], int] = OrderedDict()
        """Group messages that one of our accounts answers by name, so that the others in the group do not."""
        self._recalled: OrderedDict[tuple[ChatId, int], None] = OrderedDict()
        """What was taken back lately: it may still be asked about."""
        self._gate = Gate()
        self._witness = Witness(services, self._gate)
        self._tasks = asyncio.TaskGroup()

    async def __aenter__(self) -> Self:
        """Open the group that owns the sessions' tasks."""
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End every task."""
        for task in self._owned:
            task.cancel()
        await self._tasks.__aexit__(None, None, None)

    # --- events --------------------------------------------------------------------------------------------------

    def dispatch(self, account: Account, event: Event) -> None:
        """Take one event; never waits."""
        match event:
            case GroupMessage() | PrivateMessage():
                self._take(account, event)
            case GroupRecall(group_id=group, message_id=message_id):
                self._spawn(self._withdraw(ChatId(event.self_id, "group", group), message_id))
            case FriendRecall(user_id=user, message_id=message_id):
                self._spawn(self._withdraw(ChatId(event.self_id, "private", user), message_id))
            case _ if (happening := happening_of(event)) is not None:
                if self._witness.heeds(happening):
                    self._spawn(self._record(account, happening))
            case _:
                log.debug("event", kind=type(event).__name__)

    def connected(self, account: Account) -> None:
        """An account has a new connection: send what waited, answer what was left, ask for what was missed."""
        self._outbox(account).connected()
        self._spawn(self._catch_up(account))

    def speak_first(self, account: Account, chat: ChatId, entry: Entry) -> bool:
        """Let the model speak first in a chat; see `ChatSession.speak_first`."""
        return self._session(account, chat).speak_first(entry)

    def _take(self, account: Account, message: Message, freshness: Freshness = Freshness.LIVE) -> None:
        if (session := self._sessions.get(message.chat_id)) is not None:
            session.give_way()
        if message.sent_by_self:
            return
        door = self._door(message)
        if door is Door.CLOSED:
            return
        if isinstance(message, GroupMessage) and message.group_name and self._services.cast is not None:
            self._services.cast.note_name(message.chat_id, label(message.group_name))
        words = plain_text(message.message).strip()
        command = freshness is not Freshness.OLD and self._commands.matches(words, message)
        chat = self._services.settings().chat
        heard = door is Door.OPEN and self._services.presence.listens(message.chat_id, chat, message.time)
        if not command and not heard:
            return
        if _levels.isEnabledFor(logging.INFO):
            # Of a command the name alone: what follows may be meant for no record at all.
            shown = words.split(maxsplit=1)[0] if command else words
            _log_message(message, shown, content=self._services.settings().log.content)
        if command:
            if self._may_command(message):
                self._spawn(self._command(account, message, words))
            return
        quote = next((segment for segment in message.message if isinstance(segment, Reply)), None)
        if quote is not None or is_closed(message.message):
            self._spawn(self._take_referring(account, message, quote, freshness))
        else:
            self._deliver(account, message, self._called(message), freshness)

    def _door(self, message: Message) -> Door:
        settings = self._services.settings()
        return self._services.access.door(message, settings.bot, settings.access)

    def _may_command(self, message: Message) -> bool:
        """Neither bots nor ourselves; and of several accounts in a group, one carries it out."""
        if message.user_id in self._ignored():
            return False
        return isinstance(message, PrivateMessage) or mentions(message) or self._claim(message)

    async def _command(self, account: Account, message: Message, words: str) -> None:
        """Carry it out; if it took messages out of view or forgot something, their pictures go now."""
        self._services.journal.command(message.chat_id)
        await self._commands.run(account, message, words)
        await self._sweep()

    async def _take_referring(
        self, account: Account, message: Message, quote: Reply | None, freshness: Freshness
    ) -> None:
        """A quote is shown with its text, and one of the bot is meant for the bot; a bundle with what it holds."""
        number = int(quote.id) if quote is not None and _ID.fullmatch(quote.id) else None
        errand = Errand(account, self._services.clock, self._gate)
        quoted = None if number is None else await self._quoted(errand, message.chat_id, number)
        message = await errand.whole(message)
        if (message.chat_id, message.message_id) in self._recalled:
            return
        called = self._called(message)
        if called in (None, Trigger.NAME) and self._is_ours(message.chat_id, number, quoted):
            called = Trigger.REPLY
        self._deliver(account, message, called, freshness, quoted)

    async def _quoted(self, errand: Errand, chat: ChatId, number: int) -> Entry | None:
        """From the record, else from QQ; what was taken back, and what is none of the bot's business, is not shown."""
        if (known := await self._services.history.find(chat, number)) is not None:
            return known
        if self._is_ours(chat, number, None) or await self._services.history.known_ids(chat, [number]):
            return None
        found = await errand.quoted(chat, number)
        if found is None or (not found.sent_by_self and self._door(found) is Door.CLOSED):
            return None
        entry = self._entry(found, None)
        return msgspec.structs.replace(entry, role="assistant") if found.sent_by_self else entry

    def _is_ours(self, chat: ChatId, message_id: int | None, quoted: Entry | None) -> bool:
        """Whether the bot wrote it; what it sends this moment is on record only when all of it is sent."""
        if quoted is not None:
            return quoted.role == "assistant"
        session = self._sessions.get(chat)
        return session is not None and message_id is not None and session.said(message_id)

    def _deliver(
        self,
        account: Account,
        message: Message,
        called: Trigger | None,
        freshness: Freshness,
        quoted: Entry | None = None,
    ) -> None:
        group = message.group_id if isinstance(message, PrivateMessage) else 0
        entry = self._entry(message, quoted)
        if not entry.text:
            return
        if self._services.guard.refuses(entry.text):
            decision = self._services.presence.refused(message.chat_id, message.user_id)
        else:
            session = self._session(account, message.chat_id)
            decision = self._decide(session, message, called, freshness)
            session.receive(entry, decision.trigger, group)
        self._services.journal.seen(message.chat_id, entry, decision, called)

    async def _record(self, account: Account, happening: Happening) -> None:
        """A poke, or somebody came or went: let the model know; a poke may be answered."""
        entry = await self._witness.entry(account, happening)
        session = self._session(account, happening.chat)
        session.receive(entry, self._witness.trigger(happening, session, self._ignored()))

    # --- what a message means ------------------------------------------------------------------------------------

    def _called(self, message: Message) -> Trigger | None:
        bot, cast = self._services.settings().bot, self._services.cast
        return find_trigger(message, cast.names(message.chat_id, message.user_id, bot) if cast else bot.names)

    def _decide(self, session: ChatSession, message: Message, called: Trigger | None, freshness: Freshness) -> Decision:
        """Whether to answer."""
        services = self._services
        group = isinstance(message, GroupMessage)
        ignored = message.user_id in self._ignored()
        seen = Seen(
            user=message.user_id,
            group=group,
            called=called,
            freshness=freshness,
            ignored=ignored,
            elsewhere=called in (None, Trigger.NAME) and not ignored and not self._claim(message),
            owed=session.is_owed(message.user_id),
            busy=session.busy or services.rest.resting,
        )
        chat = services.settings().chat
        return services.presence.decide(message.chat_id, seen, chat, services.clock.time())

    def _speaks_in(self, chat: ChatId) -> bool:
        return self._services.presence.mode(chat, self._services.settings().chat) == "on"

    def _ignored(self) -> set[int]:
        """Whom the bot never answers: its own accounts and other bots."""
        return {*self._accounts, *self._services.settings().chat.bots}

    def _claim(self, message: Message) -> bool:
        """Whether this account is the first of ours to see a message that is for none of them in particular."""
        if not isinstance(message, GroupMessage) or not message.real_seq or not self._speaks_in(message.chat_id):
            return True
        key = (message.group_id, message.real_seq)
        owner = self._claimed.setdefault(key, message.self_id)
        if len(self._claimed) > CLAIMS:
            self._claimed.popitem(last=False)
        return owner == message.self_id

    def _entry(self, message: Message, quoted: Entry | None) -> Entry:
        bot = self._services.settings().bot
        language = bot.language
        text = readable(message.message, language, names_in(message.self_id, bot))
        if quoted is not None:
            name = quoted.name or str(quoted.user_id)
            text = say(language, "see.quote", name=name, text=quoted.text[:QUOTED]) + text
        return Entry(
            role="user",
            text=text,
            time=message.time,
            user_id=message.user_id,
            name=self._name(message),
            message_id=message.message_id,
            segments=_worth_keeping(message.message),
            reply_to=quoted.message_id if quoted is not None else None,
        )

    def _name(self, message: Message) -> str:
        """What the sender goes by; empty, which means the number, where the word list speaks against it."""
        name = clean_name(message.sender.name)
        return "" if name and self._services.guard.refuses(name) else name

    # --- rest ----------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Let all chats rest: entered once no answer is being written any more; none is begun until it is left.

        Messages go on being received and recorded, and commands carried out. What the bot owes is answered
        afterwards, by one answer in each chat.
        """
        rest = self._services.rest
        rest.begin(time.time())
        try:
            await rest.quiet()
            yield
        finally:
            rest.end(time.time())
            for session in self._sessions.values():
                session.wake()

    # --- sessions ------------------------------------------------------------------------------------------------

    def session(self, chat: ChatId) -> ChatSession:
        """The session of a chat of an account that has been connected."""
        return self._session(self._accounts[chat.account], chat)

    def _session(self, account: Account, chat: ChatId) -> ChatSession:
        session = self._sessions.get(chat)
        if session is None or session.closed:
            session = self._sessions[chat] = ChatSession(chat, self._outbox(account), self._services)
            self._own(self._run(session))
        return session

    async def _run(self, session: ChatSession) -> None:
        try:
            await session.run()
        except Exception as error:  # noqa: BLE001 - one broken chat must not end the others in the group
            session.closed = True
            self._services.report("report.answer", session.chat, error)
        finally:
            if self._sessions.get(session.chat) is session:
                del self._sessions[session.chat]

    def _outbox(self, account: Account) -> Outbox:
        if account.self_id not in self._outboxes:
            patience = lambda: self._services.settings().chat.answer_within  # noqa: E731 - read anew each time
            pacing = self._queues.of(account.self_id)
            self._outboxes[account.self_id] = Outbox(account, patience, self._spawn, pacing)
        return self._outboxes[account.self_id]

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._own(self._guarded(work))

    def _own(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._tasks.create_task(work)
        self._owned.add(task)
        task.add_done_callback(self._owned.discard)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """A side task's failure is told, and ends nothing else."""
        try:
            await work
        except Exception as error:  # noqa: BLE001 - see above
            self._services.report("report.answer", None, error)

    # --- after an outage -----------------------------------------------------------------------------------------

    async def _catch_up(self, account: Account) -> None:
        now = int(time.time())
        since = self._services.rest.oldest(now, self._services.settings().chat.answer_within)
        await self._resume(account, since)
        chats = await self._services.history.recent_chats(account.self_id, now - GAP_SECONDS)
        for message in await self._fill_gap(account, chats[:GAP_CHATS]):
            # Commands are not on record, so one that was carried out already would look like a missed one.
            if self._commands.matches(plain_text(message.message).strip(), message):
                continue
            if not await self._known(message):
                self._take(account, message, Freshness.MISSED if message.time >= since else Freshness.OLD)

    async def _known(self, message: Message) -> bool:
        """Whether it is on record; in private also whether it is older than all that is: that was forgotten."""
        chat = message.chat_id
        if await self._services.history.known_ids(chat, [message.message_id]):
            return True
        begins = await self._services.history.begins(chat) if chat.kind == "private" else None
        return begins is not None and message.time < begins

    async def _resume(self, account: Account, since: int) -> None:
        """Answer what was on record but not answered; what was being sent when the process ended counts as sent."""
        for chat, entry in await self._services.history.pending(account.self_id, since):
            session = self._session(account, chat)
            if session.owes(entry):
                continue
            if entry.state == "sending":
                await self._services.history.mark([entry.id], "answered")
            else:
                session.resume(entry)
        owed = [row for chat, s in self._sessions.items() if chat.account == account.self_id for row in s.owed_rows]
        await self._services.history.expire(account.self_id, since, owed)

    async def _withdraw(self, chat: ChatId, message_id: int) -> None:
        """What was recalled in QQ leaves the model's view, and its memory; also what is still on its way there."""
        self._recalled[chat, message_id] = None
        if len(self._recalled) > RECALLED:
            self._recalled.popitem(last=False)
        if (session := self._sessions.get(chat)) is not None:
            session.withdraw(message_id)
        row = await self._services.history.withdraw(chat, message_id)
        if row is not None:
            await self._services.unlearn(chat, [row])
        await self._sweep()

    async def _sweep(self) -> None:
        if self._services.eyes is not None:
            await self._services.eyes.sweep()


def _worth_keeping(segments: tuple[Segment, ...]) -> list[object] | None:
    """Plain words are kept as text already."""
    if all(isinstance(segment, Text | At | Reply) for segment in segments):
        return None
    return list(encode_message(kept(segments)))


def _log_message(message: Message, words: str, *, content: bool) -> None:
    where = f"group {message.group_id}" if isinstance(message, GroupMessage) else "private"
    shown = (words or f"[{len(message.message)} segments]") if content else f"[{len(words)} characters]"
    line = f"{where} {message.sender.name}({message.user_id}): {shown}"
    log.info(line)
