"""What one chat is told: the parts of an answer in order, paced as if typed, and lines that are no answer."""

import logging
import time
from collections import deque

import structlog

from onebot_bot.chat.composing import Piece, plain_segments_of, segments_of
from onebot_bot.chat.outbox import Outbox
from onebot_bot.chat.services import Services
from onebot_bot.chat.turn import Turn
from onebot_bot.errors import ActionError, NotConnected
from onebot_bot.memory.history import Entry
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.segments import Text
from onebot_bot.sections.chat import ChatConfig
from onebot_bot.texts import say

log = structlog.get_logger(__name__)
_levels = logging.getLogger(__name__)  # a line that nobody will see is not put together

EXCUSE_SECONDS = 600.0
"""Between two excuses of a kind in one chat."""
SAID_IDS = 32
"""Message ids remembered until the record has them: more than one answer ever has."""


class Delivery:
    """Sends to one chat, and knows what it sent a moment ago."""

    def __init__(self, chat: ChatId, outbox: Outbox, services: Services) -> None:
        self._chat = chat
        self._outbox = outbox
        self._services = services
        self._excused: dict[str, float] = {}
        """When each excuse was made last, by the clock."""
        self._said_ids: deque[int] = deque(maxlen=SAID_IDS)
        """What the bot said last, before the record has it: a quote of the first bubble may come before the last."""

    def said(self, message_id: int) -> bool:
        """Whether the bot itself sent that message a moment ago."""
        return message_id in self._said_ids

    async def remark(self, key: str, temporary_group: int) -> None:
        """Say a line of the catalogue; it is no answer, so it is not put on record."""
        text = say(self._services.settings().bot.language, key)
        try:
            await self._outbox.ready()
            message_id = await self._outbox.send(self._chat, (Text(text),), temporary_group)
        except ActionError as error:
            log.warning("A chat could not be told why it gets no answer.", said=key, cause=str(error))
            return
        if message_id is not None:
            self._said_ids.append(message_id)

    async def excuse(self, key: str, temporary_group: int) -> None:
        """The same, once in a while: nobody wants to read it under every message."""
        now = self._services.clock.time()
        if now - self._excused.get(key, -EXCUSE_SECONDS) >= EXCUSE_SECONDS:
            self._excused[key] = now
            await self.remark(key, temporary_group)

    async def send(self, turn: Turn, pieces: list[Piece], config: ChatConfig, spent: float) -> list[Entry]:
        """Send the pieces in order, each after the reply to the one before; what went out.

        `spent` are the seconds that writing took: typing would have been going on meanwhile.

        Raises:
            NotConnected: nothing went out; the messages wait for an answer again.
            StaleAnswer: the answer waited in the queue for too long.
        """
        turn.sending = True
        sent: list[Entry] = []
        first = next((piece for piece in pieces if piece.gesture is None), None)
        for index, piece in enumerate(pieces):
            if piece.gesture is None:
                await self._pause(piece.text, config, spent if piece is first else 0.0)
            try:
                await self._outbox.ready(begins=index == 0)
                if turn.halted or (turn.first and turn.stopped and not sent):
                    break
                if index == 0:
                    # At the last moment: a process that ends before this answers after its restart.
                    await self._services.history.mark(turn.rows, "sending")
                entry = await self._send_one(turn, piece, quote=piece is first and config.quote_in_group)
            except ActionError as error:
                self._services.report("report.send", self._chat, error)
                if not sent and isinstance(error, NotConnected):
                    await self._services.history.mark(turn.rows, "pending")
                    raise
                break
            sent += [entry] if entry is not None else []
            turn.answered = bool(sent)
        return sent

    async def _pause(self, text: str, config: ChatConfig, spent: float) -> None:
        """As long as a person types, less the time already spent on writing it."""
        if config.typing_speed > 0:
            wait = min(len(text) / config.typing_speed, config.max_delay) - spent
            if wait > 0:
                await self._services.clock.sleep(wait)

    async def _send_one(self, turn: Turn, piece: Piece, *, quote: bool) -> Entry | None:
        """What goes on record; None for a gesture that the client cannot do."""
        if piece.gesture is not None:
            if not await self._outbox.do(piece.gesture):
                return None
            message_id = None
        else:
            message_id = await self._send_piece(turn, piece, quote=quote)
        if message_id is not None:
            self._said_ids.append(message_id)
        self._log(turn, piece.text)
        return Entry(
            role="assistant",
            text=piece.text,
            time=int(time.time()),
            user_id=self._chat.account,
            message_id=message_id,
        )

    async def _send_piece(self, turn: Turn, piece: Piece, *, quote: bool) -> int | None:
        """A message, or a bundle of them; its id as far as the client names one."""
        last = turn.items[-1]
        if piece.bundle:
            bot = turn.part.bot if turn.part else self._services.settings().bot
            name = next(iter(bot.names), str(self._chat.account))
            return await self._outbox.send_bundle(self._chat, piece.bundle, name, last.temporary_group)
        quoted = piece.quoted or (last.entry.message_id if quote and self._chat.kind == "group" else None)
        words = plain_segments_of(piece, quoted)
        return await self._outbox.send(self._chat, segments_of(piece, quoted), last.temporary_group, words)

    def _log(self, turn: Turn, text: str) -> None:
        if _levels.isEnabledFor(logging.INFO):
            content = self._services.settings().log.content and not turn.unsaved
            line = f"answered: {text if content else f'[{len(text)} characters]'}"
            log.info(line, user=turn.sender)
