"""One chat, one task: it merges bursts into turns, has them answered in order and lets newer messages interrupt.

`receive` is called by the router and never waits: a message is on its way to the disk before anything else happens.
"""

import asyncio
from collections import deque
from typing import Literal

import msgspec
import structlog

from onebot_bot.chat.answering import Answerer
from onebot_bot.chat.idling import Idling
from onebot_bot.chat.outbox import Outbox
from onebot_bot.chat.participation import ASKED, Trigger
from onebot_bot.chat.services import Services
from onebot_bot.chat.sights import holds_things
from onebot_bot.chat.turn import Incoming, Load, Turn, divided, rows_of
from onebot_bot.errors import StoreError
from onebot_bot.memory.history import Entry
from onebot_bot.protocol.chat_id import ChatId

RECALLED = 64
"""Messages of a chat that were recalled lately and may still be handed in to be answered."""


class ChatSession:
    """The state and the task of one chat."""

    def __init__(self, chat: ChatId, outbox: Outbox, services: Services) -> None:
        self.chat = chat
        self.closed = False
        """Set when the task has ended; the router then makes a new session."""
        self.answerer = Answerer(chat, outbox, services, self._begun)
        self.opening = asyncio.Lock()
        """Held by who lets messages on record await an answer, until this session was told to `resume` them."""
        self._services = services
        self._pending: list[Incoming] = []
        self._discarded: list[Incoming] = []
        """What /stop took out of `_pending`, until the record says so."""
        self._discarding = asyncio.Lock()
        self._recalled: deque[int] = deque(maxlen=RECALLED)
        self._woken = asyncio.Event()
        self._idling = Idling()
        self._turn: Turn | None = None
        """The turn being answered; None between turns."""
        self._between_turns = asyncio.Event()
        self._between_turns.set()

    # --- called by the router, never waits -----------------------------------------------------------------------

    def receive(self, entry: Entry, trigger: Trigger | None, temporary_group: int = 0) -> None:
        """Record a message; answer it if `trigger`."""
        entry = msgspec.structs.replace(entry, state="pending" if trigger else "heard")
        row = self._services.history.append_nowait(self.chat, entry)
        # Once it is on the disk: before that, who is told of it finds nothing to read.
        if (heard := self._services.heard) is not None:
            row.add_done_callback(lambda _: heard(self.chat))
        if trigger is not None:
            if holds_things(entry):
                self._take_in(entry, row)
            self._expect(Incoming(entry, trigger, row, self._services.clock.time(), temporary_group))

    def _take_in(self, entry: Entry, row: "asyncio.Future[int | None]") -> None:
        """Begin to fetch what it brings along."""
        if self._services.eyes is not None:
            self._services.eyes.expect(self.chat, entry, row)
        if self._services.reader is not None:
            self._services.reader.expect(self.chat, entry, row)

    def resume(self, entry: Entry, temporary_group: int = 0, *, unsaved: bool = False) -> None:
        """Answer a message that is on record, pending, or one that never will be (`unsaved`).

        One that was recalled in QQ since its row was read is not answered.
        """
        if entry.message_id in self._recalled:
            return
        self.give_way()
        row: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        row.set_result(entry.id)
        now = self._services.clock.time()
        self._expect(Incoming(entry, Trigger.FOLLOW_UP, row, now, temporary_group, unsaved=unsaved))

    def speak_first(self, entry: Entry) -> bool:
        """Let the model speak first, told to by an event that goes on no record; False: somebody is to be answered."""
        if self.busy or self._services.rest.resting:
            return False
        row: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        row.set_result(0)
        self._services.presence.spoke_first(self.chat, entry.user_id)
        self._expect(Incoming(entry, Trigger.FIRST, row, self._services.clock.time()))
        return True

    def give_way(self) -> None:
        """Somebody speaks, or is to be answered: what was to be said first would be out of place."""
        if self._pending:
            self._pending = [item for item in self._pending if item.trigger is not Trigger.FIRST]
        if self._turn is not None and self._turn.first:
            self._turn.stop()

    @property
    def busy(self) -> bool:
        """Whether an answer is being written, or waits to be."""
        return bool(self._pending) or self._turn is not None

    @property
    def load(self) -> Load | None:
        """What it is busy with; None: nothing."""
        if not self._owed:
            return None
        turn = self._turn
        since = min(item.arrived for item in self._owed)
        doing: Literal["waiting", "writing", "sending"] = "waiting"
        if turn is not None:
            doing = "sending" if turn.sending else "writing"
        return Load(doing, len(self._owed), self._services.clock.time() - since)

    def owes(self, entry: Entry) -> bool:
        """Whether this message waits for its answer here, or is being answered; or the record says still that it is."""
        owed = [*self._owed, *self._discarded]
        if entry.message_id is None:
            return any(item.stored_as == entry.id for item in owed)
        return any(item.entry.message_id == entry.message_id for item in owed)

    def answers(self, user: int) -> bool:
        """Whether anything that this person wrote waits for its answer here, or is being answered."""
        return any(item.entry.user_id == user for item in self._owed)

    def stop(self) -> bool:
        """End the answer being written and drop what waits; whether there was anything to stop."""
        turn = self._turn
        busy = bool(self._pending) or (turn is not None and not turn.sending)
        if turn is not None and not turn.sending:
            turn.stop()
        if self._pending:  # else there is nothing to wake for, and a session that is woken for nothing ends
            self._discarded += self._pending
            self._pending = []
            self._woken.set()
        return busy

    async def halt(self) -> list[int]:
        """End what is being written or sent, and return once the chat is between two turns.

        Returns:
            The rows of what thereby gets no answer.
        """
        turn, items = self._turn, self._owed
        self.stop()
        if turn is not None:
            turn.halted = True
        await self._between_turns.wait()
        await self._discard()  # now: whoever asked for this may have some of it answered again
        self.answerer.allow_repeating()
        unanswered = [item for item in items if turn is None or not turn.answered or item not in turn.items]
        return await rows_of(unanswered)

    def wake(self) -> None:
        """The chats rest no longer: what came meanwhile is answered, all of it by one answer."""
        self.give_way()
        for item in self._pending:
            item.rested = True
        self._woken.set()

    def withdraw(self, message_id: int) -> None:
        """A message was recalled in QQ: it is no longer answered, nor shown to the model."""
        self._recalled.append(message_id)
        gone = [item for item in self._pending if item.entry.message_id == message_id]
        self._pending = [item for item in self._pending if item not in gone]
        if self._turn is not None:
            gone += self._turn.withdraw(message_id)
        self._services.journal.left(self.chat, gone, "recalled")

    def said(self, message_id: int) -> bool:
        """Whether the bot itself sent that message a moment ago."""
        return self.answerer.said(message_id)

    @property
    def owed_rows(self) -> list[int]:
        """The rows of what waits for an answer, as far as they are known."""
        return [row for item in self._owed if (row := item.stored_as)]

    def being_written(self, before: int) -> "list[asyncio.Future[int | None]]":
        """The rows of what waits for an answer, was said before that unix second, and is on its way to the disk."""
        return [item.row for item in self._owed if item.entry.time < before and not item.row.done()]

    @property
    def _owed(self) -> list[Incoming]:
        return [*self._pending, *(self._turn.items if self._turn else [])]

    def _expect(self, incoming: Incoming) -> None:
        self._pending.append(incoming)
        self._woken.set()
        if self._turn is not None and self._turn.takes(incoming):
            self._interrupt(self._turn)

    def _interrupt(self, turn: Turn) -> None:
        """Stop writing to take in a newer message, unless this person has done so often enough, or a rest waits."""
        if self._services.rest.resting:
            return
        if turn.generation is not None and turn.interrupts < self._services.settings().chat.max_interrupts:
            turn.generation.interrupt()

    def is_owed(self, user_id: int) -> bool:
        """Whether this person waits for an answer that a further message would be part of."""
        waiting = [item for item in self._pending if item.entry.user_id == user_id]
        if waiting:
            # In a rest that lasts for hours, what somebody says later is not meant for the bot.
            settings, now = self._services.settings().chat, self._services.clock.time()
            return not self._services.rest.resting or now - waiting[-1].arrived <= settings.merge_cap
        return self._turn is not None and self._turn.generation is not None and self._turn.sender == user_id

    # --- the task ------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Answer turn after turn until the chat has been quiet for `idle_minutes`."""
        structlog.contextvars.bind_contextvars(chat=str(self.chat))
        while await self._has_work():
            turn = await self._collect()
            if turn is None:
                continue
            self._turn = turn
            self._between_turns.clear()
            try:
                if not await self.answerer.answer(turn):
                    self._put_back(turn)
            except Exception as error:  # noqa: BLE001 - a session survives one bad message; this is the one place
                await self.answerer.give_up(turn, error)
            finally:
                self._turn = None
                self._between_turns.set()
        self.closed = True

    async def _has_work(self) -> bool:
        """Wait for a turn; False when none came for so long that the session may end."""
        if self._pending or self._discarded:
            return True
        self._woken.clear()
        await self._idling.wait(self._woken, self._services.settings().chat.idle_minutes * 60)
        return bool(self._pending or self._discarded or self.opening.locked())

    async def _collect(self) -> Turn | None:
        """Wait until the first waiting person has been quiet for `merge_window`, then take all they wrote."""
        if self._discarded:
            await self._discard_alone()
        if not self._pending:
            return None
        await self._settle(self._pending[0])
        if not self._pending:
            return None
        if self._services.rest.resting:
            await self._wait_out_rest()
            return None
        first = self._pending[0]
        items, self._pending = divided(first, self._pending)
        return Turn(first.entry.user_id, items, began=self._services.clock.time())

    async def _wait_out_rest(self) -> None:
        """Wait for the end of the rest, or for news: another message, or /stop."""
        self._woken.clear()
        asked = any(item.trigger in ASKED for item in self._pending) and not self.answerer.in_shadow
        if asked and self._services.rest.excuse(self.chat):
            # A short line instead of silence.
            await self.answerer.remark("rest.busy", self._pending[-1].temporary_group)
        await self._woken.wait()

    async def _settle(self, first: Incoming) -> None:
        """Wait out a burst: quiet for `merge_window` since the last message, `merge_cap` since the first at most."""
        chat, clock = self._services.settings().chat, self._services.clock
        while mine := [item for item in self._pending if item.entry.user_id == first.entry.user_id]:
            due = min(mine[-1].arrived + chat.merge_window, mine[0].arrived + max(chat.merge_cap, chat.merge_window))
            if (wait := due - clock.time()) <= 0:
                return
            await clock.sleep(wait)

    def _begun(self, turn: Turn) -> None:
        """The engine was asked."""
        if any(turn.takes(item) for item in self._pending):
            # It came while the turn was being stored or looked at: too early for `_expect` to interrupt anything.
            self._interrupt(turn)

    def _put_back(self, turn: Turn) -> None:
        """Answer these again together with what came after; nobody's message is lost to an interrupt."""
        for item in turn.items:
            item.interrupts += 1
        self._pending = [*turn.items, *self._pending]

    async def _discard_alone(self) -> None:
        """What waits behind what was dropped is answered, whatever the record takes."""
        try:
            await self._discard()
        except StoreError as error:
            self._services.report("report.answer", self.chat, error)

    async def _discard(self) -> None:
        """Say in the record what /stop dropped; return once it is said, whoever says it."""
        if not self._discarded:
            return
        async with self._discarding:
            dropped = [*self._discarded]
            try:
                self._services.journal.left(self.chat, dropped, "stopped")
                if rows := await rows_of(dropped):
                    await self._services.history.mark(rows, "dropped")
            finally:
                del self._discarded[: len(dropped)]
