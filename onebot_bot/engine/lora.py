"""LoRA (Hu et al. 2021) added to the weights beside which it was trained, to the bit as peft merges it, or put there.

Without peft: its import and its layers around the model's own take two seconds of a start.
"""

from collections.abc import Mapping
from typing import Any

import torch
from msgspec import Struct
from torch import Tensor, nn

PREFIX, DOWN, UP = "base_model.model.", ".lora_A.weight", ".lora_B.weight"
"""How peft names the two factors of a layer."""
ELSEWHERE = frozenset(
    {
        *("peft_type", "r", "lora_alpha", "target_modules", "layers_to_transform", "layers_pattern", "exclude_modules"),
        *("base_model_name_or_path", "peft_version", "revision", "task_type", "inference_mode", "auto_mapping"),
        *("init_lora_weights", "lora_dropout", "megatron_core", "qalora_group_size", "ensure_weight_tying"),
    }
)
"""Keys of adapter_config.json that say nothing of how the factors are added, or that stand in `Plain`."""


class Plain(Struct, frozen=True):
    """An adapter that is nothing but products of two factors."""

    rank: int
    alpha: float
    pairs: Mapping[str, tuple[Tensor, Tensor]]
    """By the layer's name: `[r, in]` and `[out, r]`."""

    @property
    def scale(self) -> float:
        """What each product counts."""
        return self.alpha / self.rank


def read_plain(config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Plain | None:
    """The adapter of a folder's config and tensors; None: one of the kinds that only peft knows.

    Raises:
        KeyError: a tensor or a key is missing.
        TypeError, ValueError: its rank is none.
    """
    unset: tuple[object, ...] = (None, False, {}, "none")
    others = [name for name, value in config.items() if name not in ELSEWHERE and value not in unset]
    drawn = config.get("init_lora_weights", True) in (True, False, "gaussian")  # other ways change the base's weights
    if others or not drawn or config["peft_type"] != "LORA" or not all(name.endswith((DOWN, UP)) for name in tensors):
        return None
    if config["r"] < 1:
        raise ValueError(f"its rank r is {config['r']}, and has to be 1 or more")
    names = {name.removesuffix(UP).removesuffix(DOWN) for name in tensors}
    pairs = {name.removeprefix(PREFIX): (tensors[name + DOWN], tensors[name + UP]) for name in sorted(names)}
    return Plain(config["r"], config["lora_alpha"], pairs)


def fits(network: nn.Module, adapter: Plain) -> bool:
    """Whether all that it changes are plain linear layers, none that something has packed.

    Raises:
        AttributeError: the network has no such layer.
    """
    return all(type(network.get_submodule(name)) is nn.Linear for name in adapter.pairs)


def stands_beside(network: nn.Module, adapter: Plain) -> bool:
    """Whether all that it changes tell how wide they are, as linear layers do however they are packed.

    Raises:
        AttributeError: the network has no such layer.
    """
    layers = [network.get_submodule(name) for name in adapter.pairs]
    widths = [getattr(layer, side, None) for layer in layers for side in ("in_features", "out_features")]
    return all(isinstance(width, int) for width in widths)


@torch.no_grad()
def add(network: nn.Module, adapter: Plain) -> None:
    """Add each product to its layer's weights, in place; in float32, rounded once.

    Raises:
        RuntimeError: a factor has another layer's shape.
    """
    for name, (down, up) in adapter.pairs.items():
        weight = network.get_parameter(f"{name}.weight")
        weight.add_((up.to(weight.device).float() @ down.to(weight.device).float()) * adapter.scale)


class LoraLinear(nn.Module):
    """A linear layer and what an adapter adds to its outputs: `linear(x) + up @ down @ x`."""

    def __init__(self, linear: Any, down: Tensor, up: Tensor) -> None:
        """`down` is `[r, in]`, `up` `[out, r]`; raises RuntimeError where they are another layer's."""
        super().__init__()
        shape = linear.out_features, linear.in_features
        if (up.shape[0], *down.shape[::-1]) != (*shape, up.shape[1]):
            raise RuntimeError(f"a layer of {shape} has factors {(*up.shape, *down.shape)}")
        self.linear = linear
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.down = nn.Parameter(down, requires_grad=False)
        self.up = nn.Parameter(up, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """`[..., in]` to `[..., out]`."""
        out: Tensor = self.linear(x)
        return out + x @ self.down.T @ self.up.T


def put_beside(network: Any, adapter: Plain) -> None:
    """Exchange each layer for one with its two factors, in place; `stands_beside` was asked.

    The factors have the type of the token embeddings, which is what the network computes in however it is packed.

    Raises:
        RuntimeError: a factor has another layer's shape.
    """
    like: Tensor = network.get_input_embeddings().weight
    for name, (down, up) in adapter.pairs.items():
        factors = down.to(like), (up.float() * adapter.scale).to(like)
        network.set_submodule(name, LoraLinear(network.get_submodule(name), *factors))
