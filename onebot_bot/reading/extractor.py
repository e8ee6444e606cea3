"""Words of files from strangers, each read by a process of its own.

A parser that is led astray can be ended when it takes too long or too much, gives its memory back, and takes nothing
with it when it crashes.
"""

import asyncio
import os
import sys
from collections.abc import Sequence

import msgspec

from onebot_bot.errors import ReadingError
from onebot_bot.reading.extract import Extract, Failure, Job

COMMAND = (sys.executable, "-m", "onebot_bot.reading")
MOST_ANSWER = 2**20
"""Bytes that an answer may have: what a process sends that is no longer ours is not taken in without end."""
_THREADS = {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "1"}


class Extractor:
    """Reads one document and one picture at a time: more would only take the processor from the model."""

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        self._command = tuple(command)
        self._document, self._picture = asyncio.Lock(), asyncio.Lock()

    async def extract(self, job: Job, timeout: float) -> Extract:  # noqa: ASYNC109 - of the process
        """The words of a file.

        Args:
            job: the file, and how much is read of it.
            timeout: seconds the process may take, without the wait for the file before.

        Raises:
            ReadingError: there are none; its reason says why.
        """
        async with self._picture if job.kind == "picture" else self._document:
            try:
                async with asyncio.timeout(timeout):
                    answer = await self._run(msgspec.msgpack.encode(job))
            except TimeoutError as error:
                raise ReadingError("slow", f"it was not read within {timeout:g} s (reading.timeout)") from error
            except OSError as error:
                raise ReadingError("broken", f"the process that reads cannot be started: {error}") from error
        return _told(answer)

    async def _run(self, job: bytes) -> bytes:
        pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(
            *self._command, stdin=pipe, stdout=pipe, stderr=null, env={**os.environ, **_THREADS}
        )
        try:
            answer = await _exchange(process, job)
            await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            raise ReadingError("broken", f"the process that reads ended with {process.returncode}")
        return answer


async def _exchange(process: asyncio.subprocess.Process, job: bytes) -> bytes:
    """Hand over the job and take the answer."""
    if process.stdin is None or process.stdout is None:  # for the types: both were asked for
        raise ReadingError("broken", "the process that reads has no pipes")
    try:
        process.stdin.write(job)
        await process.stdin.drain()
        process.stdin.close()
    except (BrokenPipeError, ConnectionResetError):
        pass  # it ended early: its status tells
    answer = bytearray()
    while chunk := await process.stdout.read(65536):
        answer += chunk
        if len(answer) > MOST_ANSWER:
            raise ReadingError("broken", "the process that reads answered too much")
    return bytes(answer)


def _told(answer: bytes) -> Extract:
    try:
        found: Extract | Failure = msgspec.msgpack.decode(answer, type=Extract | Failure)
    except msgspec.DecodeError as error:
        raise ReadingError("broken", f"the process that reads answered nonsense: {error}") from error
    if isinstance(found, Failure):
        raise ReadingError(found.reason, found.detail)
    return found
