"""What is asked of the process that draws, and its whole work: a job on the standard input, a PNG on the output."""

import sys
import tempfile

import msgspec
from msgspec import Struct

from onebot_bot.confine import confine
from onebot_bot.errors import RenderError
from onebot_bot.rendering.themes import THEMES, ThemeName

MEMORY = 4 * 2**30
"""Bytes of address space, of which most is never touched: threads and fonts take hundreds of megabytes of it."""
REFUSED = 3
"""How the process ends when it cannot draw; why is on the standard error."""


class Job(Struct, frozen=True):
    """One picture."""

    markdown: str
    theme: ThemeName


def work() -> int:
    """Draw the job on the standard input; returns the process's exit status."""
    # Imported here: what only asks for pictures need not load what draws them.
    from onebot_bot.rendering.fonts import find_fonts  # noqa: PLC0415
    from onebot_bot.rendering.page import draw  # noqa: PLC0415

    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    tempfile.gettempdir()  # found by writing a file, which is not possible any more afterwards
    confine(MEMORY)
    try:
        picture = draw(job.markdown, THEMES[job.theme], find_fonts())
    except RenderError as error:
        sys.stderr.write(str(error))
        return REFUSED
    sys.stdout.buffer.write(picture)
    return 0
