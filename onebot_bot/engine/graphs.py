"""The decode step as CUDA graphs: recorded once a batch size and a length, then launched as a whole.

Launching its thousand kernels one by one takes longer than they do (design: performance.md). A graph reads and writes
the same places every time, so inputs and outputs stay where they are, a batch is padded to the next size, and the
cache is read up to the next power of two.
"""

import weakref
from collections.abc import Callable
from typing import Protocol, TypeVar

import structlog
import torch
from msgspec import Struct
from torch import Tensor

from onebot_bot.engine.kv import KvBuffers, is_out_of_memory
from onebot_bot.engine.sampling import Scored

log = structlog.get_logger(__name__)
T = TypeVar("T")

SIZES = (1, 2, 4, 8, 16)
"""Rows that a graph is recorded for; more are fed without one."""
SHORTEST = 256
"""Positions that the shortest graph reads."""
WARM_UPS = 2
"""Runs before a recording, in which libraries choose their kernels and take their workspace."""
PAUSE = 1000
"""Steps after which is recorded again where memory ran out in a recording."""
CLOSE = {torch.float32: 1e-3, torch.float16: 1e-2, torch.bfloat16: 5e-2}
"""Largest difference of a graph's hidden states from the eager forward's, as a share of the largest of those: another
batch size and length let kernels add up in another order."""


class Stepped(Struct, frozen=True):
    """What a decode step gives for n rows; what a graph gave is valid until the next step."""

    hidden: Tensor
    """Last hidden states `[n, d]`."""
    scored: Scored | None = None
    """Of these, where a graph made it too."""


class Recorder(Protocol):
    """What records; a CUDA device's is `CudaRecorder`."""

    def record(self, work: Callable[[], T]) -> tuple[T, Callable[[], None]]:
        """Run and record `work`, which may be run several times.

        Returns:
            What it returned, and what does all of it again on the device, into the same places.
        """


class CudaRecorder:
    """Records on a stream of its own; all graphs over the same buffers share their intermediate results' memory."""

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch leaves it so
        self._last: weakref.ref[torch.cuda.CUDAGraph] | None = None

    def record(self, work: Callable[[], T]) -> tuple[T, Callable[[], None]]:
        """As the protocol says."""
        self._warm_up(work)
        graph = torch.cuda.CUDAGraph()
        last = self._last() if self._last else None
        # Other threads may use the card meanwhile; only this one's calls are recorded.
        with torch.cuda.graph(graph, last.pool() if last else None, self._stream, capture_error_mode="thread_local"):
            made = work()
        self._last = weakref.ref(graph)
        return made, graph.replay

    def _warm_up(self, work: Callable[[], object]) -> None:
        current = torch.cuda.current_stream(self._stream.device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            for _ in range(WARM_UPS):
                work()
        current.wait_stream(self._stream)


class Recorded(Struct, frozen=True):
    """A step of so many rows over so many positions."""

    stepped: Stepped
    replay: Callable[[], None]


class Graphs:
    """Which step has a graph, and whether graphs are to be trusted here."""

    def __init__(self, recorder: Recorder | None) -> None:
        self._recorder = recorder
        self._pause = 0  # steps for which nothing is recorded
        self.state = "on" if recorder else ""
        """As `Counters.graphs`."""

    @property
    def on(self) -> bool:
        """Whether steps are recorded."""
        return self.state == "on"

    def find_shape(self, count: int, positions: int, kv: KvBuffers) -> tuple[int, int] | None:
        """Rows and positions of the graph that serves so many; None: they are fed without one."""
        if not self.on or count > SIZES[-1]:
            return None
        rows = next(size for size in SIZES if size >= count)
        length = max(SHORTEST, 1 << (positions - 1).bit_length())
        return min(rows, kv.rows), min(length, kv.length)

    def record(self, work: Callable[[], Stepped], eager: Stepped) -> Recorded | None:
        """Record `work` and compare what it gives for the first rows with what they are to give.

        Returns:
            None where it differs or cannot be recorded; then no graph is used any more. Where memory ran out, those
            that there are go on, and more are recorded after a while.
        """
        if self._recorder is None:
            return None
        if self._pause:
            self._pause -= 1
            return None
        try:
            stepped, replay = self._recorder.record(work)
            replay()
            difference = _differ(stepped.hidden[: len(eager.hidden)], eager.hidden)
        except Exception as error:  # noqa: BLE001 - whatever it is, the answers go on without
            if _ran_out(error):
                log.warning("a CUDA graph finds no memory: this step is fed without one", steps=PAUSE)
                self._pause = PAUSE
                return None
            self._give_up(f"{type(error).__name__}: {error}".partition("\n")[0])
            return None
        if difference > CLOSE[eager.hidden.dtype]:
            self._give_up(f"a graph's hidden states differ from the model's by {difference:.2g} of the largest")
            return None
        return Recorded(stepped, replay)

    def _give_up(self, reason: str) -> None:
        self.state = f"off: {reason}"
        log.warning("CUDA graphs are not used: answers are right, but slower", reason=reason)


def recorder_for(device: torch.device) -> Recorder | None:
    """A card's own; None on a CPU."""
    return CudaRecorder(device) if device.type == "cuda" else None


def _ran_out(error: BaseException) -> bool:
    """Whether memory did, also where ending the broken recording failed after it."""
    return is_out_of_memory(error) or (error.__context__ is not None and is_out_of_memory(error.__context__))


def _differ(found: Tensor, wanted: Tensor) -> float:
    """The largest difference as a share of the largest number; what is not finite in `wanted` need not be alike."""
    finite = torch.isfinite(wanted)
    largest = wanted.float().where(finite, 0).abs().max().clamp_min(1e-6)
    difference = ((found.float() - wanted.float()).abs().where(finite, 0).max() / largest).item()
    return difference if difference == difference else torch.inf  # noqa: PLR0124 - NaN where it should be finite
