"""A card that is not there: tensors that say they lie on another device, while a CPU keeps and computes them.

Torch's own `meta` lends its name to it, for a CPU's torch knows no other besides its own. What a real card refuses is
refused here: an operation over tensors of both devices. What makes the host wait for a real card is counted: reading
from it, and shapes that depend on values. Not in inference mode, whose tensors cannot be subclasses.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

CARD = torch.device("meta")
CPU = torch.device("cpu")
READ = "aten._to_copy.default"
"""A tensor from the card to the host."""
VALUE = "aten._local_scalar_dense.default"
"""A number."""
CROSSING = ("aten._to_copy", "aten.copy_")
"""What takes tensors of both."""
INDEXED = ("aten.index.", "aten.index_put")
"""What takes indices of the host too."""
WAITING = (VALUE, "aten.nonzero", "aten.equal", "aten.unique", "aten.masked_select")


class OnCard(torch.Tensor):
    """A tensor that the card is said to hold."""

    kept: torch.Tensor

    @staticmethod
    def __new__(cls: type[Self], kept: torch.Tensor) -> Self:
        """Of the same shape and layout."""
        form: dict[str, Any] = {
            "strides": kept.stride(),
            "storage_offset": kept.storage_offset(),
            "dtype": kept.dtype,
        }
        made: Self = torch.Tensor._make_wrapper_subclass(cls, kept.size(), device=CARD, **form)
        made.kept = kept
        return made

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]  # torch calls it on the class
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Outside of `pretended` too."""
        return computed(func, args, kwargs or {}, Counter())


def computed(func: Any, args: Any, kwargs: Any, waits: "Counter[str]") -> Any:
    """The operation on a CPU; its results lie where a card would have put them."""
    name = str(func)
    if name.startswith("aten._fused_sdp_choice"):
        return 0  # by products and a softmax: a CPU has not the kernels of a card
    held = [isinstance(leaf, OnCard) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    on_card = _goes_to_card(name, args, kwargs, held)
    if any(held) and (name.startswith(WAITING) or (name.startswith(CROSSING) and not on_card)):
        waits[name] += 1
    if kwargs.get("device") is not None:
        kwargs = {**kwargs, "device": CPU}
    out = func(*_told(args), **_told(kwargs))
    if not on_card:
        return out
    if func._schema.is_mutable:
        return args[0]  # what was written, by all of the operations that the engine uses
    return tree_map(lambda leaf: OnCard(leaf) if isinstance(leaf, torch.Tensor) else leaf, out)


def _goes_to_card(name: str, args: Any, kwargs: Any, held: list[bool]) -> bool:
    """Whether the result lies there; refuses what a card refuses."""
    wanted = kwargs.get("device")
    if name.startswith(CROSSING):
        return wanted == CARD if wanted is not None else held[0]
    checked = (args[0], args[2:]) if name.startswith(INDEXED) else args
    leaves = [leaf for leaf in tree_leaves((checked, kwargs)) if isinstance(leaf, torch.Tensor)]
    strangers = [tuple(leaf.shape) for leaf in leaves if not isinstance(leaf, OnCard) and leaf.dim()]
    if any(held) and strangers:
        raise RuntimeError(f"{name}: tensors on the card and on the CPU: {strangers}")
    return any(held) or wanted == CARD


def _told(tree: Any) -> Any:
    """With what the CPU has in the place of what the card is said to have."""
    return tree_map(lambda leaf: leaf.kept if isinstance(leaf, OnCard) else leaf, tree)


class _Made(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it so
    """What is made on the card lies there."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it so
        self.waits: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return computed(func, args, kwargs or {}, self.waits)


class _Told(TorchFunctionMode):
    """Between lists and tensors torch goes its own ways, of which no dispatch hears."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.tensor and kwargs.get("device") == CARD:
            return torch.tensor(*_told(args), **{**kwargs, "device": CPU}).to(CARD)
        if func is torch.Tensor.tolist and isinstance(args[0], OnCard):
            return args[0].cpu().tolist()
        return func(*args, **kwargs)


@contextmanager
def pretended() -> Iterator["Counter[str]"]:
    """A card for as long; what the host waited for, by operation."""
    made = _Made()
    with made, _Told():
        yield made.waits


def to_card(module: nn.Module) -> None:
    """Move the weights of a network there, in place."""
    for part in module.modules():
        tables: tuple[dict[str, Any], ...] = (part._parameters, part._buffers)
        for own in tables:
            for name, tensor in own.items():
                if tensor is not None:
                    own[name] = OnCard(tensor.detach()).requires_grad_(tensor.requires_grad)
