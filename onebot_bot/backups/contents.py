"""What a backup holds: all that cannot be downloaded or made anew."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec
from msgspec import Struct

from onebot_bot import __version__
from onebot_bot.backups.archive import About, Member
from onebot_bot.config import Config
from onebot_bot.learning.versions import META, NONE, Meta, Versions
from onebot_bot.memory.copying import explain

DATABASE: Final = "memory_store/memory.sqlite3"
INDEX: Final = "memory_store/memory.faiss"
TOKEN: Final = "memory_store/token"  # noqa: S105 - the file's name
PICTURES: Final = "memory_store/pictures"
CONFIG: Final = "config.toml"
PERSONAS: Final = "personas"
POINTER: Final = "models/current"
ADAPTERS: Final = "models/adapters"
_OTHERS = frozenset({"memory_store", "models", "logs", "training"})
"""Folders of which a setting that names one of their files has nothing more kept than is anyway."""


class Place(Struct, frozen=True):
    """What is backed up."""

    path: Path
    """The configuration file."""
    config: Config

    @property
    def folder(self) -> Path:
        """That all names are relative to."""
        return self.path.absolute().parent


def members_of(place: Place, copy: Path) -> Iterator[Member]:
    """Every file to be kept, beside `copy`, a copy of the database that tells which pictures belong to it."""
    yield Member(DATABASE, copy)
    yield Member(CONFIG, place.path)
    if (place.folder / TOKEN).is_file():
        yield Member(TOKEN, place.folder / TOKEN)
    yield from _pictures(place.folder, copy)
    yield from _adapter(place.folder)
    for folder in (place.folder / PERSONAS, *_own(place, place.config.tags.stickers)):
        yield from _below(place.folder, folder)
    for name in (place.config.guard.words_in, place.config.guard.words_out):
        yield from (Member(_named(place.folder, file), file) for file in _own(place, name) if file.is_file())


def about(folder: Path, copy: Path, now: float) -> About:
    """What there is to say of a backup of this moment, unix seconds."""
    with closing(sqlite3.connect(copy)) as connection:

        def count(sql: str) -> int:
            return int(connection.execute(sql).fetchone()[0])

        try:
            return About(
                made=int(now),
                program=__version__,
                messages=count("SELECT count(*) FROM messages"),
                memories=count("SELECT count(*) FROM memories WHERE status = 'active'"),
                pictures=count("SELECT count(*) FROM pictures"),
                adapter=adapter.name if (adapter := serving(folder)) else "",
            )
        except sqlite3.Error as error:
            raise explain(copy, error) from error


def size_of(place: Place) -> int:
    """About how many bytes all of it takes, packed or not; the database, which is copied first, counts twice."""
    database = place.folder / DATABASE
    files = [database, database, database.with_name(f"{database.name}-wal")]
    for folder in (place.folder / PICTURES, place.folder / PERSONAS, serving(place.folder)):
        files += folder.rglob("*") if folder is not None else []
    total = 0
    for file in files:
        with suppress(FileNotFoundError):  # pictures come and go
            total += file.stat().st_size
    return total


def serving(folder: Path) -> Path | None:
    """The adapter that serves, or would if the model it was trained for is the one in use; None: none."""
    models = folder / "models"
    pointed = models / "adapters" / (Versions(models, str).serving_name() or NONE)
    try:
        base = msgspec.json.decode((pointed / META).read_bytes(), type=Meta).base
    except (OSError, msgspec.DecodeError):
        return None
    return Versions(models, lambda: base).current()


def _pictures(folder: Path, copy: Path) -> Iterator[Member]:
    """Those that the database knows; one that went meanwhile is one the next start would drop."""
    with closing(sqlite3.connect(copy)) as connection:
        digests = [row[0] for row in connection.execute("SELECT digest FROM pictures ORDER BY stored")]
    for digest in digests:
        with suppress(OSError):
            yield Member(f"{PICTURES}/{digest}.jpg", (folder / PICTURES / f"{digest}.jpg").read_bytes())


def _adapter(folder: Path) -> Iterator[Member]:
    adapter = serving(folder)
    yield Member(POINTER, f"{adapter.name if adapter else NONE}\n".encode())
    if adapter is not None:
        yield from _below(folder, adapter)


def _below(folder: Path, root: Path) -> Iterator[Member]:
    for file in sorted(root.rglob("*")) if root.is_dir() else ():
        name = _named(folder, file)
        if file.is_file() and not any(part.startswith(".") for part in PurePosixPath(name).parts):
            yield Member(name, file)


def _own(place: Place, setting: str) -> Iterator[Path]:
    """What a setting names, if that lies below the folder and not where everything else does."""
    path = (place.folder / setting).resolve()
    parts = path.relative_to(place.folder).parts if path.is_relative_to(place.folder) else ()
    if setting and parts and parts[0] not in _OTHERS and not any(part.startswith(".") for part in parts):
        yield path


def _named(folder: Path, file: Path) -> str:
    return file.relative_to(folder).as_posix()
