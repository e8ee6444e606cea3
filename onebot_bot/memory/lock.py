"""A lock file that keeps a second bot off the same folder; it goes with the process, however that ends."""

import contextlib
import errno
import os
import sys
from pathlib import Path

import structlog

from onebot_bot.errors import StoreError

log = structlog.get_logger(__name__)

RESTORING = "restoring"
"""The file in the database's folder while a backup is put back; it holds what to run when that was interrupted."""

_BUSY = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK})


def take_lock(path: Path) -> int:
    """Lock `path` (made with mode 600) for this process.

    A file system that knows no locks is used without one, with a warning.

    Returns:
        The open descriptor; closing it releases the lock.

    Raises:
        StoreError: another process holds the lock, or the file cannot be made.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StoreError(
            f"{path} cannot be opened: {error.strerror}. Check its owner and mode.", code="OB-1305"
        ) from error
    try:
        _lock(descriptor)
    except OSError as error:
        if error.errno in _BUSY:
            holder = _holder(descriptor)
            os.close(descriptor)
            raise _in_use(path, holder) from error
        log.warning("no file locks here; do not start two bots on one folder", folder=str(path.parent))
    _sign(descriptor)
    return descriptor


def holder_of(path: Path) -> str | None:
    """Who holds the lock of `path`: ` (process 123)`, or empty when it does not say; None: nobody does."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:
        return None
    try:
        _lock(descriptor)
    except OSError as error:
        return _holder(descriptor) if error.errno in _BUSY else None
    finally:
        os.close(descriptor)
    return None


def refuse_second(path: Path) -> None:
    """Raise StoreError when another process holds the lock of `path`."""
    if (holder := holder_of(path)) is not None:
        raise _in_use(path, holder)


def _in_use(path: Path, holder: str) -> StoreError:
    return StoreError(
        f"{path.parent} is in use by another bot{holder}. Stop that one, or give this one its own folder.",
        code="OB-1302",
    )


def _holder(descriptor: int) -> str:
    pid = os.read(descriptor, 32).decode("ascii", "replace").strip()
    return f" (process {pid})" if pid else ""


def _sign(descriptor: int) -> None:
    # For people only: a full disk is told of by whoever needs the room.
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode("ascii"))


def refuse_half_restored(folder: Path) -> None:
    """Raise StoreError when a restore into this folder was interrupted: what is there are parts of two states."""
    marker = folder / RESTORING
    if marker.exists():
        command = marker.read_text(encoding="utf-8", errors="replace").strip()
        raise StoreError(f"{folder}: putting a backup back was interrupted. Finish it with: {command}", code="OB-1314")


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        # Far beyond the process number, which stays readable: Windows locks refuse readers too.
        os.lseek(descriptor, 1 << 30, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
