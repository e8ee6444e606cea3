"""The bot's mood in each chat and towards single people there, as it was when it last changed."""

# ruff: noqa: S608 - the statements are put together from this file's constants; values are always bound
import time
from collections.abc import Callable, Mapping

from msgspec import Struct

from onebot_bot.memory.database import Database, in_chat
from onebot_bot.protocol.chat_id import ChatId

EVERYBODY = 0
"""In place of a user: the chat as a whole."""
KEPT_SECONDS = 90 * 86400
"""What did not change for so long has faded, whatever the half-life."""
_CHAT = "account = ? AND kind = ? AND peer = ?"


class Mood(Struct, frozen=True):
    """Where the bot stands between unpleasant and pleasant, tired and lively, each from -1 to 1; 0 is neutral."""

    pleasure: float = 0.0
    energy: float = 0.0
    changed: float = 0.0
    """Unix seconds."""
    emotion: str = ""
    """The last one felt; empty: none yet."""


class MoodStore:
    """The moods on disk."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    async def prune(self) -> None:
        """Drop what has long faded."""
        sql, values = "DELETE FROM moods WHERE changed < ?", (self._clock() - KEPT_SECONDS,)
        await self._database.write(lambda connection: connection.execute(sql, values).rowcount)

    async def of(self, chat: ChatId, user: int) -> tuple[Mood, Mood]:
        """The mood in a chat and the one towards a person there; neutral where nothing is known."""
        sql = f"SELECT user, pleasure, energy, changed, emotion FROM moods WHERE {_CHAT} AND user IN (?, ?)"
        values = (*in_chat(chat), EVERYBODY, user)
        rows = await self._database.read(lambda connection: connection.execute(sql, values).fetchall())
        found = {row[0]: Mood(*row[1:]) for row in rows}
        return found.get(EVERYBODY, Mood()), found.get(user, Mood())

    async def put(self, chat: ChatId, moods: Mapping[int, Mood]) -> None:
        """Let these moods hold, by user; they survive the death of this process, not a power cut."""
        rows = [(*in_chat(chat), user, m.pleasure, m.energy, m.changed, m.emotion) for user, m in moods.items()]
        sql = "INSERT OR REPLACE INTO moods VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        await self._database.write(lambda connection: connection.executemany(sql, rows).rowcount, lasting=False)

    async def forget(self, chat: ChatId, user: int = EVERYBODY) -> None:
        """Be neutral again in a chat, or towards one person there."""
        sql, values = f"DELETE FROM moods WHERE {_CHAT} AND user = ?", (*in_chat(chat), user)
        await self._database.write(lambda connection: connection.execute(sql, values).rowcount)
