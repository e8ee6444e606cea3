"""A training process without training, for tests of its parent: `python pretend_teacher.py FOLDER WHAT-HAPPENS`."""

import json
import os
import signal
import sys
from pathlib import Path

from onebot_bot.learning.orphan import end_with_parent

PID = "pid"
NOISE = "x" * 200_000
"""A line longer than asyncio reads by itself."""


def say(**line: object) -> None:
    """A line for the parent."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main(folder: Path, what: str) -> int:
    """Do what was asked for; the exit status."""
    end_with_parent()
    (folder / PID).write_text(str(os.getpid()))
    say(share=0.25)
    match what:
        case "fine":
            sys.stdout.write(f"a library says\n3\n{NOISE}\n")
            say(share=1.0)
        case "fails":
            sys.stderr.write("all of it\n")
            say(error="the loss is no number")
            return 1
        case "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        case "deaf":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            say(share=0.5)
            signal.pause()
        case "endless":
            signal.pause()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
