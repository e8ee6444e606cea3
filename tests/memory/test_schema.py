"""What an update makes of a database that is in use."""

from pathlib import Path

from onebot_bot.memory.database import Database
from onebot_bot.memory.history import Entry, History
from onebot_bot.memory.schema import STEPS
from onebot_bot.protocol.chat_id import ChatId

CHAT = ChatId(10000, "private", 1)
BEFORE_BRANCHES = 10

_SAID = """INSERT INTO messages (account, kind, peer, user_id, name, role, text, time, placed, state, created)
    VALUES (10000, 'private', 1, 1, 'Ann', 'user', ?, ?, ?, 'answered', 0)"""


async def test_a_chat_without_branches_goes_on_in_its_first(path: Path) -> None:
    """What was said since its last reset is in view, and no more."""
    async with Database(path, STEPS[:BEFORE_BRANCHES]) as old:
        await old.write(lambda c: c.executemany(_SAID, [("before", 1, 1), ("after", 2, 2)]).rowcount)
        await old.write(lambda c: c.execute("INSERT INTO resets VALUES (10000, 'private', 1, 1, 1)").rowcount)
    async with Database(path) as new:
        history = History(new)
        await history.append(CHAT, Entry(role="user", text="now", time=3, user_id=1))
        assert [entry.text for entry in await history.recent(CHAT, 10)] == ["after", "now"]
