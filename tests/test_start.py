"""From the command line to a running bot: what is printed, and errors of one line."""

import asyncio
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from echo_bot import PATIENCE, said, write_config

from onebot_bot import start
from onebot_bot.__main__ import main
from onebot_bot.app import App
from onebot_bot.config import load_config
from onebot_bot.errors import NotConnected
from onebot_bot.start import banner, serve
from onebot_bot.transport.client import OneBotClient

HEAVY = {"torch", "transformers", "peft", "apscheduler", "aiohttp", "numpy", "faiss", "prompt_toolkit"}
"""Takes a twentieth of a second or more to import."""


async def test_the_banner_has_what_napcat_asks_for(tmp_path: Path) -> None:
    """URL, token, what to do without QQ, where the configuration is."""
    async with App(write_config(tmp_path)) as app:
        text = banner(app, to_a_person=True)
        for piece in (app.url, app.token, "console", str(app.path)):
            assert piece in text
    assert "owners" not in text


async def test_a_first_start_without_an_owner_says_so(tmp_path: Path) -> None:
    """Else every admin command is refused and nobody knows why."""
    path = write_config(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace("owners = [1]", ""), encoding="utf-8")
    async with App(path) as app:
        assert "[bot] owners" in banner(app, to_a_person=True)


@pytest.mark.parametrize("token", ["auto", "env:BOT_TOKEN_OF_THIS_TEST", "a token of one's own", ""])
async def test_a_banner_in_a_log_has_no_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    """It names where that is: what is no terminal is kept, as docker and systemd do."""
    monkeypatch.setenv("BOT_TOKEN_OF_THIS_TEST", "hunter2")
    path = write_config(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace("[server]", f'[server]\ntoken = "{token}"'))
    async with App(path) as app:
        text = banner(app, to_a_person=False)
        where = str(tmp_path / "memory_store" / "token") if token == "auto" else f"{path} server.token"
        assert (where in text) == bool(token)
        assert not token or app.token not in text


async def test_serving_ends_when_told_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the banner printed first."""
    stop, write = asyncio.Event(), sys.stdout.write

    def written(text: str) -> int:
        stop.set()
        return write(text)

    monkeypatch.setattr(sys.stdout, "write", written)
    await serve(write_config(tmp_path), stop=stop)
    said = capsys.readouterr().out
    assert "ws://127.0.0.1" in said
    assert (tmp_path / "memory_store" / "token").read_text(encoding="utf-8").strip() not in said  # it is no terminal


async def test_clients_are_let_in_before_the_rest_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NapCat gives up after two seconds; what it sends meanwhile is answered once there is somebody to."""
    path, goes_on, stop = write_config(tmp_path), threading.Event(), asyncio.Event()
    path.write_text(path.read_text(encoding="utf-8").replace("[server]", '[server]\ntoken = ""'), encoding="utf-8")
    monkeypatch.setattr(start, "_import_the_rest", lambda: goes_on.wait(PATIENCE))
    serving = asyncio.create_task(serve(path, stop=stop))
    async with await _let_in(f"ws://127.0.0.1:{load_config(path).server.port}/") as client:
        await client.send_event(client.private_message(5, "early"))
        goes_on.set()
        assert await said(client) == (5, "early")
        stop.set()
        await serving


async def test_a_start_that_is_told_to_end_goes_no_further(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was let in meanwhile is sent away; no database is opened, and a model that takes a minute is not begun."""
    path, goes_on, stop = write_config(tmp_path), threading.Event(), asyncio.Event()
    path.write_text(path.read_text(encoding="utf-8").replace("[server]", '[server]\ntoken = ""'), encoding="utf-8")
    monkeypatch.setattr(start, "_import_the_rest", lambda: goes_on.wait(PATIENCE))
    serving = asyncio.create_task(serve(path, stop=stop))
    async with await _let_in(f"ws://127.0.0.1:{load_config(path).server.port}/") as client:
        await client.send_event(client.private_message(5, "early"))
        stop.set()
        goes_on.set()
        assert await asyncio.wait_for(serving, PATIENCE) is False
    assert not (tmp_path / "memory_store" / "memory.sqlite3").exists()


async def _let_in(url: str) -> OneBotClient:
    """Dial until somebody listens; the client is entered again by who gets it, as a second connection."""
    while True:
        client = OneBotClient(url, 10000)
        try:
            async with client:
                return OneBotClient(url, 10000)
        except NotConnected:
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--config", "nowhere.toml"], "nowhere.toml does not exist"),
        (["run", "--config", "{broken}"], "not valid TOML"),
    ],
)
def test_errors_of_the_command_line_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    """What a person can act on, no traceback, and a status that scripts understand."""
    broken = tmp_path / "config.toml"
    broken.write_text("[server\n", encoding="utf-8")
    status: Any = main([argument.format(broken=broken) for argument in arguments])
    error = capsys.readouterr().err
    assert status == 1
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("command", ["run", "console"])
def test_a_command_imports_no_more_than_it_needs(command: str) -> None:
    """NapCat waits until the bot listens, a person until the console asks: torch alone takes seconds to import."""
    code = f"import sys, onebot_bot.__main__ as entry; entry._parser(sys.argv[1]);print(*({HEAVY} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code, command], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"run": set(), "console": {"numpy", "prompt_toolkit"}}[command]
