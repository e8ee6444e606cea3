"""A bot's folder with something of everything in it."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from onebot_bot.backups.contents import DATABASE, Place
from onebot_bot.config import load_config
from onebot_bot.learning.versions import Versions, seal
from onebot_bot.memory.database import Database
from onebot_bot.memory.history import Entry, History
from onebot_bot.memory.pictures import PictureStore, Still
from onebot_bot.protocol.chat_id import ChatId

CHAT = ChatId(10000, "private", 5)
CONFIG = 'version = 1\n[model]\npath = "echo"\n[guard]\nwords_in = "words.txt"\n'


async def fill(folder: Path) -> Place:
    """Two messages, a picture, an adapter that serves and one that does not, a persona, stickers, a word list."""
    (folder / "config.toml").write_text(CONFIG, encoding="utf-8")
    async with Database(folder / DATABASE) as database:
        history, pictures = (
            History(database),
            PictureStore(database, folder / "memory_store" / "pictures", lambda: 9999),
        )
        first = await history.append(CHAT, Entry(role="user", text="first", time=1000, user_id=5))
        assert first is not None
        await history.append(CHAT, Entry(role="user", text="second", time=1001, user_id=5))
        await pictures.put(first, 0, [Still(b"a picture", 9)])
    (folder / "memory_store" / "pictures" / "stray.jpg").write_bytes(b"nobody's")
    (folder / "memory_store" / "token").write_text("secret\n", encoding="utf-8")
    versions = Versions(folder / "models", lambda: "base")
    for name in ("20261101T020000Z", "20261102T020000Z"):
        candidate = folder / f"candidate-{name}"
        candidate.mkdir()
        (candidate / "weights.bin").write_bytes(name.encode())
        seal(candidate, "base", [])
        versions.promote(candidate, name)
    for name, text in {"personas/cat.md": "你是猫。", "stickers/wave/1.txt": "wave", "words.txt": "bad"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return Place(folder / "config.toml", load_config(folder / "config.toml"))


@pytest.fixture
async def place(tmp_path: Path) -> Place:
    """A filled folder."""
    (tmp_path / "bot").mkdir()
    return await fill(tmp_path / "bot")


def texts_of(folder: Path) -> list[str]:
    """What the messages of a folder's database say."""
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        return [row[0] for row in connection.execute("SELECT text FROM messages ORDER BY id")]


def damage(path: Path, at: float = 0.5) -> None:
    """Turn over a few bytes in the middle of a file, or elsewhere."""
    data = bytearray(path.read_bytes())
    start = int(len(data) * at)
    data[start : start + 16] = bytes(255 - byte for byte in data[start : start + 16])
    path.write_bytes(data)
