"""Putting a backup back: all of it or nothing, with what was there before kept aside."""

import contextlib
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Final

from msgspec import Struct

from onebot_bot.backups.archive import About, Manifest, extract
from onebot_bot.backups.contents import ADAPTERS, CONFIG, DATABASE, INDEX, PERSONAS, PICTURES
from onebot_bot.backups.shelf import REPLACED
from onebot_bot.errors import StoreError
from onebot_bot.learning.files import sync_folder, write_whole
from onebot_bot.memory.copying import BACKUPS
from onebot_bot.memory.leaving import LEAVING
from onebot_bot.memory.lock import RESTORING, take_lock
from onebot_bot.private import FOLDER

_WITH_DATABASE: Final = (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", f"memory_store/{LEAVING}", INDEX, PICTURES)
"""What goes with the database.

Its log and what was being sent are of no other; the index is made anew; pictures are found by its rows.
"""


class Restored(Struct, frozen=True):
    """What a restore did."""

    about: About
    files: int
    replaced: Path | None
    """Where what was there before lies; None: nothing was."""


def restore(archive: Path, config: Path) -> Restored:
    """Put a backup back beside `config`, the configuration file to be; the bot must not run there.

    Raises:
        StoreError: the backup is damaged, the bot runs, or a file cannot be written. Interrupted half-way, the bot
            refuses to start there and names the command that finishes it.
    """
    folder = config.absolute().parent
    store = folder / "memory_store"
    try:
        (store / BACKUPS).mkdir(FOLDER, parents=True, exist_ok=True)
        lock = take_lock(folder / Path(DATABASE).with_suffix(".lock"))
        try:
            return _restore(archive.absolute(), config.absolute(), store)
        finally:
            os.close(lock)
    except OSError as error:
        raise StoreError(
            f"{archive} was not put back: {error.filename or folder}: {error.strerror}.", code="OB-1305"
        ) from error


def _restore(archive: Path, config: Path, store: Path) -> Restored:
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=store / BACKUPS, ignore_cleanup_errors=True) as staged:
        manifest = extract(archive, Path(staged))
        write_whole(store / RESTORING, _command(archive, config))
        aside = _aside(store)
        aside.mkdir(FOLDER)
        for unit in units_of(manifest):
            _swap(config, unit, Path(staged), aside)
        (store / RESTORING).unlink()
        sync_folder(store)
    with contextlib.suppress(OSError):  # it is empty where nothing was replaced
        aside.rmdir()
    return Restored(manifest.about, len(manifest.files), aside if aside.exists() else None)


def units_of(manifest: Manifest) -> Iterator[str]:
    """What is replaced as a whole: some files, some folders. The database's first."""
    yield from _WITH_DATABASE
    seen: set[str] = set(_WITH_DATABASE)
    for name in manifest.files:
        unit = _unit(name)
        if unit not in seen:
            seen.add(unit)
            yield unit


def _unit(name: str) -> str:
    parts = PurePosixPath(name).parts
    for folder in (PICTURES, PERSONAS, ADAPTERS):
        root = PurePosixPath(folder).parts
        if parts[: len(root)] == root:
            depth = len(root) + (folder == ADAPTERS)  # of adapters each version is one
            return "/".join(parts[:depth])
    return name


def _swap(config: Path, unit: str, staged: Path, aside: Path) -> None:
    if unit == CONFIG:
        _swap_config(config, staged / unit, aside / unit)
        return
    place = config.parent / unit
    if os.path.lexists(place):
        (aside / unit).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(place, aside / unit)
    if (staged / unit).exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(staged / unit, place)
        sync_folder(place.parent)


def _swap_config(config: Path, staged: Path, kept: Path) -> None:
    """Written over, not moved: in a container the file itself may be a mount."""
    if config.exists():
        shutil.copy2(config, kept)
    else:
        config.touch(mode=0o600)
    shutil.copyfile(staged, config)


def _aside(store: Path) -> Path:
    stem = f"{REPLACED}{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    path, number = store / BACKUPS / stem, 0
    while path.exists():
        number += 1
        path = store / BACKUPS / f"{stem}-{number}"
    return path


def _command(archive: Path, config: Path) -> str:
    return shlex.join(["onebot-bot", "restore", str(archive), "--config", str(config)]) + "\n"
