"""Where the model and the memory store meet: keys and values are made here, searches are bound to their chat here."""

import asyncio
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import structlog

from onebot_bot.engine.request import Engine, Recalled, RecallHit, Vector
from onebot_bot.errors import BotError, CommandError, ModelError
from onebot_bot.memory.bank import Hit
from onebot_bot.memory.rows import Memory, NewMemory
from onebot_bot.memory.store import MemoryStore
from onebot_bot.memory.vectors import unit
from onebot_bot.protocol.chat_id import ChatId

log = structlog.get_logger(__name__)

SEARCHED = 5
LONGEST = 400
"""Characters of a memory: one atomic fact, not an essay."""

# Pooled states of a causal model are almost parallel: what they share is taken off as the mean over these. Everyday
# facts in both languages, so that what is left is what tells facts apart.
CALIBRATION = (
    "小明的生日是三月十四日。",
    "她养了一只灰色的猫。",
    "李雷在上海当老师。",
    "他最喜欢吃辣火锅。",
    "我们周末去爬山了。",
    "妈妈昨天做了手术。",
    "他们下个月要搬家。",
    "小红考上了研究生。",
    "我对花生过敏。",
    "他每天早上跑五公里。",
    "她和男朋友分手了。",
    "群主喜欢打游戏到半夜。",
    "Ann's birthday is on November 6.",
    "Bob has a black dog.",
    "Carol works as a nurse in Paris.",
    "Dan loves to eat ramen.",
    "Eve is moving to Berlin next month.",
    "Frank broke his arm last week.",
    "Grace plays the violin.",
    "Henry is allergic to nuts.",
    "Iris passed her driving test.",
    "Jack and Kate got married in June.",
    "Leo is afraid of heights.",
    "Mia wants to learn Japanese.",
)


class Memories:
    """The memories of all chats, as sessions and commands use them."""

    def __init__(self, engine: Engine, store: MemoryStore) -> None:
        self._engine = engine
        self._store = store
        self._fingerprint: str | None = None
        self._ready = asyncio.Event()
        self._failure: BotError | None = None
        """Why `prepare` failed; then there are no memories until the next start."""

    async def prepare(self, fingerprint: str) -> None:
        """Make the store serve the model that was just loaded; memories another model made get new keys.

        Raises:
            ModelError: the model cannot run. StoreError: the database cannot be used.
        """
        try:
            await self._serve(fingerprint)
        except Exception as error:
            self._failure = error if isinstance(error, BotError) else ModelError(f"memories cannot be used: {error}")
            raise
        finally:
            self._ready.set()
        while stale := await self._store.stale(fingerprint):
            log.info("Memories made by another model get new keys.", count=len(stale))
            keys, values = await self._vectors([memory.text for memory in stale])
            for memory, key, value in zip(stale, keys, values, strict=True):
                await self._store.rekey(memory.id, key, value[np.newaxis], fingerprint)

    async def _serve(self, fingerprint: str) -> None:
        """Compare with this model's keys from now on; the centre first, so that dying in between loses nothing."""
        if self._store.serving != fingerprint:
            keys = await self._engine.embed(list(CALIBRATION))
            await self._store.set_centre(keys.mean(axis=0), fingerprint)
            await self._store.set_fingerprint(fingerprint, keys.shape[1])
        self._fingerprint = fingerprint

    async def _keys(self, texts: list[str]) -> Vector:
        """Raw keys `[n, d]` of texts; waits for a model that is still loading."""
        keys = await self._engine.embed(texts)
        await self._ready.wait()
        if self._failure is not None:
            raise self._failure
        return keys

    async def _vectors(self, texts: list[str]) -> tuple[Vector, Vector]:
        """Raw keys and values `[n, d]` of texts."""
        keys = await self._keys(texts)
        return keys, await self._engine.project(unit(keys, self._centre))

    @property
    def _centre(self) -> Vector:
        centre = self._store.centre
        assert centre is not None  # noqa: S101 - `prepare` has set it
        return centre

    # --- for sessions --------------------------------------------------------------------------------------------

    def search_in(self, chat: ChatId) -> Callable[[Vector], RecallHit | None]:
        """The search a recall in this chat may do, for the model's thread: its own memories and shared ones only."""

        def search(query: Vector) -> RecallHit | None:
            if self._fingerprint is None:
                return None  # the index still holds the keys of the model before
            hits = [hit for hit in self._store.search(query, chat, 1) if hit.value is not None]
            return _recallable(hits[0]) if hits else None

        return search

    def note(self, recalls: Collection[Recalled]) -> None:
        """Count what was recalled."""
        ids = [recall.memory_id for recall in recalls if recall.memory_id is not None]
        if ids:
            self._store.note_recalled(ids)

    # --- for commands --------------------------------------------------------------------------------------------

    async def add(self, chat: ChatId, text: str, subjects: tuple[int, ...] = ()) -> Memory:
        """Remember a fact in this chat; it can be recalled when this returns.

        Raises:
            CommandError: the text is too long. ModelError: there is no model to make its key.
        """
        if len(text) > LONGEST:
            raise CommandError(f"/memory add: {len(text)} > {LONGEST}")
        keys, values = await self._vectors([text])
        new = NewMemory(
            text=text,
            chat=chat,
            key=keys[0],
            value=values,
            fingerprint=self._fingerprint or "",
            subjects=subjects,
            pinned=False,
        )
        return await self._store.add(new)

    async def page(self, chat: ChatId, number: int, size: int) -> tuple[list[Memory], int]:
        """Page `number` (from 1) of this chat's memories, newest first, and how many memories there are."""
        page = await self._store.page(chat, limit=size, offset=(number - 1) * size)
        return page, await self._store.count(chat)

    async def search(self, chat: ChatId, text: str) -> list[Hit]:
        """The memories of this chat nearest to a text, by their keys."""
        keys = await self._keys([text])
        return self._store.search(unit(keys, self._centre)[0], chat, SEARCHED)

    async def forget(self, chat: ChatId, memory_id: int) -> bool:
        """Erase one of this chat's memories; False when it has no such."""
        memory = await self._store.get(memory_id)
        if memory is None or memory.chat != chat or memory.status == "forgotten":
            return False
        return await self._store.forget(memory_id)

    async def count(self) -> int:
        """Memories in all."""
        return await self._store.count(None)


def _recallable(hit: Hit) -> RecallHit:
    value: Any = hit.value
    return RecallHit(hit.memory_id, hit.score, hit.text, value)
