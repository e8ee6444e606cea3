"""The memories as rows of the database: what is read of them, whether or not a model serves."""

import sys
from collections.abc import Collection, Sequence
from typing import Any

from onebot_bot.memory import erasing, rows, views
from onebot_bot.memory.database import Database, in_chat
from onebot_bot.memory.listing import MAY_RECALL, listed_by
from onebot_bot.memory.rows import Memory, Stats, Status
from onebot_bot.memory.vectors import Floats, Ids
from onebot_bot.protocol.chat_id import ChatId


class MemoryRecords:
    """What can be asked of all memories; every method runs on the event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, memory_id: int) -> Memory | None:
        """The memory of that id, whatever its status."""
        found = await self._select("id = ?", (memory_id,))
        return found[0] if found else None

    async def page(  # noqa: PLR0913 - filters by keyword, each of them optional
        self,
        chat: ChatId | None,
        *,
        status: Status = "active",
        words: str = "",
        subject: int | None = None,
        before: int | None = None,
        limit: int = 20,
        offset: int = 0,
    ) -> list[Memory]:
        """Memories that `chat` may recall (None: of all chats), newest first.

        Args:
            chat: Whose; its own and the shared ones.
            status: Which of them.
            words: Only those whose text contains this.
            subject: Only those about this QQ number, or said by it.
            before: Only ids below this one: the last of the page before.
            limit: Most of them; -1: all.
            offset: How many of the newest to leave out.
        """
        conditions, values = listed_by(chat, status, words, subject, before)
        ids = f"SELECT id FROM memories WHERE {conditions} ORDER BY id DESC LIMIT ? OFFSET ?"  # noqa: S608 - constants
        # SQLite counts in 64 bits, Python without end.
        return await self._select(f"id IN ({ids})", (*values, limit, min(offset, sys.maxsize)))

    async def count(self, chat: ChatId | None, subject: int | None = None) -> int:
        """How many active memories `chat` may recall (None: of all chats); `subject` as in `page`."""
        where, values = listed_by(chat, "active", "", subject, None)
        sql = f"SELECT count(*) FROM memories WHERE {where}"  # noqa: S608 - constants only
        found: int = await self._database.read(lambda connection: connection.execute(sql, values).fetchone()[0])
        return found

    async def opted_out(self) -> set[int]:
        """The people of whom nothing is learned."""
        return await self._database.read(erasing.opted_out)

    async def export(self, chat: ChatId) -> list[Memory]:
        """Everything that was told in `chat` and is not forgotten, oldest first."""
        where = "account = ? AND kind = ? AND peer = ? AND status != 'forgotten'"
        return await self._select(where, in_chat(chat), order="id")

    async def count_stale(self, fingerprint: str) -> int:
        """How many active memories have a key that another model made."""
        sql = "SELECT count(*) FROM memories WHERE status = 'active' AND fingerprint != ?"
        values = (fingerprint,)
        return int(await self._database.read(lambda connection: connection.execute(sql, values).fetchone()[0]))

    async def stale(self, fingerprint: str, limit: int) -> list[Memory]:
        """Active memories whose key another model made: `rekey` them, and ask again until there are none."""
        return await self._select("status = 'active' AND fingerprint != ?", (fingerprint,), limit)

    async def unrefined(self, maker: str, limit: int) -> list[Memory]:
        """Active memories of which nobody knows whether `maker` reads them exactly: what matters most comes first."""
        where = "status = 'active' AND (maker != ? OR exact IS NULL)"
        return await self._select(where, (maker,), limit, order="pinned DESC, importance DESC, id DESC")

    async def unprojected(self, fingerprint: str, maker: str, width: int, limit: int) -> list[Memory]:
        """Active memories whose value another projector made, or which is not `width` wide; refined ones stay."""
        where = """status = 'active' AND fingerprint = ? AND ((maker != ? AND exact IS NOT 1) OR value IS NULL
            OR length(value) != value_rows * ? * 4)"""  # 4 bytes a number
        return await self._select(where, (fingerprint, maker, width), limit)

    async def keys(self, fingerprint: str) -> tuple[Ids, Floats]:
        """Ids [n] and raw keys [n, d] of the active memories which that model made."""
        return await self._database.read(lambda connection: views.keys(connection, fingerprint))

    async def barred(self, source_ids: Collection[int]) -> set[int]:
        """Those rows of the history that nothing may be learned from again."""
        return await self._database.read(lambda connection: rows.barred(connection, source_ids))

    async def counts(self) -> dict[str, int]:
        """How many memories there are, by status."""
        sql = "SELECT status, count(*) FROM memories GROUP BY status"
        return dict(await self._database.read(lambda connection: connection.execute(sql).fetchall()))

    async def stats(self, chat: ChatId | None) -> Stats:
        """Counts of what `chat` may recall (None: of all chats)."""
        where, values = (MAY_RECALL, in_chat(chat)) if chat else ("true", ())
        return await self._database.read(lambda connection: rows.stats(connection, where, values))

    async def _select(self, where: str, values: Sequence[Any], limit: int = -1, order: str = "id DESC") -> list[Memory]:
        return await self._database.read(lambda connection: rows.select(connection, where, values, limit, order))
