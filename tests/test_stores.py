"""onebot_bot.stores."""

from contextlib import AsyncExitStack
from pathlib import Path

from onebot_bot.memory.history import History
from onebot_bot.stores import open_stores


async def test_both_connections_give_up_their_pages(tmp_path: Path) -> None:
    """What they are asked next is read again; once the database is closed there is nothing to give up."""
    said: list[str] = []
    async with AsyncExitStack() as stack:
        stores = await open_stores(stack, tmp_path, History, lambda: "2026-11-21", lambda: 0.0)
        for ask in (stores.database.read, stores.database.write):
            await ask(lambda connection: connection.set_trace_callback(said.append))
        await stores.shrink()
        assert said.count("PRAGMA shrink_memory") == 2
        assert await stores.database.read(lambda connection: connection.execute("SELECT 1").fetchone()) == (1,)
    await stores.shrink()
    assert said.count("PRAGMA shrink_memory") == 2
