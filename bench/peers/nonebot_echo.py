"""NoneBot2 with adapter-onebot, for message_path.py and load.py: one handler that says what it was told."""

import asyncio
import sys
from pathlib import Path

import nonebot
from nonebot.adapters.onebot.v11 import Adapter, Bot, MessageEvent

from bench.peers.lags import LAGS, note_lags

WATCHING: list["asyncio.Task[None]"] = []
"""Held, or it would be collected."""


async def echo(bot: Bot, event: MessageEvent) -> None:
    """Answer with the message itself."""
    await bot.send(event, event.get_message())


async def watch() -> None:
    """Note the lags of the loop; FOLDER gets them."""
    WATCHING.append(asyncio.create_task(note_lags(Path(sys.argv[1], LAGS))))


def main() -> None:
    """FOLDER lags|plain PORT: FastAPI's driver on uvicorn, which takes uvloop and httptools where they are there."""
    nonebot.init(driver="~fastapi", host="127.0.0.1", port=int(sys.argv[3]), log_level="WARNING")
    nonebot.get_driver().register_adapter(Adapter)
    if sys.argv[2] == LAGS:
        nonebot.get_driver().on_startup(watch)
    nonebot.on_message(handlers=[echo])
    nonebot.run()


if __name__ == "__main__":
    main()
