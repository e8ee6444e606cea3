"""Pictures of long answers, each drawn by a process of its own.

What is drawn is what somebody wrote: a process can be ended when it takes too long or too much, gives its memory
back, and takes nothing with it when it crashes.
"""

import asyncio
import os
import sys
from collections.abc import Sequence

import msgspec

from onebot_bot.errors import RenderError
from onebot_bot.rendering.job import REFUSED, Job
from onebot_bot.rendering.themes import ThemeName

_THREADS = {"RAYON_NUM_THREADS": "2"}
"""Typst's: each takes address space, of which the process has so much."""
COMMAND = (sys.executable, "-m", "onebot_bot.rendering")


class Painter:
    """Draws one picture at a time: two would only take the processor from the model twice."""

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        self._command = tuple(command)
        self._one = asyncio.Lock()

    async def paint(self, markdown: str, theme: ThemeName, timeout: float) -> bytes:  # noqa: ASYNC109 - of the process
        """A PNG of a Markdown text.

        Args:
            markdown: the text.
            theme: its colours.
            timeout: seconds the process may take, without the wait for the picture before.

        Raises:
            RenderError: there is none; the text says why.
        """
        job = msgspec.json.encode(Job(markdown, theme))
        async with self._one:
            try:
                async with asyncio.timeout(timeout):
                    return await self._run(job)
            except TimeoutError as error:
                raise RenderError(f"the picture was not done within {timeout:g} s") from error
            except OSError as error:
                raise RenderError(f"the process that draws cannot be started: {error}") from error

    async def _run(self, job: bytes) -> bytes:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *self._command, stdin=pipe, stdout=pipe, stderr=pipe, env={**os.environ, **_THREADS}
        )
        try:
            picture, said = await process.communicate(job)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode == 0:
            return picture
        why = said.decode(errors="replace").strip()
        if process.returncode == REFUSED:
            raise RenderError(why)
        raise RenderError(f"the process that draws ended with {process.returncode}: {why[-500:]}")
