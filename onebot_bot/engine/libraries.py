"""torch's libraries, loaded beside whatever else a start does.

An import holds the interpreter's lock meanwhile: for a third of a second nobody would be answered, and the second core
would be idle. Called as any foreign function, dlopen does not.
"""

import ctypes
import importlib.util
import os
import sys
import threading
from pathlib import Path
from typing import Any

_WANTED = (("libtorch_global_deps.so", "RTLD_GLOBAL"), ("libtorch.so", "RTLD_LOCAL"))
"""In torch's own order and scopes; the rest of its libraries hangs on these."""


def load_ahead() -> threading.Thread | None:
    """Load them on a thread, which ends when they are there; None where there is no torch, or not this way.

    What fails is left to `import torch`, which tells why.
    """
    spec = importlib.util.find_spec("torch")  # finds, and imports nothing
    if spec is None or spec.origin is None or not sys.platform.startswith("linux"):
        return None
    thread = threading.Thread(target=_load, args=(Path(spec.origin).parent / "lib",), name="libraries", daemon=True)
    thread.start()
    return thread


def _load(folder: Path) -> None:
    dlopen: Any = ctypes.CDLL(None).dlopen
    dlopen.argtypes, dlopen.restype = (ctypes.c_char_p, ctypes.c_int), ctypes.c_void_p
    for name, scope in _WANTED:
        dlopen(os.fsencode(folder / name), os.RTLD_NOW | getattr(os, scope))
