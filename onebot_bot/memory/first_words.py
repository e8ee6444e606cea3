"""When the bot spoke first in each chat: on record before it does, so that a restart greets nobody twice."""

from collections.abc import Collection

from msgspec import Struct

from onebot_bot.memory.database import Database, in_chat, listed
from onebot_bot.protocol.chat_id import ChatId


class Tried(Struct, frozen=True):
    """One chat's; a try counts even if the model then chose to say nothing."""

    at: int = 0
    """Unix second of the last one; 0: there was none."""
    ignored: int = 0
    """How many there were in a row, the last one among them, with nobody saying anything in between."""
    day: str = ""
    """The date of the last one, where the people live."""
    count: int = 0
    """How many there were on that day."""

    def on(self, day: str) -> int:
        """How many there were on a day that is not before the last one's."""
        return self.count if day == self.day else 0


NEVER = Tried()

_HEARD = """SELECT coalesce(max(created), 0),
    coalesce(max(iif(role = 'user' AND user_id NOT IN (SELECT value FROM json_each(?)), created, 0)), 0)
    FROM messages WHERE account = ? AND kind = ? AND peer = ? AND hidden = 0"""


class FirstWords:
    """Every chat's: read once, and written through."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._all: dict[ChatId, Tried] = {}

    async def restore(self) -> None:
        """Read what was before this start."""
        sql = "SELECT account, kind, peer, at, ignored, day, count FROM first_words"
        rows = await self._database.read(lambda connection: connection.execute(sql).fetchall())
        self._all = {ChatId(*row[:3]): Tried(*row[3:]) for row in rows}

    def of(self, chat: ChatId) -> Tried:
        """One chat's."""
        return self._all.get(chat, NEVER)

    def on(self, day: str) -> int:
        """How many there were on a day, in all chats."""
        return sum(tried.on(day) for tried in self._all.values())

    async def note(self, chat: ChatId, at: int, day: str, *, ignored: int) -> None:
        """Note that the bot is about to speak first, at a unix second, `ignored` times without a reaction so far.

        Raises:
            StoreError: it could not be written; then it had better be silent.
        """
        tried = Tried(at, ignored + 1, day, self.of(chat).on(day) + 1)
        values = (*in_chat(chat), tried.at, tried.ignored, tried.day, tried.count)
        sql = "INSERT OR REPLACE INTO first_words VALUES (?, ?, ?, ?, ?, ?, ?)"
        await self._database.write(lambda connection: connection.execute(sql, values).rowcount)
        self._all[chat] = tried

    async def heard(self, chat: ChatId, but: Collection[int]) -> tuple[int, int]:
        """Unix seconds at which the last message came, and the last one of a person who is not among `but`; or 0."""
        values = (listed(but), *in_chat(chat))
        row = await self._database.read(lambda connection: connection.execute(_HEARD, values).fetchone())
        return int(row[0]), int(row[1])
