"""What tests of hostile input share."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def soon(seconds: float = 1.0) -> Iterator[None]:
    """Fail where the block takes the processor for longer; what else the machine does is no matter."""
    begun = time.process_time()
    yield
    assert time.process_time() - begun < seconds
