"""config.toml on a disk that is full or cannot be written: it stays as it was, and the error names it and the fix."""

import errno
import os
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from onebot_bot import config_file
from onebot_bot.config_file import set_key
from onebot_bot.errors import ConfigError

TEXT = "version = 1\n# mine\n[chat]\nmax_bubbles = 3\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of somebody's."""
    (tmp_path / "config.toml").write_text(TEXT, encoding="utf-8")
    return tmp_path / "config.toml"


def full(*_: object) -> None:
    """What the kernel says."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("call", ["fsync", "open"])
def test_a_full_disk_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """Wherever it is met; nothing half written lies beside it."""
    monkeypatch.setattr(f"onebot_bot.config_file.os.{call}", full)
    with pytest.raises(ConfigError, match=r"config\.toml cannot be written: No space left.*as it was.*disk is full"):
        set_key(path, "chat.max_bubbles", "5")
    monkeypatch.undo()
    assert path.read_text(encoding="utf-8") == TEXT
    assert [file.name for file in path.parent.iterdir()] == ["config.toml"]


def test_a_mount_that_is_full_gets_back_what_it_had(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container the file cannot be replaced: half of the new text is taken back."""
    put, puts = config_file._put, []

    def failing(file: BinaryIO, data: bytes) -> None:
        puts.append(data)
        if len(puts) == 1:
            put(file, data[:20])
            full()
        put(file, data)

    def busy(*_: Any) -> None:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    monkeypatch.setattr(config_file, "_put", failing)
    monkeypatch.setattr(Path, "replace", busy)
    with pytest.raises(ConfigError, match="No space left"):
        set_key(path, "chat.max_bubbles", "5")
    assert path.read_text(encoding="utf-8") == TEXT
    assert [file.name for file in path.parent.iterdir()] == ["config.toml"]
