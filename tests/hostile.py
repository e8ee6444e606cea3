"""What tests of hostile input share."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def soon(seconds: float = 3.0) -> Iterator[None]:
    """Fail where the block takes the processor for longer: far more than it takes, far less than a hang does."""
    begun = time.process_time()
    yield
    assert time.process_time() - begun < seconds
