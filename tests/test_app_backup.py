"""The whole application: backed up while it runs, put back, started again; and what it says of a damaged database."""

import asyncio
import socket
from pathlib import Path

import pytest
from backups.conftest import texts_of

from onebot_bot.__main__ import main
from onebot_bot.app import App
from onebot_bot.errors import StoreError
from onebot_bot.start import serve
from onebot_bot.transport.client import OneBotClient

CONFIG = """version = 1
[bot]
owners = [1]
[server]
port = {port}
[model]
path = "echo"
[chat]
merge_window = 0
typing_speed = 0
[log]
file = ""
turns = ""
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A config.toml on a free port."""
    (tmp_path / "bot").mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        text = CONFIG.format(port=probe.getsockname()[1])
    (tmp_path / "bot" / "config.toml").write_text(text, encoding="utf-8")
    return tmp_path / "bot" / "config.toml"


async def ask(client: OneBotClient, user: int, words: str) -> str:
    """Say something and read what comes back."""
    await client.send_event(client.private_message(user, words))
    while True:
        call = await asyncio.wait_for(client.next_call(), 10)
        if call.action == "send_private_msg" and call.params["user_id"] == user:
            return str(call.params["message"][-1]["data"]["text"])


async def backed_up(path: Path) -> Path:
    """A bot says something, makes a backup and ends; the file."""
    async with App(path) as app, OneBotClient(app.url, 10000, app.token) as client:
        assert await ask(client, 5, "remember this") == "remember this"
        assert "备份好了" in await ask(client, 1, "/backup")
        assert "onebot-bot restore backup-" in await ask(client, 1, "/restore")
    (archive,) = (path.parent / "memory_store" / "backups").glob("backup-*.zip")
    return archive


async def test_a_backup_starts_in_a_fresh_folder(path: Path, tmp_path: Path) -> None:
    """The same token, the same record, and it answers."""
    archive = await backed_up(path)
    assert await asyncio.to_thread(main, ["restore", str(archive), "--into", str(tmp_path / "new")]) == 0
    token = (path.parent / "memory_store" / "token").read_text(encoding="utf-8").strip()
    async with App(tmp_path / "new" / "config.toml") as app, OneBotClient(app.url, 10000, token) as client:
        assert await ask(client, 5, "still here?") == "still here?"
    texts = texts_of(tmp_path / "new")
    assert (texts[0], "still here?" in texts) == ("remember this", True)


async def test_a_damaged_database_names_the_way_back(path: Path) -> None:
    """The newest good backup and the command; which then lets the bot start."""
    archive = await backed_up(path)
    database = path.parent / "memory_store" / "memory.sqlite3"
    data = database.read_bytes()
    database.write_bytes(data[: len(data) // 2])
    with pytest.raises(StoreError, match=rf"memory\.sqlite3 is damaged.*onebot-bot restore {archive}"):
        await serve(path)
    assert await asyncio.to_thread(main, ["restore", str(archive), "--config", str(path)]) == 0
    async with App(path) as app, OneBotClient(app.url, 10000, app.token) as client:
        assert await ask(client, 5, "hello") == "hello"
