"""onebot_bot.engine.libraries."""

import importlib.util
import subprocess
import sys

import pytest

from onebot_bot.engine.libraries import load_ahead

CODE = """
import sys
from pathlib import Path
from onebot_bot.engine.libraries import load_ahead
load_ahead().join()
print("libtorch_cpu.so" in Path("/proc/self/maps").read_text(), "torch" in sys.modules)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere import torch loads them")
def test_the_libraries_are_there_before_torch_is_imported() -> None:
    """In a process of its own: this one may have them already."""
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]


def test_without_torch_nothing_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The echo needs none; who wants a model is told by the import."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert load_ahead() is None
