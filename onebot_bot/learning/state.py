"""What is remembered of the nights across restarts: training/runs/state.json."""

import contextlib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import msgspec
import structlog
from msgspec import Struct

from onebot_bot.learning.files import write_whole
from onebot_bot.learning.work import NightReport

log = structlog.get_logger(__name__)

STATE: Final = "state.json"


class State(Struct):
    """state.json."""

    installed: float
    """Unix seconds of the first start."""
    last_night: date | None = None
    """The day whose night was held last."""
    last: NightReport | None = None
    typical: dict[str, float] = {}
    """Seconds by step, of the last night that came through."""


def read_state(runs: Path, now: float) -> State:
    """What is remembered. When that is garbage, the newest run folder tells when the last night was."""
    try:
        return msgspec.json.decode((runs / STATE).read_bytes(), type=State)
    except FileNotFoundError:
        return State(now)
    except (OSError, msgspec.DecodeError) as error:
        log.warning("The nights' state cannot be read.", file=str(runs / STATE), cause=str(error))
    newest = max((path.name for path in runs.iterdir() if path.is_dir()), default="")
    with contextlib.suppress(ValueError):
        return State(now, datetime.strptime(newest[:8], "%Y%m%d").replace(tzinfo=UTC).date())
    return State(now)


def write_state(runs: Path, state: State) -> None:
    """Remember it; raises OSError."""
    write_whole(runs / STATE, msgspec.json.format(msgspec.json.encode(state)).decode())
