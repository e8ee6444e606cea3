"""What a session answers at once, as it goes from the inbox to the answer."""

import asyncio

from msgspec import Struct

from onebot_bot.chat.participation import Trigger
from onebot_bot.engine.request import Generation
from onebot_bot.memory.history import Entry


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


class Turn(Struct):
    """What is answered at once: one person's messages."""

    items: list[Incoming]
    stopped: bool = False
    """Whether somebody said stop: it ends without an answer."""
    generation: Generation | None = None
    """What is being written; None before, and once it is being sent: then nothing interrupts it."""

    @property
    def sender(self) -> int:
        """Whose messages they are."""
        return self.items[0].entry.user_id

    @property
    def interrupts(self) -> int:
        """How often newer messages have interrupted this answer already."""
        return max(item.interrupts for item in self.items)

    @property
    def entries(self) -> list[Entry]:
        """The messages, oldest first."""
        return [item.entry for item in self.items]

    @property
    def rows(self) -> list[int]:
        """Their rows."""
        return [item.entry.id for item in self.items]
