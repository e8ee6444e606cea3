"""Everything that is on the disk, opened in one place."""

import contextlib
import sqlite3
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from msgspec import Struct

from onebot_bot.errors import StoreError
from onebot_bot.memory.bans import Bans
from onebot_bot.memory.branches import BranchStore
from onebot_bot.memory.chat_settings import ChatSettingsStore
from onebot_bot.memory.database import Database
from onebot_bot.memory.first_words import FirstWords
from onebot_bot.memory.history import History
from onebot_bot.memory.leaving import LEAVING, Leaving
from onebot_bot.memory.personal import PersonalData
from onebot_bot.memory.store import MemoryStore
from onebot_bot.memory.tallies import Tallies
from onebot_bot.memory.usage import Usage


class Stores(Struct, frozen=True, kw_only=True):
    """The database, and what reads and writes it."""

    database: Database
    history: History
    memories: MemoryStore
    groups: ChatSettingsStore
    bans: Bans
    words: FirstWords
    branches: BranchStore
    people: PersonalData
    usage: Usage
    tallies: Tallies

    async def shrink(self) -> None:
        """Give up the pages that SQLite keeps in memory, 2 MiB a connection at most; what is needed is read again."""
        with contextlib.suppress(StoreError):  # whoever reads or writes next is told
            await self.database.read(_give_up_pages)
            await self.database.write(_give_up_pages, lasting=False)


def _give_up_pages(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA shrink_memory")


async def open_stores(
    stack: AsyncExitStack,
    kept: Path,
    make_history: Callable[[Database], History],
    today: Callable[[], str],
    now: Callable[[], float],
) -> Stores:
    """Open what lies in the folder `kept`; the stack closes it.

    Raises:
        StoreError: it cannot be used; the text names the fix.
    """
    database = await stack.enter_async_context(Database(kept / "memory.sqlite3"))
    groups, bans, words = ChatSettingsStore(database), Bans(database), FirstWords(database)
    branches, people, usage = BranchStore(database), PersonalData(database), Usage(database, today)
    for restored in (groups, bans, words, branches, people, usage):
        await restored.restore()
    history = make_history(database)
    await history.resume(stack.enter_context(Leaving(kept / LEAVING)))
    tallies = Tallies(database, today, now)
    stack.callback(tallies.save)
    return Stores(
        database=database,
        history=history,
        memories=await stack.enter_async_context(MemoryStore(database, kept / "memory.faiss")),
        groups=groups,
        bans=bans,
        words=words,
        branches=branches,
        people=people,
        usage=usage,
        tallies=tallies,
    )
