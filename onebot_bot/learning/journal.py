"""What a night has done so far, on the disk after every step, so that a killed night goes on or is thrown away whole.

A run is a folder `training/runs/<utc>/` with journal.json, metrics and checkpoints. When it ends, however it ends, only
the small files stay; the last `KEPT` runs are kept.
"""

import contextlib
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import structlog
from msgspec import Struct, field

from onebot_bot.learning.files import write_whole
from onebot_bot.learning.versions import stamp

log = structlog.get_logger(__name__)

FILE: Final = "journal.json"
KEPT: Final = 10
"""Runs whose folders stay."""
TOO_OLD: Final = 12 * 3600.0
"""Seconds after which a killed night is not gone on with: the chats have moved on."""
MOST_ATTEMPTS: Final = 2
"""A step that two processes died in would kill a third."""
_SMALL: Final = frozenset({".json", ".jsonl", ".png", ".txt", ".toml", ".log"})
_NAME = re.compile(r"\d{8}T\d{6}Z(-\d+)?")

State = Literal["running", "done", "failed", "refused", "cancelled", "empty", "discarded"]
"""`refused`: by the gate or the canary; `empty`: there was nothing to learn; `discarded`: killed, not gone on with."""


class StepRecord(Struct):
    """One step of a run."""

    name: str
    started: float
    """Unix seconds, of the last attempt."""
    finished: float | None = None
    attempts: int = 1
    gave: dict[str, Any] = field(default_factory=dict)


class Record(Struct):
    """journal.json."""

    started: float
    """Unix seconds."""
    inputs: dict[str, str] = field(default_factory=dict)
    """What the run builds on, such as the model's fingerprint: when it changes, the run is worth nothing. Empty until
    the model is loaded."""
    state: State = "running"
    reason: str = ""
    ended: float | None = None
    steps: list[StepRecord] = field(default_factory=list)


class Journal:
    """The journal of one run folder."""

    def __init__(self, folder: Path, record: Record) -> None:
        self.folder = folder
        self.record = record

    @property
    def name(self) -> str:
        """Of the run: its folder's."""
        return self.folder.name

    def step(self, name: str) -> StepRecord | None:
        """The step's record; None when it was never begun."""
        return next((step for step in self.record.steps if step.name == name), None)

    def gave(self, name: str) -> dict[str, Any] | None:
        """What a finished step gave; None when it is not finished."""
        step = self.step(name)
        return step.gave if step is not None and step.finished is not None else None

    def build_on(self, inputs: dict[str, str]) -> None:
        """Note what the run builds on, the first time."""
        if not self.record.inputs:
            self.record.inputs = inputs
            self.save()

    def begin(self, name: str, now: float) -> None:
        """A step begins, or begins again after a kill.

        Raises:
            OSError: it cannot be written, as in every method that changes something.
        """
        step = self.step(name)
        if step is None:
            self.record.steps.append(StepRecord(name, now))
        else:
            step.started, step.finished, step.attempts = now, None, step.attempts + 1
        self.save()

    def finish(self, name: str, now: float, gave: dict[str, Any]) -> None:
        """A begun step is done."""
        step = self.step(name)
        if step is not None:
            step.finished, step.gave = now, gave
        self.save()

    def release(self, name: str) -> None:
        """An orderly shutdown ends a step: that is no fault of the step's."""
        step = self.step(name)
        if step is not None and step.finished is None:
            step.attempts -= 1
        self.save()

    def close(self, state: State, reason: str, now: float) -> None:
        """The run has ended: what is large goes, then the journal says how it ended."""
        _clear(self.folder)
        self.record.state, self.record.reason, self.record.ended = state, reason, now
        self.save()

    def save(self) -> None:
        """Put the record on the disk."""
        write_whole(self.folder / FILE, msgspec.json.format(msgspec.json.encode(self.record, enc_hook=_plain)).decode())


def _plain(value: Any) -> Any:
    """A figure of numpy as a number; what else is unknown as its text: a journal is not to fail on it."""
    return value.item() if hasattr(value, "item") else str(value)


def open_run(runs: Path, now: float) -> Journal:
    """Make the folder of a new run, and delete those of the oldest."""
    # Before it is there: by a clock that was set back its name is older than all others.
    prune_runs(runs, KEPT - 1)
    folder = _free_folder(runs, stamp(datetime.fromtimestamp(now, UTC)))
    folder.mkdir(parents=True)
    journal = Journal(folder, Record(now))
    journal.save()
    return journal


def read_journal(folder: Path) -> Journal | None:
    """The journal of a run; None when it is missing, half written or garbage."""
    try:
        return Journal(folder, msgspec.json.decode((folder / FILE).read_bytes(), type=Record))
    except (OSError, msgspec.DecodeError):
        return None


def unfinished(runs: Path, now: float) -> list[Journal]:
    """Runs that a kill ended, the newest first; one whose journal cannot be read is closed here and now."""
    found = []
    for folder in run_folders(runs):
        journal = read_journal(folder)
        if journal is None:
            log.warning("A night's journal cannot be read; the night is discarded.", folder=str(folder))
            with contextlib.suppress(OSError):
                Journal(folder, Record(now)).close("discarded", f"{FILE} could not be read", now)
        elif journal.record.state == "running":
            found.append(journal)
    return found


def why_not_resumed(journal: Journal, now: float, inputs: dict[str, str]) -> str:
    """Why a killed night is not to go on; empty when it is."""
    age = abs(now - journal.record.started)  # a clock that was set back makes it negative
    if age > TOO_OLD:
        return f"it began {age / 3600:.0f} hours ago, more than {TOO_OLD / 3600:.0f}"
    changed = [key for key, value in journal.record.inputs.items() if inputs.get(key) != value]
    if changed:
        return f"what it builds on has changed: {', '.join(changed)}"
    fatal = [s.name for s in journal.record.steps if s.finished is None and s.attempts >= MOST_ATTEMPTS]
    if fatal:
        return f"the process ended {MOST_ATTEMPTS} times in the step {fatal[0]}"
    return next((f"{name} is gone" for name in _needed(journal) if not (journal.folder / name).exists()), "")


def interrupted_since(runs: Path, now: float) -> float | None:
    """When the night began that a kill ended, in Unix seconds; None when there is none that may go on."""
    begun = [journal.record.started for journal in unfinished(runs, now)]
    return next((started for started in begun if abs(now - started) <= TOO_OLD), None)


def prune_runs(runs: Path, keep: int = KEPT) -> None:
    """Delete the folders of all but the newest runs."""
    for folder in run_folders(runs)[keep:]:
        shutil.rmtree(folder, ignore_errors=True)


def _needed(journal: Journal) -> list[str]:
    """What the finished steps left for the later ones, as they listed it under `files`."""
    return [name for step in journal.record.steps if step.finished is not None for name in step.gave.get("files", ())]


def run_folders(runs: Path) -> list[Path]:
    """The run folders, newest first."""
    if not runs.is_dir():
        return []
    found = [path for path in runs.iterdir() if path.is_dir() and _NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: path.name, reverse=True)


def _free_folder(runs: Path, name: str) -> Path:
    number, folder = 0, runs / name
    while folder.exists():
        number += 1
        folder = runs / f"{name}-{number}"
    return folder


def _clear(folder: Path) -> None:
    """Delete checkpoints and the like; what can be read by people stays."""
    for path in large_files(folder):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                path.unlink()


def large_files(folder: Path) -> list[Path]:
    """Folders and files of a run that go when it ends."""
    return [path for path in folder.iterdir() if path.is_dir() or path.suffix not in _SMALL]
