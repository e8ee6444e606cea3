"""One backup from a copy of the database to a file that was read back."""

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec import Struct

from onebot_bot.backups.archive import About, write_archive
from onebot_bot.backups.contents import DATABASE, Place, about, members_of, size_of
from onebot_bot.errors import DatabaseDamaged, StoreError
from onebot_bot.memory.copying import Stopped, check_database, copy_database, never
from onebot_bot.private import FOLDER

SPARE: Final = 128 * 2**20
"""Bytes that a backup leaves free: the chats go on writing meanwhile."""
_TRIES = 2
"""A night may delete the old adapter while it is read; then the new one is."""


class Made(Struct, frozen=True):
    """A backup that is there now."""

    path: Path
    bytes: int
    about: About


def make(place: Place, target: Path, copy: Callable[[Path], None] | None = None, stopped: Stopped = never) -> Made:
    """Make a backup. While the bot runs, `copy` makes it write a copy of its database; None: read the file.

    Raises:
        StoreError: there is no room, the database is damaged or missing, or a file cannot be read or written; what
            was at `target` stays.
    """
    try:
        target.parent.mkdir(FOLDER, parents=True, exist_ok=True)
        require_room(target.parent, size_of(place))
        with tempfile.TemporaryDirectory(prefix=".copy-", dir=target.parent, ignore_cleanup_errors=True) as folder:
            copied = Path(folder) / Path(DATABASE).name
            if copy is not None:
                copy(copied)
            else:
                copy_database(place.folder / DATABASE, copied, stopped)
            return _pack(place, copied, target, stopped)
    except OSError as error:
        raise StoreError(
            f"{target} was not made: {error.filename or target}: {error.strerror}.", code="OB-1311"
        ) from error


def require_room(folder: Path, needed: int, free: int | None = None) -> None:
    """Raise StoreError where so many bytes would fill the disk; `free` is measured when None."""
    free = shutil.disk_usage(folder).free if free is None else free
    if free < needed + SPARE:
        raise StoreError(
            f"{folder}: a backup takes up to {_mib(needed)} and leaves {_mib(SPARE)} free, but {_mib(free)} are free. "
            "Free some space, keep fewer (backup.keep), or write it elsewhere: onebot-bot backup FILE",
            code="OB-1312",
        )


def _pack(place: Place, copy: Path, target: Path, stopped: Stopped) -> Made:
    """Put all that belongs to `copy`, a copy of the database, into `target`."""
    try:
        check_database(copy, stopped)
    except DatabaseDamaged as error:
        # A backup of it would push out a good one some day.
        raise DatabaseDamaged(place.folder / DATABASE, error.reason) from error
    gone = OSError()
    for _ in range(_TRIES):
        said = about(place.folder, copy, time.time())
        try:
            write_archive(target, members_of(place, copy), said, stopped)
        except FileNotFoundError as error:
            gone = error
        else:
            return Made(target, target.stat().st_size, said)
    raise gone


def _mib(count: int) -> str:
    return f"{count / 2**20:,.0f} MiB"
