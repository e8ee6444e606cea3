"""Servers that benches start: each in a process of its own, on a core of its own where the system can."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

STARTING = 60.0
"""Seconds a server may take until it listens."""


class ViolationError(Exception):
    """Something that must not happen, whatever is done to the bot; `kind` is the figure that counts it."""

    def __init__(self, kind: str, what: str) -> None:
        super().__init__(f"{kind}: {what}")
        self.kind = kind


@contextlib.contextmanager
def running(command: Sequence[str], log: Path) -> Iterator[tuple[psutil.Process, int]]:
    """The process of a module and its arguments, to which a port is added, once it listens there.

    It is killed on leaving, since nothing of it is kept.

    Raises:
        SystemExit: it does not listen; the text has what it said.
    """
    port = free_port()
    with log.open("w") as output:
        arguments = [sys.executable, "-m", *command, str(port)]
        process = subprocess.Popen(arguments, stdout=output, stderr=subprocess.STDOUT)
    try:
        _wait(process, port, log)
        yield psutil.Process(process.pid), port
    finally:
        process.kill()
        process.wait()


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    until = time.monotonic() + STARTING
    while process.poll() is None and time.monotonic() < until:
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise SystemExit(f"{process.args!r} did not listen:\n{log.read_text()}")


def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cores() -> list[int]:
    """Those this process may use; none where the system does not tell."""
    return psutil.Process().cpu_affinity() or [] if sys.platform == "linux" else []


def pin(some: Sequence[int]) -> None:
    """Keep this process, and what it starts from now on, on these cores, where the system can."""
    if sys.platform == "linux" and some:
        os.sched_setaffinity(0, some)
