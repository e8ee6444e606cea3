"""kill -9 while a backup is put back, for crash.py: into a folder that has a bot, and into a fresh one.

Afterwards all is as it was before, or the bot refuses to start there and names the command that finishes the work. That
command does; and nothing of what was replaced is gone.
"""

import hashlib
import os
import shlex
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from random import Random

from bench.servers import ViolationError
from onebot_bot.backups.contents import ADAPTERS, DATABASE, Place
from onebot_bot.backups.making import make
from onebot_bot.backups.shelf import REPLACED
from onebot_bot.config import load_config
from onebot_bot.errors import StoreError
from onebot_bot.learning.versions import Versions, seal
from onebot_bot.memory.database import Database
from onebot_bot.memory.history import Entry, History
from onebot_bot.memory.lock import RESTORING, refuse_half_restored
from onebot_bot.memory.pictures import PictureStore, Still
from onebot_bot.protocol.chat_id import ChatId

ROOT = Path(__file__).parents[1]
CHAT = ChatId(10000, "private", 11)
PICTURES = 60
LOOK = 0.001
"""Seconds between two looks at how far the restore is."""
PATIENCE = 120.0
_PASSED_OVER = ("-wal", "-shm", ".lock", ".faiss", ".log")
State = Mapping[str, str]
"""What a folder holds: a digest by name, without backups and what is made anew."""


class Restorer:
    """A bot's folder of today, and a backup of yesterday."""

    def __init__(self, folder: Path, rng: Random) -> None:
        self.folder = folder
        self.rng = rng
        self.archive = folder / "yesterday.zip"
        self.old: State = {}
        self.new: State = {}
        self._rounds = 0

    async def begin(self) -> None:
        """Make both."""
        home = self.folder / "bot"
        home.mkdir(parents=True)
        await _live(home, "yesterday")
        make(Place(home / "config.toml", load_config(home / "config.toml")), self.archive)
        self.old = state_of(home)
        await _live(home, "today")
        self.new = state_of(home)

    def round(self, *, fresh: bool) -> None:
        """Put the backup back, kill that, look at everything, and finish it."""
        self._rounds += 1
        place = self.folder / f"round-{self._rounds}"
        if fresh:
            place.mkdir()
        else:
            shutil.copytree(self.folder / "bot", place)
        self._killed(place)
        finish = self._check(place, {} if fresh else self.new)
        done = subprocess.run(finish, env=_environment(), cwd=place, check=False, capture_output=True, timeout=PATIENCE)
        if done.returncode or state_of(place) != self.old:
            raise ViolationError("damaged", f"a second restore did not finish: {done.stderr.decode()[-500:]}")
        if gone := [*_gone({} if fresh else self.new, place)]:
            raise ViolationError("lost", f"of what was replaced: {gone}")
        shutil.rmtree(place)

    def _killed(self, place: Path) -> None:
        """At a moment of the unpacking, or of the moving, which is short."""
        store = place / "memory_store"
        sign, longest = self.rng.choice((("backups/.restore-*", 0.1), (RESTORING, 0.01)))
        process = subprocess.Popen(
            self._command(place), env=_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while process.poll() is None and not any(store.glob(sign)):
            time.sleep(LOOK)
        time.sleep(self.rng.uniform(0, longest))
        process.kill()
        process.wait()

    def _command(self, place: Path) -> list[str]:
        return [
            sys.executable,
            "-m",
            "onebot_bot",
            "restore",
            str(self.archive),
            "--config",
            str(place / "config.toml"),
        ]

    def _check(self, place: Path, before: State) -> list[str]:
        """What is there now is one of the two, or told to be neither; the command with which to go on."""
        marker = place / "memory_store" / RESTORING
        if not marker.exists():
            if state_of(place) not in (before, self.old):
                raise ViolationError("damaged", f"parts of two states, and nothing says so: {sorted(state_of(place))}")
            return self._command(place)
        try:
            refuse_half_restored(marker.parent)
        except StoreError as error:
            words = shlex.split(str(error).partition("Finish it with: ")[2])
            if words[:2] == ["onebot-bot", "restore"]:
                return [sys.executable, "-m", "onebot_bot", *words[1:]]
        raise ViolationError("damaged", f"no way on is told: {marker.read_text(encoding='utf-8')}")


async def _live(home: Path, day: str) -> None:
    """What a bot leaves behind: settings, a persona, messages, pictures, an adapter."""
    (home / "config.toml").write_text(f'version = 1\n# {day}\n[model]\npath = "echo"\n', encoding="utf-8")
    (home / "personas").mkdir(exist_ok=True)
    (home / "personas" / "cat.md").write_text(f"You are a cat, {day}.", encoding="utf-8")
    async with Database(home / DATABASE) as database:
        history = History(database)
        pictures = PictureStore(database, home / "memory_store" / "pictures", lambda: 10**9)
        for number in range(PICTURES):
            row = await history.append(CHAT, Entry(role="user", text=f"{day} {number}", time=number, user_id=11))
            if row is not None:
                still = hashlib.sha256(f"{day} {number}".encode()).digest() * 300
                await pictures.put(row, 0, [Still(still, len(still))])
    (home / "memory_store" / "token").write_text(f"{day}\n", encoding="utf-8")
    candidate = home / "candidate"
    candidate.mkdir()
    (candidate / "adapter.bin").write_bytes(day.encode() * 50_000)
    seal(candidate, "base", [])
    number = len(list((home / ADAPTERS).glob("*"))) + 1
    Versions(home / "models", lambda: "base").promote(candidate, f"2026010{number}T000000Z")
    shutil.rmtree(candidate)


def state_of(home: Path) -> State:
    """What is to be whole: every file's digest, and what the messages say; only the adapter that serves counts."""
    files = {name: _digest(home, name) for name in _names(home) if not name.startswith(ADAPTERS)}
    return {**files, **_adapter(home)}


def _names(home: Path) -> Iterator[str]:
    for path in sorted(home.rglob("*")):
        name = path.relative_to(home).as_posix()
        ours = path.is_file() and not name.endswith(_PASSED_OVER) and not path.name.startswith(".")
        if ours and not name.startswith("memory_store/backups/") and path.name != RESTORING:
            yield name


def _adapter(home: Path) -> State:
    serving = Versions(home / "models", lambda: "base").current()
    return {} if serving is None else {"adapter": serving.name, "weights": _hashed(serving / "adapter.bin")}


def _digest(home: Path, name: str) -> str:
    return "\n".join(_messages(home / name)) if name == DATABASE else _hashed(home / name)


def _hashed(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _messages(path: Path) -> Iterator[str]:
    with closing(sqlite3.connect(path)) as connection:
        yield from (str(row[0]) for row in connection.execute("SELECT text FROM messages ORDER BY id"))


def _gone(before: State, place: Path) -> Iterator[str]:
    """Files of what was there that lie neither in place nor in what was kept aside."""
    asides = [place, *(place / "memory_store" / "backups").glob(f"{REPLACED}*")]
    for name, digest in before.items():
        if name not in ("adapter", "weights"):
            found = (_digest(aside, name) for aside in asides if (aside / name).exists())
            if digest not in found:
                yield name


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}
