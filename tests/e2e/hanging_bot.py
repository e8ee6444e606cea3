"""`onebot-bot run` with a model that hangs in the first step that it is ever asked for; run as a process of its own."""

import sys
import threading
from pathlib import Path
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from fakes import FakeRunner, FakeRunning

from onebot_bot import nights
from onebot_bot.__main__ import main
from onebot_bot.engine.request import Vector

MARK = Path("hung")
"""Left in the working folder by the process that hung."""


class Runner(FakeRunner):
    """Writes letters, without torch."""

    key_view = (np.zeros(4, np.float32), np.eye(4, dtype=np.float32))
    away = False

    def project(self, keys: Vector) -> Vector:
        """One vector each."""
        return np.ones((len(keys), 1, 4), np.float32)


def hang_once(_: list[FakeRunning]) -> None:
    """As a stuck kernel does: for ever."""
    if not MARK.exists():
        MARK.touch()
        threading.Event().wait()


if __name__ == "__main__":
    with patch.object(nights, "load_runner", lambda *_: Runner(hang_once)):
        sys.exit(main(sys.argv[1:]))
