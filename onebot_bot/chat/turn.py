"""What a session answers at once, as it goes from the inbox to the answer."""

import asyncio
import contextlib
from collections.abc import Collection
from typing import Literal

from msgspec import Struct

from onebot_bot.characters.cast import Part
from onebot_bot.chat.guards import Withheld, label
from onebot_bot.chat.participation import ASKED, Trigger
from onebot_bot.engine.request import Generation, GenerationResult
from onebot_bot.errors import StoreError
from onebot_bot.memory.history import Entry
from onebot_bot.sections.profiles import MAIN

CALLED = ASKED | {Trigger.NAME}
"""How somebody calls the bot."""


class Incoming(Struct):
    """A message that calls for an answer, with the row that is being written for it."""

    entry: Entry
    trigger: Trigger
    row: "asyncio.Future[int | None]"
    arrived: float
    """Clock seconds."""
    temporary_group: int = 0
    interrupts: int = 0
    """How often an answer to it was interrupted by a newer message."""
    unsaved: bool = False
    """Whether neither it nor its answer goes on record; it is then a turn of its own, and `row` gives 0."""
    rested: bool = False
    """Whether it waited for the end of a rest: then it is answered together with all that did."""

    @property
    def stored_as(self) -> int | None:
        """Its row; None while it is on its way to the disk, or when it cannot be there."""
        done = self.row.done() and not self.row.cancelled() and self.row.exception() is None
        return self.row.result() if done else None


class Load(Struct, frozen=True):
    """What a chat is busy with."""

    doing: Literal["waiting", "writing", "sending"]
    messages: int
    seconds: float
    """Since the first of them came."""


class Draft(Struct, frozen=True):
    """What the model wrote, and what of it may be said."""

    result: GenerationResult
    said: str
    """Empty: nothing is sent."""
    withheld: Withheld | None = None
    """Why nothing is, where the model had something to say."""
    emotion: str = ""
    """What it felt as it wrote that; empty: it has none to tell."""
    attempts: int = 1
    """How often the model was asked."""


class Turn(Struct):
    """What is answered at once: one person's messages."""

    sender: int
    """Whose messages they are."""
    items: list[Incoming]
    """Never empty, unless all of them were recalled in QQ."""
    stopped: bool = False
    """Whether somebody said stop, or took everything back: it ends without an answer."""
    sending: bool = False
    """Whether the answer is on its way: then nothing interrupts or stops it."""
    halted: bool = False
    """Whether what is not sent yet stays unsent."""
    answered: bool = False
    """Whether any of the answer went out."""
    generation: Generation | None = None
    """What is being written; None before and after."""
    recalled: str = ""
    """The memories that came to mind while it was written."""
    profile: str = MAIN
    """Whose model writes the answer, and by whose settings."""
    part: Part | None = None
    """Who the bot is in the answer; None: what config.toml says, word for word."""
    draft: Draft | None = None
    """What was written; None before."""
    began: float = 0.0
    """Clock seconds, as the next two."""
    asked: float | None = None
    """When the model was asked first."""
    written: float | None = None
    """When the draft was there."""

    @property
    def interrupts(self) -> int:
        """How often newer messages have interrupted this answer already."""
        return max((item.interrupts for item in self.items), default=0)

    @property
    def name(self) -> str:
        """What the person goes by, fit to be told to the model."""
        return next((label(item.entry.name) for item in reversed(self.items) if item.entry.user_id == self.sender), "")

    @property
    def entries(self) -> list[Entry]:
        """The messages, oldest first."""
        return [item.entry for item in self.items]

    @property
    def wrote(self) -> list[str]:
        """What people wrote or did, of that: what lets the bot speak first are its own words."""
        return [item.entry.text for item in self.items if item.trigger is not Trigger.FIRST]

    @property
    def optional(self) -> bool:
        """Whether nobody called the bot, so that the model may choose to say nothing."""
        triggers = [item.trigger for item in self.items]
        return Trigger.GATE in triggers and CALLED.isdisjoint(triggers)

    @property
    def first(self) -> bool:
        """Whether the bot speaks first: then anybody who speaks meanwhile stops it."""
        return Trigger.FIRST in [item.trigger for item in self.items]

    @property
    def rows(self) -> list[int]:
        """Their rows; what is not put on record, as what lets the bot speak first, has none."""
        return [item.entry.id for item in self.items if item.entry.id]

    @property
    def unsaved(self) -> bool:
        """Whether none of this goes on record."""
        return True in [item.unsaved for item in self.items]

    def takes(self, item: Incoming) -> bool:
        """Whether a newer message would be answered together with these."""
        return item.entry.user_id == self.sender and item.unsaved == self.unsaved

    def stop(self) -> None:
        """End it without an answer."""
        self.stopped = True
        if self.generation is not None:
            self.generation.interrupt()

    def withdraw(self, message_id: int) -> list[Incoming]:
        """Leave out a message that was recalled; what is being written for it starts again without it.

        Returns:
            What was left out; nothing once the answer is on its way.
        """
        gone = [item for item in self.items if item.entry.message_id == message_id]
        if not gone or self.sending:
            return []
        self.items = [item for item in self.items if item not in gone]
        if not self.items:
            self.stop()
        elif self.generation is not None:
            self.generation.interrupt()
        return gone


def divided(first: Incoming, items: list[Incoming]) -> tuple[list[Incoming], list[Incoming]]:
    """What is answered together with the first of them, and what is not."""
    if len(items) == 1:
        return items, []
    together: list[Incoming] = []
    others: list[Incoming] = []
    for item in items:
        (together if belong_together(first, item) else others).append(item)
    return together, others


async def rows_of(items: Collection[Incoming]) -> list[int]:
    """The rows of these, once they are on the disk; what never will be has none."""
    rows = []
    for item in items:
        with contextlib.suppress(StoreError):
            if row := await item.row:
                rows.append(row)
    return rows


def belong_together(first: Incoming, item: Incoming) -> bool:
    """One person's messages do, and in every chat those that waited for the end of a rest."""
    if item.unsaved != first.unsaved:
        return False
    return item.entry.user_id == first.entry.user_id or (first.rested and item.rested)
