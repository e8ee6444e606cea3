"""A disk that is full or may not be written, as the kernel has it: what is whole goes on, and the owner is told."""

import ctypes
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.bot_process import OWNER, PATIENCE, Bot

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="prlimit and capabilities are Linux's")

USER = 20001
_DROP_FROM_BOUNDS, _OVERRIDES, _READS = 24, 1, 2
"""PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH."""


@pytest.fixture
def echo(tmp_path: Path) -> Iterator[Bot]:
    """A bot without a model."""
    bot = Bot(tmp_path / "echo", Path("echo"))
    yield bot
    bot.kill()


def limit_files(bot: Bot, most: int) -> None:
    """From now on the process can make no file longer than `most` bytes; -1: it can again."""
    assert bot._process is not None
    resource.prlimit(bot._process.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))


async def test_a_disk_that_fills_up_and_is_cleared(echo: Bot, account: int) -> None:
    """What cannot be recorded is not answered, and the owner hears which file and what to do; then all goes on."""
    echo.start()
    async with echo.dial(account) as napcat:
        assert await napcat.ask(USER, "before") == "before"
        await napcat.settled()
        limit_files(echo, 0)
        await napcat.tell(USER, "meanwhile")
        told = (await napcat.answer(OWNER)).text
        assert "memory.sqlite3" in told
        assert "free space" in told
        assert "[OB-1305]" in told
        assert "echo" in await napcat.command("/status")
        for command, file in (("/backup", "backups"), ("/config set chat.max_bubbles 2", "config.toml")):
            assert file in await napcat.command(command)
        limit_files(echo, resource.RLIM_INFINITY)
        assert await napcat.ask(USER, "after") == "after"
        assert "备份好了" in await napcat.command("/backup")
        await napcat.settled()
        echo.kill()
    echo.start()
    async with echo.dial(account) as napcat:
        assert await napcat.ask(USER, "again") == "again"
        assert [row.text for row in napcat.record(USER) if row.role == "user"] == ["before", "after", "again"]


def without_overrides() -> None:
    """Let root be bound by modes like anybody else: run in the child, before it becomes the bot."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None)
        for capability in (_OVERRIDES, _READS):
            libc.prctl(_DROP_FROM_BOUNDS, capability, 0, 0, 0)


def test_a_folder_that_may_not_be_written_is_named(echo: Bot) -> None:
    """One line with the path and the fix, no traceback."""
    store = echo.folder / "memory_store"
    store.mkdir()
    (store / "token").write_text("x" * 40, encoding="utf-8")
    echo.write({"log.file": "", "log.turns": ""})
    store.chmod(0o500)
    try:
        done = subprocess.run(
            echo.command, cwd=echo.folder, capture_output=True, text=True, check=False, timeout=PATIENCE,
            preexec_fn=without_overrides,
        )  # fmt: skip
    finally:
        store.chmod(0o700)
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("onebot-bot: ")]
    assert f"{store / 'memory.sqlite3'} cannot be opened: Permission denied. Check the folder's owner and mode." in line
    assert "Traceback" not in done.stderr
