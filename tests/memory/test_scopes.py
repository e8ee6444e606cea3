"""No memory of one chat ever comes up in another: the zero in `zero leaks`, over random worlds."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from onebot_bot.memory.bank import Bank, Recallable
from onebot_bot.memory.database import Database
from onebot_bot.memory.rows import NewMemory
from onebot_bot.memory.store import MemoryStore
from onebot_bot.memory.vectors import Floats, Selection, VectorIndex
from onebot_bot.protocol.chat_id import ChatId

D = 12
MODEL = "embedder"
QUERIES = 1500

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

    async def add(self, sharing: float = 0.1) -> None:
        """One memory somewhere. Keys crowd together, so that a neighbour of another chat is always near."""
        chat = CHATS[int(self.rng.integers(len(CHATS)))]
        shared = bool(self.rng.random() < sharing)
        key = (np.ones(D) + 0.1 * self.rng.normal(size=D)).astype(np.float32)
        new = NewMemory(text=str(chat), chat=chat, shared=shared, key=key, fingerprint=MODEL)
        self.known[(await self.store.add(new)).id] = Known(chat, shared, key)

    async def change(self) -> None:
        """Forget, supersede, share or unshare one memory."""
        number, other = (int(n) for n in self.rng.choice(list(self.known), 2, replace=False))
        match int(self.rng.integers(3)):
            case 0:
                await self.store.forget(number)
                del self.known[number]
            case 1:
                await self.store.supersede(number, other)
                del self.known[number]
            case _:
                memory = self.known[number]
                await self.store.share(number, shared=not memory.shared)
                self.known[number] = memory._replace(shared=not memory.shared)

    def expected(self, query: Floats, scope: ChatId, k: int) -> list[int]:
        """The right answer, by hand."""
        scores = {
            number: float(query @ memory.key / np.linalg.norm(memory.key))
            for number, memory in self.known.items()
            if memory.shared or memory.chat == scope
        }
        return sorted(scores, key=lambda number: -scores[number])[:k]

    def query(self) -> tuple[Floats, ChatId]:
        """Something that another chat's memory is the best answer to."""
        memory = self.known[int(self.rng.choice(list(self.known)))]
        scope = CHATS[int(self.rng.integers(len(CHATS)))]
        return memory.key / np.linalg.norm(memory.key), scope

    def check(self, k: int) -> int:
        """Ask once; how many memories came."""
        query, scope = self.query()
        hits = self.store.search(query, scope, k)
        leaks = [h for h in hits if not (self.known[h.memory_id].shared or h.text == str(scope))]
        assert leaks == []
        assert self.expected(query, scope, k) == [hit.memory_id for hit in hits]
        return len(hits)


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[MemoryStore]:
    """The store at `path`."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database(path))
        store = await stack.enter_async_context(MemoryStore(database, path.with_suffix(".faiss")))
        await store.set_fingerprint(MODEL, D)
        yield store


@pytest.mark.parametrize("seed", [0, 1])
async def test_no_search_crosses_a_scope(path: Path, seed: int) -> None:
    """Every query finds exactly the best of its own chat and the shared ones, while memories come and go."""
    async with opened(path) as store:
        world = World(store, seed)
        for _ in range(60):
            await world.add()
        hits = 0
        for n in range(QUERIES):
            if n % 10 == 0:
                await world.add()
            if n % 15 == 0:
                await world.change()
            hits += world.check(k=1 + n % 9)
        assert hits > QUERIES

    async with opened(path) as store:
        world.store = store
        assert sum(world.check(k=5) for _ in range(QUERIES)) > QUERIES


def test_a_wrong_selection_leaks_nothing() -> None:
    """Were the selection of a chat ever stale, a memory would still not leave its chat."""
    bank = Bank(VectorIndex(D), np.zeros(D, np.float32), MODEL)
    key = np.ones(D, np.float32)
    for number, chat in enumerate(CHATS):
        bank.put(number, Recallable(str(chat), chat, shared=False, value=None), key)
    bank._selections[CHATS[0]] = Selection(np.arange(len(CHATS)))

    assert [hit.text for hit in bank.search(key, CHATS[0], len(CHATS))] == [str(CHATS[0])]


async def test_a_chat_without_memories_recalls_nothing(path: Path) -> None:
    """An unknown chat finds nothing, however many memories the others have."""
    async with opened(path) as store:
        world = World(store, 3)
        for _ in range(20):
            await world.add(sharing=0.0)

        assert store.search(world.query()[0], ChatId(1, "group", 12), 5) == []
