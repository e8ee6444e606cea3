"""Files that nobody but the bot's own user can read: what people said in private is in them."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

FOLDER, FILE = 0o700, 0o600
"""Modes. Windows has none: there the user's own folder keeps others out."""
_OTHERS = 0o077


@contextlib.contextmanager
def private_files() -> Iterator[None]:
    """Until the block ends, whatever this process or a child of it makes is private, whatever the umask was."""
    before = os.umask(_OTHERS)
    try:
        yield
    finally:
        os.umask(before)


def close_to_others(folder: Path) -> None:
    """Take a folder's rights from other users, where it exists and is ours to change."""
    if open_to_others(folder):
        # Another user's, as a mount in a container may be: `doctor` says so.
        with contextlib.suppress(OSError):
            folder.chmod(FOLDER)


def open_to_others(path: Path) -> bool:
    """Whether other users of this machine have any right to a file or folder; False where it does not exist."""
    try:
        return os.name == "posix" and bool(path.stat().st_mode & _OTHERS)
    except OSError:
        return False
