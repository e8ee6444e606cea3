"""No memory of one chat ever comes up in another: the zero in `zero leaks`, over random worlds."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pytest

from onebot_bot.memory.bank import Bank, Recallable
from onebot_bot.memory.database import Database
from onebot_bot.memory.index import VectorIndex
from onebot_bot.memory.rows import NewMemory
from onebot_bot.memory.store import MemoryStore
from onebot_bot.memory.vectors import Floats, Ids, View
from onebot_bot.protocol.chat_id import ChatId

D = 12
MODEL = "embedder"
QUERIES = 5000
"""In each of two worlds."""

# Chats that differ in one field only: account, kind or peer.
CHATS = [ChatId(account, kind, peer) for account in (1, 2) for kind in ("private", "group") for peer in (10, 11)]


class Known(NamedTuple):
    """What the test knows of one active memory."""

    chat: ChatId
    shared: bool
    key: Floats


class World:
    """A store and, beside it, what must be in it."""

    def __init__(self, store: MemoryStore, seed: int) -> None:
        self.store = store
        self.rng = np.random.default_rng(seed)
        self.known: dict[int, Known] = {}
        self.view = View(MODEL, np.zeros(D, np.float32))
        self.ids: Ids = np.empty(0, np.int64)
        self.seen: Floats = np.empty((0, D), np.float32)
        """The compared keys of `ids`, made with numpy alone."""

    async def add(self, sharing: float = 0.1) -> None:
        """One memory somewhere. Keys crowd together, so that a neighbour of another chat is always near."""
        chat = CHATS[int(self.rng.integers(len(CHATS)))]
        shared = bool(self.rng.random() < sharing)
        key = (np.ones(D) + 0.1 * self.rng.normal(size=D)).astype(np.float32)
        new = NewMemory(text=str(chat), chat=chat, shared=shared, key=key, fingerprint=MODEL)
        new = msgspec.structs.replace(new, speaker=int(self.rng.integers(3)))
        self.known[(await self.store.add(new)).id] = Known(chat, shared, key)
        self.look()

    async def change(self) -> None:
        """Forget, supersede, share or unshare one memory, or see all keys differently."""
        number = int(self.rng.choice(list(self.known)))
        match int(self.rng.integers(4)):
            case 0:
                await self.store.forget(number)
                del self.known[number]
            case 1:
                await self.supersede(number)
            case 2:
                memory = self.known[number]
                await self.store.share(number, shared=not memory.shared)
                self.known[number] = memory._replace(shared=not memory.shared)
            case _:
                await self.set_view()
        self.look()

    async def supersede(self, old: int) -> None:
        """Another memory of the same chat takes its place, if there is one."""
        others = [n for n, memory in self.known.items() if memory.chat == self.known[old].chat and n != old]
        if others:
            await self.store.supersede(old, others[0])
            del self.known[old]

    async def set_view(self) -> None:
        """Another centre, and a head of another width or none."""
        centre = self.rng.normal(size=D).astype(np.float32)
        width = int(self.rng.integers(D // 2, D + 1))
        head = None if width == D else self.rng.normal(size=(width, D)).astype(np.float32)
        self.view = View(MODEL, centre, head)
        await self.store.set_view(MODEL, centre, head)

    def look(self) -> None:
        """Compute what every key is compared as, by hand."""
        raw = np.stack([memory.key for memory in self.known.values()]) - self.view.centre
        turned = raw if self.view.head is None else raw @ self.view.head.T
        self.ids = np.fromiter(self.known, np.int64)
        self.seen = turned / np.linalg.norm(turned, axis=1, keepdims=True)

    def expected(self, query: Floats, scope: ChatId, k: int) -> Floats:
        """The scores of the right answer, best first, by hand."""
        allowed = np.array([memory.shared or memory.chat == scope for memory in self.known.values()])
        return np.sort(self.seen[allowed] @ query)[::-1][:k]

    def query(self) -> tuple[Floats, ChatId]:
        """Something that another chat's memory is the best answer to."""
        scope = CHATS[int(self.rng.integers(len(CHATS)))]
        return self.seen[int(self.rng.integers(len(self.seen)))], scope

    def check(self, k: int) -> int:
        """Ask once; how many memories came."""
        query, scope = self.query()
        hits = self.store.search(query, scope, k)
        leaks = [h for h in hits if not (self.known[h.memory_id].shared or h.text == str(scope))]
        assert leaks == []
        places = [int(np.flatnonzero(self.ids == hit.memory_id)[0]) for hit in hits]
        # Scores, because neighbours this close change places in the last bit.
        np.testing.assert_allclose(self.expected(query, scope, k), self.seen[places] @ query, atol=1e-5)
        np.testing.assert_allclose([hit.score for hit in hits], self.seen[places] @ query, atol=1e-5)
        assert len(set(places)) == len(hits)
        return len(hits)

    async def check_others(self) -> None:
        """The other two ways to be found: said by somebody, and nearest of one's own chat."""
        query, scope = self.query()
        for hit in await self.store.search_about(query, scope, 1, 9):
            assert self.known[hit.memory_id].shared or hit.text == str(scope)
        key = self.known[int(self.rng.choice(list(self.known)))].key
        assert {hit.text for hit in self.store.near(scope, key, 9)} <= {str(scope)}


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[MemoryStore]:
    """The store at `path`."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database(path))
        yield await stack.enter_async_context(MemoryStore(database, path.with_suffix(".faiss")))


@pytest.mark.parametrize("seed", [0, 1])
async def test_no_search_crosses_a_scope(path: Path, seed: int) -> None:
    """Every query finds exactly the best of its own chat and the shared ones, while memories come and go."""
    async with opened(path) as store:
        world = World(store, seed)
        await world.set_view()
        for _ in range(80):
            await world.add()
        hits = 0
        for n in range(QUERIES):
            if n % 20 == 0:
                await world.add()
            if n % 25 == 0:
                await world.change()
            hits += world.check(k=1 + n % 9)
            if n % 10 == 0:
                await world.check_others()
        assert hits > QUERIES

    async with opened(path) as store:
        world.store = store
        assert sum(world.check(k=5) for _ in range(500)) > 500


def test_a_wrong_selection_leaks_nothing() -> None:
    """Were the bitmaps of a chat ever wrong, a memory would still not leave its chat."""
    bank = Bank(VectorIndex(D), View(MODEL, np.zeros(D, np.float32)))
    key = np.ones(D, np.float32)
    for number, chat in enumerate(CHATS):
        bank.put(number, Recallable(str(chat), chat, shared=False, value=None), key)
    for slot in range(1, len(CHATS)):
        bank._own[CHATS[0]].put(slot)

    assert [hit.text for hit in bank.search(key, CHATS[0], len(CHATS))] == [str(CHATS[0])]
    assert [hit.text for hit in bank.search(key, CHATS[1], 9, among=range(len(CHATS)))] == [str(CHATS[1])]


async def test_another_chats_memory_is_no_duplicate(path: Path) -> None:
    """What is nearest to a fact is looked for in its own chat alone, not among the shared ones either."""
    async with opened(path) as store:
        world = World(store, 4)
        await world.set_view()
        for _ in range(60):
            await world.add(sharing=0.5)
        for memory in list(world.known.values()):
            near = store.near(memory.chat, memory.key, 60)
            assert {hit.text for hit in near} == {str(memory.chat)}
            assert near[0].score > 0.999


async def test_a_chat_without_memories_recalls_nothing(path: Path) -> None:
    """An unknown chat finds nothing, however many memories the others have."""
    async with opened(path) as store:
        world = World(store, 3)
        await world.set_view()
        for _ in range(20):
            await world.add(sharing=0.0)

        assert store.search(world.query()[0], ChatId(1, "group", 12), 5) == []
