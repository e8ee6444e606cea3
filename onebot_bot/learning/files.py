"""Writing that a kill or a lost power supply cannot leave half done."""

import hashlib
import os
import shutil
import sys
from pathlib import Path

import msgspec

_BLOCK = 1 << 20


class FileSum(msgspec.Struct, frozen=True):
    """What a file must be."""

    bytes: int
    sha256: str


def write_whole(path: Path, text: str) -> None:
    """Put `text` at `path`: whoever reads it meets the old text or the new, never a part.

    Raises:
        OSError: it cannot be written; what was there stays.
    """
    part = path.with_name(f".{path.name}.part")
    with part.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` outlast a power cut; Windows does so by itself."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def copy_folder(source: Path, target: Path) -> None:
    """Copy all files of `source` to the new folder `target`, and wait until the disk has them."""
    shutil.copytree(source, target)
    for path in target.rglob("*"):
        if path.is_file():
            with path.open("rb+") as file:
                os.fsync(file.fileno())
    for path in [target, *(path for path in target.rglob("*") if path.is_dir())]:
        sync_folder(path)


def sum_of(path: Path) -> FileSum:
    """Size and checksum of a file."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
    return FileSum(size, digest.hexdigest())


def sums_of(folder: Path, but: str) -> dict[str, FileSum]:
    """Of every file below `folder` except the one named `but`, by its name with forward slashes."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    sums = {path.relative_to(folder).as_posix(): path for path in files}
    return {name: sum_of(path) for name, path in sums.items() if name != but}
