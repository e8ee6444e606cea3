"""What `onebot-bot doctor` finds of a bot that runs, and of what surrounds it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fakes import until

from onebot_bot.cli import doctor_surroundings
from onebot_bot.cli.doctor import check_port
from onebot_bot.cli.doctor_running import check_links
from onebot_bot.cli.doctor_surroundings import check_container, check_memory
from onebot_bot.cli.plan import Device
from onebot_bot.config import Config
from onebot_bot.errors import NotConnected
from onebot_bot.sections.model import ModelConfig
from onebot_bot.sections.server import ServerConfig
from onebot_bot.transport.client import OneBotClient
from onebot_bot.transport.server import OneBotServer


async def free_port() -> int:
    """One that nothing listens on."""
    async with await asyncio.start_server(lambda *_: None, "127.0.0.1", 0) as server:
        return int(server.sockets[0].getsockname()[1])


@pytest.fixture
async def bot() -> AsyncIterator[tuple[OneBotServer, ServerConfig]]:
    """A running bot, and its configuration with the real port."""
    config = ServerConfig(token="a-token")
    anywhere = msgspec.structs.replace(config, port=0)
    async with OneBotServer(anywhere, config.token, lambda *_: None, lambda _: None) as server:
        yield server, msgspec.structs.replace(config, port=server.port)


def client_of(config: ServerConfig, **options: Any) -> OneBotClient:
    return OneBotClient(f"ws://127.0.0.1:{config.port}/onebot/v11/ws", 10000, config.token, **options)


async def asked(config: ServerConfig) -> list[tuple[str, str]]:
    """Status and id of what is found."""
    return [(finding.status, finding.code) for finding in await check_links(config, config.token, 5)]


async def test_a_client_that_is_refused_is_found(bot: tuple[OneBotServer, ServerConfig]) -> None:
    """By token or path, with the words of the log; what is long ago, and doctor's own knock, are not told."""
    server, config = bot
    refusals = {"": (401, "OB-1104", "it sent no access token"), config.token: (404, "OB-1107", "/onebot/v11/ws")}
    for token, (status, code, cause) in refusals.items():
        path = "/wrong" if token else "/ws"
        with pytest.raises(NotConnected):
            await OneBotClient(f"ws://127.0.0.1:{config.port}{path}", 10000, token).__aenter__()
        refusal, unconnected = await check_links(config, config.token, 5)
        assert (refusal.status, refusal.code, unconnected.code) == ("warn", code, "OB-1102")
        assert f"127.0.0.1 was refused with {status} " in refusal.what
        assert cause in refusal.what
    assert (await check_port(config, config.token)).status == "ok"
    assert (await check_links(config, config.token, 5))[0].code == "OB-1107"
    assert server._refused is not None
    server._refused = msgspec.structs.replace(server._refused, at=server._refused.at - 601)
    assert await asked(config) == [("warn", "OB-1102")]


async def test_what_is_odd_about_an_account_is_found(bot: tuple[OneBotServer, ServerConfig]) -> None:
    """Messages as strings, a clock that differs, several connections, and the bot as its own owner."""
    server, config = bot
    async with client_of(config) as client:
        await client.send_heartbeat()
        await until(lambda: server.accounts[10000].skew is not None)
        account = server.accounts[10000]
        assert await asked(config) == [("ok", "")]
        owned = await check_links(config, config.token, 5, [10000])
        assert [(finding.status, finding.code) for finding in owned] == [("ok", ""), ("warn", "OB-1008")]
        account.skew = 3600.0
        (skewed,) = await check_links(config, config.token, 5)
        assert (skewed.code, "3600 s before this one's" in skewed.what) == ("OB-1804", True)
        await client.send_event({**client.private_message(5, "hi"), "message": "hi", "message_format": "string"})
        await until(lambda: account.string_format)
        assert await asked(config) == [("warn", "OB-1111")]
        async with client_of(config) as second:
            await second.send_heartbeat()
            assert await asked(config) == [("warn", "OB-1109")]


def test_a_container_that_nobody_reaches_is_found(tmp_path: Path) -> None:
    """Where the bot listens to it alone; Docker and podman leave a file in theirs."""
    (tmp_path / ".dockerenv").touch()
    marks = (tmp_path / ".containerenv", tmp_path / ".dockerenv")
    alone = check_container(ServerConfig(host="127.0.0.1"), marks)
    assert (alone.status, alone.code) == ("warn", "OB-1108")
    assert check_container(ServerConfig(host="0.0.0.0"), marks).status == "ok"
    assert check_container(ServerConfig(host="127.0.0.1"), marks[:1]).status == "ok"


def test_a_model_that_does_not_fit_is_found(trial_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its headers, before anything is loaded; not beside a bot that runs, which has loaded it."""
    config, home = Config(model=ModelConfig(path=trial_folder.name, device="cpu")), trial_folder.parent
    monkeypatch.setattr(doctor_surroundings, "find_device", lambda _: Device("CPU", 2**33, 4, cuda=False))
    assert "8.0 GiB" in check_memory(config, home, serving=False).what
    monkeypatch.setattr(doctor_surroundings, "find_device", lambda _: Device("CPU", 2**20, 4, cuda=False))
    full = check_memory(config, home, serving=False)
    assert (full.status, full.code, "onebot-bot plan" in full.fix) == ("warn", "OB-1223", True)
    assert check_memory(config, home, serving=True).status == "ok"


async def test_a_bot_that_nobody_has_connected_to_is_found(bot: tuple[OneBotServer, ServerConfig]) -> None:
    """And one that takes another token, or does not answer, is told apart."""
    server, config = bot
    assert await asked(config) == [("warn", "OB-1102")]
    assert await asked(msgspec.structs.replace(config, token="another")) == [("fail", "OB-1105")]
    assert server.accounts == {}
    assert await asked(msgspec.structs.replace(config, port=await free_port())) == [("fail", "OB-1105")]


async def test_an_account_is_found_connected_silent_offline_or_gone(bot: tuple[OneBotServer, ServerConfig]) -> None:
    """As its heartbeats say, and their absence."""
    server, config = bot
    async with client_of(config) as client:
        assert await asked(config) == [("warn", "OB-1103")]
        await client.send_heartbeat()
        await until(lambda: server.accounts[10000].links[0].interval is not None)
        assert await asked(config) == [("ok", "")]
        server.accounts[10000].links[0].alive_at -= 600
        assert await asked(config) == [("warn", "OB-1103")]
        server.accounts[10000].online = False
        assert await asked(config) == [("warn", "OB-1106")]
    await until(lambda: not server.accounts[10000].links)
    assert await asked(config) == [("warn", "OB-1102")]
