"""Asking for a memory and reading it: what the decode loop and both training stages share.

The hidden state at `<recall>` is the query; a memory's vectors take the place of the embeddings at
`<|memory_pad|>` (design: memory.md).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from onebot_bot.engine.request import VECTORS

POOLED = (0.0, 0.25, 0.5)
"""Depths of the states that make a raw key: the words themselves, and what the lower half of the layers makes of them.

Adapters change only the layers above (`first_trained`), so keys are the same under every adapter of a model.
"""

ROWS = 1024
"""Token embeddings looked at together: a whole vocabulary in float32 is memory that has to be had first."""
FIRST_TRAINED = 0.5
"""Depth below which no layer is ever trained."""


def inject(embeddings: Tensor, rows: Tensor, positions: Tensor, vectors: Tensor) -> Tensor:
    """A copy of `embeddings` `[B, T, d]` with `vectors` `[n, d]` at (`rows[i]`, `positions[i]`), both `[n]`.

    Differentiable in `embeddings` and `vectors`; vectors are cast to the embeddings' type and device.
    """
    return embeddings.index_put((rows, positions), vectors.to(embeddings))


def pool(hidden: Tensor, mask: Tensor) -> Tensor:
    """Mean direction of hidden states `[B, T, d]` over the tokens of `mask` `[B, T]`: `[B, d]` float32, unit length.

    Each state counts with its direction alone: some tokens' states are a hundred times longer than the others' and
    would be all that is left of the mean.
    """
    weights = mask.unsqueeze(-1).float()
    directions = nn.functional.normalize(hidden.float(), dim=-1)
    return nn.functional.normalize((directions * weights).sum(1), dim=-1)


def raw_keys(states: Sequence[Tensor], mask: Tensor) -> Tensor:
    """Raw keys `[B, 3 d]` float32 from every layer's states, embeddings first, each `[B, T, d]`.

    The first token of each row is left out: what every causal model parks there says nothing about the text.
    """
    told = mask.clone()
    told[:, 0] = 0
    return torch.cat([pool(states[depth_of(states, at)], told) for at in POOLED], dim=-1)


def depth_of(states: Sequence[Tensor], depth: float) -> int:
    """Index of the state at `depth` (0: the embeddings; 1: after the last layer)."""
    return round(depth * (len(states) - 1))


def first_trained(layers: int) -> int:
    """The lowest of so many layers that an adapter may change: right above the deepest state of a raw key."""
    return round(FIRST_TRAINED * layers)


class QueryHead(nn.Module):
    """Linear map from the chat model's width to the keys' width, then unit length; identity until trained."""

    def __init__(self, hidden: int, key: int) -> None:
        super().__init__()
        self.linear = nn.Linear(hidden, key, bias=False)
        nn.init.eye_(self.linear.weight)

    def forward(self, hidden: Tensor) -> Tensor:
        """`[..., hidden]` of any float type to unit queries `[..., key]` float32."""
        return nn.functional.normalize(self.linear(hidden.to(self.linear.weight)).float(), dim=-1)


class KeyHead(nn.Module):
    """Raw keys to the compared ones: centred, evened out, mapped, of unit length.

    Until trained it shows the last `width` of the raw numbers: the deepest state, or the embedding model's own vector.
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, raw: int, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(raw, width, bias=False)
        self.register_buffer("centre", torch.zeros(raw))
        self.register_buffer("spread", torch.ones(raw))
        with torch.no_grad():
            self.linear.weight.zero_()
            self.linear.weight[:, -width:] = torch.eye(width)

    def forward(self, raw: Tensor) -> Tensor:
        """`[..., raw]` to unit keys `[..., width]` float32."""
        return nn.functional.normalize(self.linear((raw.float() - self.centre) / self.spread), dim=-1)

    def matrix(self) -> Tensor:
        """`[width, raw]`: what centred raw keys are multiplied with."""
        return self.linear.weight.detach() / self.spread


class Projector(nn.Module):
    """Value of a memory from its raw key: `scale * skip(key) + MLP(key)`, the MLP zero until trained.

    `scale` is the median norm of the token embeddings: a vector of another length than the model ever saw as input is
    the mismatch that injection methods otherwise have to train away.
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, raw: int, hidden: int, scale: float, vectors: int = VECTORS) -> None:
        super().__init__()
        self.hidden, self.vectors = hidden, vectors
        self.register_buffer("centre", torch.zeros(raw))
        self.register_buffer("spread", torch.ones(raw))
        shared = min(raw, hidden)
        self.skip = nn.Linear(raw, vectors * hidden, bias=False)
        self.hid = nn.Linear(raw, 2 * hidden)
        self.out = nn.Linear(2 * hidden, vectors * hidden)
        with torch.no_grad():
            # The first numbers of a raw key are the mean of the token embeddings: already of the input's kind.
            self.skip.weight.zero_()
            self.skip.weight.view(vectors, hidden, raw)[:, :shared, :shared] = scale * torch.eye(shared)
            self.out.weight.zero_()
            self.out.bias.zero_()

    def forward(self, raw: Tensor) -> Tensor:
        """Raw keys `[n, raw]` to values `[n, vectors, hidden]` float32."""
        even = (raw.float() - self.centre) / self.spread
        out: Tensor = self.skip(even) + self.out(nn.functional.gelu(self.hid(even)))
        return out.view(-1, self.vectors, self.hidden)


def embedding_scale(weight: Tensor) -> float:
    """Median L2 norm of the token embeddings `[V, d]`; rows that are all zero (padding) do not count."""
    norms = torch.cat([rows.float().norm(dim=-1) for rows in torch.split(weight.detach(), ROWS)])
    return float(norms[norms > 0].median())
