"""Reading memories out of their vectors, many at once: greedily after one beginning, and how well it went."""

import copy
from collections.abc import Sequence
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


def never() -> bool:
    """Nobody waits."""
    return False


def read_out(reader: Reader, beginning: Beginning, values: Tensor, longest: int = LONGEST) -> list[str]:
    """What greedy decoding makes of values `[n, v, d]` after a beginning, up to `</recall>` or `longest` tokens."""
    if not len(values):
        return []
    renderer = reader.model.renderer
    stops = (renderer.memory_ids[1], *renderer.eos)
    found = []
    for row in _greedy(reader, beginning, values, stops, longest).tolist():
        cut = next((at for at, token in enumerate(row) if token in stops), len(row))
        found.append(renderer.special.decode(row[:cut], skip_special_tokens=True).strip())
    return found


@torch.no_grad()
def _greedy(reader: Reader, beginning: Beginning, values: Tensor, stops: Sequence[int], longest: int) -> Tensor:
    """Ids `[n, T]` until every row holds one of `stops`; what a row holds after it means nothing."""
    device, pad = reader.model.device, reader.model.renderer.memory_ids[2]
    (cache, mask), fed = beginning.rows(torch.arange(len(values), device=device)), values.to(reader.model.dtype)
    ended = torch.zeros(len(values), dtype=torch.bool, device=device)
    told: list[Tensor] = []
    for _ in range(longest):
        mask = torch.cat([mask, mask.new_ones(len(values), fed.shape[1])], dim=1)
        logits = reader.logits(reader.states(fed, mask, past_key_values=cache)[:, -1])
        logits[:, pad] = -torch.inf  # as in the decode loop
        told.append(logits.argmax(-1))
        ended |= torch.isin(told[-1], torch.tensor(stops, device=device))
        if ended.all():
            break
        fed = reader.embed(told[-1].unsqueeze(1)).to(reader.model.dtype)
    return torch.stack(told, 1)
