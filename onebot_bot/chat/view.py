"""What the model is shown of a chat when it answers there: from the record, with pictures and what can be read."""

import asyncio
from collections.abc import Callable, Sequence

from onebot_bot.chat.conversation import build_conversation
from onebot_bot.chat.eyes import Eyes
from onebot_bot.chat.readable import names_in
from onebot_bot.chat.reader import Reader
from onebot_bot.chat.settings import Settings
from onebot_bot.chat.shown import shown_of
from onebot_bot.chat.sights import Line, Parts, Sight, holds_things, line_parts, sights_of
from onebot_bot.chat.turn import Turn
from onebot_bot.engine.request import Conversation
from onebot_bot.memory.history import Entry, History
from onebot_bot.protocol.chat_id import ChatId


class View:
    """One chat's."""

    def __init__(
        self,
        chat: ChatId,
        history: History,
        eyes: Eyes | None,
        reader: Reader | None = None,
        shown: Callable[[ChatId], Sequence[ChatId]] = lambda _: (),
    ) -> None:
        self._chat = chat
        self._history = history
        self._eyes = eyes
        self._reader = reader
        self._shown = shown

    async def conversation(self, turn: Turn, settings: Settings) -> Conversation:
        """What is to be answered, behind what was said.

        Waits for pictures, `vision.fetch_timeout` at most, and for what is to be read, `reading.wait` at most. `turn`
        may have lost messages when this returns: they were recalled meanwhile, and are not in it.
        """
        said = await self._said(settings, turn)
        asked = turn.entries
        if not any(map(holds_things, (*said, *asked))):  # plain words, as nearly always: nobody need look closer
            return build_conversation(self._chat, said, asked, settings, part=turn.part, optional=turn.optional)
        lines = await self._lines([*said, *asked])
        sights = sights_of(lines)
        if await self._take_in(lines, sights):
            # That took a while: the record is asked anew, for it alone knows of recalls and resets.
            said = await self._said(settings, turn)
            lines = await self._lines([*said, *turn.entries])
            sights = sights_of(lines)
        seen = await self._seen(lines, sights, settings)
        read = await self._reader.show(self._chat, lines, settings.bot.language) if self._reader else {}
        part, optional = turn.part, turn.optional
        return build_conversation(
            self._chat, said, turn.entries, settings, seen, read=read, part=part, optional=optional
        )

    async def _take_in(self, lines: Sequence[Line], sights: Sequence[Sight]) -> bool:
        """Fetch what is to be seen and to be read, side by side; whether that took any waiting."""
        if self._eyes is None or not sights or not self._eyes.open_in(self._chat):
            return self._reader is not None and await self._reader.fetch(self._chat, lines)
        seeing = self._eyes.fetch(self._chat, self._eyes.choose(sights))
        if self._reader is None:
            return await seeing
        return any(await asyncio.gather(seeing, self._reader.fetch(self._chat, lines)))

    async def _seen(self, lines: Sequence[Line], sights: Sequence[Sight], settings: Settings) -> dict[int, Parts]:
        """The messages, by row, that are more than words."""
        if self._eyes is None or not sights or not self._eyes.open_in(self._chat):
            return {}
        language = settings.bot.language
        seen = await self._eyes.show(self._chat, sights, language)
        name_of = names_in(self._chat.account, settings.bot)
        rows = {row for row, _, _ in seen}
        return {line.entry.id: line_parts(line, seen, language, name_of) for line in lines if line.entry.id in rows}

    async def _lines(self, entries: Sequence[Entry]) -> list[Line]:
        """The messages that are on record, with those that they quote: nothing is kept for one that is on none."""
        entries = [entry for entry in entries if entry.id]
        known: dict[int | None, Entry] = {entry.message_id: entry for entry in entries}
        missing = {entry.reply_to for entry in entries if entry.reply_to is not None} - known.keys()
        if missing:
            known |= {entry.message_id: entry for entry in await self._history.find_all(self._chat, missing)}
        return [Line(entry, known.get(entry.reply_to) if entry.reply_to is not None else None) for entry in entries]

    async def _said(self, settings: Settings, turn: Turn) -> list[Entry]:
        """What was said and is settled, oldest first, from the record: it alone knows of resets and recalls.

        Before it, what of other chats may be seen here.
        """
        limit, shown = settings.chat.history_messages, self._shown(self._chat)
        before: list[Entry] = []
        if shown:
            before = await shown_of(self._history, shown, settings.own.shown_messages, settings.bot.language)
        if limit == 0:
            return before
        entries = await self._history.recent(self._chat, limit + len(turn.items))
        return [*before, *[entry for entry in entries if entry.state not in ("pending", "sending")][-limit:]]
