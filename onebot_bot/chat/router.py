"""From events to sessions: every message finds its chat's task, every command its handler."""

import contextlib
import logging
import re
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from typing import Protocol

import msgspec
import structlog

from onebot_bot.chat.access import Door
from onebot_bot.chat.catchup import CatchUp, FillGap
from onebot_bot.chat.errands import Errand, Gate, is_closed
from onebot_bot.chat.guards import label
from onebot_bot.chat.happenings import Happening, happening_of
from onebot_bot.chat.intake import Intake
from onebot_bot.chat.keeping import words_of
from onebot_bot.chat.outbox import Outbox, Queues
from onebot_bot.chat.participation import Freshness, Trigger
from onebot_bot.chat.services import Services
from onebot_bot.chat.session import ChatSession
from onebot_bot.chat.tasks import TaskOwner
from onebot_bot.chat.witness import Witness
from onebot_bot.memory.history import Entry
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.events import Event, FriendRecall, GroupMessage, GroupRecall, Message, PrivateMessage
from onebot_bot.protocol.segments import Reply, Segment
from onebot_bot.transport.account import Account

log = structlog.get_logger(__name__)
_levels = logging.getLogger(__name__)  # a line that nobody will see is not put together

RECALLED = 1024
_ID = re.compile(r"-?[0-9]{1,18}")


class CommandHook(Protocol):
    """What the router needs of the commands."""

    def matches(self, text: str, message: Message) -> bool:
        """Whether this is for the commands, not for the model."""

    async def run(self, account: Account, message: Message, text: str) -> None:
        """Carry it out and answer it; never raises."""


class ChatRouter(TaskOwner):
    """Owns every session's task. An async context manager: leaving ends them; what they owed stays on record."""

    def __init__(
        self,
        services: Services,
        commands: CommandHook,
        accounts: Mapping[int, Account],
        sessions: dict[ChatId, ChatSession],
        fill_gap: FillGap,
    ) -> None:
        super().__init__(lambda error: services.report("report.answer", None, error))
        self._services = services
        self._intake = Intake(services, accounts)
        self._commands = commands
        self._accounts = accounts
        self._sessions = sessions
        self._catching = CatchUp(services, sessions, self._session, fill_gap)
        self._outboxes: dict[int, Outbox] = {}
        self._queues = services.queues or Queues(lambda: services.settings().sending, services.clock)
        self._recalled: OrderedDict[tuple[ChatId, int], None] = OrderedDict()
        """What was taken back lately: it may still be asked about."""
        self._gate = Gate()
        self._witness = Witness(services, self._gate)

    # --- events --------------------------------------------------------------------------------------------------

    def dispatch(self, account: Account, event: Event) -> None:
        """Take one event; never waits."""
        match event:
            case GroupMessage() | PrivateMessage():
                self._take(account, event)
            case GroupRecall(group_id=group, message_id=message_id):
                self.spawn(self._withdraw(ChatId(event.self_id, "group", group), message_id))
            case FriendRecall(user_id=user, message_id=message_id):
                self.spawn(self._withdraw(ChatId(event.self_id, "private", user), message_id))
            case _ if (happening := happening_of(event)) is not None:
                if self._witness.heeds(happening):
                    self.spawn(self._record(account, happening))
            case _:
                log.debug("event", kind=type(event).__name__)

    def connected(self, account: Account) -> None:
        """An account has a new connection: send what waited, answer what was left, ask for what was missed."""
        self._outbox(account).connected()
        self.spawn(self._catching.after(account, self._take_missed))

    def speak_first(self, account: Account, chat: ChatId, entry: Entry) -> bool:
        """Let the model speak first in a chat; see `ChatSession.speak_first`."""
        return self._session(account, chat).speak_first(entry)

    def _take_missed(self, account: Account, message: Message, freshness: Freshness) -> None:
        # Commands are not on record, so one that was carried out already would look like a missed one.
        recalled = (message.chat_id, message.message_id) in self._recalled  # since QQ was asked
        if not recalled and not self._commands.matches(words_of(message), message):
            self._take(account, message, freshness)

    def _take(self, account: Account, message: Message, freshness: Freshness = Freshness.LIVE) -> None:
        where = message.chat_id
        if (session := self._sessions.get(where)) is not None:
            session.give_way()
        if message.sent_by_self:
            return
        door = self._intake.door(message)
        if door is Door.CLOSED:
            return
        if isinstance(message, GroupMessage) and message.group_name and self._services.cast is not None:
            self._services.cast.note_name(where, label(message.group_name))
        words = words_of(message)
        command = freshness is not Freshness.OLD and self._commands.matches(words, message)
        chat = self._services.settings().chat
        heard = door is Door.OPEN and self._services.presence.listens(where, chat, message.time)
        if not command and not heard:
            return
        if _levels.isEnabledFor(logging.INFO):
            # Of a command the name alone: what follows may be meant for no record at all.
            shown = words.split(maxsplit=1)[0] if command else words
            _log_message(message, shown, content=self._services.settings().log.content)
        if command:
            if self._intake.may_command(message):
                self.spawn(self._command(account, message, words))
            return
        quote = quote_in(message.message)
        if quote is not None or is_closed(message.message):
            self.spawn(self._take_referring(account, message, quote, freshness))
        else:
            self._deliver(account, message, self._intake.called(message), freshness)

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
        called = self._intake.called(message)
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
        if found is None or (not found.sent_by_self and self._intake.door(found) is Door.CLOSED):
            return None
        entry = self._intake.entry(found, None)
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
        entry = self._intake.entry(message, quoted)
        if not entry.text:
            return
        chat = message.chat_id
        if self._services.guard.refuses(entry.text):
            decision = self._services.presence.refused(chat, message.user_id)
        else:
            session = self._session(account, chat)
            decision = self._intake.decide(session, message, called, freshness)
            session.receive(entry, decision.trigger, group)
        self._services.journal.seen(chat, entry, decision, called)

    async def _record(self, account: Account, happening: Happening) -> None:
        """A poke, or somebody came or went: let the model know; a poke may be answered."""
        entry = await self._witness.entry(account, happening)
        session = self._session(account, happening.chat)
        session.receive(entry, self._witness.trigger(happening, session, self._intake.ignores))

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
            self.own(self._run(session))
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
            self._outboxes[account.self_id] = Outbox(account, patience, self.spawn, pacing)
        return self._outboxes[account.self_id]

    async def _withdraw(self, chat: ChatId, message_id: int) -> None:
        """What was recalled in QQ leaves the model's view, and its memory; also what is still on its way there."""
        self._recalled[chat, message_id] = None
        if len(self._recalled) > RECALLED:
            self._recalled.popitem(last=False)
        if (session := self._sessions.get(chat)) is not None:
            session.withdraw(message_id)
        await self._services.history.withdraw(chat, message_id, self._services.take_back)
        await self._sweep()

    async def _sweep(self) -> None:
        if self._services.eyes is not None:
            await self._services.eyes.sweep()


def quote_in(segments: tuple[Segment, ...]) -> Reply | None:
    """The quote among the segments of a message, the first if there are more."""
    for segment in segments:  # not next(): every message is asked, and a generator costs more
        if isinstance(segment, Reply):
            return segment
    return None


def _log_message(message: Message, words: str, *, content: bool) -> None:
    where = f"group {message.group_id}" if isinstance(message, GroupMessage) else "private"
    shown = (words or f"[{len(message.message)} segments]") if content else f"[{len(words)} characters]"
    line = f"{where} {message.sender.name}({message.user_id}): {shown}"
    log.info(line)
