"""onebot_bot.learning.primed."""

from pathlib import Path

import pytest
from nights import make_adapter

from onebot_bot.errors import ModelError
from onebot_bot.learning.primed import name_of, primed_for
from onebot_bot.learning.versions import META, seal

WEIGHTS = "adapter.safetensors"


def primed(folder: Path, base: str) -> Path:
    """A sealed adapter with a name."""
    make_adapter(folder, "weights")
    seal(folder, base, [], name=f"primed-{base}")
    return folder


def test_the_adapter_of_the_model_is_found(tmp_path: Path) -> None:
    """Among those of others; there may be none."""
    primed(tmp_path / "a", "other")
    wanted = primed(tmp_path / "b", "mine")
    assert wanted == primed_for(tmp_path, "mine")
    assert primed_for(tmp_path, "nobody's") is None
    assert primed_for(tmp_path / "nowhere", "mine") is None
    assert name_of(wanted) == "primed-mine"


def test_a_damaged_one_is_passed_over(tmp_path: Path) -> None:
    """Whatever of it is damaged."""
    for name in ("cut", "gone", "torn"):
        primed(tmp_path / name, "mine")
    whole = primed(tmp_path / "whole", "mine")
    (tmp_path / "cut" / WEIGHTS).write_text("weigh")
    (tmp_path / "gone" / WEIGHTS).unlink()
    (tmp_path / "torn" / META).write_text('{"base": "mine", ')
    assert whole == primed_for(tmp_path, "mine")


def test_a_name_that_cannot_be_read_is_a_plain_error(tmp_path: Path) -> None:
    """Naming the file."""
    with pytest.raises(ModelError, match=META):
        name_of(tmp_path)
