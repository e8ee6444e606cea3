"""A loaded network made ready to serve on a CPU: fewer and larger products, over weights laid out for its kernels.

Attention and MLP of each layer are exchanged; the layers themselves, the cache and the masks stay transformers' own.
All supported families share these two forms: Llama, Qwen2 (with biases), Qwen3 and the text part of Qwen3-VL (queries
and keys normed by head).
"""

from collections.abc import Sequence
from typing import Any

import structlog
import torch
from torch import Tensor, nn
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from onebot_bot.engine.fit import Weights, head_weights
from onebot_bot.engine.kv import SlotLayer
from onebot_bot.engine.quantize import can_reorder, few, fits_kernels, fused

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
        parts = [part for layer in body.layers for part in (layer.self_attn, layer.mlp)]
        children = [each for part in parts for each in part.named_children()]
        _tell_kept([layer for name, layer in children if name.endswith("_proj")] + [network.lm_head])
    for layer in body.layers:
        layer.self_attn = ServedAttention(layer.self_attn, weights)
        layer.mlp = ServedMlp(layer.mlp, weights)
        layer.input_layernorm = ServedNorm(layer.input_layernorm)
        layer.post_attention_layernorm = ServedNorm(layer.post_attention_layernorm)
    body.norm = ServedNorm(body.norm)
    network.lm_head = fused([network.lm_head], head_weights(weights))


def _tell_kept(linears: list[Any]) -> None:
    rows = sorted({linear.in_features for linear in linears if not fits_kernels(linear.in_features)})
    if rows:
        kept = sum(linear.in_features in rows for linear in linears)
        log.warning("Some layers keep their weights: rows of this length cannot be quantised.", layers=kept, rows=rows)


class ServedNorm(nn.Module):
    """RMSNorm (Zhang and Sennrich 2019) in three calls instead of eight.

    torch has one kernel for LayerNorm on CPUs, and none for this. The mean of a row and its negative, one behind the
    other, is 0 and their variance the row's mean square, so that LayerNorm of both is RMSNorm of each.
    """

    def __init__(self, norm: Any) -> None:
        super().__init__()
        self.weight = nn.Parameter(norm.weight.detach().repeat(2), requires_grad=False)
        self.eps = norm.variance_epsilon
        self.width = norm.weight.shape[0]

    def forward(self, x: Tensor) -> Tensor:
        """`[..., d]` to `[..., d]`."""
        both = torch.cat((x, -x), -1)
        return torch.layer_norm(both, self.weight.shape, self.weight, None, self.eps).narrow(-1, 0, self.width)


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
        cos, sin = position_embeddings
        turned = rotate(turned, cos.unsqueeze(2), signed(sin).unsqueeze(2)).transpose(1, 2)
        query, key = torch.split(turned, [self.heads, self.kv_heads], dim=1)
        value = value.transpose(1, 2)
        if past_key_values is not None:
            key, value = past_key_values.update(key, value, self.layer_idx)
        attend: Any = ALL_ATTENTION_FUNCTIONS[self.config._attn_implementation]  # noqa: SLF001 - transformers' own models read it
        rest["sliding_window"] = self.sliding_window
        mixed, _ = attend(self, query, key, value, attention_mask, dropout=0.0, scaling=self.scaling, **rest)
        return self.out(mixed.reshape(*shape, -1)), None

    def step(self, x: Tensor, turn: tuple[Tensor, Tensor], mask: Tensor, kept: SlotLayer) -> Tensor:
        """One position of each row of the cache, `[n, d]` to `[n, d]`; `turn` is `[n, 1, width]`, cosine and sine."""
        count, both = x.shape[0], self.heads + self.kv_heads
        parts = few(self.qkv, x).view(count, -1, self.width)
        turned = parts.narrow(1, 0, both)
        if self.norm is not None:
            turned = nn.functional.rms_norm(turned, (self.width,), eps=self.eps) * self.norm
        turned = rotate(turned, *turn)
        query = turned.narrow(1, 0, self.heads).view(count, self.kv_heads, -1, self.width)
        key, value = kept.put(turned.narrow(1, self.heads, self.kv_heads), parts.narrow(1, both, self.kv_heads))
        # Queries that share a head of keys as so many positions of one head: torch reads the keys once for them.
        mixed = nn.functional.scaled_dot_product_attention(query, key, value, mask, scale=self.scaling)
        return few(self.out, mixed.reshape(count, -1))


def signed(sin: Tensor) -> Tensor:
    """Sines `[..., width]` for `rotate`: those that the upper half is multiplied with are negative."""
    low, high = sin.chunk(2, dim=-1)
    return torch.cat((-low, high), -1)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions (Su et al. 2021) of `x` `[..., heads, width]`; `cos`, and `sin` by `signed`, are broadcast."""
    return torch.addcmul(torch.roll(x, x.shape[-1] // 2, -1).mul_(sin), x, cos)


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

    def step(self, x: Tensor) -> Tensor:
        """`[n, d]` to `[n, d]`, n small."""
        gate, up = few(self.both, x).chunk(2, -1)
        return few(self.down, self.act(gate).mul_(up))


class Steps:
    """A network's decoder for one position of each of several chats, where it was laid out by `lay_out`.

    The same computation as the layers' own, without what transformers does around it for prompts, training and hooks:
    that takes as long as half of the products of a small model.
    """

    def __init__(self, body: Any) -> None:
        self._turn = body.rotary_emb
        self._norm = body.norm
        self._layers = [
            (layer.input_layernorm, layer.self_attn, layer.post_attention_layernorm, layer.mlp) for layer in body.layers
        ]
        kinds = getattr(body.config, "layer_types", None)
        self._kinds = list(kinds) if kinds else ["full_attention"] * len(self._layers)

    def run(self, x: Tensor, positions: Tensor, mask: Tensor | dict[str, Tensor], kept: Sequence[SlotLayer]) -> Tensor:
        """Hidden states `[n, d]` of inputs `[n, d]`.

        Args:
            x: inputs.
            positions: what the model turns by, `[n, 1]`, or `[3, n, 1]` of a model with eyes.
            mask: added to the scores `[n, 1, 1, length]`; where some layers see less, one for each kind of them.
            kept: the cache's layers, told what to look at.
        """
        cos, sin = self._turn(x, positions)
        turn = cos, signed(sin)
        masks = mask if isinstance(mask, dict) else dict.fromkeys(self._kinds, mask)
        for (first, attention, second, mlp), kind, layer in zip(self._layers, self._kinds, kept, strict=True):
            x = attention.step(first.forward(x), turn, masks[kind], layer).add_(x)
            x = mlp.step(second.forward(x)).add_(x)
        out: Tensor = self._norm.forward(x)
        return out


def steps_of(body: Any) -> Steps | None:
    """None: the decoder is as transformers has it."""
    return Steps(body) if isinstance(body.layers[0].self_attn, ServedAttention) else None
