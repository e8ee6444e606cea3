"""What may not be read out of logs, consoles, commands and exports: what people say, and the token."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from echo_bot import said, write_config

from onebot_bot.app import App
from onebot_bot.cli.doctor import check_port, check_token
from onebot_bot.config import SECRET_KEYS, Config, config_keys, parse_config, shown_value
from onebot_bot.errors import ConfigError, NotConnected
from onebot_bot.logs import logging_to
from onebot_bot.protocol.segments import At, Text
from onebot_bot.transport.client import OneBotClient

pytestmark = pytest.mark.usefixtures("passing_loggers")

TOKEN = "hunter2-token-of-this-test"
WORDS = ("紫色河马的秘密", "zebra-word", "picnic-word")
"""Said in private, in a group, and after a command."""


async def evening(app: App, messages: Sequence[Any]) -> None:
    """Say things to a bot on the echo engine, each answered before the next."""
    async with OneBotClient(app.url, 10000, app.token) as client:
        for event in [client.private_message(5, messages[0]), client.private_message(1, messages[1])]:
            await client.send_event(event)
            await said(client)
        await client.send_event(client.group_message(77, 6, messages[2]))
        await client.next_call("send_group_msg")


def logged(folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Everything that was written anywhere but into the database."""
    written = capsys.readouterr()
    files = [path.read_text(encoding="utf-8") for path in sorted((folder / "logs").iterdir())]
    return "".join([written.out, written.err, *files])


@pytest.mark.parametrize(("level", "content"), [("info", False), ("debug", False), ("info", True)])
async def test_words_are_in_no_log_unless_they_are_asked_for(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    level: str,
    content: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """Log, turn log and console at every level; where they are, a line says so."""
    path = write_config(tmp_path)
    if content:
        path.write_text(path.read_text(encoding="utf-8").replace("[log]", "[log]\ncontent = true"), encoding="utf-8")
    messages = [WORDS[0], f"/memory add {WORDS[2]}", [At("10000"), Text(f" {WORDS[1]}")]]
    with logging_to(level, tmp_path / "logs" / "bot.log"):
        async with App(path) as app:
            await evening(app, messages)
    text = logged(tmp_path, capsys)
    assert [word in text for word in WORDS] == [content, content, False]
    assert ("What people say is written into the logs" in text) is content
    assert (f"[{len(WORDS[0])} characters]" in text) is not content


async def test_the_token_is_in_no_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not the right one, and not a wrong one, which may be nearly right, wherever it came."""
    path = write_config(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace("[server]", f'[server]\ntoken = "{TOKEN}"'))
    with logging_to("debug", tmp_path / "logs" / "bot.log"):
        async with App(path) as app:
            await evening(app, ["hi", "/config list", [At("10000"), Text("hi")]])
            for url, token in ((app.url, "hunter3"), (f"{app.url}?access_token=hunter4", "")):
                with pytest.raises(NotConnected, match="401"):
                    await OneBotClient(url, 10000, token).__aenter__()
            with pytest.raises(NotConnected, match="404"):
                await OneBotClient(f"{app.url}/x?access_token={TOKEN}", 10000, TOKEN).__aenter__()
            app.configuration.apply(msgspec.structs.replace(app.config, server=Config().server))
    assert "hunter" not in logged(tmp_path, capsys)


@pytest.mark.parametrize(
    "command", ["/config list", "/config get server.token", "/status", "/config set server.token x"]
)
async def test_no_command_tells_the_token(tmp_path: Path, command: str) -> None:
    """Not to the owner either: QQ keeps what is sent."""
    path = write_config(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace("[server]", f'[server]\ntoken = "{TOKEN}"'))
    async with App(path) as app, OneBotClient(app.url, 10000, TOKEN) as client:
        await client.send_event(client.private_message(1, command))
        assert "hunter" not in str(await asyncio.wait_for(client.next_call("send_private_msg"), 60))
    assert TOKEN in path.read_text(encoding="utf-8")


def test_every_key_that_is_a_secret_is_shown_masked() -> None:
    """Whoever adds a key with such a name adds it to the secrets, or another name."""
    named = {key.path for key in config_keys() if key.path.endswith(("token", "password", "secret", "api_key"))}
    assert named == SECRET_KEYS
    assert {shown_value(key, TOKEN) for key in SECRET_KEYS} == {"***"}


@pytest.mark.parametrize(
    "text", [f'[server]\ntoken = ["{TOKEN}"]', f'[server]\ntoken = "{TOKEN}', f'token = "{TOKEN}"']
)
def test_errors_about_the_token_do_not_tell_it(text: str) -> None:
    """A mistake in its line is told by place."""
    with pytest.raises(ConfigError) as caught:
        parse_config(text, Path("config.toml"))
    assert TOKEN not in str(caught.value)


async def test_the_doctor_does_not_tell_it(tmp_path: Path) -> None:
    """What it prints is meant to be pasted into an issue."""
    async with App(write_config(tmp_path)) as app:
        server = app.config.server
        found = [check_token(server, tmp_path), await check_port(server, app.token), await check_port(server, TOKEN)]
    assert [finding.status for finding in found] == ["ok", "ok", "fail"]
    assert not any(secret in str(found) for secret in (app.token, TOKEN))
