"""A loaded network made ready to serve on a CPU: fewer and larger products, over weights laid out for its kernels.

Attention and MLP of each layer are exchanged; the layers themselves, the cache and the masks stay transformers' own.
All supported families share these two forms: Llama, Qwen2 (with biases), Qwen3 and the text part of Qwen3-VL (queries
and keys normed by head).
"""

from typing import Any

import structlog
import torch
from torch import Tensor, nn
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from onebot_bot.engine.fit import Weights
from onebot_bot.engine.quantize import can_reorder, fits_kernels, fused

log = structlog.get_logger(__name__)


def gains(network: Any) -> bool:
    """Whether a network is faster laid out anew, though its weights stay whole: not what others have packed already."""
    body = getattr(network.model, "language_model", network.model)
    layer = body.layers[0].self_attn.q_proj
    return type(layer) is nn.Linear and can_reorder(layer.weight.dtype)


def lay_out(network: Any, weights: Weights) -> None:
    """Exchange the decoder's linear layers and `lm_head` in place; each is freed when its successor is there.

    The token embeddings stay as they are, also where `lm_head` was the same matrix: a row is read, not the whole. The
    eyes of a model that sees stay too: they work on hundreds of positions at once, where few bytes are no gain. Layers
    whose rows do not fit the kernels keep their weights, and the log says how many.
    """
    body = getattr(network.model, "language_model", network.model)
    if weights != "full":
        _tell_kept([*body.modules(), network.lm_head])
    for layer in body.layers:
        layer.self_attn = ServedAttention(layer.self_attn, weights)
        layer.mlp = ServedMlp(layer.mlp, weights)
        layer.input_layernorm = ServedNorm(layer.input_layernorm)
        layer.post_attention_layernorm = ServedNorm(layer.post_attention_layernorm)
    body.norm = ServedNorm(body.norm)
    network.lm_head = fused([network.lm_head], weights)


def _tell_kept(modules: list[Any]) -> None:
    linears = [module for module in modules if isinstance(module, nn.Linear)]
    rows = sorted({linear.in_features for linear in linears if not fits_kernels(linear.in_features)})
    if rows:
        kept = sum(linear.in_features in rows for linear in linears)
        log.warning("Some layers keep their weights: rows of this length cannot be quantised.", layers=kept, rows=rows)


class ServedNorm(nn.Module):
    """RMSNorm in one call instead of six."""

    def __init__(self, norm: Any) -> None:
        super().__init__()
        self.weight = norm.weight
        self.eps = norm.variance_epsilon

    def forward(self, x: Tensor) -> Tensor:
        """`[..., d]` to `[..., d]`."""
        return nn.functional.rms_norm(x, self.weight.shape, self.weight, self.eps)


class ServedAttention(nn.Module):
    """Self-attention with one product for queries, keys and values, and one rotation for queries and keys."""

    def __init__(self, attention: Any, weights: Weights) -> None:
        super().__init__()
        self.config = attention.config
        self.layer_idx = attention.layer_idx
        self.is_causal = True  # transformers' attention functions read this and the next
        self.num_key_value_groups = attention.num_key_value_groups
        self.scaling = attention.scaling
        self.sliding_window = getattr(attention, "sliding_window", None)
        self.width = attention.head_dim
        self.heads = attention.q_proj.out_features // self.width
        self.kv_heads = attention.k_proj.out_features // self.width
        self.qkv = fused([attention.q_proj, attention.k_proj, attention.v_proj], weights)
        self.out = fused([attention.o_proj], weights)
        self.norm = self._norm_of(attention)

    def _norm_of(self, attention: Any) -> nn.Parameter | None:
        """The weights of both norms, a row a head `[heads + kv_heads, width]`."""
        if not hasattr(attention, "q_norm"):
            return None
        self.eps = attention.q_norm.variance_epsilon
        rows = [attention.q_norm.weight.detach().expand(self.heads, -1)]
        rows.append(attention.k_norm.weight.detach().expand(self.kv_heads, -1))
        return nn.Parameter(torch.cat(rows), requires_grad=False)

    def forward(
        self,
        hidden_states: Tensor,
        position_embeddings: tuple[Tensor, Tensor],
        attention_mask: Tensor | None = None,
        past_key_values: Any = None,
        **rest: Any,
    ) -> tuple[Tensor, None]:
        """As transformers' own: `[B, T, d]` to `[B, T, d]` and no weights."""
        shape = hidden_states.shape[:-1]
        parts = self.qkv(hidden_states).view(*shape, -1, self.width)
        turned, value = torch.split(parts, [self.heads + self.kv_heads, self.kv_heads], dim=2)
        if self.norm is not None:
            turned = nn.functional.rms_norm(turned, (self.width,), eps=self.eps) * self.norm
        turned = rotate(turned, *position_embeddings).transpose(1, 2)
        query, key = torch.split(turned, [self.heads, self.kv_heads], dim=1)
        value = value.transpose(1, 2)
        if past_key_values is not None:
            key, value = past_key_values.update(key, value, self.layer_idx)
        attend: Any = ALL_ATTENTION_FUNCTIONS[self.config._attn_implementation]  # noqa: SLF001 - transformers' own models read it
        rest["sliding_window"] = self.sliding_window
        mixed, _ = attend(self, query, key, value, attention_mask, dropout=0.0, scaling=self.scaling, **rest)
        return self.out(mixed.reshape(*shape, -1)), None


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions (Su et al. 2021) of `x` `[B, T, heads, width]`; `cos` and `sin` are `[B, T, width]`."""
    low, high = x.chunk(2, dim=-1)
    crossed = torch.cat([-high, low], dim=-1).mul_(sin.unsqueeze(2))
    return torch.addcmul(crossed, x, cos.unsqueeze(2))


class ServedMlp(nn.Module):
    """The gated MLP with one product for gate and input."""

    def __init__(self, mlp: Any, weights: Weights) -> None:
        super().__init__()
        self.both = fused([mlp.gate_proj, mlp.up_proj], weights)
        self.down = fused([mlp.down_proj], weights)
        self.act = mlp.act_fn

    def forward(self, x: Tensor) -> Tensor:
        """`[..., d]` to `[..., d]`."""
        gate, up = self.both(x).chunk(2, dim=-1)
        out: Tensor = self.down(self.act(gate).mul_(up))
        return out
