"""memory_store/backups: which backups there are, and which of them go."""

import contextlib
import re
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog
from msgspec import Struct

from onebot_bot.backups.archive import check_archive
from onebot_bot.errors import DatabaseDamaged, StoreError
from onebot_bot.memory.copying import BACKUPS

log = structlog.get_logger(__name__)

REPLACED: Final = "replaced-"
"""Folders with what a restore has replaced begin so; they stay until a person deletes them."""
_NAME = re.compile(r"backup-(\d{8}T\d{6}Z)(?:-\d+)?\.zip")
_STAMP = "%Y%m%dT%H%M%SZ"
_BEFORE_UPDATES = "memory.v*.sqlite3"
"""What `Database` keeps when an update changes its layout."""
_DAY = 86_400.0
_LEFT = (".backup-*", ".copy-*", ".restore-*")
"""What a kill may have left."""


class Backup(Struct, frozen=True):
    """One file."""

    path: Path
    made: datetime
    """By its name, UTC."""
    bytes: int


class Shelf:
    """The backups of one memory_store."""

    def __init__(self, store: Path) -> None:
        self.folder = store / BACKUPS

    def all(self) -> list[Backup]:
        """Every backup, newest first; none where the folder cannot be read."""
        found: list[Backup] = []
        with contextlib.suppress(OSError):
            found.extend(backup for path in self.folder.iterdir() if (backup := _backup(path)))
        return sorted(found, key=lambda backup: (backup.made, backup.path.name), reverse=True)

    def newest_good(self) -> Backup | None:
        """The newest that is whole: reads all of it, and of those before it while it is not."""
        for backup in self.all():
            try:
                check_archive(backup.path)
            except (StoreError, OSError) as error:
                log.warning("A backup cannot be used.", file=str(backup.path), cause=str(error))
            else:
                return backup
        return None

    def last(self, now: datetime) -> datetime | None:
        """When the newest was made; what was made by a clock that was set back since does not count."""
        return next((backup.made for backup in self.all() if backup.made <= now), None)

    def free_path(self, now: float) -> Path:
        """Where a backup of this moment, unix seconds, goes."""
        stem = f"backup-{datetime.fromtimestamp(now, UTC):{_STAMP}}"
        path, number = self.folder / f"{stem}.zip", 0
        while path.exists():
            number += 1
            path = self.folder / f"{stem}-{number}.zip"
        return path

    def prune(self, keep: int, made: Path) -> None:
        """Delete all but `made` and the newest others, `keep` in all, and what updates kept so many days ago.

        What cannot be deleted is left for the next time.
        """
        others = [backup.path for backup in self.all() if backup.path != made]
        since = time.time() - keep * _DAY
        before_updates = [path for path in self.folder.glob(_BEFORE_UPDATES) if path.stat().st_mtime < since]
        for path in (*others[keep - 1 :], *before_updates):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                log.warning("An old backup cannot be deleted.", file=str(path), cause=error.strerror)

    def sweep(self) -> None:
        """Delete what a kill left half written."""
        for pattern in _LEFT:
            for path in self.folder.glob(pattern):
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)


def with_way_back(error: DatabaseDamaged) -> DatabaseDamaged:
    """The error with the newest good backup in it, and the command that puts it back."""
    good = Shelf(error.path.parent).newest_good()
    if good is None:
        return DatabaseDamaged(error.path, error.reason, f"There is no good backup in {error.path.parent / BACKUPS}")
    made = f"{good.made.astimezone():%Y-%m-%d %H:%M}"
    way = f"The newest good backup is of {made}; put it back: onebot-bot restore {good.path}"
    return DatabaseDamaged(error.path, error.reason, way)


def _backup(path: Path) -> Backup | None:
    name = _NAME.fullmatch(path.name)
    if name is None:
        return None
    with contextlib.suppress(ValueError):  # such as a month 13
        made = datetime.strptime(name[1], _STAMP).replace(tzinfo=UTC)
        return Backup(path, made, path.stat().st_size)
    return None
