"""Where the primed adapters lie that ship with the project or were made by `onebot-bot prime`. No torch."""

from pathlib import Path

import msgspec
import structlog
from msgspec import Struct

log = structlog.get_logger(__name__)


class _Base(Struct):
    base: str


def primed_for(folder: Path, base: str) -> Path | None:
    """The primed adapter of the model with that fingerprint; None: nobody primed it."""
    for meta in sorted(folder.glob("*/meta.json")):
        try:
            if msgspec.json.decode(meta.read_bytes(), type=_Base).base == base:
                return meta.parent
        except (OSError, msgspec.DecodeError) as error:
            log.warning("A primed adapter cannot be read.", file=str(meta), cause=str(error))
    return None
