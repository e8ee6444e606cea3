"""onebot_bot.cli.doctor on folders in tmp_path and real sockets."""

import argparse
import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from onebot_bot.cli.doctor import (
    DISK_FAIL,
    DISK_WARN,
    add_doctor_arguments,
    check_disk,
    check_loopback,
    check_model,
    check_ocr,
    check_personas,
    check_port,
    check_profile,
    check_store,
    check_token,
    diagnose,
    main_doctor,
)
from onebot_bot.cli.doctor_installed import check_fonts, check_packages, check_python, check_torch
from onebot_bot.cli.finding import Finding
from onebot_bot.config import Config
from onebot_bot.sections.model import ModelConfig
from onebot_bot.sections.profiles import ProfileConfig
from onebot_bot.sections.reading import ReadingConfig
from onebot_bot.sections.server import ServerConfig
from onebot_bot.transport.server import OneBotServer

ROOT = Path(__file__).parents[2]
TOKEN = "a-token"


@pytest.fixture
async def bot() -> AsyncIterator[ServerConfig]:
    """A running bot; yields the configuration of the same bot, with its real port."""
    config = ServerConfig(token=TOKEN)
    anywhere = msgspec.structs.replace(config, port=0)
    async with OneBotServer(anywhere, TOKEN, lambda *_: None, lambda _: None) as server:
        yield msgspec.structs.replace(config, port=server.port)
        assert server.accounts == {}


def test_old_python_fails() -> None:
    """Python 3.10 is told with its version."""
    assert check_python((3, 10, 4)).what == "Python 3.10.4 is too old"
    assert check_python((3, 11, 0)).status == "ok"


def test_missing_package_fails_with_the_command() -> None:
    """A package that cannot be imported is named with how to install it again."""
    found = check_packages({"no-such": "no_such_module_here", "msgspec": "msgspec"})
    assert (found.status, found.what) == ("fail", "no-such: No module named 'no_such_module_here'")
    assert "make run" in found.fix


def test_missing_fonts_are_named_with_the_fix() -> None:
    """Without the system's fonts there is no colour emoji; Chinese has come with the extra."""
    found = check_fonts(system=False)
    missing = "a font with colour emoji"
    assert (found.status, found.what) == ("warn", f"pictures lack {missing}: answers that need it are sent as text")
    assert "fonts-noto-color-emoji" in found.fix


@pytest.mark.parametrize(
    ("wanted", "installed", "status"), [(True, False, "warn"), (True, True, "ok"), (False, False, "ok")]
)
def test_missing_ocr_warns_where_it_is_wanted(tmp_path: Path, wanted: bool, installed: bool, status: str) -> None:  # noqa: FBT001 - a row of the table
    """With the command that installs it."""
    config = Config(reading=ReadingConfig(ocr=wanted))
    found = check_ocr(config, tmp_path, installed=installed)
    assert found.status == status
    assert (".[ocr]" in found.fix) == (status == "warn")


@pytest.mark.model
def test_torch_on_cpu_is_fine() -> None:
    """Torch is named with its version and where it runs."""
    found = check_torch("cpu")
    assert found.status == "ok"
    assert found.what.endswith(" on cpu")


@pytest.mark.parametrize("profile", [ProfileConfig(path="models/a"), ProfileConfig(adapter="models/a")])
def test_a_profile_without_its_folder_is_named(tmp_path: Path, profile: ProfileConfig) -> None:
    """It keeps nothing from working: the main model answers."""
    found = check_profile("small", profile, tmp_path)
    assert found.status == "warn"
    assert found.what.startswith(f"profiles.small: {tmp_path / 'models' / 'a'}: ")
    assert "[profiles.small]" in found.fix
    assert check_profile("same", ProfileConfig(temperature=0.1), tmp_path).status == "ok"


def test_broken_persona_files_are_named(tmp_path: Path) -> None:
    """By file and line; without a folder there are those that are shipped."""
    assert check_personas(tmp_path) == Finding("ok", "personas: nuonuo, shenyan, xiaoyi")
    (tmp_path / "personas").mkdir()
    (tmp_path / "personas" / "cat.md").write_text("{{ nobody }}", encoding="utf-8")
    found = check_personas(tmp_path)
    assert found.status == "warn"
    assert "cat.md, line 1: there is no variable `nobody`" in found.what
    assert found.fix


def test_model_folder_is_named(tmp_path: Path) -> None:
    """A missing model fails with the command; `echo` is a warning."""
    missing = check_model(Config(), tmp_path)
    assert missing.status == "fail"
    assert "`onebot-bot fetch trial`" in missing.what
    assert check_model(Config(model=ModelConfig(path="echo")), tmp_path).status == "warn"


def test_store_that_is_a_file_fails(tmp_path: Path) -> None:
    """memory_store must be a folder that can be written, or not there yet."""
    assert check_store(tmp_path).status == "ok"
    (tmp_path / "memory_store").touch()
    assert check_store(tmp_path).status == "fail"


def test_low_disk_warns_then_fails(tmp_path: Path) -> None:
    """Below 1 GiB is a warning, below 100 MiB a failure."""
    found = [check_disk(tmp_path, free).status for free in (DISK_WARN, DISK_WARN - 1, DISK_FAIL, DISK_FAIL - 1)]
    assert found == ["ok", "warn", "warn", "fail"]


@pytest.mark.parametrize(
    ("host", "token", "status"),
    [
        ("127.0.0.1", "auto", "ok"),
        ("127.0.0.1", "", "ok"),
        ("0.0.0.0", "", "fail"),
        ("0.0.0.0", "a token of one's own", "ok"),
        ("0.0.0.0", "secret", "warn"),
        ("127.0.0.1", "secret", "ok"),
        ("127.0.0.1", "env:NO_SUCH_VARIABLE_HERE", "fail"),
    ],
)
def test_token_fits_where_the_bot_listens(tmp_path: Path, host: str, token: str, status: str) -> None:
    """No token is fine on loopback only; a variable must exist."""
    assert check_token(ServerConfig(host=host, token=token), tmp_path).status == status


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_open_token_file_warns(tmp_path: Path) -> None:
    """A token that other users can read is told with the command that closes it."""
    file = tmp_path / "memory_store" / "token"
    file.parent.mkdir()
    file.write_text(TOKEN)
    file.chmod(0o644)
    found = check_token(ServerConfig(), tmp_path)
    assert (found.status, found.fix) == ("warn", f"运行 chmod 600 {file}")
    file.chmod(0o600)
    assert check_token(ServerConfig(), tmp_path).status == "ok"


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_an_open_store_warns(tmp_path: Path) -> None:
    """Once there is something in it: the first start closes it, unless it is another user's."""
    store = tmp_path / "memory_store"
    store.mkdir()
    store.chmod(0o755)
    assert check_store(tmp_path).status == "ok"
    (store / "memory.sqlite3").touch()
    found = check_store(tmp_path)
    assert (found.status, found.fix) == ("warn", f"运行 chmod 700 {store}")
    store.chmod(0o700)
    assert check_store(tmp_path).status == "ok"


async def test_own_bot_on_the_port_is_fine(bot: ServerConfig) -> None:
    """A port served by this bot is told so, without becoming one of its accounts."""
    found = await check_port(bot, TOKEN)
    assert (found.status, found.what) == ("ok", f"this bot is running on 127.0.0.1:{bot.port}")


async def test_another_bot_on_the_port_fails(bot: ServerConfig) -> None:
    """A bot that does not know our token is another one."""
    found = await check_port(bot, "another")
    assert (found.status, found.what) == ("fail", f"a bot with another token is on 127.0.0.1:{bot.port}")


async def test_another_program_on_the_port_fails() -> None:
    """Whatever does not speak as our bot does is another program."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        found = await check_port(ServerConfig(port=port), TOKEN)
    assert (found.status, found.what) == ("fail", f"another program is on 127.0.0.1:{port}")


async def test_free_port_is_fine(bot: ServerConfig) -> None:
    """A port that nothing listens on can be taken; an address of another machine cannot."""
    async with await asyncio.start_server(lambda *_: None, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
    assert (await check_port(ServerConfig(port=port), TOKEN)).status == "ok"
    foreign = await check_port(ServerConfig(host="192.0.2.1"), TOKEN)
    assert (foreign.status, "cannot be listened on" in foreign.what) == ("fail", True)


@pytest.mark.parametrize("token", [TOKEN, ""])
async def test_message_arrives_over_loopback(token: str) -> None:
    """A client with the configured token gets a message through."""
    assert (await check_loopback(ServerConfig(), token)).status == "ok"


async def test_broken_config_ends_the_checks(tmp_path: Path) -> None:
    """What depends on config.toml is not guessed when that cannot be read."""
    (tmp_path / "config.toml").write_text("[chat]\nmerge_windw = 1\n")
    found = [finding async for finding in diagnose(tmp_path / "config.toml")]
    assert found[-1].status == "fail"
    assert "did you mean `merge_window`?" in found[-1].what
    assert len(found) == 3


@pytest.mark.model
async def test_report_is_a_table_and_an_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A fresh folder fails for its missing model only, with a Chinese line of what to do."""
    shutil.copy(ROOT / "config.toml", tmp_path)
    parser = argparse.ArgumentParser()
    add_doctor_arguments(parser)
    code = await main_doctor(parser.parse_args(["--config", str(tmp_path / "config.toml")]))
    lines = capsys.readouterr().out.splitlines()
    failed = [line for line in lines if line.startswith("✗") and "6790" not in line]
    assert code == 1
    assert len(failed) == 1
    assert "no such model folder" in failed[0]
    assert "    → 运行上面提到的命令" in lines[lines.index(failed[0]) + 1]
    assert sum(line.startswith("✓") for line in lines) >= 7
