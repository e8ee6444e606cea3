"""Where the primed adapters lie that ship with the project or were made by `onebot-bot prime`. No torch."""

from pathlib import Path

import msgspec
import structlog
from msgspec import Struct

from onebot_bot.errors import ModelError
from onebot_bot.learning.versions import META, Versions

log = structlog.get_logger(__name__)


class _Meta(Struct):
    base: str
    name: str


def primed_for(folder: Path, base: str) -> Path | None:
    """The primed adapter of the model with that fingerprint, every file of it checked; None: nobody primed it."""
    versions = Versions(folder, lambda: base)
    for place in sorted(path.parent for path in folder.glob(f"*/{META}")):
        try:
            if _read(place).base != base:
                continue
            problem = versions.problem(place)
        except (OSError, msgspec.DecodeError) as error:
            problem = str(error)
        if not problem:
            return place
        log.warning("A primed adapter cannot be used; `onebot-bot prime` makes one.", adapter=str(place), cause=problem)
    return None


def name_of(adapter: Path) -> str:
    """The name that the engine shows while it serves the folder.

    Raises:
        ModelError: its meta.json cannot be read.
    """
    try:
        return _read(adapter).name
    except (OSError, msgspec.DecodeError) as error:
        raise ModelError(f"{adapter / META}: {error}; /learn rollback takes another adapter", code="OB-1205") from error


def _read(adapter: Path) -> _Meta:
    return msgspec.json.decode((adapter / META).read_bytes(), type=_Meta)
