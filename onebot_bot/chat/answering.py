"""How one turn is answered: stored, looked at, written by the model, sent, and put on record.

Whether and when a turn is answered is its session's business; see session.py.
"""

import contextlib
from collections.abc import Callable

import msgspec
import structlog

from onebot_bot.chat.access import Door
from onebot_bot.chat.delivery import Delivery
from onebot_bot.chat.drafting import Drafter
from onebot_bot.chat.expressing import Expressions
from onebot_bot.chat.outbox import Outbox
from onebot_bot.chat.participation import Outcome
from onebot_bot.chat.profiles import Written, in_profile, status_for
from onebot_bot.chat.reply import split_reply
from onebot_bot.chat.services import Services
from onebot_bot.chat.settings import Settings, with_own
from onebot_bot.chat.turn import Draft, Turn
from onebot_bot.chat.view import View
from onebot_bot.engine.request import FinishReason, Recalled
from onebot_bot.errors import BotError, NoRoom, NotConnected, ProfileError, RequestError, StaleAnswer, StoreError
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


class Answerer:
    """Answers the turns of one chat, one at a time."""

    def __init__(self, chat: ChatId, outbox: Outbox, services: Services, begun: Callable[[Turn], None]) -> None:
        """`begun` is called whenever the engine was asked for an answer to a turn."""
        self.last_recalls: tuple[Recalled, ...] = ()
        self.last_written = Written()
        self.expressions = Expressions(chat, services.history, services.stickers)
        self._chat = chat
        self._outbox = outbox
        self._services = services
        self._begun = begun
        self._delivery = Delivery(chat, outbox, services)
        self._view = View(chat, services.history, services.eyes, services.reader, services.shown)
        self._drafter = Drafter(chat, services)

    @property
    def in_shadow(self) -> bool:
        """Whether answers in this chat are written for the log alone."""
        return self._services.presence.mode(self._chat, self._services.settings().chat) == "shadow"

    def said(self, message_id: int) -> bool:
        """Whether the bot itself sent that message a moment ago."""
        return self._delivery.said(message_id)

    def allow_repeating(self) -> None:
        """What is asked for again may be said again."""
        self._drafter.last_said = ""

    async def remark(self, key: str, temporary_group: int) -> None:
        """Say a line of the catalogue that is no answer."""
        await self._delivery.remark(key, temporary_group)

    async def answer(self, turn: Turn) -> bool:
        """One turn, from the record to the record; False when it was interrupted, and is to be answered anew.

        Raises:
            Exception: whatever went wrong; the turn is to be given up.
        """
        settings = self._services.settings()
        with self._services.rest:
            # 1. Nothing is attempted before every message of it is on the disk; what was known already is no news.
            if not await self._store(turn) or await self._turned_away(turn, settings):
                return True
            # 2. The model writes; a newer message of the same person puts the turn back in the queue.
            turn.draft = draft = await self._generate(turn, settings)
        turn.written = self._services.clock.time()
        if turn.stopped or draft is None:
            await self._conclude(turn, [], "dropped", "stopped" if turn.items else "recalled")
        elif draft.result.finish_reason is FinishReason.INTERRUPTED:
            self._note_end(turn, [], "interrupted")
            return False
        else:
            # 3. What it wrote goes out; from here on nothing interrupts.
            self._note_recalls(turn, draft.result.recalls)
            await self._utter(turn, draft, settings)
        return True

    def _note_recalls(self, turn: Turn, recalls: tuple[Recalled, ...]) -> None:
        self.last_recalls = recalls
        turn.recalled = "\n".join(recalled.text for recalled in recalls)
        self._services.recaller.note(recalls)

    async def _utter(self, turn: Turn, draft: Draft, settings: Settings) -> None:
        if not draft.said:
            await self._conclude(turn, [], "answered", self._passed_over(draft))
        elif self.in_shadow:
            self._keep_to_oneself(turn, split_reply(draft.said, settings.chat.max_bubbles))
            await self._conclude(turn, [], "heard", "shadow")
        else:
            await self._say(turn, draft.said, draft.emotion, settings, draft.result.usage.total)

    async def _turned_away(self, turn: Turn, settings: Settings) -> bool:
        """Whether its sender gets no answer: denied since it was said, or at a limit, which is told them once."""
        user, group = turn.sender, self._chat.peer if self._chat.kind == "group" else 0
        if self._services.access.door_of(user, group, settings.bot, settings.access) is not Door.OPEN:
            await self._conclude(turn, [], "dropped", "denied")
            return True
        limits = self._services.limits
        excess = limits and limits.excess(self._chat, user, settings.limits, settings.bot.owners)
        if not limits or not excess:
            return False
        log.info("no answer: a limit is reached", limit=f"limits.{excess.peer[0]}_{excess.kind}", user=user)
        if excess.tell and not turn.optional and not turn.first and not self.in_shadow:
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
        self._services.report("report.answer", self._chat, RequestError(_CUT_OFF[reason]))
        return "cut_off"

    def _keep_to_oneself(self, turn: Turn, bubbles: list[str]) -> None:
        """Only the log hears it; it counts as said, or the bot would want to say more than where it speaks."""
        self._note_answer(turn, len(bubbles))
        text = "\n".join(bubbles)
        line = f"would have answered: {text if self._services.settings().log.content else f'[{len(text)} characters]'}"
        log.info(line, user=turn.sender)

    def _note_answer(self, turn: Turn, bubbles: int) -> None:
        users = frozenset([item.entry.user_id for item in turn.items])
        self._services.presence.answered(self._chat, users, bubbles, self._services.clock.time())
        if self._services.limits is not None:
            self._services.limits.answered(self._chat, users)

    async def _store(self, turn: Turn) -> bool:
        """Wait until all of it is on the disk; False when nothing of it is news.

        Raises:
            StoreError: nothing of it can be. What cannot be while other messages are takes these not with it.
        """
        lost: StoreError | None = None
        for item in list(turn.items):
            try:
                row = await item.row
            except StoreError as error:
                lost, row = error, None
            if row is None:
                turn.items = [other for other in turn.items if other is not item]
            else:
                item.entry = msgspec.structs.replace(item.entry, id=row)
        if lost is not None:
            self._mourn(turn, lost)
        early, turn.items = turn.items[:-MOST_ASKED], turn.items[-MOST_ASKED:]
        if early:
            self._services.journal.left(self._chat, early, "crowded")
            await self._services.history.mark([item.entry.id for item in early], "heard")
        return bool(turn.items)

    def _mourn(self, turn: Turn, lost: StoreError) -> None:
        """The owner hears of a message that could not be recorded, at the end of the turn if that was all of it."""
        if not turn.items:
            raise lost
        self._services.report("report.answer", self._chat, lost)

    async def _generate(self, turn: Turn, settings: Settings) -> Draft | None:
        """What the chat's profile writes, or where its model is not to be had, the main one."""
        settings, own = await self._played(turn, settings), self._services.branch(self._chat)
        wanted = self._services.presence.profile(self._chat, settings.chat, settings.profiles)
        try:
            self._written_by(turn, Written(wanted))
            return await self._write(turn, with_own(in_profile(settings, wanted), own))
        except ProfileError as error:
            self._services.report("report.profile", self._chat, error)
            self._written_by(turn, Written(instead_of=wanted))
            return await self._write(turn, with_own(settings, own))

    def _written_by(self, turn: Turn, written: Written) -> None:
        self.last_written = written
        turn.profile = written.profile

    async def _write(self, turn: Turn, settings: Settings) -> Draft | None:
        """What the model writes; None when somebody said stop before it began; raises ProfileError."""
        conversation = await self._view.conversation(turn, settings)
        status = status_for(self._services.engine.status, settings.profile)
        conversation = await self.expressions.tell(conversation, settings, status)
        if turn.stopped:
            return None
        return await self._drafter.draft(turn, conversation, settings, lambda: self._asked(turn))

    async def _played(self, turn: Turn, settings: Settings) -> Settings:
        """With who the bot is to them: a persona, or in place of it the prompt of the branch."""
        cast, prompt, bot = self._services.cast, self._services.branch(self._chat).prompt, settings.bot
        if cast is not None:
            part = await cast.part(self._chat, turn.sender, turn.name, bot, settings.character)
            turn.part = part.prompted(prompt) if prompt else part
            bot = turn.part.bot
        elif prompt:
            bot = msgspec.structs.replace(bot, persona=prompt)
        return msgspec.structs.replace(settings, bot=bot)

    def _asked(self, turn: Turn) -> None:
        """The engine was asked."""
        turn.asked = turn.asked or self._services.clock.time()
        if turn.generation is not None and not turn.generation.done:
            self._outbox.show_typing(self._chat)
        self._begun(turn)

    # --- sending -------------------------------------------------------------------------------------------------

    async def _say(self, turn: Turn, said: str, emotion: str, settings: Settings, spent: float) -> None:
        """Send an answer as messages, as a picture or as a bundle, and put on record what went out."""
        clock = self._services.clock
        began = clock.time()
        render = self._services.presence.render(self._chat, settings.render)
        status = status_for(self._services.engine.status, self.last_written.profile)
        tagged = await self.expressions.read(said, turn, settings, status, emotion)
        pieces = await self.expressions.pieces(tagged, settings.chat, render, self._services.painter)
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
        if sent and emotion:
            sent[0] = msgspec.structs.replace(sent[0], emotion=emotion)
        state: State = "dropped" if turn.halted and not sent else "answered"
        await self._conclude(turn, sent, state, _end(turn, sent))
        if sent and emotion and not turn.unsaved:
            await self._feel(turn, emotion, settings)

    async def _feel(self, turn: Turn, emotion: str, settings: Settings) -> None:
        """Let the mood follow what was felt."""
        cast, part = self._services.cast, turn.part
        if cast is not None and part is not None and settings.character.mood:
            await cast.felt(self._chat, turn.sender, emotion, part.feelings[emotion], settings.character)

    # --- the end of a turn ---------------------------------------------------------------------------------------

    async def _conclude(self, turn: Turn, sent: list[Entry], state: State, outcome: Outcome) -> None:
        """Put the turn on record, if it is for that; then the model sees it as said."""
        if turn.unsaved:
            self._note_end(turn, sent, outcome)
            return
        if state == "answered":
            await self._services.history.answered(self._chat, turn.rows, sent)
        else:
            await self._services.history.mark(turn.rows, state)
        self._note_end(turn, sent, outcome)

    def _note_end(self, turn: Turn, sent: list[Entry], outcome: Outcome) -> None:
        """For /why, the turn log and /stats."""
        if outcome not in ("answered", "interrupted"):
            self._services.presence.ended(self._chat, turn.sender, outcome)
        self._services.journal.ended(self._chat, turn, sent, outcome, self._services.clock.time())

    async def give_up(self, turn: Turn, error: Exception) -> None:
        """This turn gets no answer; the owner hears why, the chat goes on."""
        if isinstance(error, NotConnected):
            self._note_end(turn, [], "unsent")
            return  # told already; the rows are pending again, so the next connection may still answer them
        self._services.report("report.answer", self._chat, error)
        if isinstance(error, NoRoom) and not (turn.optional or turn.first or self.in_shadow):
            await self._delivery.excuse("answer.no_room", turn.items[-1].temporary_group)
        with contextlib.suppress(BotError):
            await self._conclude(turn, [], "dropped", "failed")


def _end(turn: Turn, sent: list[Entry]) -> Outcome:
    """What came of sending; who speaks first is stopped by anybody who speaks meanwhile."""
    if sent:
        return "answered"
    return "stopped" if turn.stopped or turn.halted else "unsent"
