"""What is fetched for the model to be shown."""

from pathlib import Path
from typing import Any

from world import World

from onebot_bot.chat.participation import Trigger
from onebot_bot.chat.sights import Line
from onebot_bot.chat.turn import Incoming, Turn
from onebot_bot.chat.view import View
from onebot_bot.memory.database import Database
from onebot_bot.memory.history import Entry, History
from onebot_bot.protocol.chat_id import ChatId

ALICE = ChatId(10000, "private", 1)


class Reader:
    """Notes what there is to be read."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def fetch(self, chat: ChatId, lines: list[Line]) -> bool:
        """Nothing to wait for."""
        self.asked += [line.entry.text for line in lines]
        return False

    async def show(self, chat: ChatId, lines: list[Line], language: str) -> dict[int, Any]:
        """Nothing was read."""
        return {}


async def test_nothing_is_fetched_for_what_goes_on_no_record(engine: Any, clock: Any, tmp_path: Path) -> None:
    """What is found would be kept, and by a row that does not exist."""
    async with Database(tmp_path / "memory.sqlite3") as database:
        history, reader = History(database), Reader()
        await history.append(ALICE, Entry(role="user", text="https://a.example", time=1, user_id=1))
        off_record = Entry(role="user", text="https://b.example", time=2, user_id=1)
        row: Any = None
        turn = Turn(1, [Incoming(off_record, Trigger.FOLLOW_UP, row, 0.0, unsaved=True)])
        typed: Any = reader
        shown = await View(ALICE, history, None, typed).conversation(turn, World(engine, clock, history).settings)
    assert reader.asked == ["https://a.example"]
    assert "https://b.example" in str(shown.turns[-1])
