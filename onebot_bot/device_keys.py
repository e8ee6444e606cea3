"""Memories' keys on the model's device: one product with all of them is the fastest search while they fit there.

They are kept in bfloat16, half of what the card would read else, and what rounding takes is known: whoever searches
compares in float32 all that may be among the best (memory/index.py). So what is found is what the index alone finds.
"""

from collections.abc import Sequence

import numpy as np
import structlog
import torch
from msgspec import Struct
from torch import Tensor

from onebot_bot.engine.kv import is_out_of_memory
from onebot_bot.memory.codes import ROWS, Part, Scan
from onebot_bot.memory.vectors import Floats, Ids

log = structlog.get_logger(__name__)

LARGEST = 16
"""Chunks of `ROWS` keys that are made room for at once, at most: until then room is doubled. No key is ever moved."""
LEAST = 1024
"""Members of a scope from which the device is asked: fewer are scanned on the CPU before the card has read all."""
SLACK = 2e-4
"""What float32 sums of some thousand products may be off by on a tensor core, for vectors of length 1."""


class Block(Struct, frozen=True):
    """Room for keys, chunk after chunk."""

    first: int
    """Chunk."""
    keys: Tensor
    """`[chunks * ROWS, d]` bfloat16."""

    @property
    def end(self) -> int:
        """The chunk behind its last."""
        return self.first + self.keys.shape[0] // ROWS


class DeviceKeys:
    """Keys of `width` numbers on `device`, in at most `most` bytes; a `memory.mirror.KeyCopy`. The model's thread's.

    `least`: see `LEAST`.
    """

    def __init__(self, width: int, most: int, device: torch.device, least: int = LEAST) -> None:
        self.gone = False
        """See `memory.mirror.KeyCopy`."""
        self._width, self._device, self._least = width, device, least
        self._room = most // (ROWS * width * torch.bfloat16.itemsize)  # in chunks
        self._blocks: list[Block] = []
        self._error = 0.0  # the length of the longest difference between a key and what is kept of it
        self._longest = 0.0  # the length of the longest key, as it is kept
        self._shifts = torch.arange(8, dtype=torch.uint8, device=device)

    @property
    def bytes(self) -> int:
        """What it takes of the device."""
        return sum(block.keys.nbytes for block in self._blocks)

    def holds(self, slots: int) -> bool:
        """Whether there would be room for so many."""
        return -(-slots // ROWS) <= self._room

    def clear(self) -> None:
        """Give the memory back; it is gone from now on."""
        self.gone, self._blocks = True, []

    # --- writing -------------------------------------------------------------------------------------------------

    @torch.inference_mode()
    def write(self, slots: Ids, rows: Floats) -> None:
        """Put `rows` `[n, d]` under `slots` `[n]`; where there is no room for them the copy is gone."""
        if self.gone:
            return
        try:
            self._reserve(int(slots.max()) // ROWS + 1)
            self._put(slots, torch.from_numpy(rows))
        except BaseException as error:
            self.clear()  # what it holds is not known
            if not is_out_of_memory(error):
                raise
            log.warning("the memories' keys do not fit the device: the CPU searches them", slots=int(slots.max()) + 1)

    def _reserve(self, chunks: int) -> None:
        """Blocks for so many chunks."""
        while (have := self._blocks[-1].end if self._blocks else 0) < chunks:
            count = min(max(1, have), LARGEST, self._room - have)
            if count < 1:
                raise MemoryError
            keys = torch.zeros(count * ROWS, self._width, dtype=torch.bfloat16, device=self._device)
            self._blocks.append(Block(have, keys))

    def _put(self, slots: Ids, rows: Tensor) -> None:
        kept = rows.bfloat16()
        said = kept.float()
        self._error = max(self._error, float((rows - said).norm(dim=1).max()))
        self._longest = max(self._longest, float(said.norm(dim=1).max()))
        sent = kept.to(self._device)
        for block in self._blocks:
            own = np.flatnonzero((slots >= block.first * ROWS) & (slots < block.end * ROWS))
            if own.size:
                places = self._sent(slots[own] - block.first * ROWS)
                block.keys.index_copy_(0, places, sent[self._sent(own)])

    # --- searching -----------------------------------------------------------------------------------------------

    @torch.inference_mode()
    def scan(self, query: Floats, parts: Sequence[Part], most: int) -> Scan | None:
        """The best `most` of all parts together for `query` `[d]`; None: few members, or the copy is gone.

        It also goes where the device has no memory left to search it: a recall costs nobody her answer.
        """
        members = sum(part.members for part in parts)
        if self.gone or members < self._least:
            return None
        try:
            return self._scan(query, parts, min(most, members), members)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        self.clear()
        log.warning("the device has no memory left to search the memories' keys: the CPU searches them")
        return None

    def _scan(self, query: Floats, parts: Sequence[Part], most: int, members: int) -> Scan:
        parts = sorted(parts, key=lambda part: part.chunk)
        chunks = np.array([part.chunk for part in parts], np.int64)
        exact = torch.from_numpy(query)
        row = exact.bfloat16()
        scores = self._products(row.to(self._device), chunks)
        scores.masked_fill_(~self._members(parts), -torch.inf)
        best, places = _read(*scores.flatten().topk(most))
        # By Cauchy and Schwarz, for what rounding took from the keys and for what it took from the query.
        lost = float((exact - row.float()).norm())
        error = float(exact.norm()) * (self._error + SLACK) + lost * self._longest
        rest = float(best[-1]) if members > most else -np.inf
        return Scan(chunks[places // ROWS] * ROWS + places % ROWS, best, rest, error)

    def _products(self, row: Tensor, chunks: Ids) -> Tensor:
        """Of a query `[d]` with all keys of these chunks, which ascend: `[chunks, ROWS]` float32."""
        found = []
        for block in self._blocks:
            own = chunks[(chunks >= block.first) & (chunks < block.end)] - block.first
            if own.size:
                low, end = int(own[0]), int(own[-1]) + 1
                scores = products(block.keys[low * ROWS : end * ROWS], row).view(-1, ROWS)
                found.append(scores[self._sent(own - low)])
        return torch.cat(found)

    def _members(self, parts: Sequence[Part]) -> Tensor:
        """Which places of each part's chunk are of it: `[parts, ROWS]`."""
        bits = self._sent(np.stack([part.bits for part in parts]))
        return ((bits.unsqueeze(-1) >> self._shifts) & 1).flatten(1) > 0

    def _sent(self, array: Ids) -> Tensor:
        return torch.from_numpy(array).to(self._device)


def products(keys: Tensor, row: Tensor) -> Tensor:
    """Inner products `[n]`, summed and told in float32, of bfloat16 `keys` `[n, d]` with a bfloat16 `row` `[d]`."""
    if keys.device.type == "cuda":
        return torch.mm(keys, row.unsqueeze(1), out_dtype=torch.float32).squeeze(1)
    return keys.float() @ row.float()


def _read(scores: Tensor, places: Tensor) -> tuple[Floats, Ids]:
    """Both in one transfer: each waits for the device."""
    told = torch.stack([scores.double(), places.double()]).cpu().numpy()
    return told[0].astype(np.float32), told[1].astype(np.int64)
