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
    """What stands before a memory's vectors, `<recall>` included, as the cache of one row."""

    cache: Any
    length: int

    def rows(self, count: int) -> DynamicCache:
        """The cache for `count` rows, to be written on."""
        cache: DynamicCache = copy.deepcopy(self.cache)
        cache.batch_repeat_interleave(count)
        return cache


@torch.no_grad()
def begin(reader: Reader, ids: Sequence[int]) -> Beginning:
    """Run a beginning `[T]` (ids that end with `<recall>`) once."""
    cache = DynamicCache(config=reader.model.network.config.get_text_config())
    row = torch.tensor([list(ids)], device=reader.model.device)
    reader.states(reader.embed(row), torch.ones_like(row), past_key_values=cache)
    return Beginning(cache, len(ids))


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


def tell(
    reader: Reader, beginning: Beginning, values: Tensor, longest: int = LONGEST, stop: Callable[[], bool] = never
) -> list[Told]:
    """As `read_out`, with how each reading ended; once `stop()` says so, they end where they are."""
    if not len(values):
        return []
    renderer = reader.model.renderer
    stops = (renderer.memory_ids[1], *renderer.eos)
    found = []
    for row in _greedy(reader, beginning, values, stops, longest, stop).tolist():
        cut = next((at for at, token in enumerate(row) if token in stops), len(row))
        text = renderer.special.decode(row[:cut], skip_special_tokens=True).strip()
        found.append(Told(text, closed=row[cut : cut + 1] == [renderer.memory_ids[1]]))
    return found


@torch.no_grad()
def _greedy(  # noqa: PLR0913, PLR0917 - what is read, with what, and how long
    reader: Reader,
    beginning: Beginning,
    values: Tensor,
    stops: Sequence[int],
    longest: int,
    stop: Callable[[], bool],
) -> Tensor:
    """Ids `[n, T]` until every row holds one of `stops`; what a row holds after it means nothing."""
    device, pad = reader.model.device, reader.model.renderer.memory_ids[2]
    cache, fed = beginning.rows(len(values)), values.to(reader.model.dtype)
    ended = torch.zeros(len(values), dtype=torch.bool, device=device)
    told: list[Tensor] = []
    length = beginning.length
    for _ in range(longest):
        length += fed.shape[1]
        mask = torch.ones(len(values), length, dtype=torch.long, device=device)
        logits = reader.logits(reader.states(fed, mask, past_key_values=cache)[:, -1])
        logits[:, pad] = -torch.inf  # as in the decode loop
        told.append(logits.argmax(-1))
        ended |= torch.isin(told[-1], torch.tensor(stops, device=device))
        if ended.all() or stop():
            break
        fed = reader.embed(told[-1].unsqueeze(1)).to(reader.model.dtype)
    return torch.stack(told, 1)
