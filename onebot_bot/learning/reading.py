"""Reading memories out of their vectors, many at once: greedily after one beginning, and how well it went."""

import copy
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from msgspec import Struct
from torch import Tensor
from transformers import DynamicCache

from onebot_bot.engine.model import LoadedModel, text_body

LONGEST = 96
"""Tokens read out at most: a memory has some 40."""


class Reader(Protocol):
    """What a memory is read with: a `Learner`, or `Serving`."""

    @property
    def model(self) -> LoadedModel:
        """Tokenizer, device and type."""

    def embed(self, ids: Tensor) -> Tensor:
        """Token embeddings `[B, T, d]`."""

    def states(self, embeddings: Tensor, mask: Tensor, **more: Any) -> Tensor:
        """Last hidden states `[B, T, d]`."""

    def logits(self, hidden: Tensor) -> Tensor:
        """`[n, d]` to `[n, V]`."""


class Serving:
    """The model as it serves, adapter merged: what idle time refines for."""

    def __init__(self, model: LoadedModel) -> None:
        self.model = model
        model.network.requires_grad_(requires_grad=False)  # else the vectors' gradient keeps what the weights' needs
        self._body = text_body(model.network)

    def embed(self, ids: Tensor) -> Tensor:
        """Token embeddings `[B, T, d]`."""
        found: Tensor = self.model.embeddings(ids)
        return found

    def states(self, embeddings: Tensor, mask: Tensor, **more: Any) -> Tensor:
        """Last hidden states `[B, T, d]`."""
        out = self._body(
            inputs_embeds=embeddings.to(self.model.dtype),
            attention_mask=mask,
            use_cache="past_key_values" in more,
            **more,
        )
        hidden: Tensor = out.last_hidden_state
        return hidden

    def logits(self, hidden: Tensor) -> Tensor:
        """`[n, d]` to `[n, V]`."""
        found: Tensor = self.model.network.lm_head(hidden)
        return found


class Beginning(Struct, frozen=True):
    """What stands before memories' vectors, `<recall>` included: one for all of them, or each its own."""

    cache: Any
    mask: Tensor
    """`[1 or n, T]`: which positions of the cache are somebody's words; shorter beginnings are padded on the left."""

    def rows(self, which: Tensor) -> tuple[DynamicCache, Tensor]:
        """The cache for the memories `which` `[m]`, to be written on, and its mask `[m, T]`."""
        cache: DynamicCache = copy.deepcopy(self.cache)
        if len(self.mask) == 1:
            cache.batch_repeat_interleave(len(which))
            return cache, self.mask.expand(len(which), -1)
        cache.batch_select_indices(which)
        return cache, self.mask[which]


def begin(reader: Reader, ids: Sequence[int]) -> Beginning:
    """Run a beginning `[T]` (ids that end with `<recall>`) once, for whatever memory follows."""
    return begin_each(reader, [ids])


@torch.no_grad()
def begin_each(reader: Reader, beginnings: Sequence[Sequence[int]]) -> Beginning:
    """Run each memory's own beginning, side by side."""
    width, device = max(map(len, beginnings)), reader.model.device
    rows = torch.tensor([[0] * (width - len(ids)) + list(ids) for ids in beginnings], device=device)
    mask = torch.tensor([[0] * (width - len(ids)) + [1] * len(ids) for ids in beginnings], device=device)
    cache = DynamicCache(config=reader.model.network.config.get_text_config())
    reader.states(reader.embed(rows), mask, past_key_values=cache)
    return Beginning(cache, mask)


class Told(Struct, frozen=True):
    """What one memory was read out as; `closed`: and then `</recall>` came, not the answer's end or the limit."""

    text: str
    closed: bool


def read_out(reader: Reader, beginning: Beginning, values: Tensor, longest: int = LONGEST) -> list[str]:
    """What greedy decoding makes of values `[n, v, d]` after one beginning, up to `</recall>` or `longest` tokens."""
    return [told.text for told in tell(reader, beginning, values, longest)]


def never() -> bool:
    """Nobody waits."""
    return False


def tell(  # noqa: PLR0913, PLR0917 - what is read, after what, and how long
    reader: Reader,
    beginning: Beginning,
    values: Tensor,
    longest: int = LONGEST,
    stop: Callable[[], bool] = never,
    which: Tensor | None = None,
) -> list[Told]:
    """As `read_out`, with how each reading ended; once `stop()` says so, they end where they are.

    `which` `[n]` are the memories' places where each has a beginning of its own; None: from the first.
    """
    if not len(values):
        return []
    renderer = reader.model.renderer
    stops = (renderer.memory_ids[1], *renderer.eos)
    found = []
    start = beginning.rows(torch.arange(len(values), device=reader.model.device) if which is None else which)
    for row in _greedy(reader, start, values, stops, longest, stop).tolist():
        cut = next((at for at, token in enumerate(row) if token in stops), len(row))
        text = renderer.special.decode(row[:cut], skip_special_tokens=True).strip()
        found.append(Told(text, closed=row[cut : cut + 1] == [renderer.memory_ids[1]]))
    return found


@torch.no_grad()
def _greedy(  # noqa: PLR0913, PLR0917 - what is read, with what, and how long
    reader: Reader,
    start: tuple[DynamicCache, Tensor],
    values: Tensor,
    stops: Sequence[int],
    longest: int,
    stop: Callable[[], bool],
) -> Tensor:
    """Ids `[n, T]` until every row holds one of `stops`; what a row holds after it means nothing."""
    device, pad = reader.model.device, reader.model.renderer.memory_ids[2]
    (cache, mask), fed = start, values.to(reader.model.dtype)
    ended = torch.zeros(len(values), dtype=torch.bool, device=device)
    told: list[Tensor] = []
    for _ in range(longest):
        mask = torch.cat([mask, mask.new_ones(len(values), fed.shape[1])], dim=1)
        logits = reader.logits(reader.states(fed, mask, past_key_values=cache)[:, -1])
        logits[:, pad] = -torch.inf  # as in the decode loop
        told.append(logits.argmax(-1))
        ended |= torch.isin(told[-1], torch.tensor(stops, device=device))
        if ended.all() or stop():
            break
        fed = reader.embed(told[-1].unsqueeze(1)).to(reader.model.dtype)
    return torch.stack(told, 1)
