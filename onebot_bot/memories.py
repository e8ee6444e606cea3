"""Where the model and the memory store meet: keys and values are made here, searches are bound to their chat here."""

import asyncio
import math
import random
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import structlog

from onebot_bot.engine.request import Engine, Recalled, RecallHit, Vector
from onebot_bot.errors import BotError, CommandError, ModelError, StoreError
from onebot_bot.memory.bank import Hit
from onebot_bot.memory.rows import Extracted, Memory, NewMemory, Rekeyed, Stats
from onebot_bot.memory.similar import relation
from onebot_bot.memory.store import MemoryStore
from onebot_bot.memory.vectors import Floats, View, alike, sound_view
from onebot_bot.protocol.chat_id import ChatId

log = structlog.get_logger(__name__)

SEARCHED = 5
LONGEST = 400
"""Characters of a memory: one atomic fact, not an essay."""
BATCH = 8
"""Texts that are given new keys at once: an answer being written waits for no more than these."""
PROJECTED = 256
"""Keys that are projected at once: a small matrix product."""
NEAREST = 5
"""Memories that a new one may be the same as."""
LEAST_ALIKE = 0.8
"""Their cosine: texts that share their words are nearer than this under every model tried."""

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


class _Made(NamedTuple):
    """Vectors of some texts, and what made them."""

    keys: Vector
    values: list[Floats]
    fingerprint: str
    maker: str


class Memories:
    """The memories of all chats, as sessions, commands and the learning use them."""

    def __init__(self, engine: Engine, store: MemoryStore) -> None:
        self._engine = engine
        self._store = store
        self._view: View | None = None  # what new keys are made for; set with the next
        self._maker = ""  # the adapter that serves
        self._known = asyncio.Event()  # the view is known, or never will be
        self._whole = asyncio.Event()  # every memory can be searched, or none ever will
        self._turn = asyncio.Lock()  # held while a model takes over
        self._learning = asyncio.Lock()  # held from the comparison with what is known until it is known
        self._switching = False  # the model changes its adapter: what else ends now does not bring memories back
        self._width = 0  # of what the model can be handed
        self._failure: BotError | None = None
        """Why the model could not take over; then there are no memories until one can."""

    # --- which model serves --------------------------------------------------------------------------------------

    async def prepare(
        self, fingerprint: str, adapter_id: str = "", centre: Vector | None = None, head: Vector | None = None
    ) -> None:
        """Make the store serve the model that was just loaded; memories another one made get new vectors.

        Until every memory has its new key none comes to mind: old keys fit no query, and half of them would let a
        worse memory pass for the best. What is done is kept: a bot killed meanwhile goes on where it was.

        Args:
            fingerprint: What makes the keys.
            adapter_id: What the model was trained with, which values are made for; empty: nothing.
            centre: What keys [D] are compared relative to; None: the mean of `CALIBRATION`.
            head: [d, D]; keys are compared as it sees them; None: as they are.

        Raises:
            ModelError: the model cannot run. StoreError: the database cannot be used, or a view does not fit.
        """
        async with self._turn:
            await self._take_over(fingerprint, adapter_id, centre, head)
            await self._project_anew()

    def suspend(self) -> None:
        """Recall nothing until the next `switch`: called before the model changes its adapter, and so its queries."""
        self._switching = True
        self._whole.clear()
        self._store.suspend()

    async def switch(self, adapter_id: str, centre: Vector | None = None, head: Vector | None = None) -> None:
        """Follow the model to another adapter, after a promotion or a rollback; arguments as for `prepare`.

        Nothing comes to mind from the call on until the keys are seen as the new adapter asks for them. Then values
        that an earlier projector made are made anew; refined ones stay, for `unrefined` to list.

        Raises:
            ModelError, StoreError: as `prepare`; nothing comes to mind then until a switch succeeds.
        """
        await self._known.wait()
        self.suspend()
        async with self._turn:
            self._switching = False
            view = self._view or self._sure(None)  # after a failed switch, the one it failed with
            await self._take_over(view.fingerprint, adapter_id, centre, head)
            await self._project_anew()

    async def _take_over(self, fingerprint: str, adapter_id: str, centre: Vector | None, head: Vector | None) -> None:
        self._whole.clear()
        self._failure = None
        try:
            await self._serve(fingerprint, adapter_id, centre, head)
        except BaseException as error:
            # Also when it was cancelled: what is half done must not be searched.
            self._failure = error if isinstance(error, BotError) else ModelError(f"memories cannot be used: {error!r}")
            raise
        finally:
            self._known.set()
            if not self._switching:
                self._whole.set()

    async def _serve(self, fingerprint: str, adapter_id: str, centre: Vector | None, head: Vector | None) -> None:
        view = await self._view_for(fingerprint, centre, head)
        self._width = (await self._engine.project(view.centre[np.newaxis])).shape[-1]
        self._view, self._maker = view, adapter_id
        self._known.set()
        await self._rekey(view)
        await self._store.set_view(view.fingerprint, view.centre, view.head)

    async def _view_for(self, fingerprint: str, centre: Vector | None, head: Vector | None) -> View:
        stored = self._store.view
        if centre is None and stored is not None and stored.fingerprint == fingerprint and alike(stored.head, head):
            centre = stored.centre  # spares every start the calibration
        if centre is None:
            centre = (await self._engine.embed(list(CALIBRATION))).mean(axis=0)
        return sound_view(fingerprint, centre, head)

    async def _rekey(self, view: View) -> None:
        """Give what another model made new keys, a few at a time."""
        if waiting := await self._store.count_stale(view.fingerprint):
            self._store.suspend()
            log.info("memories made by another model get new keys", count=waiting)
        while stale := await self._store.stale(view.fingerprint, BATCH):
            made = await self._make([memory.text for memory in stale])
            new = [
                Rekeyed(id=memory.id, text=memory.text, key=key, value=value)
                for memory, key, value in zip(stale, made.keys, made.values, strict=True)
            ]
            await self._store.rekey(new, made.fingerprint, made.maker)

    async def _project_anew(self) -> None:
        """Make the values of an earlier projector anew."""
        view, maker = self._sure(self._view), self._maker
        while listed := await self._store.unprojected(view.fingerprint, maker, self._width, PROJECTED):
            keys = np.stack([memory.key for memory in listed if memory.key is not None])
            await self._store.project(list(zip(listed, await self._values(keys), strict=True)), maker)

    def _sure(self, view: View | None) -> View:
        if self._failure is not None:
            raise self._failure
        assert view is not None  # noqa: S101 - `prepare` has set it, or failed
        return view

    async def _make(self, texts: list[str]) -> _Made:
        """Raw keys and values of texts; waits for a model that is still loading."""
        keys = await self._engine.embed(texts)
        await self._known.wait()
        view, maker = self._sure(self._view), self._maker
        return _Made(keys, await self._values(keys), view.fingerprint, maker)

    async def _values(self, keys: Vector) -> list[Floats]:
        """What is injected, `[vectors, width]` for each raw key."""
        return [value.reshape(-1, value.shape[-1]) for value in await self._engine.project(keys)]

    # --- for sessions --------------------------------------------------------------------------------------------

    def search_in(self, chat: ChatId, temperature: float = 0.0) -> Callable[[Vector], RecallHit | None]:
        """The search a recall in this chat may do, for the model's thread: its own memories and shared ones only.

        At temperature 0 the nearest memory is found, else one of the nearest few, drawn by `softmax(cosine / t)`.
        """

        def search(query: Vector) -> RecallHit | None:
            if not self._whole.is_set() or self._failure is not None:
                return None  # the index still holds the keys of the model before
            hits = self._store.search(query, chat, SEARCHED if temperature else 1)
            return self._recallable(drawn(hits, temperature)) if hits else None

        return search

    def _recallable(self, hit: Hit) -> RecallHit | None:
        """None while its value is of a model of another width."""
        if hit.value is None or hit.value.shape[1] != self._width:
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
        made = await self._make([new.text])
        await self._whole.wait()
        self._sure(self._view)
        async with self._learning:
            return await self._learn(new, made)

    async def _learn(self, new: Extracted, made: _Made) -> Memory:
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
        made = await self._make([text])
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
        await self._known.wait()
        view = self._sure(self._view)
        if not self._whole.is_set():
            left = await self._store.count_stale(view.fingerprint)
            if not left:  # a start, not a change: it takes no longer than reading the bank
                await self._whole.wait()
                return await self.search(chat, text, subject)
            raise StoreError(f"The memories are being prepared for another model, {left} to go; ask again later.")
        query = view.compared(await self._engine.embed([text]))[0]
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
        made = await self._make([text])
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
