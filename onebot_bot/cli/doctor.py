"""`onebot-bot doctor`: find out what keeps the bot from working, and name the fix of each thing found."""

import argparse
import asyncio
import errno
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
import structlog

from onebot_bot.characters.library import SHIPPED, Library
from onebot_bot.chat.wordlist import read_words
from onebot_bot.cli.doctor_installed import check_fonts, check_packages, check_python, check_torch
from onebot_bot.cli.doctor_kept import (
    check_backups,
    check_clock,
    check_database,
    check_holder,
    check_index,
    check_private,
)
from onebot_bot.cli.doctor_nights import check_adapter, check_leftovers, check_nights, check_recipes
from onebot_bot.cli.doctor_running import check_links, check_log, url_of
from onebot_bot.cli.doctor_surroundings import check_container, check_memory, check_owners
from onebot_bot.cli.finding import Finding
from onebot_bot.config import Config, load_config
from onebot_bot.engine.folder import check_model_folder
from onebot_bot.errors import BotError, ConfigError, ModelError, NotConnected, with_id
from onebot_bot.private import open_to_others
from onebot_bot.reading.kinds import can_read_pictures
from onebot_bot.sections.profiles import ProfileConfig
from onebot_bot.sections.server import ServerConfig
from onebot_bot.transport.client import OneBotClient
from onebot_bot.transport.handshake import SUGGESTED_PATH, check_exposure, is_loopback
from onebot_bot.transport.server import OneBotServer
from onebot_bot.transport.token import TOKEN_FILE, read_token

DISK_FAIL, DISK_WARN = 100 * 2**20, 2**30
"""Free bytes below which nothing can be stored, and below which it soon cannot."""

SHORTEST_TOKEN = 16
"""Characters that a token of one's own had better have where others can reach the port."""

WAIT = 5.0
"""Seconds for anything on this machine to answer."""

RUNNING = "this bot is running on"
"""How the finding begins that the port is this bot's."""

_SIGNS = {"ok": "✓", "warn": "!", "fail": "✗"}


def add_doctor_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `onebot-bot doctor` takes."""
    parser.add_argument("--config", type=Path, default=Path("config.toml"), metavar="PATH", help="the config.toml")


async def main_doctor(args: argparse.Namespace) -> int:
    """Run every check and print what it found; 1 when anything failed."""
    failed = 0
    with _quiet_logs():
        async for finding in diagnose(args.config):
            print(f"{_SIGNS[finding.status]} {with_id(finding.what, finding.code)}", flush=True)
            if finding.fix:
                print(f"    → {finding.fix}", flush=True)
            failed += finding.status == "fail"
    return 1 if failed else 0


async def diagnose(path: Path) -> AsyncIterator[Finding]:
    """Everything there is to say about the bot of this config.toml, cheap checks first."""
    yield check_python()
    yield check_packages()
    try:
        config = load_config(path)
    except ConfigError as error:
        yield Finding(
            "fail", str(error), "改好 config.toml 后再运行一次 onebot-bot doctor，其余各项才能检查。", error.id
        )
        return
    folder = _folder_of(path)
    yield Finding("ok", f"{path} is well-formed")
    yield check_owners(config.bot)
    yield check_personas(folder)
    yield check_model(config, folder)
    for name, profile in config.profiles.items():
        yield check_profile(name, profile, folder)
    yield check_torch(config.model.device)
    yield check_fonts()
    yield check_ocr(config, folder)
    yield check_words(config, folder)
    yield check_recipes(folder)
    yield check_store(folder)
    yield check_disk(folder)
    yield check_private(config, path)
    yield check_clock(folder)
    yield check_database(folder)
    yield check_index(folder)
    yield check_backups(config, folder)
    yield check_token(config.server, folder)
    token = _known_token(config.server, folder)
    port = await check_port(config.server, token)
    serving = port.what.startswith(RUNNING)
    yield port
    yield check_container(config.server)
    yield check_memory(config, folder, serving=serving)
    yield check_holder(folder, serving=serving)
    yield check_adapter(folder)
    yield check_nights(folder, serving=serving)
    yield check_leftovers(folder, serving=serving)
    yield check_log(config, folder)
    for finding in await check_links(config.server, token, WAIT, config.bot.owners) if serving else ():
        yield finding
    yield await check_loopback(config.server, token)


def _folder_of(path: Path) -> Path:
    return path.absolute().parent


@contextmanager
def _quiet_logs() -> Iterator[None]:
    """The server's own log lines would tear the table apart."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    try:
        yield
    finally:
        structlog.configure(**before)


# --- settings and files ---


def check_personas(folder: Path) -> Finding:
    """Every persona file can be used."""
    library = Library(SHIPPED, folder / "personas")
    if errors := library.load():
        fix = "按提示改好并保存。机器人不用重启；在那之前，这些人设不可用，或仍是上一份好的。"
        return Finding("warn", "; ".join(map(str, errors)), fix, errors[0].id)
    return Finding("ok", f"personas: {', '.join(persona.id for persona in library.all())}")


def check_words(config: Config, folder: Path) -> Finding:
    """The word lists of [guard] can be read."""
    names = [name for name in (config.guard.words_in, config.guard.words_out) if name]
    try:
        for name in names:
            read_words(folder / name)
    except ConfigError as error:
        return Finding("fail", str(error), "按提示改好词表；不用词表就清空 config.toml 中 [guard] 的那一项。", error.id)
    return Finding("ok", f"word lists: {', '.join(names) or 'none'}")


def check_ocr(config: Config, folder: Path, *, installed: bool | None = None) -> Finding:
    """RapidOCR is there where it is wanted: for a model that does not see; `installed` is found out when None."""
    if not config.reading.ocr:
        return Finding("ok", "words in pictures are not read (reading.ocr is off)")
    with suppress(ModelError):
        if check_model_folder(folder / config.model.path).sees:
            return Finding("ok", "the model sees pictures itself: no OCR is needed")
    if can_read_pictures() if installed is None else installed:
        return Finding("ok", "words in pictures are read by RapidOCR")
    fix = (
        "python -m pip install -c constraints.txt -e '.[ocr]'；不需要就把 config.toml 中 [reading] 的 ocr 改为 false。"
    )
    return Finding(
        "warn", "RapidOCR is not installed: of a picture this model is told only that there is one", fix, "OB-1522"
    )


def check_model(config: Config, folder: Path) -> Finding:
    """The model folder is whole and of a known kind."""
    if config.model.path == "echo":
        return Finding(
            "warn",
            "model.path is `echo`: no model, what is said is repeated",
            "测试完连接后，请改回模型的文件夹。",
            "OB-1807",
        )
    try:
        model = check_model_folder(folder / config.model.path)
    except ModelError as error:
        return Finding("fail", str(error), "运行上面提到的命令，或修改 config.toml 中 [model] 的 path。", error.id)
    eyes = ", sees pictures" if model.sees else ""
    return Finding("ok", f"{model.path.name}: {model.architecture}, {model.context} tokens{eyes}")


def check_profile(name: str, profile: ProfileConfig, folder: Path) -> Finding:
    """A profile's own model and adapter are there; without them the main model answers."""
    if missing := _missing_of(profile, folder):
        fix = f"运行上面提到的命令，或修改 config.toml 中 [profiles.{name}] 的 path、adapter；在那之前由主模型代替它。"
        return Finding("warn", f"profiles.{name}: {missing}", fix, "OB-1210")
    return Finding("ok", f"profiles.{name}: {profile.path or 'the main model'}")


def _missing_of(profile: ProfileConfig, folder: Path) -> str:
    try:
        if profile.path:
            check_model_folder(folder / profile.path)
    except ModelError as error:
        return str(error)
    adapter = folder / profile.adapter
    return f"{adapter}: no such adapter" if profile.adapter and not adapter.is_dir() else ""


def check_store(folder: Path) -> Finding:
    """memory_store/ can be written, or made."""
    store = folder / "memory_store"
    place = store if store.exists() else folder
    try:
        with tempfile.NamedTemporaryFile(dir=place):
            pass
    except OSError as error:
        return Finding(
            "fail", f"{place} cannot be written: {error.strerror}", f"修改 {place} 的所有者或权限。", "OB-1305"
        )
    if (store / "memory.sqlite3").exists() and open_to_others(store):
        return Finding(
            "warn", f"{store} can be looked into by other users of this machine", f"运行 chmod 700 {store}", "OB-1310"
        )
    return Finding("ok", f"{store} can be written")


def check_disk(folder: Path, free: int | None = None) -> Finding:
    """There is room for what will be remembered; `free` is in bytes, measured when None."""
    free = shutil.disk_usage(folder).free if free is None else free
    text = f"{free / 2**30:.1f} GiB of disk are free"
    if free >= DISK_WARN:
        return Finding("ok", text)
    return Finding("fail" if free < DISK_FAIL else "warn", text, "磁盘快满了，请清理一些空间。", "OB-1312")


def check_token(config: ServerConfig, folder: Path) -> Finding:
    """The token can be read, by its owner only, and is there when others can reach the port."""
    file = folder / TOKEN_FILE
    if _is_made(config) and not file.exists():
        return Finding("ok", "server.token will be made at the first start")
    try:
        token = read_token(config, folder, create=False)
        check_exposure(config.host, token)
    except BotError as error:
        return Finding("fail", str(error), "修改 config.toml 中 [server] 的 token。", error.id)
    if _is_made(config) and open_to_others(file):
        return Finding("warn", f"{file} can be read by other users", f"运行 chmod 600 {file}", "OB-1310")
    if not is_loopback(config.host) and len(token) < SHORTEST_TOKEN:
        fix = '把 config.toml 中 [server] 的 token 改为 "auto"，或更长的随机串，并在 NapCat 里同步修改。'
        return Finding(
            "warn", f"server.token has fewer than {SHORTEST_TOKEN} characters and can be guessed", fix, "OB-1007"
        )
    return Finding("ok", "server.token is set" if config.token else "no server.token, accepted on loopback only")


def _is_made(config: ServerConfig) -> bool:
    """Whether the program makes the token itself."""
    return config.token == "auto"  # noqa: S105 - the setting's value, not a token


def _known_token(config: ServerConfig, folder: Path) -> str:
    """The token of a bot that runs now; a made-up one where there is none yet."""
    try:
        if not _is_made(config) or (folder / TOKEN_FILE).exists():
            return read_token(config, folder, create=False)
    except BotError:
        pass  # check_token has told
    return secrets.token_hex(8)


# --- what can be reached ---------------------------------------------------------------------------------------


async def check_port(config: ServerConfig, token: str) -> Finding:
    """The port is free, or our own bot is on it already."""
    where = f"{config.host}:{config.port}"
    try:
        _bind(config.host, config.port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return await _who_is_there(config, token)
        fix = "检查 config.toml 中 [server] 的 host 和 port；小于 1024 的端口需要管理员权限。"
        return Finding("fail", f"{where} cannot be listened on: {error.strerror}", fix, "OB-1101")
    return Finding("ok", f"{where} is free")


def _bind(host: str, port: int) -> None:
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind) as probe:
        if os.name == "posix":  # as the server does; on Windows it would mean sharing the port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
        probe.listen()


async def _who_is_there(config: ServerConfig, token: str) -> Finding:
    """Ask for entry with QQ number 0: our bot refuses it with words of its own, after looking at the token."""
    said = await _dial(url_of(config, "ws"), token)
    if "X-Self-ID" in said:
        return Finding("ok", f"{RUNNING} {config.host}:{config.port}")
    if "access token" in said:
        fix = "停掉另一个机器人；若就是这个，请把它重新启动。"
        return Finding("fail", f"a bot with another token is on {config.host}:{config.port}", fix, "OB-1104")
    fix = "停掉占用端口的程序，或修改 config.toml 中 [server] 的 port，并同时修改 NapCat 里的地址。"
    return Finding("fail", f"another program is on {config.host}:{config.port}", fix, "OB-1101")


async def _dial(url: str, token: str) -> str:
    try:
        async with asyncio.timeout(WAIT), OneBotClient(url, 0, token):
            return ""
    except (NotConnected, TimeoutError) as error:
        return str(error)


async def check_loopback(config: ServerConfig, token: str) -> Finding:
    """A client can connect with the token, and its message arrives: what NapCat will do."""
    arrived = asyncio.Event()
    local = msgspec.structs.replace(config, host="127.0.0.1", port=0)
    try:
        async with (
            asyncio.timeout(WAIT),
            OneBotServer(local, token, lambda *_: arrived.set(), lambda _: None) as server,
            OneBotClient(f"ws://127.0.0.1:{server.port}{SUGGESTED_PATH}", 10000, token) as client,
        ):
            await client.send_event(client.private_message(10001, "doctor"))
            await arrived.wait()
    except (BotError, TimeoutError) as error:
        fix = "检查防火墙、杀毒软件是否拦截了本机 127.0.0.1 的连接。"
        return Finding("fail", f"a message over loopback did not arrive: {error or 'no answer'}", fix, "OB-1808")
    return Finding("ok", "a message over loopback WebSocket arrives")
