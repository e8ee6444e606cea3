"""What the bot takes in besides words: eyes for pictures, a reader for files and links."""

import asyncio
import importlib
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from msgspec import Struct

from onebot_bot.chat.eyes import Eyes
from onebot_bot.chat.files import Files
from onebot_bot.chat.outbox import Clock
from onebot_bot.chat.presence import Presence
from onebot_bot.chat.profiles import sees
from onebot_bot.chat.reader import Reader
from onebot_bot.config import Config
from onebot_bot.engine.expected import may_see, window_of
from onebot_bot.engine.request import Engine
from onebot_bot.memory.database import Database
from onebot_bot.memory.pictures import PictureStore
from onebot_bot.memory.readings import ReadingStore
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.reading.extractor import Extractor
from onebot_bot.transport.account import Account


class Senses(Struct, frozen=True):
    """Both, and where they have things from."""

    eyes: Eyes
    reader: Reader
    files: Files


class Surroundings(Struct, frozen=True, kw_only=True):
    """What they look at and are asked by."""

    folder: Path
    """Of config.toml."""
    config: Callable[[], Config]
    database: Database
    accounts: Mapping[int, Account]
    engine: Engine
    presence: Presence
    refuses: Callable[[str], bool]
    """Whether the word list speaks against a text."""
    clock: Clock


async def open_senses(stack: AsyncExitStack, around: Surroundings) -> Senses:
    """Open both; the stack ends what they are at."""
    config, model = around.config, around.config().model
    expected = await asyncio.to_thread(may_see, around.folder, model)
    window = await asyncio.to_thread(window_of, around.folder, model)
    files = Files(around.accounts, _later("media", "fetch_media"))

    def sees_in(chat: ChatId) -> bool:
        """Whether pictures reach the model that answers there."""
        profile = around.presence.profile(chat, config().chat, config().profiles)
        return sees(around.engine.status, profile, expected=expected)

    pictures = PictureStore(
        around.database, around.folder / "memory_store" / "pictures", lambda: config().vision.store_mib * 2**20
    )
    await pictures.restore()
    eyes = await stack.enter_async_context(
        Eyes(pictures, files, config=lambda: config().vision, sees=sees_in, clock=around.clock)
    )
    readings = ReadingStore(around.database, lambda: config().reading.kept)
    reader = await stack.enter_async_context(
        Reader(
            *(readings, files, _later("pages", "fetch_page"), Extractor()),
            config=lambda: config().reading,
            sees=sees_in,
            window=lambda: window,
            clock=around.clock,
            refuses=around.refuses,
        )
    )
    return Senses(eyes, reader, files)


def _later(module: str, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
    """A function of `transport`, imported on a thread when it is first called.

    aiohttp takes a tenth of a second, which the first token need not wait for.
    """

    async def call(*args: Any, **options: Any) -> Any:
        found = await asyncio.to_thread(importlib.import_module, f"onebot_bot.transport.{module}")
        return await getattr(found, name)(*args, **options)

    return call
