"""onebot_bot.learning.teaching on a real process that only pretends to train."""

import asyncio
import os
import select
import subprocess
import sys
from pathlib import Path

import pretend_teacher
import pytest

from onebot_bot.errors import LearningError
from onebot_bot.learning import teaching
from onebot_bot.learning.teaching import command, teach

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel for processes as Linux has them")

PRETENDER = Path(pretend_teacher.__file__)
PARENT = """
import asyncio, sys
from pathlib import Path
from onebot_bot.learning import teaching
teaching.command = lambda devices: (sys.executable, sys.argv[1])
asyncio.run(teaching.teach(Path(sys.argv[2]), "endless", lambda share: print(share, flush=True)))
"""


@pytest.fixture(autouse=True)
def pretended(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the pretender that is started."""
    monkeypatch.setattr(teaching, "command", lambda devices: (sys.executable, str(PRETENDER)))


async def test_progress_is_passed_on_whatever_else_is_printed(tmp_path: Path) -> None:
    """Libraries write to standard output too, some of them long lines."""
    shares: list[float] = []
    await teach(tmp_path, "fine", shares.append)
    assert shares == [0.25, 1.0]


async def test_a_failure_is_told_in_its_own_words(tmp_path: Path) -> None:
    """Its standard error is kept beside."""
    with pytest.raises(LearningError, match="the loss is no number"):
        await teach(tmp_path, "fails", lambda _: None)
    assert (tmp_path / "fails.log").read_text() == "all of it\n"


async def test_a_process_that_is_killed_fails_the_step_alone(tmp_path: Path) -> None:
    """As the kernel does where memory ends."""
    with pytest.raises(LearningError, match=r"status -9.*where memory runs out.*`micro`"):
        await teach(tmp_path, "dies", lambda _: None)


async def test_a_failure_on_a_full_disk_is_told_as_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch only says that a writer failed."""
    monkeypatch.setattr(teaching, "FULL", 2**80)
    with pytest.raises(OSError, match="No space left"):
        await teach(tmp_path, "fails", lambda _: None)


@pytest.mark.parametrize("what", ["endless", "deaf"])
async def test_cancelling_ends_the_process(tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that does not listen."""
    monkeypatch.setattr(teaching, "GRACE", 0.1)
    begun = asyncio.Event()
    teaching_ = asyncio.create_task(teach(tmp_path, what, lambda _: begun.set()))
    await asyncio.wait_for(begun.wait(), 60)
    teaching_.cancel()
    with pytest.raises(asyncio.CancelledError):
        await teaching_
    assert not _alive(tmp_path)


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    """A parent that is killed cannot tell it to."""
    parent = [sys.executable, "-c", PARENT, str(PRETENDER), str(tmp_path)]
    with subprocess.Popen(parent, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "0.25\n"
        assert _alive(tmp_path)
        gone = os.pidfd_open(_pid(tmp_path))
        process.kill()
        assert select.select([gone], [], [], 30)[0] == [gone]


def test_several_cards_are_shared_by_accelerate() -> None:
    """One card, or none, needs no launcher."""
    assert command(1) == command(0) == (sys.executable, "-m", "onebot_bot.learning.train")
    assert command(3)[-4:] == ("--num_processes", "3", "-m", "onebot_bot.learning.train")


def _pid(folder: Path) -> int:
    return int((folder / pretend_teacher.PID).read_text())


def _alive(folder: Path) -> bool:
    try:
        os.kill(_pid(folder), 0)
    except ProcessLookupError:
        return False
    return True
