"""bench/crash.py: a few of its kills, and that what is planted is found."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random

import numpy as np
import pytest
from fakes import ScriptedEngine

from bench.crash import KINDS, Talk, Tally, play
from bench.crash_learning import compare_index
from bench.crash_restore import Restorer, _gone
from bench.servers import ViolationError
from onebot_bot.memories import Memories
from onebot_bot.memory.database import Database
from onebot_bot.memory.history import Entry, History
from onebot_bot.memory.store import MemoryStore
from onebot_bot.protocol.chat_id import ChatId

CHAT = ChatId(10000, "private", 11)


async def test_a_kill_loses_doubles_and_damages_nothing(tmp_path: Path) -> None:
    """While people talk and a backup is made, or config.toml is written."""
    tally = Tally()
    await play(tmp_path, {"backup": 1, "config": 1}, tally, seed=20261121, old=500)
    assert {kind: tally.faults[kind] for kind in KINDS} == dict.fromkeys(KINDS, 0)
    assert (tally.kills.total(), len(tally.starts)) == (2, 3)
    assert tally.answers > 3


@pytest.fixture
async def talk(tmp_path: Path) -> Talk:
    """A bot that does not run and has one message on record."""
    talk = Talk(tmp_path / "talk", Tally(), Random(1))  # noqa: S311 - draws, not secrets
    async with Database(talk.victim.store / "memory.sqlite3") as database:
        await History(database).append(CHAT, Entry(role="user", text="hi", time=1000, user_id=11, message_id=5))
    return talk


def lose(talk: Talk) -> None:
    """What was committed is gone."""
    with closing(sqlite3.connect(talk.victim.store / "memory.sqlite3")) as connection, connection:
        connection.execute("DELETE FROM messages")


def double(talk: Talk) -> None:
    """QQ has an answer twice."""
    talk.qq.sent["m1"] = 2


def record_twice(talk: Talk) -> None:
    """The record has a message twice."""
    with closing(sqlite3.connect(talk.victim.store / "memory.sqlite3")) as connection, connection:
        connection.execute("DROP INDEX messages_known")
        columns = "account, kind, peer, message_id, user_id, name, role, text, time, placed, state, created"
        connection.execute(f"INSERT INTO messages ({columns}) SELECT {columns} FROM messages")  # noqa: S608 - constants


def corrupt(talk: Talk) -> None:
    """An index of the database lacks a row."""
    with closing(sqlite3.connect(talk.victim.store / "memory.sqlite3")) as connection, connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_master SET sql = replace(sql, 'hidden = 0', 'hidden = 1') WHERE type = 'index'"
        )


@pytest.mark.parametrize(
    ("plant", "kind"), [(lose, "lost"), (double, "doubled"), (record_twice, "doubled"), (corrupt, "damaged")]
)
def test_a_planted_fault_is_found(talk: Talk, plant: Callable[[Talk], None], kind: str) -> None:
    """Under the figure that counts it; without it all is well."""
    talk._check({5})
    plant(talk)
    with pytest.raises(ViolationError) as caught:
        talk._check({5})
    assert caught.value.kind == kind


@pytest.mark.parametrize("name", ["config.toml", "memory_store/backups/backup-20261121T203000Z.zip"])
def test_a_torn_file_is_found(talk: Talk, name: str) -> None:
    """Settings and backups are read after every kill."""
    talk._check_files()
    (talk.victim.folder / name).parent.mkdir(exist_ok=True)
    (talk.victim.folder / name).write_bytes(b"\x00" * 50)
    with pytest.raises(ViolationError, match="damaged"):
        talk._check_files()


async def test_an_index_that_differs_is_found(tmp_path: Path) -> None:
    """As it was saved it agrees with the rows; not when a row is added, or its vector is another."""
    path = tmp_path / "memory.sqlite3"
    async with Database(path) as database, MemoryStore(database, tmp_path / "memory.faiss") as store:
        memories = Memories(ScriptedEngine(), store)
        await memories.vectors.prepare("fake")
        for text in ("one", "two", "three"):
            await memories.add(CHAT, text)
    compare_index(tmp_path)
    key = np.full(8, 0.5, np.float32).tobytes()
    for change in ("UPDATE memories SET key = ? WHERE id = 2", "UPDATE memories SET status = 'forgotten', key = ?"):
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(change, (key,))
        with pytest.raises(ViolationError, match="index"):
            compare_index(tmp_path)


@pytest.fixture(scope="module")
def restorer(tmp_path_factory: pytest.TempPathFactory) -> Restorer:
    """A folder of today with a backup of yesterday."""
    restorer = Restorer(tmp_path_factory.mktemp("restore") / "all", Random(3))  # noqa: S311 - draws, not secrets
    asyncio.run(restorer.begin())
    return restorer


@pytest.mark.parametrize("fresh", [False, True])
def test_a_restore_that_is_killed_leaves_one_state_or_says_so(restorer: Restorer, *, fresh: bool) -> None:
    """And is finished by the command that is named; what was there is kept aside."""
    restorer.round(fresh=fresh)


def test_parts_of_two_states_are_found(restorer: Restorer) -> None:
    """A file of yesterday among those of today, and one of today that is nowhere any more."""
    home = restorer.folder / "bot"
    restorer._check(home, restorer.new)
    persona = home / "personas" / "cat.md"
    before = persona.read_bytes()
    persona.write_text("You are a cat, yesterday.", encoding="utf-8")
    assert [*_gone(restorer.new, home)] == ["personas/cat.md"]
    with pytest.raises(ViolationError, match="parts of two states"):
        restorer._check(home, restorer.new)
    persona.write_bytes(before)
