"""The training process as its parent sees it: started, listened to, ended. No torch."""

import asyncio
import contextlib
import errno
import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import structlog

from onebot_bot.errors import LearningError
from onebot_bot.learning.job import TEACHER

log = structlog.get_logger(__name__)

GRACE = 10.0
"""Seconds that a training has to end by itself when it is cancelled."""
TAIL = 4000
"""Bytes of what it wrote to stderr that the log keeps."""
FULL = 2**20
"""Free bytes below which a training that failed is taken to have failed for want of room: torch does not say."""
KILLED = (-9, 137)
"""Statuses of a process that was killed, by itself and as a shell or a launcher passes it on."""
LINE = 2**20
"""Longest line that it may write."""


async def teach(folder: Path, step: str, progress: Callable[[float], None], devices: int = 0) -> None:
    """Run one step of a night in a process of its own, and wait for it; cancelling ends the process.

    Raises:
        LearningError: it failed; the text is its own last word. OSError: it failed and the disk is full.
    """
    with (folder / f"{step}.log").open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *command(devices),
            str(folder),
            step,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            limit=LINE,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false"},
        )
        try:
            word = await _listen(process, progress)
            status = await process.wait()
        finally:
            await _end(process)
    if status != 0:
        _fail(folder, step, status, word)


def command(devices: int) -> Sequence[str]:
    """What starts the process: accelerate's launcher where there are several cards."""
    if devices < 2:
        return sys.executable, "-m", TEACHER
    launcher = (sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu")
    return *launcher, "--num_processes", str(devices), "-m", TEACHER


async def _listen(process: asyncio.subprocess.Process, progress: Callable[[float], None]) -> str:
    """Pass on its progress; the error it named, if it did."""
    assert process.stdout is not None  # noqa: S101 - a pipe was asked for
    word = ""
    async for line in process.stdout:
        said = _read(line)
        word = str(said.get("error", word))
        if isinstance(share := said.get("share"), int | float):
            progress(float(share))
    return word


def _read(line: bytes) -> dict[str, Any]:
    """What a line says; nothing when a library wrote it."""
    with contextlib.suppress(ValueError):
        said = json.loads(line)
        return said if isinstance(said, dict) else {}
    return {}


async def _end(process: asyncio.subprocess.Process) -> None:
    """It is not to outlive the night."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE):
                await process.wait()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _fail(folder: Path, step: str, status: int, word: str) -> None:
    tail = _tail(folder / f"{step}.log")
    log.error("A training process failed.", code="OB-1407", step=step, status=status, stderr=tail)
    if shutil.disk_usage(folder).free < FULL:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
    if not word and status in KILLED:
        raise LearningError(
            f"{step}: the system ended the training (status {status}), as it does where memory runs out. End what else "
            "takes memory, or lower `micro` and `longest` in training/stage1.toml and training/stage2.toml",
            code="OB-1403",
        )
    ended = f"{step}: the training process ended with status {status}; see {folder}/{step}.log"
    raise LearningError(word or ended, code="OB-1407")


def _tail(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_bytes()[-TAIL:].decode("utf-8", "replace")
    return ""
