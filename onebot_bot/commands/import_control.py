"""What bot admins may do about chat exports that were sent to the bot."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct


class Speaker(Struct, frozen=True):
    """Somebody who speaks in an export."""

    name: str
    qq: int
    """0: it does not tell."""
    messages: int
    bot: bool
    """Whether that is the bot itself."""


class Export(Struct, frozen=True, kw_only=True):
    """What importing an export would do."""

    name: str
    """Of the chat, as the export has it; perhaps empty."""
    messages: int
    new: int
    """Those that are not on record."""
    left_out: int
    begins: int
    """Unix seconds of the first and last message."""
    ends: int
    speakers: Sequence[Speaker]
    """Who speaks most comes first."""


class Choice(Struct, frozen=True):
    """How to read an export that does not tell all."""

    me: str = ""
    """The name or number under which the bot speaks there; empty: its account's number."""
    only: str = ""
    """The chat to take, from a file with several."""


class ImportControl(Protocol):
    """Exports. Both raise CommandError where the file is none, MediaError where it cannot be had, and StoreError."""

    async def look(self, message: int, choice: Choice) -> Export:
        """What importing the file of that message would do."""

    async def bring_in(self, message: int, choice: Choice) -> int:
        """Import it; how many messages were new."""
