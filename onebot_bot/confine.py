"""What a child process that reads or draws what strangers wrote may take of the machine."""

import contextlib
import os
import sys


def confine(memory: int) -> None:
    """Bound this process, as far as the system allows: address space in bytes, no file written, no core dump."""
    sys.dont_write_bytecode = True
    with contextlib.suppress(ImportError):  # Windows has neither
        import resource  # noqa: PLC0415 - see above

        os.nice(10)  # the model's answers come first
        for kind, most in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0)):
            with contextlib.suppress(OSError, ValueError):  # macOS bounds no address space
                resource.setrlimit(kind, (most, most))
