"""This bot with the echo engine, for message_path.py: the application as shipped, or one that keeps no history."""

import asyncio
import itertools
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from onebot_bot.__main__ import run_loop
from onebot_bot.app import App
from onebot_bot.logs import logging_to
from onebot_bot.memory.database import Database
from onebot_bot.memory.history import Entry, History, State
from onebot_bot.protocol.chat_id import ChatId

CONFIG = """version = 1
[server]
port = {port}
token = ""
[model]
path = "echo"
[chat]
merge_window = 0
typing_speed = 0
max_bubbles = 1
quote_in_group = false
history_messages = 0
exchanges_per_minute = 0
[sending]
interval = 0
jitter = 0
per_minute = 0
[log]
level = "warning"
file = ""
"""


class NoHistory(History):
    """Keeps nothing and answers at once: what is left is receiving, routing and sending."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._rows_given = itertools.count(1)

    def append_nowait(self, chat: ChatId, entry: Entry) -> "asyncio.Future[int | None]":  # noqa: ARG002 - kept by nobody
        """A row at once."""
        row: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        row.set_result(next(self._rows_given))
        return row

    async def recent(self, chat: ChatId, limit: int) -> list[Entry]:  # noqa: ARG002 - there is nothing to choose from
        """Nothing."""
        return []

    async def mark(self, ids: Collection[int], state: State) -> None:
        """Nothing to mark."""

    async def answered(
        self,
        chat: ChatId,  # noqa: ARG002 - kept by nobody
        turn_ids: Collection[int],  # noqa: ARG002 - kept by nobody
        sent: Sequence[Entry],
    ) -> list[int]:
        """Rows at once."""
        return [next(self._rows_given) for _ in sent]


def write_config(folder: Path, port: int) -> Path:
    """A config.toml that waits for nothing and answers in one message."""
    folder.mkdir(exist_ok=True)
    path = folder / "config.toml"
    path.write_text(CONFIG.format(port=port), encoding="utf-8")
    return path


async def serve(config: Path, make_history: Callable[[Database], History]) -> None:
    """Run the application until the process is killed."""
    with logging_to("warning", None):
        async with App(config, make_history):
            await asyncio.Event().wait()


def main() -> None:
    """FOLDER history|nothing PORT, on the loop that `onebot-bot run` uses."""
    folder, kept, port = sys.argv[1:]
    run_loop(serve(write_config(Path(folder), int(port)), History if kept == "history" else NoHistory))


if __name__ == "__main__":
    main()
