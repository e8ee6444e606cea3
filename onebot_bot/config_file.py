"""config.toml as a file that people edit: migrated, changed key by key with its comments kept, and watched."""

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, BinaryIO

import tomlkit
import tomlkit.exceptions

from onebot_bot.config import VERSION, Config, get_key, load_config, parse_config, read_text, too_new
from onebot_bot.errors import ConfigError
from onebot_bot.private import FILE

Migration = Callable[[dict[str, Any]], None]
MIGRATIONS: dict[int, Migration] = {}
"""From version N to N + 1, in place on the parsed document. Version 1 is the first."""


def migrate_config(path: Path, migrations: dict[int, Migration] | None = None, target: int = VERSION) -> list[int]:
    """Bring an older file to `target`; the old one stays beside it as `NAME.vN.bak`.

    Returns:
        The versions left behind, oldest first; empty when the file was current.

    Raises:
        ConfigError: the file is newer than this program, or there is no step from its version.
    """
    steps = MIGRATIONS if migrations is None else migrations
    document = _parse_document(path)
    version = document.get("version", 1)
    if not isinstance(version, int) or version > target:
        raise too_new(path, version, target)
    left: list[int] = []
    while version < target:
        if version not in steps:
            raise ConfigError(f"{path}: version {version} cannot be migrated. Start from the shipped config.toml.")
        if not left:
            shutil.copy2(path, path.with_name(f"{path.name}.v{version}.bak"))
        steps[version](document)
        left.append(version)
        version += 1
        document["version"] = version
    if left:
        _write(path, tomlkit.dumps(document))
    return left


def _parse_document(path: Path) -> tomlkit.TOMLDocument:
    try:
        return tomlkit.parse(read_text(path))
    except tomlkit.exceptions.ParseError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}. Mend that line and save again.") from error


def set_key(path: Path, key: str, value: str) -> Config:
    """Write one key into the file, comments kept, and return the new configuration.

    `value` is TOML (`0.5`, `true`, `[1, 2]`); what is not valid TOML is taken as a string.

    Raises:
        ConfigError: no such key, or the value is out of range; the file is left as it was.
    """
    get_key(Config(), key)
    document = _parse_document(path)
    section, _, name = key.rpartition(".")
    table: Any = document
    for part in section.split("."):
        table = table.setdefault(part, tomlkit.table())
    try:
        parsed = tomlkit.value(value)
    except tomlkit.exceptions.TOMLKitError:
        parsed = tomlkit.item(value)
    table[name] = parsed
    text = tomlkit.dumps(document)
    config = parse_config(text, path)
    _write(path, text)
    return config


async def watch_config(
    path: Path, interval: float = 0.5, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
) -> AsyncIterator[Config | ConfigError]:
    """Yield the configuration after each saved change, or the error that makes the file unusable.

    Polling the file's stamp sees every editor's way of saving, on network and container mounts too.
    """
    seen = last = _stamp(path)
    while True:
        await sleep(interval)
        before, last = last, _stamp(path)
        # Only what two looks agree on: an editor that empties the file and then writes it is caught in between,
        # and an empty file is a valid one that would put every default into force.
        if last == seen or last != before:
            continue
        seen = last
        try:
            yield load_config(path)
        except ConfigError as error:
            yield error


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return (stat.st_mtime_ns, stat.st_size, stat.st_ino)


def _write(path: Path, text: str) -> None:
    """Replace the file whole: a crash or a full disk leaves the old one or the new one.

    Raises:
        ConfigError: it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        _write_beside(path, temporary, text)
        try:
            temporary.replace(path)
        except OSError:
            # A file that is itself a mount, as in a container, can be written but not replaced.
            _overwrite(path, text.encode())
    except OSError as error:
        fix = "It is as it was. Check the owner and mode of its folder, and whether the disk is full."
        raise ConfigError(f"{path} cannot be written: {error.strerror}. {fix}", code="OB-1305") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _write_beside(path: Path, temporary: Path, text: str) -> None:
    # It may hold a token: nobody else may read it before it has the mode that its owner chose.
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    shutil.copymode(path, temporary)


def _overwrite(path: Path, data: bytes) -> None:
    """Write into the file itself; what was there is put back when there is no room for it."""
    before = path.read_bytes()
    with path.open("r+b") as file:
        try:
            _put(file, data)
        except OSError:
            _put(file, before)
            raise


def _put(file: BinaryIO, data: bytes) -> None:
    file.seek(0)
    file.write(data)
    file.truncate()
    file.flush()
    os.fsync(file.fileno())
