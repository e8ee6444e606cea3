"""Starting the whole process anew, in place: what hangs in a driver cannot be ended in any other way.

What the next process has to know goes through its environment.
"""

import os
import sys
from collections.abc import Mapping, MutableMapping
from typing import NamedTuple, NoReturn

import msgspec

STATUS = 75
"""Exit status of a process that is to be started again (EX_TEMPFAIL of sysexits.h)."""
MOST = 3
"""Restarts within `WINDOW` seconds; after them a hang is left as it is."""
WINDOW = 3600.0
TIMES = "ONEBOT_BOT_RESTARTS"
WHY = "ONEBOT_BOT_RESTARTED"


class Restarted(NamedTuple):
    """Why this process was started by the one before it."""

    reason: str
    since: float
    """Unix seconds from which on nobody was answered."""


def may_restart(now: float, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether it was not done too often lately; `now` in Unix seconds."""
    return len(_recent(now, environment)) < MOST


def note(now: float, why: Restarted, environment: MutableMapping[str, str] = os.environ) -> None:
    """Leave word for the next process."""
    environment[TIMES] = msgspec.json.encode([*_recent(now, environment), now]).decode()
    environment[WHY] = msgspec.json.encode(why).decode()


def take(environment: MutableMapping[str, str] = os.environ) -> Restarted | None:
    """The word that the process before left, once; None: a person or a service started this one."""
    try:
        return msgspec.json.decode(environment.pop(WHY, ""), type=Restarted)
    except msgspec.DecodeError:
        return None


def start_again() -> NoReturn:
    """Become a new process of the same command, with the same number; on Windows end with `STATUS`."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    if sys.platform != "win32":  # there it would be another process, which whoever waits for this one does not know
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - the command this one was
    os._exit(STATUS)  # threads that hang would hold up a gentle end


def _recent(now: float, environment: Mapping[str, str]) -> list[float]:
    try:
        times = msgspec.json.decode(environment.get(TIMES, "[]"), type=list[float])
    except msgspec.DecodeError:
        return []
    return [time for time in times if 0 <= now - time < WINDOW]
