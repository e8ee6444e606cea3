"""Where the model and the memory store meet: searches are bound to their chat here."""

import asyncio
import math
import random
from collections.abc import Callable, Collection, Sequence

import msgspec
import structlog

from onebot_bot.engine.request import Engine, Recalled, RecallHit, Vector
from onebot_bot.errors import CommandError
from onebot_bot.memory.bank import Hit
from onebot_bot.memory.rows import Extracted, Memory, NewMemory, Stats
from onebot_bot.memory.similar import relation
from onebot_bot.memory.store import MemoryStore
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.vector_maker import Made, VectorMaker

log = structlog.get_logger(__name__)

SEARCHED = 5
LONGEST = 400
"""Characters of a memory: one atomic fact, not an essay."""
NEAREST = 5
"""Memories that a new one may be the same as."""
LEAST_ALIKE = 0.8
"""Their cosine: texts that share their words are nearer than this under every model tried."""


class Memories:
    """The memories of all chats, as sessions, commands and the learning use them."""

    def __init__(self, engine: Engine, store: MemoryStore) -> None:
        self.vectors = VectorMaker(engine, store)
        self._store = store
        self._learning = asyncio.Lock()  # held from the comparison with what is known until it is known

    # --- for sessions --------------------------------------------------------------------------------------------

    def search_in(self, chat: ChatId, temperature: float = 0.0) -> Callable[[Vector], RecallHit | None]:
        """The search a recall in this chat may do, for the model's thread: its own memories and shared ones only.

        At temperature 0 the nearest memory is found, else one of the nearest few, drawn by `softmax(cosine / t)`.
        """

        def search(query: Vector) -> RecallHit | None:
            if not self.vectors.searchable:
                return None  # the index still holds the keys of the model before
            hits = self._store.search(query, chat, SEARCHED if temperature else 1)
            return self._recallable(drawn(hits, temperature)) if hits else None

        return search

    def _recallable(self, hit: Hit) -> RecallHit | None:
        """None while its value is of a model of another width."""
        if hit.value is None or hit.value.shape[1] != self.vectors.width:
            return None
        return RecallHit(hit.memory_id, hit.score, hit.text, hit.value)

    def note(self, recalls: Collection[Recalled]) -> None:
        """Count what was recalled."""
        ids = [recall.memory_id for recall in recalls if recall.memory_id is not None]
        if ids:
            self._store.note_recalled(ids)

    # --- for the learning ----------------------------------------------------------------------------------------

    async def learn(self, new: Extracted) -> Memory:
        """Remember what was found in a chat: as a new memory, or as what a memory of the same chat already says.

        What it supersedes, and what it says again with a little more, keeps its row and comes up no longer; of what
        it names only active memories of its chat count. Waits until every memory can be compared.

        Returns:
            The memory that stands for it.

        Raises:
            CommandError: the text is too long. ModelError: there is no model. StoreError: a source is barred.
        """
        _require_short(new.text)
        made = await self.vectors.make([new.text])
        await self.vectors.whole()
        async with self._learning:
            return await self._learn(new, made)

    async def _learn(self, new: Extracted, made: Made) -> Memory:
        named = [await self._own(new.chat, number) for number in new.supersedes]
        active = tuple(memory.id for memory in named if memory is not None and memory.status == "active")
        new = msgspec.structs.replace(new, supersedes=active)
        covered, extended = await self._alike(new, made.keys[0])
        if covered is not None:
            return await self._store.merge(covered, new)
        fields = NewMemory(
            text=new.text,
            chat=new.chat,
            key=made.keys[0],
            fingerprint=made.fingerprint,
            value=made.values[0],
            maker=made.maker,
            speaker=new.speaker,
            subjects=new.subjects,
            source_ids=new.source_ids,
            event_time=new.event_time,
            importance=new.importance,
        )
        return await self._store.add(fields, supersedes={*new.supersedes, *extended})

    async def _alike(self, new: Extracted, key: Vector) -> tuple[int | None, list[int]]:
        """The memory that says all that `new` does, if there is one, and those that say a little less."""
        extended = []
        for hit in self._store.near(new.chat, key, NEAREST):
            memory = await self._store.get(hit.memory_id) if hit.score >= LEAST_ALIKE else None
            if memory is None or set(memory.subjects) != set(new.subjects) or hit.memory_id in new.supersedes:
                continue
            match relation(memory.text, new.text):
                case "covered":
                    return memory.id, []
                case "extended":
                    extended.append(memory.id)
        return None, extended

    # --- for commands --------------------------------------------------------------------------------------------

    async def add(  # noqa: PLR0913 - what is known of a fact, all but the text optional
        self,
        chat: ChatId,
        text: str,
        subjects: tuple[int, ...] = (),
        *,
        speaker: int | None = None,
        source_ids: tuple[int, ...] = (),
        event_time: int | None = None,
        importance: float = 0.5,
    ) -> Memory:
        """Remember a fact in this chat; it can be recalled when this returns, unless a model is taking over.

        Raises:
            CommandError: the text is too long. ModelError: there is no model to make its key.
        """
        _require_short(text)
        made = await self.vectors.make([text])
        new = NewMemory(
            text=text,
            chat=chat,
            key=made.keys[0],
            fingerprint=made.fingerprint,
            value=made.values[0],
            maker=made.maker,
            speaker=speaker,
            subjects=subjects,
            source_ids=source_ids,
            event_time=event_time,
            importance=importance,
        )
        return await self._store.add(new)

    async def page(self, chat: ChatId, number: int, size: int, subject: int | None = None) -> tuple[list[Memory], int]:
        """Page `number` (from 1) of this chat's memories, newest first, and how many memories there are.

        With `subject`: only those about this QQ number, or said by it.
        """
        page = await self._store.page(chat, subject=subject, limit=size, offset=(number - 1) * size)
        return page, await self._store.count(chat, subject)

    async def search(self, chat: ChatId, text: str, subject: int | None = None) -> list[Hit]:
        """The memories of this chat nearest to a text, by their keys; `subject` as for `page`.

        Raises:
            StoreError: a model is taking over. ModelError: there is none.
        """
        query = await self.vectors.query(text)
        if subject is None:
            return self._store.search(query, chat, SEARCHED)
        return await self._store.search_about(query, chat, subject, SEARCHED)

    async def show(self, chat: ChatId, memory_id: int) -> Memory | None:
        """One memory that this chat may recall, or that was superseded here; None when there is none."""
        memory = await self._own(chat, memory_id)
        if memory is not None:
            return memory
        shared = await self._store.get(memory_id)
        return shared if shared is not None and shared.shared and shared.status == "active" else None

    async def edit(self, chat: ChatId, memory_id: int, text: str) -> Memory | None:
        """Let one of this chat's memories say something else; None when it has no such.

        Raises:
            CommandError: the text is too long. ModelError: there is no model to make its key.
        """
        _require_short(text)
        memory = await self._own(chat, memory_id)
        if memory is None or memory.status != "active":
            return None
        made = await self.vectors.make([text])
        return await self._store.edit(memory_id, text, made.keys[0], made.values[0], made.fingerprint, made.maker)

    async def pin(self, chat: ChatId, memory_id: int, pinned: bool) -> bool:  # noqa: FBT001 - the verb says which
        """Pin one of this chat's memories, or no longer; False when it has no such."""
        memory = await self._own(chat, memory_id)
        if memory is None or memory.status != "active":
            return False
        await self._store.pin(memory_id, pinned=pinned)
        return True

    async def forget(self, chat: ChatId, memory_id: int) -> bool:
        """Erase one of this chat's memories, and what it took the place of; False when it has no such."""
        if await self._own(chat, memory_id) is None:
            return False
        return await self._store.forget(memory_id)

    async def stats(self, chat: ChatId | None) -> Stats:
        """How many of the memories this chat may recall (None: all there are) are in which state."""
        return await self._store.stats(chat)

    async def export(self, chat: ChatId) -> list[Memory]:
        """All that this chat itself remembers, oldest first, superseded ones among it."""
        return await self._store.export(chat)

    async def count(self) -> int:
        """Memories in all."""
        return await self._store.count(None)

    async def _own(self, chat: ChatId, memory_id: int) -> Memory | None:
        """One of this chat's memories that is not forgotten."""
        memory = await self._store.get(memory_id)
        return None if memory is None or memory.chat != chat or memory.status == "forgotten" else memory


def _require_short(text: str) -> None:
    if len(text) > LONGEST:
        raise CommandError(f"/memory: {len(text)} > {LONGEST}")


def drawn(hits: Sequence[Hit], temperature: float) -> Hit:
    """The first of the hits, which come best first, or one drawn by `softmax(score / temperature)`."""
    if not temperature:
        return hits[0]
    weights = [math.exp((hit.score - hits[0].score) / temperature) for hit in hits]
    return random.choices(hits, weights)[0]  # noqa: S311 - which memory comes to mind is no secret
