"""Asking for a memory and reading it: what the decode loop and both training stages share.

The hidden state at `<recall>` is the query; a memory's vectors take the place of the embeddings at
`<|memory_pad|>` (design: memory.md).
"""

from torch import Tensor, nn


def inject(embeddings: Tensor, rows: Tensor, positions: Tensor, vectors: Tensor) -> Tensor:
    """A copy of `embeddings` `[B, T, d]` with `vectors` `[n, d]` at (`rows[i]`, `positions[i]`), both `[n]`.

    Differentiable in `embeddings` and `vectors`; vectors are cast to the embeddings' type and device.
    """
    return embeddings.index_put((rows, positions), vectors.to(embeddings))


def pool(hidden: Tensor, mask: Tensor) -> Tensor:
    """Mean of the last hidden states `[B, T, d]` over real tokens (`mask` `[B, T]`): `[B, d]` float32."""
    weights = mask.unsqueeze(-1).float()
    return (hidden.float() * weights).sum(1) / weights.sum(1)


class QueryHead(nn.Module):
    """Linear map from the chat model's width to the keys' width, then unit length; identity until trained."""

    def __init__(self, hidden: int, key: int) -> None:
        super().__init__()
        self.linear = nn.Linear(hidden, key, bias=False)
        nn.init.eye_(self.linear.weight)

    def forward(self, hidden: Tensor) -> Tensor:
        """`[..., hidden]` of any float type to unit queries `[..., key]` float32."""
        return nn.functional.normalize(self.linear(hidden.to(self.linear.weight)).float(), dim=-1)


class Projector(nn.Module):
    """Value of a unit key: `scale * key + MLP(key)`, the MLP zero until trained.

    `scale` is the median norm of the token embeddings: a vector of another length than the model ever saw as input is
    the mismatch that injection methods otherwise have to train away.
    """

    def __init__(self, key: int, hidden: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.bridge = nn.Identity() if key == hidden else nn.Linear(key, hidden, bias=False)
        self.mlp = nn.Sequential(nn.Linear(key, hidden), nn.GELU(), nn.Linear(hidden, hidden))
        last = self.mlp[-1]
        if isinstance(last, nn.Linear):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(self, keys: Tensor) -> Tensor:
        """Unit keys `[n, key]` to values `[n, hidden]` float32."""
        out: Tensor = self.scale * self.bridge(keys) + self.mlp(keys)
        return out


def embedding_scale(weight: Tensor) -> float:
    """Median L2 norm of the token embeddings `[V, d]`; rows that are all zero (padding) do not count."""
    norms = weight.detach().float().norm(dim=-1)
    return float(norms[norms > 0].median())
