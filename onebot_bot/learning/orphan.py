"""A process that does not outlive the one that started it. No torch."""

import os
import threading

ORPHANED = 3
"""Exit status when the parent is gone."""


def end_with_parent() -> None:
    """From now on end as soon as standard input, a pipe from the parent, breaks: however the parent died."""
    threading.Thread(target=_wait, daemon=True).start()


def _wait() -> None:
    # Not sys.stdin: its lock, held by a thread that waits, aborts an interpreter that ends.
    while os.read(0, 4096):
        pass
    os._exit(ORPHANED)
