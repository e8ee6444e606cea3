"""The training process as its parent sees it: started, listened to, ended. No torch."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from onebot_bot.errors import LearningError
from onebot_bot.learning.job import TEACHER

log = structlog.get_logger(__name__)

GRACE = 10.0
"""Seconds that a training has to end by itself when it is cancelled."""
TAIL = 4000
"""Bytes of what it wrote to stderr that the log keeps."""


async def teach(folder: Path, step: str, progress: Callable[[float], None], devices: int = 0) -> None:
    """Run one step of a night in a process of its own, and wait for it; cancelling ends the process.

    Raises:
        LearningError: it failed; the text is its own last word.
    """
    with (folder / f"{step}.log").open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *_command(devices),
            str(folder),
            step,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false"},
        )
        try:
            word = await _listen(process, progress)
            status = await process.wait()
        finally:
            await _end(process)
    if status != 0:
        log.error("A training process failed.", step=step, status=status, stderr=_tail(folder / f"{step}.log"))
        raise LearningError(word or f"{step}: the training process ended with status {status}; see {folder}/{step}.log")


def _command(devices: int) -> Sequence[str]:
    """Through accelerate's launcher where there are several cards."""
    if devices < 2:
        return sys.executable, "-m", TEACHER
    launcher = (sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu")
    return *launcher, "--num_processes", str(devices), "-m", TEACHER


async def _listen(process: asyncio.subprocess.Process, progress: Callable[[float], None]) -> str:
    """Pass on its progress; the error it named, if it did."""
    assert process.stdout is not None  # noqa: S101 - a pipe was asked for
    word = ""
    async for line in process.stdout:
        with contextlib.suppress(ValueError):
            said = json.loads(line)
            word = said.get("error", word)
            if "share" in said:
                progress(float(said["share"]))
    return word


async def _end(process: asyncio.subprocess.Process) -> None:
    """It is not to outlive the night."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(asyncio.shield(process.wait()), GRACE)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _tail(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_bytes()[-TAIL:].decode("utf-8", "replace")
    return ""
