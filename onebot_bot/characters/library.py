"""The persona files: those that are shipped, and those beside config.toml, read again whenever one is saved."""

import asyncio
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import structlog
from msgspec import Struct

from onebot_bot.characters.persona import LARGEST_FILE, Persona, parse_persona
from onebot_bot.errors import PersonaError

log = structlog.get_logger(__name__)

SHIPPED = Path(__file__).with_name("shipped")
MOST_FILES = 200
"""Persona files of a folder; those behind them in the alphabet are left out."""

Stamp = tuple[int, int, int]


class _File(Struct, frozen=True):
    """A file as it was last read."""

    stamp: Stamp
    persona: Persona | None
    """The last good one; None: there never was one."""


class Library:
    """All personas, by the names of their files; one of a later folder takes the place of an earlier folder's."""

    def __init__(self, *folders: Path) -> None:
        self._folders = folders
        self._files: dict[Path, _File] = {}
        self._last: dict[Path, Stamp] = {}

    def all(self) -> list[Persona]:
        """Every persona, by name of file."""
        found = {file.persona.id: file.persona for file in self._files.values() if file.persona is not None}
        return [found[name] for name in sorted(found)]

    def find(self, name: str) -> Persona | None:
        """The persona whose file is called so, with or without `.md`; else the one who is."""
        wanted = name.strip().removesuffix(".md").casefold()
        everybody = self.all()
        by_file = (persona for persona in everybody if persona.id.casefold() == wanted)
        by_name = (persona for persona in everybody if persona.name.casefold() == wanted)
        return next(by_file, None) or next(by_name, None)

    def load(self) -> list[PersonaError]:
        """Read what is there now; what is wrong with which file."""
        self._last = self._stamps()
        return self._read(self._last)

    async def watch(
        self, interval: float = 0.5, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    ) -> AsyncIterator[PersonaError]:
        """Read again what is saved, and yield what is wrong with it; of such a file the last good one stays."""
        while True:
            await sleep(interval)
            before, self._last = self._last, self._stamps()
            # Only what two looks agree on: an editor may be caught while it writes.
            settled = {path: stamp for path, stamp in self._last.items() if before.get(path) == stamp}
            if self._last.keys() >= self._files.keys() and not self._news(settled):
                continue
            for error in await asyncio.to_thread(self._read, settled):
                yield error

    def _news(self, stamps: dict[Path, Stamp]) -> list[Path]:
        return [path for path, stamp in stamps.items() if path not in self._files or self._files[path].stamp != stamp]

    def _read(self, stamps: dict[Path, Stamp]) -> list[PersonaError]:
        """Read those of the files that are new or other than before, and drop those that are gone."""
        errors: list[PersonaError] = []
        starting = not self._files
        files = {path: file for path, file in self._files.items() if path in self._last}
        for path in self._news(stamps):
            before = files.get(path)
            try:
                files[path] = _File(stamps[path], _read_file(path))
            except PersonaError as error:
                errors.append(error)
                files[path] = _File(stamps[path], before.persona if before is not None else None)
            else:
                if not starting:
                    log.info("A persona file applies now.", file=str(path))
        order = {path: at for at, path in enumerate(self._last)}
        self._files = dict(sorted(files.items(), key=lambda item: order[item[0]]))
        return errors

    def _stamps(self) -> dict[Path, Stamp]:
        """Every persona file there is, folder by folder."""
        return {path: found for folder in self._folders for path in _files(folder) if (found := _stamp(path))}


def _files(folder: Path) -> Sequence[Path]:
    try:
        found = sorted(path for path in folder.iterdir() if path.suffix == ".md" and not path.name.startswith("."))
    except OSError:
        return ()  # there need not be such a folder
    return [path for path in found if path.stem.casefold() != "readme"][:MOST_FILES]


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    # A pipe would never end.
    return (found.st_mtime_ns, found.st_size, found.st_ino) if stat.S_ISREG(found.st_mode) else None


def _read_file(path: Path) -> Persona:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
        text = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise PersonaError(f"{path} cannot be read: {error}. Save it as UTF-8.") from error
    if len(data) > LARGEST_FILE:
        raise PersonaError(f"{path} is larger than {LARGEST_FILE} bytes. Shorten it.")
    return parse_persona(text, str(path), path.stem)
