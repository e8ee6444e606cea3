"""How far each chat was read for memories, and what comes next."""

# ruff: noqa: S608 - the statements are put together from constants; values are always bound
from collections.abc import Sequence
from typing import Any

from onebot_bot.memory.database import Database, in_chat
from onebot_bot.memory.history import COLUMNS, Entry, entry_of
from onebot_bot.protocol.chat_id import ChatId

_CHAT = "account = ? AND kind = ? AND peer = ?"

_NEWS = """SELECT account, kind, peer FROM messages LEFT JOIN extracted USING (account, kind, peer)
    WHERE hidden = 0 AND copy_of IS NULL AND id > coalesce(up_to, 0) GROUP BY account, kind, peer ORDER BY min(id)"""


class Unread:
    """Of all chats."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def since(self, chat: ChatId, after_id: int, limit: int) -> list[Entry]:
        """The first `limit` messages behind row `after_id`, in the order they were recorded.

        Rows, not times: what was fetched late lands behind what was read already, and is still read.
        """
        where = f"{_CHAT} AND hidden = 0 AND copy_of IS NULL AND id > ?"
        sql = f"SELECT {COLUMNS} FROM messages WHERE {where} ORDER BY id LIMIT ?"
        return [entry_of(row) for row in await self._rows(sql, (*in_chat(chat), after_id, limit))]

    async def chats_with_news(self) -> list[ChatId]:
        """Chats of all accounts with messages that were not read for memories yet, the longest waiting first."""
        return [ChatId(*row) for row in await self._rows(_NEWS, ())]

    async def extracted_up_to(self, chat: ChatId) -> int:
        """The last row of a chat that was read for memories; 0 when none was."""
        rows = await self._rows(f"SELECT up_to FROM extracted WHERE {_CHAT}", in_chat(chat))
        return int(rows[0][0]) if rows else 0

    async def mark_extracted(self, chat: ChatId, up_to: int) -> None:
        """Note that a chat was read for memories up to row `up_to`; it never goes back."""
        # Nothing is noted of a chat that was forgotten while it was being read.
        sql = """INSERT INTO extracted SELECT ?1, ?2, ?3, ?4
            WHERE EXISTS (SELECT 1 FROM messages WHERE account = ?1 AND kind = ?2 AND peer = ?3)
            ON CONFLICT DO UPDATE SET up_to = max(up_to, excluded.up_to)"""
        await self._database.write(lambda connection: connection.execute(sql, (*in_chat(chat), up_to)).rowcount)

    async def _rows(self, sql: str, values: Sequence[Any]) -> list[Any]:
        return await self._database.read(lambda connection: connection.execute(sql, values).fetchall())
