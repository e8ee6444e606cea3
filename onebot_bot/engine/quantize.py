"""Linear layers laid out for torch's own kernels for CPUs, whole or in 8 or 4 bits; to serve, never to train.

A token's time on a CPU is the time to read every weight once, so a quarter of the bytes is most of a quarter of the
time. The kernels read whole vectors of 32 weights; `_weight_int8pack_mm` reads beyond rows of other lengths.
In 4 bits 32 weights share a scale: the smallest group the kernel knows, and as fast as larger ones.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from onebot_bot.engine.fit import GROUP, Weights
from onebot_bot.engine.lora import LoraLinear

Layer = nn.Linear | LoraLinear
TILE = 64
"""Rows that the 4-bit kernel packs together; the last ones are filled up with zeros."""
MANY = 64
"""Positions from which on weights are unpacked for a plain product: its cost is shared by then (measured, 2560 x 9728:
at 512 positions the 8-bit kernel takes 174 ms, the 4-bit one 145 ms, bfloat16 54 ms)."""
ROWS = 8192
"""Rows quantised at once: bounds what quantising a large vocabulary takes besides."""
LEVELS = 15
HINT = 8
"""Positions at once that whole weights are laid out for. Measured, 9728 x 2560: 2.7 times as fast as plain weights at
one position, 1.9 times at 8, 1.5 times at 16 and never slower; laid out for one, a tenth slower at each."""


def fits_kernels(row: int) -> bool:
    """Whether weights with rows of this length can be quantised."""
    return row % GROUP == 0


def can_reorder(dtype: torch.dtype) -> bool:
    """Whether whole weights of this type are faster in a layout of their own: where the CPU computes in bfloat16."""
    known = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]  # torch's own
    return dtype == torch.bfloat16 and known and torch.cpu._is_avx512_bf16_supported()  # noqa: SLF001 - no public twin


def fused(layers: Sequence[Layer], weights: Weights) -> nn.Module:
    """One layer that gives the outputs of several over the same input, one behind the other: one product, not three.

    Its weights are quantised where the kernels take them, and otherwise whole. What stands beside them goes on doing
    so, in 8 bits.
    """
    linears = [layer.linear if isinstance(layer, LoraLinear) else layer for layer in layers]
    weight = torch.cat([linear.weight.detach() for linear in linears])
    bias = None if linears[0].bias is None else torch.cat([linear.bias.detach() for linear in linears])
    whole = _laid_out(weight, bias, weights)
    if not any(isinstance(layer, LoraLinear) for layer in layers):
        return whole
    down, up = _side_path(layers)
    return BesideLinear(whole, _laid_out(down, None, "int8"), _laid_out(up, None, "int8"))


def _laid_out(weight: Tensor, bias: Tensor | None, weights: Weights) -> nn.Module:
    if weights == "full" or not fits_kernels(weight.shape[1]):
        return WholeLinear(weight, bias) if can_reorder(weight.dtype) else _plain(weight, bias)
    return Int8Linear(weight, bias) if weights == "int8" else Int4Linear(weight, bias)


def _side_path(layers: Sequence[Layer]) -> tuple[Tensor, Tensor]:
    """One low rank for all of them: `[r, in]`, and `[sum of outputs, r]`, mostly zeros.

    r is the sum of theirs, filled up to whole groups.
    """
    down = torch.cat([layer.down.detach() for layer in layers if isinstance(layer, LoraLinear)])
    ups = [
        layer.up.detach() if isinstance(layer, LoraLinear) else down.new_zeros(layer.out_features, 0)
        for layer in layers
    ]
    more = -down.shape[0] % GROUP
    return nn.functional.pad(down, (0, 0, 0, more)), nn.functional.pad(torch.block_diag(*ups), (0, more))  # type: ignore[no-untyped-call]  # torch leaves it so


def _plain(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    layer.weight = nn.Parameter(weight, requires_grad=False)
    if bias is not None:
        layer.bias = nn.Parameter(bias, requires_grad=False)
    return layer


class BesideLinear(nn.Module):
    """A layer, and beside it a product of low rank over the same input, added."""

    def __init__(self, layer: nn.Module, down: nn.Module, up: nn.Module) -> None:
        super().__init__()
        self.layer, self.down, self.up = layer, down, up

    def forward(self, x: Tensor) -> Tensor:
        """`[..., in_features]` to `[..., out_features]`."""
        out: Tensor = self.layer(x) + self.up(self.down(x))
        return out

    def few(self, rows: Tensor) -> Tensor:
        """`[n, in_features]` to `[n, out_features]`, fast where n is small, and nothing learns."""
        return few(self.layer, rows).add_(few(self.up, few(self.down, rows)))


def few(layer: Any, rows: Tensor) -> Tensor:
    """A linear layer's outputs `[n, out]` of a few rows `[n, in]`, past what torch does around a module's call."""
    out: Tensor = getattr(layer, "few", layer.forward)(rows)
    return out


class _PackedLinear(nn.Module):
    """What both widths share: any leading dimensions, and the bias."""

    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape
        self.bias = None if bias is None else _constant(bias)

    def forward(self, x: Tensor) -> Tensor:
        """`[..., in_features]` to `[..., out_features]`, in the type of the weights before."""
        flat = x.reshape(-1, self.in_features)
        if flat.shape[0] < MANY:
            return self.few(flat).view(*x.shape[:-1], self.out_features)
        out = self._unpacked(flat)
        if self.bias is not None:
            out += self.bias
        return out.view(*x.shape[:-1], self.out_features)

    def few(self, rows: Tensor) -> Tensor:
        """`[n, in_features]` to `[n, out_features]`, fast where n is small."""
        out = self._packed(rows)
        return out if self.bias is None else out.add_(self.bias)

    def extra_repr(self) -> str:
        """For `print(network)`."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"

    def _packed(self, flat: Tensor) -> Tensor:
        raise NotImplementedError

    def _unpacked(self, flat: Tensor) -> Tensor:
        raise NotImplementedError


def _constant(value: Tensor) -> nn.Parameter:
    """A parameter, not a buffer: what counts a network's bytes looks at its parameters."""
    return nn.Parameter(value, requires_grad=False)


# --- whole ---------------------------------------------------------------------------------------------------------


class WholeLinear(nn.Module):
    """bfloat16 weights in the order in which oneDNN's kernels read them, which a plain product has to find anew."""

    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        """Lay out `weight` `[out, in]`, which is not kept."""
        super().__init__()
        self.out_features, self.in_features = weight.shape
        self.weight = _constant(torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), HINT))  # noqa: SLF001 - torch has no public name for it
        self.bias = None if bias is None else _constant(bias)

    def few(self, rows: Tensor) -> Tensor:
        """`[n, in_features]` to `[n, out_features]`, where nothing learns."""
        return _product(rows, self.weight, self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """`[..., in_features]` to `[..., out_features]`; what learns through it is its input."""
        product: Any = _WholeProduct.apply if x.requires_grad else _product
        out: Tensor = product(x, self.weight, self.bias)
        return out


class _WholeProduct(torch.autograd.Function):
    """Brings the weights back to rows for the way back: no copy of them all is held meanwhile."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.weight = weight
        return _product(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return gradients[0] @ ctx.weight.to_dense(), None, None


def _product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")  # type: ignore[no-any-return]  # noqa: SLF001 - torch has no public name for it


# --- 8 bits --------------------------------------------------------------------------------------------------------


class Int8Linear(_PackedLinear):
    """One scale a row: `w ~ scale * q`, q from -127 to 127."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        """Quantise `weight` `[out, in]`; `in` has to be a multiple of `GROUP`."""
        super().__init__(weight, bias)
        parts = [_to_int8(rows) for rows in torch.split(weight, ROWS)]
        self.weight = _constant(torch.cat([q for q, _ in parts]))
        self.scales = _constant(torch.cat([scale for _, scale in parts]))

    def _packed(self, flat: Tensor) -> Tensor:
        return torch._weight_int8pack_mm(flat.contiguous(), self.weight, self.scales)  # noqa: SLF001 - torch has no public name for it

    def _unpacked(self, flat: Tensor) -> Tensor:
        return nn.functional.linear(flat, self.weight.to(flat.dtype).mul_(self.scales.unsqueeze(1)))


def _to_int8(weight: Tensor) -> tuple[Tensor, Tensor]:
    """`[n, k]` to its int8 values and scales `[n]`; these are rounded to their type before the values are found."""
    rows = weight.float()
    scale = _not_zero((rows.abs().amax(1) / 127).to(weight.dtype))
    return torch.round(rows / scale.float().unsqueeze(1)).clamp_(-127, 127).to(torch.int8), scale


def _not_zero(scale: Tensor) -> Tensor:
    """A row of zeros has any scale."""
    return torch.where(scale == 0, torch.ones_like(scale), scale)


# --- 4 bits --------------------------------------------------------------------------------------------------------


class Int4Linear(_PackedLinear):
    """A scale and an offset for every `GROUP` weights of a row: `w ~ scale * (q - 8) + offset`, q from 0 to 15."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        """Quantise `weight` `[out, in]`; `in` has to be a multiple of `GROUP`."""
        super().__init__(weight, bias)
        parts = [_to_int4(rows) for rows in torch.split(_filled(weight), ROWS)]
        self.weight = _constant(torch.cat([_pack(q) for q, _ in parts]))
        self.scales = _constant(torch.cat([scales for _, scales in parts], dim=1))

    def _packed(self, flat: Tensor) -> Tensor:
        out = torch._weight_int4pack_mm_for_cpu(flat.contiguous(), self.weight, GROUP, self.scales)  # noqa: SLF001 - torch has no public name for it
        return out if out.shape[1] == self.out_features else out[:, : self.out_features].contiguous()

    def _unpacked(self, flat: Tensor) -> Tensor:
        block = packed_rows()
        if not block:
            return self._packed(flat)
        scale, offset = (part.unsqueeze(1) for part in self.scales.unbind(-1))
        steps = _unpack(self.weight, block).view(-1, GROUP, self.weight.shape[0]).to(flat.dtype).sub_(8)
        weight = torch.addcmul(offset, steps, scale, out=steps).view(self.in_features, -1)  # rounded once
        return (flat @ weight)[:, : self.out_features]


def _filled(weight: Tensor) -> Tensor:
    """With rows of zeros up to whole tiles."""
    return nn.functional.pad(weight, (0, 0, 0, -weight.shape[0] % TILE))


def _to_int4(weight: Tensor) -> tuple[Tensor, Tensor]:
    """`[n, k]` to its values 0..15 as int32 and `[k / GROUP, n, 2]` scales and offsets.

    Scale and offset begin as those that reach both ends of the group, and are then fitted to the values found by least
    squares, where this brings the weights nearer.
    """
    groups = weight.float().view(weight.shape[0], -1, GROUP)
    low, high = groups.amin(-1, keepdim=True), groups.amax(-1, keepdim=True)
    scale = _not_zero((high - low) / LEVELS)
    best, error = _rounded(groups, scale, low + 8 * scale, weight.dtype)
    fitted, new_error = _rounded(groups, *_refit(groups, best[0]), weight.dtype)
    better = new_error < error
    q, scale, offset = (torch.where(better, new, old) for new, old in zip(fitted, best, strict=True))
    scales = torch.cat([scale, offset], dim=-1).transpose(0, 1).contiguous()
    return q.flatten(1).to(torch.int32), scales.to(weight.dtype)


def _rounded(
    groups: Tensor, scale: Tensor, offset: Tensor, dtype: torch.dtype
) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
    """Values, scale and offset as they are stored, and the squared error of each group `[n, k / GROUP, 1]`."""
    scale, offset = _not_zero(scale.to(dtype)).float(), offset.to(dtype).float()
    q = torch.round((groups - offset) / scale).add_(8).clamp_(0, LEVELS)
    error = ((q - 8) * scale + offset - groups).square().sum(-1, keepdim=True)
    return (q, scale, offset), error


def _refit(groups: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
    """The scale and offset with the least squared error for given values."""
    middle, mean = q.mean(-1, keepdim=True), groups.mean(-1, keepdim=True)
    spread = (q - middle).square().sum(-1, keepdim=True)
    scale = ((q - middle) * (groups - mean)).sum(-1, keepdim=True) / spread.clamp_min(1e-6)
    return scale, mean - scale * (middle - 8)


def _pack(q: Tensor) -> Tensor:
    """Values `[n, k]` as the kernel of this CPU wants them, `[n, k / 2]` bytes."""
    return torch.ops.aten._convert_weight_to_int4pack_for_cpu(q, 1)  # type: ignore[no-any-return]  # noqa: SLF001 - torch has no public name for it


def _unpack(packed: Tensor, block: int) -> Tensor:
    """The inverse of `_pack`, transposed: `[k, n]` bytes, for a CPU that packs `block` rows together.

    A byte has a row of the block's first half in its low bits, and the one half a block further in its high bits.
    """
    tiles = packed.view(packed.shape[0] // block, -1, block // 2)
    both = torch.stack([tiles & 15, tiles >> 4], dim=2)  # [tiles, k, halves, rows of a half]
    return both.permute(1, 0, 2, 3).reshape(-1, packed.shape[0])


@cache
def packed_rows() -> int:
    """How many rows this CPU's kernel packs together, found out by packing; 0: it packs in a way unknown here."""
    row = torch.arange(TILE, dtype=torch.int32).unsqueeze(1).expand(TILE, GROUP)
    low, high = _pack((row % 16).contiguous()), _pack((row // 16).contiguous())
    for block in (64, 32, 16):
        if torch.equal(_unpack(low, block).int() + 16 * _unpack(high, block).int(), row.T):
            return block
    return 0
