"""Keys and values of memories, made by the model that serves; what another model or adapter made is made anew."""

import asyncio
from typing import NamedTuple

import numpy as np
import structlog

from onebot_bot.engine.request import Engine, Vector
from onebot_bot.errors import BotError, ModelError, StoreError
from onebot_bot.memory.rows import Rekeyed
from onebot_bot.memory.store import MemoryStore
from onebot_bot.memory.vectors import Floats, View, alike, sound_view

log = structlog.get_logger(__name__)

BATCH = 8
"""Texts that are given new keys at once: an answer being written waits for no more than these."""
PROJECTED = 256
"""Keys that are projected at once: a small matrix product."""

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


class Made(NamedTuple):
    """Vectors of some texts, and what made them."""

    keys: Vector
    values: list[Floats]
    fingerprint: str
    maker: str


class VectorMaker:
    """Follows the model from the one loaded at the start through every change of its adapter."""

    def __init__(self, engine: Engine, store: MemoryStore) -> None:
        self.width = 0
        """Of what the model can be handed."""
        self._engine = engine
        self._store = store
        self._view: View | None = None  # what new keys are made for; set with the next
        self._maker = ""  # the adapter that serves
        self._known = asyncio.Event()  # the view is known, or never will be
        self._whole = asyncio.Event()  # every memory can be searched, or none ever will
        self._turn = asyncio.Lock()  # held while a model takes over
        self._switching = False  # the model changes its adapter: what else ends now does not bring memories back
        self._failure: BotError | None = None
        """Why the model could not take over; then there are no memories until one can."""

    @property
    def searchable(self) -> bool:
        """Whether every memory has a key that the model's queries fit."""
        return self._whole.is_set() and self._failure is None

    async def whole(self) -> None:
        """Wait until every memory can be compared; raises ModelError or StoreError when none can."""
        await self._whole.wait()
        self._sure()

    async def query(self, text: str) -> Vector:
        """What the store is searched with for what is like a text.

        Raises:
            StoreError: a model is taking over. ModelError: there is none.
        """
        await self._known.wait()
        view = self._sure()
        while not self._whole.is_set():
            if left := await self._store.count_stale(view.fingerprint):
                raise StoreError(f"The memories are being prepared for another model, {left} to go; ask again later.")
            await self._whole.wait()  # a start, not a change: it takes no longer than reading the bank
            view = self._sure()
        query: Vector = view.compared(await self._engine.embed([text]))[0]
        return query

    def _sure(self) -> View:
        if self._failure is not None:
            raise self._failure
        assert self._view is not None  # noqa: S101 - `prepare` has set it, or failed
        return self._view

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
            view = self._view or self._sure()  # after a failed switch, the one it failed with
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
        self.width = (await self._engine.project(view.centre[np.newaxis])).shape[-1]
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
            made = await self.make([memory.text for memory in stale])
            new = [
                Rekeyed(id=memory.id, text=memory.text, key=key, value=value)
                for memory, key, value in zip(stale, made.keys, made.values, strict=True)
            ]
            await self._store.rekey(new, made.fingerprint, made.maker)

    async def _project_anew(self) -> None:
        """Make the values of an earlier projector anew."""
        view, maker = self._sure(), self._maker
        while listed := await self._store.unprojected(view.fingerprint, maker, self.width, PROJECTED):
            keys = np.stack([memory.key for memory in listed if memory.key is not None])
            await self._store.project(list(zip(listed, await self._values(keys), strict=True)), maker)

    async def make(self, texts: list[str]) -> Made:
        """Raw keys and values of texts; waits for a model that is still loading.

        Raises:
            ModelError, StoreError: there is none, or it could not take over.
        """
        keys = await self._engine.embed(texts)
        await self._known.wait()
        view, maker = self._sure(), self._maker
        return Made(keys, await self._values(keys), view.fingerprint, maker)

    async def _values(self, keys: Vector) -> list[Floats]:
        """What is injected, `[vectors, width]` for each raw key."""
        return [value.reshape(-1, value.shape[-1]) for value in await self._engine.project(keys)]
