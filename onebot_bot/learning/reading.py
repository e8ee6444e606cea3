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
    """What stands before a memory's vectors, `<recall>` included, as the cache of one row."""

    cache: Any
    length: int

    def rows(self, count: int) -> DynamicCache:
        """The cache for `count` rows, to be written on."""
        cache = copy.deepcopy(self.cache)
        cache.batch_repeat_interleave(count)
        return cache


@torch.no_grad()
def begin(reader: Reader, ids: Sequence[int]) -> Beginning:
    """Run a beginning `[T]` (ids that end with `<recall>`) once."""
    cache = DynamicCache(config=reader.model.network.config.get_text_config())
    row = torch.tensor([list(ids)], device=reader.model.device)
    reader.states(reader.embed(row), torch.ones_like(row), past_key_values=cache)
    return Beginning(cache, len(ids))


@torch.no_grad()
def read_out(reader: Reader, beginning: Beginning, values: Tensor, longest: int = LONGEST) -> list[str]:
    """What greedy decoding makes of values `[n, v, d]` after one beginning, up to `</recall>` or `longest` tokens."""
    renderer, device = reader.model.renderer, reader.model.device
    end = renderer.memory_ids[1]
    stops = torch.tensor([end, *renderer.eos], device=device)
    count = values.shape[0]
    cache, fed = beginning.rows(count), values.to(reader.model.dtype)
    told: list[Tensor] = []
    open_rows = torch.ones(count, dtype=torch.bool, device=device)
    length = beginning.length
    for _ in range(longest):
        length += fed.shape[1]
        mask = torch.ones(count, length, dtype=torch.long, device=device)
        token = reader.logits(reader.states(fed, mask, past_key_values=cache)[:, -1]).argmax(-1)
        told.append(torch.where(open_rows, token, end))
        open_rows &= ~torch.isin(token, stops)
        if not open_rows.any():
            break
        fed = reader.embed(token.unsqueeze(1)).to(reader.model.dtype)
    rows = torch.stack(told, 1).tolist()
    return [renderer.special.decode([t for t in row if t != end], skip_special_tokens=True).strip() for row in rows]
