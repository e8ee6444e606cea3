"""A backup is one zip file: what was kept, and last a manifest with the size and checksum of each file in it.

Read with suspicion: a file may have been damaged on its disk, or be none of ours.
"""

import contextlib
import hashlib
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final, Protocol

import msgspec
from msgspec import Struct

from onebot_bot.errors import StoreError
from onebot_bot.learning.files import FileSum, sync_folder
from onebot_bot.memory.copying import Stopped, never
from onebot_bot.private import FOLDER

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
LARGEST_MANIFEST: Final = 64 * 2**20
"""Bytes: some hundred thousand files."""

_BLOCK = 1 << 20
_PACKED = frozenset({".jpg", ".jpeg", ".png", ".gif", ".webp", ".safetensors"})
"""Suffixes of files that packing makes no smaller."""
_BROKEN = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError, KeyError)
"""What zipfile raises on a damaged, foreign or encrypted file; msgspec's errors are ValueErrors."""


class Member(Struct, frozen=True):
    """One file to be kept."""

    name: str
    """In the archive, and relative to the folder of config.toml."""
    source: Path | bytes


class About(Struct, frozen=True, kw_only=True):
    """What a person wants to know of a backup."""

    made: int
    """Unix seconds."""
    program: str
    """Version of the program."""
    messages: int
    memories: int
    pictures: int
    adapter: str
    """Name of the version that served; empty: none."""


class Manifest(Struct, frozen=True, kw_only=True):
    """manifest.json."""

    format: int
    about: About
    files: dict[str, FileSum]


def write_archive(path: Path, members: Iterable[Member], about: About, stopped: Stopped = never) -> None:
    """Write an archive (mode 600) to `path`, which holds the whole of it or what was there before.

    Raises:
        StoreError: it was stopped, or what was written cannot be read back. OSError: a file cannot be read or written.
    """
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as file:
            _write(file, members, about, stopped)
            file.flush()
            os.fsync(file.fileno())
        check_archive(part, stopped)
        part.replace(path)
        sync_folder(path.parent)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def check_archive(path: Path, stopped: Stopped = never) -> Manifest:
    """Read all of an archive and compare it with its manifest.

    Raises:
        StoreError: it is damaged, no backup, or of a newer program; the text names the file.
    """
    with _opened(path) as archive:
        manifest = _manifest(path, archive)
        for name, wanted in manifest.files.items():
            if _poured(archive, name, wanted.bytes, _Nowhere(), stopped) != wanted:
                raise damaged(path, f"{name} in it does not match its checksum")
    return manifest


def extract(path: Path, into: Path, stopped: Stopped = never) -> Manifest:
    """Write all files of an archive below the empty folder `into`: private (modes 600 and 700), and synced.

    Raises:
        StoreError: as `check_archive`. OSError: a file cannot be written.
    """
    with _opened(path) as archive:
        manifest = _manifest(path, archive)
        for name, wanted in manifest.files.items():
            target = into / name
            _make_folders(into, target.parent)
            with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                found = _poured(archive, name, wanted.bytes, file, stopped)
                file.flush()
                os.fsync(file.fileno())
            if found != wanted:
                raise damaged(path, f"{name} in it does not match its checksum")
    return manifest


# --- writing -----------------------------------------------------------------------------------------------------


def _write(file: BinaryIO, members: Iterable[Member], about: About, stopped: Stopped) -> None:
    sums: dict[str, FileSum] = {}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for member in members:
            if member.name not in sums:
                sums[member.name] = _write_one(archive, member, stopped)
        manifest = Manifest(format=FORMAT, about=about, files=sums)
        archive.writestr(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))


def _write_one(archive: zipfile.ZipFile, member: Member, stopped: Stopped) -> FileSum:
    # A ZipInfo of its own is stored as it is; a name is packed as the archive packs.
    how = zipfile.ZipInfo(member.name) if Path(member.name).suffix in _PACKED else member.name
    digest, size = hashlib.sha256(), 0
    with archive.open(how, "w", force_zip64=True) as target:
        for block in _blocks(member.source):
            _go_on(stopped)
            target.write(block)
            digest.update(block)
            size += len(block)
    return FileSum(size, digest.hexdigest())


def _blocks(source: Path | bytes) -> Iterator[bytes]:
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


# --- reading -----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except FileNotFoundError as error:
        if error.filename is not None and Path(error.filename) != path:
            raise
        raise StoreError(f"{path} does not exist. `onebot-bot restore` lists the backups.", code="OB-2006") from error
    except _BROKEN as error:
        raise damaged(path, str(error) or type(error).__name__) from error


def damaged(path: Path, reason: str) -> StoreError:
    """The error for an archive that cannot be used."""
    text = f"{path} is damaged or no backup ({reason}). `onebot-bot restore` lists the others."
    return StoreError(text, code="OB-1313")


def _manifest(path: Path, archive: zipfile.ZipFile) -> Manifest:
    info = archive.getinfo(MANIFEST)
    if info.file_size > LARGEST_MANIFEST:
        raise damaged(path, f"{MANIFEST} is too large")
    with archive.open(info) as file:
        text = file.read(LARGEST_MANIFEST)
    newest = msgspec.json.decode(text, type=dict[str, msgspec.Raw]).get("format", msgspec.Raw(b"0"))
    if (found := msgspec.json.decode(newest, type=int)) > FORMAT:
        raise StoreError(
            f"{path}: format {found} is newer than this program knows (up to {FORMAT}). Update the program.",
            code="OB-1304",
        )
    manifest = msgspec.json.decode(text, type=Manifest)
    if foreign := next((name for name in manifest.files if not _is_sound(name)), None):
        raise damaged(path, f"{foreign!r} would lie outside the folder")
    return manifest


def _is_sound(name: str) -> bool:
    """Whether a name stays below the folder that it is written into, on any system."""
    parts = name.split("/")
    return not any(part == "" or part.startswith(".") or set(part) & set("\\:\0") for part in parts)


class _Nowhere:
    """Where what is only looked at goes."""

    def write(self, _block: bytes) -> object:
        """Forget it."""


class _Sink(Protocol):
    def write(self, block: bytes, /) -> object: ...


def _poured(archive: zipfile.ZipFile, name: str, most: int, target: _Sink, stopped: Stopped) -> FileSum:
    """Read a file to its end, but little more than it should have."""
    digest, size = hashlib.sha256(), 0
    with archive.open(name) as source:
        while size <= most and (block := source.read(_BLOCK)):
            _go_on(stopped)
            digest.update(block)
            target.write(block)
            size += len(block)
    return FileSum(size, digest.hexdigest())


def _make_folders(root: Path, folder: Path) -> None:
    for missing in reversed([each for each in (folder, *folder.parents) if each.is_relative_to(root)]):
        missing.mkdir(FOLDER, exist_ok=True)


def _go_on(stopped: Stopped) -> None:
    if stopped():
        raise StoreError("The work on a backup was ended.")
