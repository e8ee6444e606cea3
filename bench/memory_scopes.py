"""Whether a memory ever comes up where it may not: scoped queries on a real store in which everything changes."""

import asyncio
import tempfile
from pathlib import Path
from random import Random

import numpy as np
from msgspec import Struct

from onebot_bot.memory.database import Database
from onebot_bot.memory.rows import Memory, NewMemory
from onebot_bot.memory.store import MemoryStore
from onebot_bot.memory.vectors import Floats
from onebot_bot.protocol.chat_id import ChatId

WIDTH = 32
CHATS = 40
MEMORIES = 1200
QUERIES = 10_000
ROUNDS = 100
NEAREST = 10
MAKER = "random numbers"


class Leaks(Struct, frozen=True):
    """Searches done, memories they brought up, and those among them that may not come up there."""

    queries: int
    hits: int
    leaks: int


class _World(Struct):
    """What is true of the store, kept beside it."""

    active: dict[int, ChatId]
    shared: set[int]


def measure_leaks(seed: int = 0, queries: int = QUERIES) -> Leaks:
    """Random queries from random chats, between them shares, supersessions, forgetting and new memories."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measure(Path(folder), Random(seed), np.random.default_rng(seed), queries))


async def _measure(folder: Path, rng: Random, dice: np.random.Generator, queries: int) -> Leaks:
    chats = [ChatId(10000, "group" if at % 3 else "private", 700_000_000 + at) for at in range(CHATS)]
    hits = leaks = 0
    async with Database(folder / "m.sqlite3") as database, MemoryStore(database, folder / "m.faiss") as store:
        await store.set_view(MAKER, np.zeros(WIDTH, np.float32))
        world = _World({}, set())
        for _ in range(MEMORIES):
            await _tell(store, world, rng.choice(chats), dice)
        for _ in range(ROUNDS):
            await _change(store, world, rng, chats, dice)
            for _ in range(queries // ROUNDS):
                chat = rng.choice(chats)
                found = [hit.memory_id for hit in store.search(_unit(dice), chat, NEAREST)]
                hits += len(found)
                leaks += sum(not _may(world, number, chat) for number in found)
    return Leaks(queries // ROUNDS * ROUNDS, hits, leaks)


def _may(world: _World, number: int, chat: ChatId) -> bool:
    return number in world.active and (world.active[number] == chat or number in world.shared)


async def _change(
    store: MemoryStore, world: _World, rng: Random, chats: list[ChatId], dice: np.random.Generator
) -> None:
    """Share two, take one share back, supersede two, forget one, and tell three."""
    for number in rng.sample(sorted(world.active), 2):
        await store.share(number, shared=True)
        world.shared.add(number)
    taken_back = rng.choice(sorted(world.shared))
    await store.share(taken_back, shared=False)
    world.shared.discard(taken_back)
    for old in rng.sample(sorted(world.active), 2):
        chat = world.active[old]
        await _tell(store, world, chat, dice, (old,))
    forgotten = rng.choice(sorted(world.active))
    await store.forget(forgotten)
    _drop(world, forgotten)
    for _ in range(3):
        await _tell(store, world, rng.choice(chats), dice)


async def _tell(
    store: MemoryStore, world: _World, chat: ChatId, dice: np.random.Generator, supersedes: tuple[int, ...] = ()
) -> Memory:
    new = NewMemory(text="a fact", chat=chat, key=_unit(dice), fingerprint=MAKER)
    memory = await store.add(new, supersedes)
    for old in supersedes:
        _drop(world, old)
    world.active[memory.id] = chat
    return memory


def _drop(world: _World, number: int) -> None:
    world.active.pop(number, None)
    world.shared.discard(number)


def _unit(dice: np.random.Generator) -> Floats:
    found: Floats = dice.standard_normal(WIDTH).astype(np.float32)
    return found / np.float32(np.linalg.norm(found))
