"""The process that draws: what it makes, and every way in which it may fail."""

import asyncio
import sys
from pathlib import Path

import psutil
import pytest

from onebot_bot.errors import RenderError
from onebot_bot.rendering.job import MEMORY
from onebot_bot.rendering.painter import Painter


def scripted(body: str) -> Painter:
    """A painter whose process runs this."""
    return Painter((sys.executable, "-c", f"import os, sys, time\n{body}"))


async def test_a_picture_is_drawn_in_a_process_of_its_own() -> None:
    """The real one: Markdown goes in, a PNG comes out."""
    picture = await Painter().paint("| 甲 | b |\n|---|---|\n| 1 | 2 |", "dark", 60)
    assert picture.startswith(b"\x89PNG")


async def test_a_refusal_says_why() -> None:
    """The process's own words reach the log."""
    with pytest.raises(RenderError, match=r"^no font$"):
        await scripted("sys.stderr.write('no font'); sys.exit(3)").paint("a", "light", 30)


async def test_a_crash_is_a_refusal() -> None:
    """Even one that no Python survives, such as a stack that overflows."""
    with pytest.raises(RenderError, match="ended with"):
        await scripted("os.abort()").paint("a", "light", 30)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds the address space")
@pytest.mark.parametrize(
    "body",
    ["bytearray(5 * 2**30)", "os.write(os.open('drawn', os.O_WRONLY | os.O_CREAT), b'x')"],
    ids=["memory", "files"],
)
async def test_a_process_that_draws_is_bounded(tmp_path: Path, body: str) -> None:
    """A picture that takes gigabytes, or a way to write files, ends the process and nothing else."""
    body = f"os.chdir({str(tmp_path)!r})\n{body}"
    painter = scripted(f"from onebot_bot.confine import confine\nconfine({MEMORY})\n{body}")
    with pytest.raises(RenderError, match="ended with"):
        await painter.paint("a", "light", 30)


async def test_one_that_takes_too_long_is_ended() -> None:
    """It leaves no process behind."""
    before = psutil.Process().children()
    with pytest.raises(RenderError, match=r"within 0\.2 s"):
        await scripted("time.sleep(600)").paint("a", "light", 0.2)
    assert psutil.Process().children() == before


async def test_one_that_cannot_start_is_a_refusal() -> None:
    """Without a program there is no picture."""
    with pytest.raises(RenderError, match="cannot be started"):
        await Painter(("/no/such/program",)).paint("a", "light", 30)


async def test_one_picture_at_a_time(tmp_path: Path) -> None:
    """The second process starts when the first has ended."""
    body = (
        f"mark = {str(tmp_path / 'busy')!r}\nassert not os.path.exists(mark)\nopen(mark, 'w').close()\n"
        "sys.stdin.buffer.read()\nos.remove(mark)\nsys.stdout.write('done')"
    )
    painter = scripted(body)
    pictures = await asyncio.gather(*(painter.paint("a", "light", 30) for _ in range(2)))
    assert pictures == [b"done", b"done"]
