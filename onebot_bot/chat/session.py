"""One chat, one task: it merges bursts into turns, lets newer messages interrupt, and sends what the model wrote.

`receive` is called by the router and never waits: a message is on its way to the disk before anything else happens.
"""

import asyncio
import contextlib

import msgspec
import structlog

from onebot_bot.chat.access import Door
from onebot_bot.chat.delivery import Delivery
from onebot_bot.chat.drafting import Drafter
from onebot_bot.chat.expressing import Expressions
from onebot_bot.chat.outbox import Outbox
from onebot_bot.chat.participation import ASKED, Outcome, Trigger
from onebot_bot.chat.profiles import Written, in_profile, status_for
from onebot_bot.chat.reply import split_reply
from onebot_bot.chat.services import Services
from onebot_bot.chat.settings import Settings, with_own
from onebot_bot.chat.turn import Draft, Incoming, Turn, belong_together
from onebot_bot.chat.view import View
from onebot_bot.engine.request import FinishReason, Recalled
from onebot_bot.errors import BotError, NotConnected, ProfileError, RequestError, StaleAnswer
from onebot_bot.memory.history import Entry, State
from onebot_bot.protocol.chat_id import ChatId

log = structlog.get_logger(__name__)

_CUT_OFF = {
    FinishReason.TIMEOUT: "nothing was written within generation.timeout: raise it, or use a smaller model",
    FinishReason.LENGTH: "generation.max_new_tokens were spent on thinking alone: raise it, or set "
    "generation.thinking = false",
}
"""Why nothing can be said of an answer that ended too early, and the fix."""

MOST_ASKED = 40
"""Messages that one answer must see; what came before them is shown as far as it fits, like all that was said."""


class ChatSession:
    """The state and the task of one chat."""

    def __init__(self, chat: ChatId, outbox: Outbox, services: Services) -> None:
        self.chat = chat
        self.closed = False
        """Set when the task has ended; the router then makes a new session."""
        self.last_recalls: tuple[Recalled, ...] = ()
        self.last_written = Written()
        self._outbox = outbox
        self._services = services
        self._delivery = Delivery(chat, outbox, services)
        self._expressions = Expressions(chat, services.history, services.stickers)
        self._view = View(chat, services.history, services.eyes, services.reader, services.shown)
        self._pending: list[Incoming] = []
        self._discarded: list[Incoming] = []
        """What /stop took out of `_pending`, until the record says so."""
        self._woken = asyncio.Event()
        self._turn: Turn | None = None
        """The turn being answered; None between turns."""
        self._drafter = Drafter(chat, services)
        self._between_turns = asyncio.Event()
        self._between_turns.set()

    # --- called by the router, never waits -----------------------------------------------------------------------

    def receive(self, entry: Entry, trigger: Trigger | None, temporary_group: int = 0) -> None:
        """Record a message; answer it if `trigger`."""
        entry = msgspec.structs.replace(entry, state="pending" if trigger else "heard")
        row = self._services.history.append_nowait(self.chat, entry)
        self._services.heard(self.chat)
        if trigger is not None:
            if self._services.eyes is not None:
                self._services.eyes.expect(self.chat, entry, row)
            if self._services.reader is not None:
                self._services.reader.expect(self.chat, entry, row)
            self._expect(Incoming(entry, trigger, row, self._services.clock.time(), temporary_group))

    def resume(self, entry: Entry, temporary_group: int = 0, *, unsaved: bool = False) -> None:
        """Answer a message that is on record, pending, or one that never will be (`unsaved`)."""
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
        self._pending = [item for item in self._pending if item.trigger is not Trigger.FIRST]
        if self._turn is not None and self._turn.first:
            self._turn.stop()

    @property
    def busy(self) -> bool:
        """Whether an answer is being written, or waits to be."""
        return bool(self._pending) or self._turn is not None

    def owes(self, entry: Entry) -> bool:
        """Whether this message waits for its answer here, or is being answered."""
        if entry.message_id is None:
            return any(item.stored_as == entry.id for item in self._owed)
        return any(item.entry.message_id == entry.message_id for item in self._owed)

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
        self._drafter.last_said = ""  # what is asked for again may be said again
        unanswered = [item for item in items if turn is None or not turn.answered or item not in turn.items]
        return [row for item in unanswered if (row := await item.row)]

    def wake(self) -> None:
        """The chats rest no longer: what came meanwhile is answered, all of it by one answer."""
        self.give_way()
        for item in self._pending:
            item.rested = True
        self._woken.set()

    def withdraw(self, message_id: int) -> None:
        """A message was recalled in QQ: it is no longer answered, nor shown to the model."""
        gone = [item for item in self._pending if item.entry.message_id == message_id]
        self._pending = [item for item in self._pending if item not in gone]
        if self._turn is not None:
            gone += self._turn.withdraw(message_id)
        self._services.journal.left(self.chat, gone, "recalled")

    def said(self, message_id: int) -> bool:
        """Whether the bot itself sent that message a moment ago."""
        return self._delivery.said(message_id)

    @property
    def owed_rows(self) -> list[int]:
        """The rows of what waits for an answer, as far as they are known."""
        return [item.entry.id for item in self._owed if item.entry.id]

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
                await self._answer(turn)
            except Exception as error:  # noqa: BLE001 - a session survives one bad message; this is the one place
                await self._give_up(turn, error)
            finally:
                self._turn = None
                self._between_turns.set()
        self.closed = True

    async def _has_work(self) -> bool:
        """Wait for a turn; False when none came for so long that the session may end."""
        if self._pending or self._discarded:
            return True
        self._woken.clear()
        # A bare timer: this runs once a turn, and asyncio.timeout costs more than the rest of it.
        idle = self._services.settings().chat.idle_minutes * 60
        timer = asyncio.get_running_loop().call_later(idle, self._woken.set)
        try:
            await self._woken.wait()
        finally:
            timer.cancel()
        return bool(self._pending or self._discarded)

    async def _collect(self) -> Turn | None:
        """Wait until the first waiting person has been quiet for `merge_window`, then take all they wrote."""
        await self._discard()
        if not self._pending:
            return None
        await self._settle(self._pending[0])
        if not self._pending:
            return None
        if self._services.rest.resting:
            await self._wait_out_rest()
            return None
        first = self._pending[0]
        items = [item for item in self._pending if belong_together(first, item)]
        self._pending = [item for item in self._pending if not belong_together(first, item)]
        return Turn(first.entry.user_id, items, began=self._services.clock.time())

    async def _wait_out_rest(self) -> None:
        """Wait for the end of the rest, or for news: another message, or /stop."""
        self._woken.clear()
        asked = any(item.trigger in ASKED for item in self._pending) and not self._in_shadow
        if asked and self._services.rest.excuse(self.chat):
            await self._say_why()
        await self._woken.wait()

    async def _say_why(self) -> None:
        """A short line instead of silence."""
        await self._delivery.remark("rest.busy", self._pending[-1].temporary_group)

    async def _settle(self, first: Incoming) -> None:
        """Wait out a burst: quiet for `merge_window` since the last message, `merge_cap` since the first at most."""
        chat, clock = self._services.settings().chat, self._services.clock
        while mine := [item for item in self._pending if item.entry.user_id == first.entry.user_id]:
            due = min(mine[-1].arrived + chat.merge_window, mine[0].arrived + max(chat.merge_cap, chat.merge_window))
            if (wait := due - clock.time()) <= 0:
                return
            await clock.sleep(wait)

    async def _answer(self, turn: Turn) -> None:
        """One turn, from the record to the record."""
        # 1. Nothing is attempted before every message of it is on the disk; what was known already is no news.
        settings = self._services.settings()
        with self._services.rest.writing():
            if not await self._store(turn):
                return
            if await self._turned_away(turn, settings):
                return
            # 2. The model writes; a newer message of the same person puts the turn back in the queue.
            turn.draft = draft = await self._generate(turn, settings)
        turn.written = self._services.clock.time()
        if turn.stopped or draft is None:
            await self._conclude(turn, [], "dropped", "stopped" if turn.items else "recalled")
            return
        result, said = draft.result, draft.said
        if result.finish_reason is FinishReason.INTERRUPTED:
            self._put_back(turn)
            return
        self.last_recalls = result.recalls
        turn.recalled = "\n".join(recalled.text for recalled in result.recalls)
        self._services.recaller.note(result.recalls)
        # 3. What it wrote goes out; from here on nothing interrupts.
        if not said:
            await self._conclude(turn, [], "answered", self._passed_over(draft))
        elif self._in_shadow:
            self._keep_to_oneself(turn, split_reply(said, settings.chat.max_bubbles))
            await self._conclude(turn, [], "heard", "shadow")
        else:
            await self._say(turn, said, draft.emotion, settings, result.usage.total)

    async def _turned_away(self, turn: Turn, settings: Settings) -> bool:
        """Whether its sender gets no answer: denied since it was said, or at a limit, which is told them once."""
        user, group = turn.sender, self.chat.peer if self.chat.kind == "group" else 0
        if self._services.access.door_of(user, group, settings.bot, settings.access) is not Door.OPEN:
            await self._conclude(turn, [], "dropped", "denied")
            return True
        limits = self._services.limits
        excess = limits and limits.excess(self.chat, user, settings.limits, settings.bot.owners)
        if not limits or not excess:
            return False
        log.info("no answer: a limit is reached", limit=f"limits.{excess.peer[0]}_{excess.kind}", user=user)
        if excess.tell and not turn.optional and not turn.first and not self._in_shadow:
            limits.told(excess)
            await self._delivery.remark(excess.text, turn.items[-1].temporary_group)
        await self._conclude(turn, [], "heard", "limit")
        return True

    def _passed_over(self, draft: Draft) -> Outcome:
        """Why nothing is said: the model's choice, a guard withholds it, or it never got to say it."""
        if draft.withheld is not None:
            return draft.withheld.value
        reason = draft.result.finish_reason
        if reason not in _CUT_OFF:
            return "no_reply"
        self._services.report("report.answer", self.chat, RequestError(_CUT_OFF[reason]))
        return "cut_off"

    @property
    def _in_shadow(self) -> bool:
        return self._services.presence.mode(self.chat, self._services.settings().chat) == "shadow"

    def _keep_to_oneself(self, turn: Turn, bubbles: list[str]) -> None:
        """Only the log hears it; it counts as said, or the bot would want to say more than where it speaks."""
        self._note_answer(turn, len(bubbles))
        text = "\n".join(bubbles)
        line = f"would have answered: {text if self._services.settings().log.content else f'[{len(text)} characters]'}"
        log.info(line)

    def _note_answer(self, turn: Turn, bubbles: int) -> None:
        users = {item.entry.user_id for item in turn.items}
        self._services.presence.answered(self.chat, users, bubbles, self._services.clock.time())
        if self._services.limits is not None:
            self._services.limits.answered(self.chat, users)

    async def _store(self, turn: Turn) -> bool:
        """Wait until all of it is on the disk; False when nothing of it is news."""
        for item in list(turn.items):
            row = await item.row
            if row is None:
                turn.items = [other for other in turn.items if other is not item]
            else:
                item.entry = msgspec.structs.replace(item.entry, id=row)
        early, turn.items = turn.items[:-MOST_ASKED], turn.items[-MOST_ASKED:]
        if early:
            self._services.journal.left(self.chat, early, "crowded")
            await self._services.history.mark([item.entry.id for item in early], "heard")
        return bool(turn.items)

    async def _generate(self, turn: Turn, settings: Settings) -> Draft | None:
        """What the chat's profile writes, or where its model is not to be had, the main one."""
        settings, own = await self._played(turn, settings), self._services.branch(self.chat)
        wanted = self._services.presence.profile(self.chat, settings.chat, settings.profiles)
        try:
            self.last_written = Written(wanted)
            return await self._write(turn, with_own(in_profile(settings, wanted), own))
        except ProfileError as error:
            self._services.report("report.profile", self.chat, error)
            self.last_written = Written(instead_of=wanted)
            return await self._write(turn, with_own(settings, own))

    async def _write(self, turn: Turn, settings: Settings) -> Draft | None:
        """What the model writes; None when somebody said stop before it began; raises ProfileError."""
        conversation = await self._view.conversation(turn, settings)
        status = status_for(self._services.engine.status, settings.profile)
        conversation = await self._expressions.tell(conversation, settings, status)
        if turn.stopped:
            return None
        return await self._drafter.draft(turn, conversation, settings, lambda: self._begun(turn))

    async def _played(self, turn: Turn, settings: Settings) -> Settings:
        """With who the bot is to them: a persona, or in place of it the prompt of the branch."""
        cast, prompt, bot = self._services.cast, self._services.branch(self.chat).prompt, settings.bot
        if cast is not None:
            part = await cast.part(self.chat, turn.sender, turn.name, bot, settings.character)
            turn.part = part.prompted(prompt) if prompt else part
            bot = turn.part.bot
        elif prompt:
            bot = msgspec.structs.replace(bot, persona=prompt)
        return msgspec.structs.replace(settings, bot=bot)

    def _begun(self, turn: Turn) -> None:
        """The engine was asked."""
        turn.asked = turn.asked or self._services.clock.time()
        if turn.generation is not None and not turn.generation.done:
            self._outbox.show_typing(self.chat)
        if any(turn.takes(item) for item in self._pending):
            # It came while the turn was being stored or looked at: too early for `_expect` to interrupt anything.
            self._interrupt(turn)

    def _put_back(self, turn: Turn) -> None:
        """Answer these again together with what came after; nobody's message is lost to an interrupt."""
        self._note_end(turn, [], "interrupted")
        for item in turn.items:
            item.interrupts += 1
        self._pending = [*turn.items, *self._pending]

    # --- sending -------------------------------------------------------------------------------------------------

    async def _say(self, turn: Turn, said: str, emotion: str, settings: Settings, spent: float) -> None:
        """Send an answer as messages, as a picture or as a bundle, and put on record what went out."""
        clock = self._services.clock
        began = clock.time()
        render = self._services.presence.render(self.chat, settings.render)
        status = status_for(self._services.engine.status, self.last_written.profile)
        tagged = await self._expressions.read(said, turn, settings, status, emotion)
        pieces = await self._expressions.pieces(tagged, settings.chat, render, self._services.painter)
        if turn.stopped:  # while it was being drawn
            await self._conclude(turn, [], "dropped", "stopped")
            return
        try:
            sent = await self._delivery.send(turn, pieces, settings.chat, spent + clock.time() - began)
        except StaleAnswer as error:
            log.warning("An answer came too late to be sent.", cause=str(error))
            await self._conclude(turn, [], "dropped", "stale")
            return
        if sent:
            self._note_answer(turn, len(sent))
        if len(sent) == len(pieces):
            self._drafter.last_said = said
        if sent:
            sent[0] = msgspec.structs.replace(sent[0], emotion=emotion)
        state: State = "dropped" if turn.halted and not sent else "answered"
        await self._conclude(turn, sent, state, _end(turn, sent))
        if sent and emotion and not turn.unsaved:
            await self._feel(turn, emotion, settings)

    async def _feel(self, turn: Turn, emotion: str, settings: Settings) -> None:
        """Let the mood follow what was felt."""
        cast, part = self._services.cast, turn.part
        if cast is not None and part is not None and settings.character.mood:
            await cast.felt(self.chat, turn.sender, emotion, part.feelings[emotion], settings.character)

    # --- the end of a turn ---------------------------------------------------------------------------------------

    async def _conclude(self, turn: Turn, sent: list[Entry], state: State, outcome: Outcome) -> None:
        """Put the turn on record, if it is for that; then the model sees it as said."""
        if turn.unsaved:
            self._note_end(turn, sent, outcome)
            return
        if state == "answered":
            await self._services.history.answered(self.chat, turn.rows, sent)
        else:
            await self._services.history.mark(turn.rows, state)
        self._note_end(turn, sent, outcome)

    def _note_end(self, turn: Turn, sent: list[Entry], outcome: Outcome) -> None:
        """For /why, the turn log and /stats."""
        if outcome not in ("answered", "interrupted"):
            self._services.presence.ended(self.chat, turn.sender, outcome)
        self._services.journal.ended(self.chat, turn, sent, outcome, self._services.clock.time())

    async def _discard(self) -> None:
        """Say in the record what /stop dropped."""
        dropped, self._discarded = self._discarded, []
        self._services.journal.left(self.chat, dropped, "stopped")
        rows = [row for item in dropped if (row := await item.row) is not None]
        if rows:
            await self._services.history.mark(rows, "dropped")

    async def _give_up(self, turn: Turn, error: Exception) -> None:
        """This turn gets no answer; the owner hears why, the chat goes on."""
        if isinstance(error, NotConnected):
            self._note_end(turn, [], "unsent")
            return  # told already; the rows are pending again, so the next connection may still answer them
        self._services.report("report.answer", self.chat, error)
        with contextlib.suppress(BotError):
            await self._conclude(turn, [], "dropped", "failed")


def _end(turn: Turn, sent: list[Entry]) -> Outcome:
    """What came of sending; who speaks first is stopped by anybody who speaks meanwhile."""
    if sent:
        return "answered"
    return "stopped" if turn.stopped or turn.halted else "unsent"
