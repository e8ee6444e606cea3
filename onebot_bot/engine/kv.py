"""Keys and values of all chats: two buffers a layer behind transformers' own `Cache`, one row a chat."""

import math
import mmap
import os
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from msgspec import Struct
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin

Move = tuple[int, int, int]
"""From row, to row, positions."""


class KvShape(Struct, frozen=True):
    """What one position takes."""

    layers: int
    heads: int
    width: int
    dtype: torch.dtype
    device: torch.device

    @property
    def bytes(self) -> int:
        """A position, all layers together."""
        return 2 * self.layers * self.heads * self.width * self.dtype.itemsize


def kv_shape(network: Any) -> KvShape:
    """The shape that a network's attention layers need, from its configuration."""
    config, weight = network.config.get_text_config(), network.get_input_embeddings().weight
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return KvShape(config.num_hidden_layers, config.num_key_value_heads, width, weight.dtype, weight.device)


class Window(Struct):
    """Where a forward writes and what it reads, the same for every layer."""

    first: int = 0
    """The first of its rows, which are neighbours."""
    count: int = 1
    start: int = 0
    """Of one row: where its new positions begin."""
    rows: Tensor | None = None
    """Of several: `[count, 1]`, counted from the first; each takes one new position."""
    positions: Tensor | None = None
    """`[count, 1]`."""
    length: int = 0
    """Positions that are read."""


class SlotLayer(CacheLayerMixin):  # type: ignore[no-untyped-call]  # its __init_subclass__
    """One layer's keys and values `[B, H_kv, S, D]`; a forward reads a view of them, so nothing is gathered."""

    keys: Tensor
    values: Tensor

    def __init__(self, shape: KvShape) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # transformers' own
        self.keys = torch.zeros(0, shape.heads, 0, shape.width, dtype=shape.dtype, device=shape.device)
        self.values = torch.zeros_like(self.keys)
        self.is_initialized = True
        self.window = Window()

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Nothing: the buffers are laid out before a forward."""

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Write `[count, H_kv, T, D]` at the window's positions; all that the window reads."""
        return self._write(self.keys, key_states), self._write(self.values, value_states)

    def put(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Write one position of each row, `[count, H_kv, D]`; all that the window reads."""
        return self._put(self.keys, key), self._put(self.values, value)

    def _put(self, buffer: Tensor, states: Tensor) -> Tensor:
        window = self.window
        part = buffer.narrow(0, window.first, window.count)
        if window.rows is None:
            part[0, :, window.start] = states[0]
        else:
            part[window.rows, :, window.positions] = states.unsqueeze(1)
        return part.narrow(2, 0, window.length)

    def resize(self, rows: int, length: int, moves: Sequence[Move]) -> None:
        """Buffers of another size with what `moves` brings along: both, or none where memory runs out."""
        keys = _moved(self.keys, rows, length, moves)
        self.keys, self.values = keys, _moved(self.values, rows, length, moves)

    def put_back(self, rows: int, length: int, moves: Sequence[Move]) -> None:
        """The same by way of the host, so that no more is taken than before."""
        for name in ("keys", "values"):
            buffer: Tensor = getattr(self, name)
            kept = [buffer[source, :, :count].to("cpu", copy=True) for source, _, count in moves]
            setattr(self, name, buffer[:0].clone())
            del buffer  # the larger one makes room for the smaller one
            made = _moved(getattr(self, name), rows, length, ())
            for content, (_, target, count) in zip(kept, moves, strict=True):
                made[target, :, :count] = content
            setattr(self, name, made)

    def _write(self, buffer: Tensor, states: Tensor) -> Tensor:
        window = self.window
        part = buffer.narrow(0, window.first, window.count)
        if window.rows is None:
            part[0, :, window.start : window.start + states.shape[2]] = states[0]
        else:
            part[window.rows, :, window.positions] = states.transpose(1, 2)
        return part[:, :, : window.length]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:  # noqa: ARG002 - the base class's signature
        """Positions read, and where they begin."""
        return self.window.length, 0

    def get_seq_length(self) -> int:
        """0: positions are always given."""
        return 0

    def get_max_length(self) -> int:
        """Positions a row holds."""
        return int(self.keys.shape[2])


class KvBuffers:
    """All layers' buffers, which always have the same rows and length.

    `spare` positions more behind each row's last are written and never read: there goes what a step writes for rows
    that only fill up a batch.
    """

    def __init__(self, shape: KvShape, spare: int = 0) -> None:
        self.shape = shape
        self._spare = spare
        self.layers = [SlotLayer(shape) for _ in range(shape.layers)]
        self.cache = Cache(layers=list(self.layers))
        self.rows, self.length = 0, 0
        self.visible = torch.ones(0, 0, dtype=torch.bool, device=shape.device)
        """`[B, S]`: False where a position is hidden from those behind it."""
        self.recorded: dict[tuple[int, int], Any] = {}
        """What was recorded over these very buffers, by its rows and positions; gone with them."""

    def look_at(self, window: Window) -> None:
        """Say where the next forward writes and what it reads."""
        for layer in self.layers:
            layer.window = window

    def lay_out(self, rows: int, length: int, moves: Sequence[Move]) -> None:
        """Buffers of another size, with what `moves` brings along; a layer at a time, so little is there twice.

        Raises:
            RuntimeError: there is no memory for them; then they have the old size and what `moves` names is where it
                was, or, where there was not even memory for that, all are empty.
        """
        visible = torch.ones(rows, length, dtype=torch.bool, device=self.shape.device)
        for source, target, count in moves:
            visible[target, :count] = self.visible[source, :count]
        self.recorded.clear()
        done: list[SlotLayer] = []
        try:
            for layer in self.layers:
                layer.resize(rows, length + self._spare, moves)
                done.append(layer)
        except RuntimeError:
            self._go_back(done, [(target, source, count) for source, target, count in moves])
            raise
        self.visible, self.rows, self.length = visible, rows, length

    def _go_back(self, layers: Sequence[SlotLayer], moves: Sequence[Move]) -> None:
        try:
            for layer in layers:
                layer.put_back(self.rows, self.length + self._spare, moves)
        except RuntimeError:
            self.clear()

    def clear(self) -> None:
        """Give all memory back."""
        self.recorded.clear()
        for layer in self.layers:
            layer.keys, layer.values = layer.keys[:0, :, :0].clone(), layer.values[:0, :, :0].clone()
        self.visible, self.rows, self.length = self.visible[:0, :0].clone(), 0, 0

    def copy(self, source: int, target: int, count: int) -> None:
        """Write the first `count` positions of one row over another's."""
        for buffer in self._buffers():
            buffer[target, :, :count] = buffer[source, :, :count]

    def swap(self, one: int, other: int, count: int) -> None:
        """Exchange the first `count` positions of two rows.

        Raises:
            RuntimeError: there is no memory for one layer's; then all are where they were.
        """
        seen = self.visible[[other, one]]
        kept = self.layers[0].keys[one, :, :count].clone()  # all that is ever needed besides
        for buffer in self._buffers():
            kept.copy_(buffer[one, :, :count])
            buffer[one, :, :count] = buffer[other, :, :count]
            buffer[other, :, :count] = kept
        self.visible[one], self.visible[other] = seen[0], seen[1]

    def wipe(self, row: int, count: int) -> None:
        """Zero a row's first positions: what is not finite would get through any mask, as 0 times NaN is NaN."""
        for buffer in self._buffers():
            buffer[row, :, :count].zero_()

    def _buffers(self) -> Iterator[Tensor]:
        for layer in self.layers:
            yield layer.keys
            yield layer.values


def is_out_of_memory(error: BaseException) -> bool:
    """CUDA has a class of its own for it; cuBLAS and a CPU's allocator say so in words."""
    words = ("DefaultCPUAllocator", "not enough memory", "bad_alloc", "ALLOC_FAILED", "out of memory")
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and any(word in str(error) for word in words)
    )


def _moved(buffer: Tensor, rows: int, length: int, moves: Sequence[Move]) -> Tensor:
    made = _zeros((rows, buffer.shape[1], length, buffer.shape[3]), buffer)
    for source, target, count in moves:
        made[target, :, :count] = buffer[source, :, :count]
    return made


def _zeros(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Zeros, not merely empty: see `wipe`. On a CPU they take no memory before they are written, as torch's would."""
    count = math.prod(shape) * like.dtype.itemsize
    if like.device.type != "cpu" or not count:
        return torch.zeros(shape, dtype=like.dtype, device=like.device)
    try:
        room = _pages(count)
    except OSError as error:
        raise RuntimeError(f"not enough memory: {count} bytes for keys or values") from error
    return torch.frombuffer(room, dtype=like.dtype).view(shape)


def _pages(count: int) -> mmap.mmap:
    """So many zero bytes, a page at a time: a huge page that one row touches would take its neighbours' memory too."""
    if os.name != "posix":
        return mmap.mmap(-1, count)
    pages = mmap.mmap(-1, count, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        pages.madvise(mmap.MADV_NOHUGEPAGE)
    return pages
