"""The words of files, links and pictures of messages, so that none of them is fetched or read twice.

They go with their message, whichever way it goes: the database's triggers see to that.
"""

from collections.abc import Callable, Collection
from typing import Literal

import msgspec
from msgspec import Struct

from onebot_bot.memory.database import Database, listed

ReadKind = Literal["file", "link", "picture"]
ReadKey = tuple[int, ReadKind, int]
"""The row of a message, and which thing of it: a segment, or the how-manieth of its links."""


class Reading(Struct, frozen=True, array_like=True):
    """The words of one thing."""

    message: int
    """The row of the message that it came with."""
    kind: ReadKind
    place: int
    title: str
    pages: int
    """How many it has; 0: it has none."""
    read: int
    """How many of them the text is from."""
    cut: bool
    """Whether there was more than `text`."""
    text: str

    @property
    def key(self) -> ReadKey:
        """What it was read from."""
        return self.message, self.kind, self.place


_COLUMNS = "message, kind, place, title, pages, read, cut, text"

# Not of what was recalled, or forgotten, while it was being read.
_PUT = f"""INSERT OR REPLACE INTO readings ({_COLUMNS}) SELECT id, ?, ?, ?, ?, ?, ?, ? FROM messages
    WHERE id = ? AND hidden = 0 AND id NOT IN (SELECT source_id FROM barred_sources)"""  # noqa: S608 - constants only

_TRIM = "DELETE FROM readings WHERE id <= (SELECT id FROM readings ORDER BY id DESC LIMIT 1 OFFSET ?)"

_OF = f"SELECT {_COLUMNS} FROM readings WHERE message IN (SELECT value FROM json_each(?))"  # noqa: S608 - constants only


class ReadingStore:
    """The readings of all chats."""

    def __init__(self, database: Database, most: Callable[[], int]) -> None:
        self._database = database
        self._most = most
        """How many are kept; read anew each time."""

    async def put(self, reading: Reading) -> None:
        """Keep it, unless its message was recalled meanwhile; the oldest makes way.

        Raises:
            StoreError: it cannot be written.
        """
        _, *values = (getattr(reading, name) for name in reading.__struct_fields__)
        row, most = (*values, reading.message), self._most()
        await self._database.write(lambda c: (c.execute(_PUT, row), c.execute(_TRIM, (most,))))

    async def of(self, messages: Collection[int]) -> dict[ReadKey, Reading]:
        """What was read of the messages in these rows."""
        rows = await self._database.read(lambda c: c.execute(_OF, (listed(messages),)).fetchall())
        found = [msgspec.convert(row, Reading, strict=False) for row in rows]
        return {reading.key: reading for reading in found}
