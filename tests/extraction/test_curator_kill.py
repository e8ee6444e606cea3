"""kill -9 of a whole process while it reads chats for memories."""

import asyncio
import os
import signal
import sys
from datetime import UTC
from pathlib import Path

import pytest
from fakes import FakeClock, ScriptedEngine

from onebot_bot.extraction.by_model import Extractor
from onebot_bot.extraction.curator import Curator, Reading
from onebot_bot.extraction.prompts import load_prompts
from onebot_bot.memories import Memories
from onebot_bot.memory.database import Database
from onebot_bot.memory.history import Entry, History
from onebot_bot.memory.rows import Extracted, Memory
from onebot_bot.memory.store import MemoryStore
from onebot_bot.memory.unread import Unread
from onebot_bot.protocol.chat_id import ChatId

PROMPTS = load_prompts(Path(__file__).parents[2] / "training" / "prompts.toml")
CHAT = ChatId(10000, "group", 20000)
PEOPLE = 120


async def read_all(folder: Path) -> None:
    """Read every chat, saying so after each fact that is stored."""
    async with Database(folder / "m.sqlite3") as database, MemoryStore(database, folder / "m.faiss") as store:
        memories = Memories(ScriptedEngine(), store)
        await memories.vectors.prepare("fake")

        async def learn(entry: Extracted) -> Memory:
            memory = await memories.learn(entry)
            print(memory.text, flush=True)  # noqa: T201 - to the process that will kill this one
            return memory

        async def ask(prompt: str) -> str:
            return ""

        extractor = Extractor(ask, PROMPTS)
        reading = Reading(zone=UTC, mode="plain")
        curator = Curator(Unread(database), store, learn, extractor, lambda: reading, FakeClock())
        assert (await curator.catch_up()).failed == []


async def tell(folder: Path) -> None:
    """Everybody says where he lives, and half of them that they moved."""
    async with Database(folder / "m.sqlite3") as database:
        history = History(database)
        for user in range(1, PEOPLE + 1):
            text = f"I live in Town{user}. I have a dog named Rex{user}."
            await history.append(CHAT, Entry(role="user", text=text, time=1000 + user, user_id=user, name=f"P{user}x"))
        for user in range(1, PEOPLE + 1, 2):
            text = f"I moved to City{user}"
            await history.append(CHAT, Entry(role="user", text=text, time=2000 + user, user_id=user, name=f"P{user}x"))


async def kill_after(folder: Path, facts: int) -> None:
    """Let another process read, and kill it once it has stored so many facts."""
    code = f"import asyncio, pathlib, test_curator_kill as t; asyncio.run(t.read_all(pathlib.Path({str(folder)!r})))"
    here = Path(__file__).parent
    path = os.pathsep.join([str(here), str(here.parent), str(here.parents[1])])
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE, env=os.environ | {"PYTHONPATH": path}
    )
    assert child.stdout is not None
    for _ in range(facts):
        assert await asyncio.wait_for(child.stdout.readline(), 20)
    child.send_signal(signal.SIGKILL)
    await child.wait()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
async def test_killed_again_and_again_every_fact_is_there_once(tmp_path: Path) -> None:
    """Within the first chunk, right behind it, and between an old statement and its successor."""
    await tell(tmp_path)
    for facts in (1, 60, 100, 41):
        await kill_after(tmp_path, facts)
    await read_all(tmp_path)
    async with Database(tmp_path / "m.sqlite3") as database, MemoryStore(database, tmp_path / "m.faiss") as store:
        active = sorted(memory.text for memory in await store.page(None, limit=-1))
        old = sorted(memory.text for memory in await store.page(None, status="superseded", limit=-1))
    moved = set(range(1, PEOPLE + 1, 2))
    homes = [f"P{n}x lives in {'City' if n in moved else 'Town'}{n}." for n in range(1, PEOPLE + 1)]
    dogs = [f"P{n}x has a dog named Rex{n}." for n in range(1, PEOPLE + 1)]
    assert active == sorted(homes + dogs)
    assert old == sorted(f"P{n}x lives in Town{n}." for n in moved)
