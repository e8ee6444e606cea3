"""The memories' keys beside the model on its card, for as long as the bot runs. No torch before the model has it."""

from contextlib import suppress
from functools import partial
from typing import Any

from onebot_bot.engine.request import Engine
from onebot_bot.engine.worker import EngineWorker
from onebot_bot.errors import ModelError
from onebot_bot.freeing import Clock
from onebot_bot.memory.mirror import KeyCopy
from onebot_bot.memory.store import MemoryStore

EVERY = 1.0
"""Seconds between two looks at what the copy lacks; a recall writes what came last by itself."""
AT_ONCE = 1024
"""Keys written between two steps: some milliseconds."""


async def keep_copied(engine: Engine, store: MemoryStore, clock: Clock) -> None:
    """Keep a card's copy of the keys up with the store, until cancelled; returns where the model has no card."""
    if not isinstance(engine, EngineWorker):
        return
    await engine.loaded
    while engine.status.device.startswith("cuda"):
        await clock.sleep(EVERY)
        with suppress(ModelError):  # the model hangs, or cannot run: its own troubles tell
            await _catch_up(engine, store)


async def _catch_up(engine: EngineWorker, store: MemoryStore) -> None:
    left = AT_ONCE
    while store.uncopied and left:
        left = await engine.run(partial(catch_up, store=store), exclusive=False)


def catch_up(runner: Any, store: MemoryStore) -> int:
    """On the model's thread: write some keys to the copy on its card; how many it still lacks."""

    def find(width: int, slots: int) -> KeyCopy | None:
        from onebot_bot.device_keys import DeviceKeys  # noqa: PLC0415 - it imports torch

        copy: DeviceKeys | None = runner.host(lambda device, room: DeviceKeys(width, room, device))
        return copy if copy is not None and copy.holds(slots) else None

    return store.catch_up(find, AT_ONCE)
