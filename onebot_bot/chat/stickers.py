"""The owner's stickers: pictures in a folder, chosen by their name or by that of the sub-folder they lie in."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".webp"})
LARGEST = 2 * 2**20
"""Bytes; larger ones stall NapCat for seconds (JSON of 1 MiB takes it up to 0.4 s)."""
MOST = 2000
LONGEST_NAME = 30


class Stickers:
    """What lies in the folder, looked at anew for each answer: the owner may add some at any time."""

    def __init__(self, folder: Callable[[], Path], choose: Callable[[Sequence[Path]], Path] = random.choice) -> None:
        self._folder = folder
        self._choose = choose
        self._found: Mapping[str, Sequence[Path]] = {}

    async def names(self) -> list[str]:
        """The names that a sticker can be asked for by, in lower case; sub-folders first."""
        self._found = await asyncio.to_thread(_look, self._folder())
        return list(self._found)

    async def read(self, name: str) -> bytes:
        """One sticker of that name; empty when it cannot be read any more."""
        paths = self._found.get(name)
        if not paths:
            return b""
        path = self._choose(paths)
        try:
            return await asyncio.to_thread(path.read_bytes)
        except OSError as error:
            log.warning("A sticker cannot be read.", path=str(path), cause=str(error))
            return b""


def _look(folder: Path) -> dict[str, list[Path]]:
    """The pictures by name; none when there is no such folder."""
    if not folder.is_dir():
        return {}
    shared: dict[str, list[Path]] = {}
    single: dict[str, list[Path]] = {}
    for path in sorted([*folder.glob("*"), *folder.glob("*/*")])[:MOST]:
        if not _is_sticker(path):
            continue
        if path.parent != folder:
            shared.setdefault(path.parent.name.casefold(), []).append(path)
        single.setdefault(path.stem.casefold(), []).append(path)
    found = {**shared, **{name: paths for name, paths in single.items() if name not in shared}}
    return {name: paths for name, paths in found.items() if _may_be_written(name)}


def _is_sticker(path: Path) -> bool:
    try:
        return path.suffix.casefold() in SUFFIXES and path.is_file() and path.stat().st_size <= LARGEST
    except OSError:
        return False


def _may_be_written(name: str) -> bool:
    """Whether a tag can hold it."""
    return len(name) <= LONGEST_NAME and not set(name) & set("[]:：\n")
