"""A night's picture, drawn by a process of its own.

Matplotlib takes some 30 MB that a bot which draws once a day should not keep, and opens its fonts anew for each thread
that draws with it, never to close them.
"""

import asyncio
import sys
from pathlib import Path
from typing import Final

import structlog

from onebot_bot.learning.morning import PICTURE, draw
from onebot_bot.learning.work import METRICS

log = structlog.get_logger(__name__)

PATIENCE: Final = 120.0
"""Seconds that the drawing may take: the report has to wait for it."""


async def draw_apart(folder: Path, patience: float = PATIENCE) -> Path | None:
    """Draw a run's metrics into its folder; the picture's path, or None when there is none."""
    if not (folder / METRICS).is_file():
        return None
    (folder / PICTURE).unlink(missing_ok=True)
    try:
        async with asyncio.timeout(patience):
            said = await _run(folder)
    except (OSError, TimeoutError) as error:
        said = str(error) or f"not done within {patience:g} s"
    if said:
        log.error("A night's metrics cannot be drawn.", code="OB-1410", folder=str(folder), cause=said)
    return folder / PICTURE if (folder / PICTURE).is_file() else None


async def _run(folder: Path) -> str:
    """What the process complained of; empty: it went well."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", __name__, str(folder)), stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
    )
    try:
        _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return said.decode(errors="replace").strip()[-500:] if process.returncode else ""


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
