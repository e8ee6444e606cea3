"""What the owner may do about backups."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from msgspec import Struct


class MadeBackup(Struct, frozen=True, kw_only=True):
    """A backup that was just made."""

    path: Path
    bytes: int
    messages: int
    memories: int
    pictures: int
    adapter: str
    """Name of the trained version in it; empty: none."""


class KeptBackup(Struct, frozen=True):
    """One that is there."""

    name: str
    made: datetime
    """Where the people live."""
    bytes: int


class BackupControl(Protocol):
    """The backups."""

    async def make(self) -> MadeBackup:
        """Make one now; raises StoreError."""

    async def kept(self) -> Sequence[KeptBackup]:
        """Those that there are, newest first."""
