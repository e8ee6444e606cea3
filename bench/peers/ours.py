"""This bot, for message_path.py and load.py: as shipped but for waiting, with or without a history and a model."""

import asyncio
import itertools
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from bench.peers.lags import LAGS, note_lags
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
path = "{model}"
threads = 1
max_running = 8
[generation]
temperature = 0.0
max_new_tokens = 24
[guard]
loops = false
[learning]
enabled = false
refine_idle = false
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
[backup]
enabled = false
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


def write_config(folder: Path, model: str, port: int) -> Path:
    """A config.toml that waits for nothing and answers in one message."""
    folder.mkdir(exist_ok=True)
    path = folder / "config.toml"
    path.write_text(CONFIG.format(model=model, port=port), encoding="utf-8")
    return path


async def serve(config: Path, make_history: Callable[[Database], History], noted: str) -> None:
    """Run the application until the process is killed."""
    with logging_to("warning", None):
        async with App(config, make_history):
            await (note_lags(config.with_name(LAGS)) if noted == LAGS else asyncio.Event().wait())


def main() -> None:
    """FOLDER MODEL history|nothing lags|plain PORT, on the loop that `onebot-bot run` uses; FOLDER gets its lags."""
    folder, model, kept, noted, port = sys.argv[1:]
    config = write_config(Path(folder), model, int(port))
    run_loop(serve(config, History if kept == "history" else NoHistory, noted))


if __name__ == "__main__":
    main()
