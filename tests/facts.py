"""Memories whose keys are axes, and a store over a real database to keep them in."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
from fakes import ScriptedEngine

from onebot_bot.engine.request import Vector
from onebot_bot.memory.database import Database
from onebot_bot.memory.rows import Extracted, Memory, NewMemory, Rekeyed
from onebot_bot.memory.store import MemoryStore
from onebot_bot.memory.vectors import Floats
from onebot_bot.protocol.chat_id import ChatId

D = 8
MODEL = "embedder-1"
GROUP = ChatId(10000, "group", 20000)
PRIVATE = ChatId(10000, "private", 20000)


def axis(n: int) -> Floats:
    """The n-th unit vector [D]."""
    vector = np.zeros(D, dtype=np.float32)
    vector[n] = 1
    return vector


def fact(n: int, chat: ChatId = GROUP, **fields: Any) -> NewMemory:
    """A memory whose key is the n-th axis."""
    given: dict[str, Any] = {"text": f"fact {n}", "chat": chat, "key": axis(n), "fingerprint": MODEL, **fields}
    return NewMemory(**given)


@asynccontextmanager
async def opened(path: Path, **settings: int) -> AsyncIterator[MemoryStore]:
    """A store over the file at `path`, with a view unless it has one."""
    index = path.with_suffix(".faiss")
    async with Database(path) as database, MemoryStore(database, index, lambda: 1000.0, **settings) as store:
        if store.view is None:
            await store.set_view(MODEL, np.zeros(D, np.float32))
        yield store


def made(memory: Memory, key: Floats, value: Floats | None = None) -> Rekeyed:
    """New vectors for what a memory says."""
    return Rekeyed(id=memory.id, text=memory.text, key=key, value=value)


def found(store: MemoryStore, n: int, chat: ChatId = GROUP, k: int = 10) -> list[str]:
    """Texts that come to mind for the n-th axis and are near it."""
    return [hit.text for hit in store.search(axis(n), chat, k) if hit.score > 0.5]


def holding(folder: Path, needle: bytes) -> list[str]:
    """The files below `folder` that contain `needle`."""
    return [file.name for file in folder.rglob("*") if file.is_file() and needle in file.read_bytes()]


CHAT = ChatId(10000, "private", 1)
OTHER = ChatId(10000, "group", 1)


def heard(text: str, source: int, **fields: Any) -> Extracted:
    """A fact found in CHAT."""
    return Extracted(**{"text": text, "chat": CHAT, "speaker": 5, "subjects": (5,), "source_ids": (source,), **fields})


class CountingEngine(ScriptedEngine):
    """Remembers which texts it embedded; `scale` tells its projector from another's. A value is two vectors."""

    def __init__(self, scale: float = 1.0, width: int = 8) -> None:
        super().__init__()
        self.embedded: list[str] = []
        self.scale = scale
        self.width = width

    async def embed(self, texts: list[str]) -> Vector:
        """Note them; the first words weigh most, so that texts with a common beginning are near each other."""
        self.embedded.extend(texts)
        return np.stack([letters(text) for text in texts])

    async def project(self, keys: Vector) -> Vector:
        """As many columns as its width, each the scale."""
        assert keys.shape[1] == 8  # raw, whatever the head
        return np.full((len(keys), 2, self.width), self.scale, np.float32)


def letters(text: str) -> Vector:
    """Letters counted in a circle: much alike for texts that are."""
    counts = np.zeros(8, np.float32)
    for letter in text.casefold():
        counts[ord(letter) % 8] += letter.isalnum()
    return counts


async def withdraw(store: MemoryStore, chat: ChatId, rows: Collection[int]) -> None:
    """Rows of a chat's history are taken back."""
    await store.take_back(chat, lambda _: (rows, None))
