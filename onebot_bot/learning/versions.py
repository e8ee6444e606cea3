"""The adapters on the disk, and which of them serves.

`models/adapters/<utc>/` holds what a trainer wrote and meta.json; `models/current` names the folder that serves, or
says `none`. The pointer is replaced in one step, so a kill between any two writes leaves the old version or the new.
"""

import contextlib
import itertools
import re
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
from msgspec import Struct

from onebot_bot.errors import LearningError
from onebot_bot.learning.files import FileSum, copy_folder, sum_of, sums_of, sync_folder, write_whole

log = structlog.get_logger(__name__)

META: Final = "meta.json"
NONE: Final = "none"
"""In the pointer: no adapter serves. An absent pointer means the same."""
NONE_KNOWN: Final = "unreadable"
"""Stands for a pointer that cannot be read: then the newest good version serves."""
BEFORE: Final = "before"
"""A file in the folder of a version: what served when it was promoted."""
WITHDRAWN: Final = "withdrawn"
"""A file in the folder of a version that was rolled back: it never serves again."""
_NAME = re.compile(r"\d{8}T\d{6}Z(-\d+)?")
HIDDEN: Final = "."
"""Folders whose name begins so are being written or deleted."""


class Meta(Struct, frozen=True):
    """What is read of meta.json; a trainer writes more into it."""

    base: str
    """Fingerprint of the model that the adapter belongs to."""
    files: dict[str, FileSum]
    memories: list[int] = []


class Version(Struct, frozen=True):
    """One adapter on the disk."""

    name: str
    path: Path
    meta: Mapping[str, Any]
    """meta.json as it is; empty when it cannot be read."""
    serving: bool
    withdrawn: bool


def stamp(moment: datetime) -> str:
    """The name of a run or a version: `20261121T020000Z`."""
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def seal(folder: Path, base: str, memories: list[int], **more: Any) -> None:
    """Write the meta.json of a folder whose other files are complete: it lists them with their checksums."""
    meta = {**more, "base": base, "memories": memories, "files": sums_of(folder, META)}
    write_whole(folder / META, msgspec.json.format(msgspec.json.encode(meta)).decode())


class Versions:
    """The adapters of one `models` folder, for the model whose fingerprint `base` gives each time it is asked."""

    def __init__(self, models: Path, base: Callable[[], str]) -> None:
        self._adapters = models / "adapters"
        self._pointer = models / "current"
        self._base_now = base

    @property
    def base(self) -> str:
        """Fingerprint of the model that adapters are for now; empty before it is loaded."""
        return self._base_now()

    # --- what serves ---------------------------------------------------------------------------------------------

    def current(self) -> Path | None:
        """The folder of the adapter to serve, every file of it checked; None: the model without one.

        When the one that is pointed to is damaged, the newest good one before it is used.
        """
        return next((self._adapters / name for name in self._candidates() if self._is_good(name)), None)

    def serving_name(self) -> str:
        """What the pointer names; empty when no adapter is to serve. Checks no files."""
        try:
            name = self._pointer.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            log.warning("The pointer to the adapter cannot be read.", file=str(self._pointer), cause=str(error))
            return NONE_KNOWN
        return "" if name == NONE else name

    def problem(self, folder: Path) -> str:
        """What keeps the adapter in `folder` from serving; empty when nothing does."""
        try:
            meta = msgspec.json.decode((folder / META).read_bytes(), type=Meta)
        except (OSError, msgspec.DecodeError) as error:
            return f"{META} cannot be read: {error}"
        if meta.base != self.base:
            return f"it was trained for another model ({meta.base}, not {self.base})"
        return next((found for name, wanted in meta.files.items() if (found := _damage(folder, name, wanted))), "")

    def _candidates(self) -> list[str]:
        """What may serve, best first: what the pointer names, then what came before it."""
        name = self.serving_name()
        if not name:
            return []
        chain = [] if name == NONE_KNOWN else self._chain(name)
        oldest = chain[-1] if chain else ""
        return [*chain, *(other for other in self._names() if not oldest or (other < oldest and other not in chain))]

    def _chain(self, name: str) -> list[str]:
        """A version, what served before it was promoted, what served before that, and so on as far as it is known.

        Not by name alone: names are times, and clocks are set back.
        """
        chain: list[str] = []
        while _NAME.fullmatch(name) and name not in chain:
            chain.append(name)
            name = _read_line(self._adapters / name / BEFORE)
        return chain

    def _is_good(self, name: str) -> bool:
        folder = self._adapters / name
        if (folder / WITHDRAWN).exists():
            return False
        problem = self.problem(folder)
        if problem:
            log.warning("An adapter cannot be used; the one before it is tried.", adapter=str(folder), cause=problem)
        return not problem

    # --- what there is -------------------------------------------------------------------------------------------

    def all(self) -> list[Version]:
        """Every version, newest first."""
        serving = self.serving_name()
        return [self._version(name, serving) for name in self._names()]

    def trained_on(self, memory_id: int) -> list[str]:
        """The names of the versions that were trained on a memory, newest first: forgetting it needs a retraining."""
        return [version.name for version in self.all() if memory_id in (version.meta.get("memories") or ())]

    def _version(self, name: str, serving: str) -> Version:
        folder = self._adapters / name
        meta: dict[str, Any] = {}
        with contextlib.suppress(OSError, msgspec.DecodeError):
            meta = msgspec.json.decode((folder / META).read_bytes(), type=dict[str, Any])
        return Version(name, folder, meta, name == serving, (folder / WITHDRAWN).exists())

    def _names(self) -> list[str]:
        """The folders of versions, newest first."""
        if not self._adapters.is_dir():
            return []
        names = (path.name for path in self._adapters.iterdir() if path.is_dir())
        return sorted((name for name in names if _NAME.fullmatch(name)), reverse=True)

    # --- changes -------------------------------------------------------------------------------------------------

    def promote(self, candidate: Path, name: str | None = None) -> Path:
        """Copy a sealed adapter to the others and let it serve; `candidate` stays where it is.

        Again after a kill it goes on where it was, when given the same `name`.

        Args:
            candidate: a folder with a meta.json, see `seal`.
            name: of the version; by default the present time's.

        Raises:
            LearningError: the candidate is damaged or made for another model; nothing changed.
            OSError: the disk is full or not writable; what served before still serves.
        """
        if problem := self.problem(candidate):
            raise LearningError(f"{candidate} cannot be promoted: {problem}")
        self._adapters.mkdir(parents=True, exist_ok=True)
        self._sweep()
        final = self._adapters / (name or self._free_name(stamp(datetime.now(UTC))))
        if final.exists() and not self._is_copy(final, candidate):
            self._remove(final)
        if not final.exists():
            self._take_in(candidate, final)
        self._point(final.name)
        return final

    def rollback(self) -> Path | None:
        """Withdraw what serves and let the newest good version before it serve; None: the model without an adapter."""
        current = self.current()
        for name in {self.serving_name(), current.name if current else ""}:
            self.withdraw(name)
        return self.current()

    def was_withdrawn(self, name: str) -> bool:
        """Whether a version was rolled back."""
        return (self._adapters / name / WITHDRAWN).exists()

    def withdraw(self, name: str) -> None:
        """See to it that a version never serves again; if it does so now, the newest good one before it takes over."""
        if not _NAME.fullmatch(name) or not (self._adapters / name).is_dir():
            return
        # Before the pointer, so that a kill between the two has withdrawn it already.
        try:
            write_whole(self._adapters / name / WITHDRAWN, stamp(datetime.now(UTC)))
        except OSError:  # a full disk has room to delete
            self._remove(self._adapters / name)
        if name == self.serving_name():
            earlier = self.current()
            # A pointer to what is withdrawn means the one before it: a full disk is no harm here.
            with contextlib.suppress(OSError):
                self._point(earlier.name if earlier else NONE)

    def prune(self, keep: int = 3) -> list[str]:
        """Delete all but the newest `keep` versions and the one that serves; the names of what went.

        What was withdrawn, and what is damaged or of another model, goes before the good ones.
        """
        self._sweep()
        current = self.current()
        order = [*self._candidates(), *self._names()]
        ranked = sorted(self.all(), key=lambda version: (not self._is_good_quietly(version), order.index(version.name)))
        gone = [version for version in ranked[keep:] if current is None or version.name != current.name]
        for version in gone:
            self._remove(version.path)
        return [version.name for version in gone]

    def _is_good_quietly(self, version: Version) -> bool:
        return not version.withdrawn and not self.problem(version.path)

    def _free_name(self, wanted: str) -> str:
        """`wanted`, or with a number behind it when a version of this very second exists."""
        numbered = (f"{wanted}-{number}" for number in itertools.count(1))
        return next(name for name in itertools.chain([wanted], numbered) if not (self._adapters / name).exists())

    def _is_copy(self, final: Path, candidate: Path) -> bool:
        """Whether `final` is what an earlier try made of `candidate`, whole."""
        return not self.problem(final) and (final / META).read_bytes() == (candidate / META).read_bytes()

    def _take_in(self, candidate: Path, final: Path) -> None:
        """Copied, since the two may lie on different disks; under its own name only when all of it is there."""
        part = final.with_name(f"{HIDDEN}{final.name}.new")
        copy_folder(candidate, part)
        write_whole(part / BEFORE, f"{self.serving_name()}\n")
        part.replace(final)
        sync_folder(self._adapters)

    def _point(self, name: str) -> None:
        self._pointer.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self._pointer, f"{name}\n")

    def _remove(self, folder: Path) -> None:
        """Delete a version; whoever looks meanwhile sees all of it or nothing."""
        going = folder.with_name(f"{HIDDEN}{folder.name}.old")
        folder.replace(going)
        shutil.rmtree(going)

    def _sweep(self) -> None:
        """Delete what a kill left half written or half deleted."""
        if self._adapters.is_dir():
            for left in [path for path in self._adapters.iterdir() if path.name.startswith(HIDDEN)]:
                shutil.rmtree(left, ignore_errors=True)


def _read_line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _damage(folder: Path, name: str, wanted: FileSum) -> str:
    try:
        size = (folder / name).stat().st_size
        if size != wanted.bytes:
            return f"{name} has {size} bytes, not {wanted.bytes}"
        return "" if sum_of(folder / name) == wanted else f"{name} does not match its checksum"
    except OSError as error:
        return f"{name} cannot be read: {error.strerror}"
