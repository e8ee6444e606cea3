"""What training leaves behind, and how a model takes it up: LoRA, the memory tokens' rows and the heads.

A folder holds `adapter_model.safetensors` and `adapter_config.json` (peft's own format), `heads.safetensors` and
meta.json. Memory vectors made for one adapter are of use to no other, so every adapter has a name.

LoRA is added to whole weights and costs nothing then. Beside weights of 4 bits, and whatever else a folder or a card
has packed, it stays on a path of its own: it is mostly smaller than a step of their grid, so that rounding the sum
would undo it.
"""

import json
import warnings
from pathlib import Path
from typing import Any

import msgspec
import torch
from msgspec import Struct
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from onebot_bot.engine.kv import is_out_of_memory
from onebot_bot.engine.lora import add, fits, put_beside, read_plain, stands_beside
from onebot_bot.engine.recall import KeyHead, Projector, QueryHead, embedding_scale
from onebot_bot.errors import ModelError

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
HEADS = "heads.safetensors"
META = "meta.json"
UNUSABLE = "OB-1205"
"""The id of an adapter that cannot be used."""


class Meta(Struct, kw_only=True):
    """The part of meta.json that the engine needs; the rest is for people and the learning."""

    name: str
    base: str
    """Fingerprint of the model it was trained on."""
    floor: float
    """Least cosine of a memory that is recalled, as calibrated after training."""


class Heads(Struct, frozen=True, kw_only=True):
    """What stands between the model and its memories. `name` is empty until trained."""

    name: str
    query: QueryHead
    key: KeyHead
    projector: Projector
    floor: float | None

    def modules(self) -> dict[str, nn.Module]:
        """The parts by the prefix they have on the disk."""
        return {"query": self.query, "key": self.key, "projector": self.projector}


def untrained_heads(network: Any, raw: int) -> Heads:
    """Heads for raw keys of width `raw` that nobody has trained yet."""
    weight = network.get_input_embeddings().weight
    heads = _make_heads(raw, weight.shape[1], embedding_scale(weight))
    for module in heads.modules().values():
        module.to(weight.device).eval()
    return heads


def _make_heads(raw: int, hidden: int, scale: float) -> Heads:
    width = min(raw, hidden)
    return Heads(
        name="",
        query=QueryHead(hidden, width),
        key=KeyHead(raw, width),
        projector=Projector(raw, hidden, scale),
        floor=None,
    )


def _trained_heads(network: Any, raw: int, tensors: dict[str, Tensor]) -> Heads:
    """Those of `dump_heads`; nothing is drawn or worked out that they replace."""
    weight = network.get_input_embeddings().weight
    with torch.device("meta"):
        heads = _make_heads(raw, weight.shape[1], scale=1.0)
    load_heads(heads, tensors, assign=True)
    for module in heads.modules().values():
        module.to(weight.device).eval()
    return heads


def read_meta(folder: Path) -> Meta:
    """The adapter's meta.json; raises ModelError that names it."""
    try:
        return msgspec.json.decode((folder / META).read_bytes(), type=Meta)
    except (OSError, msgspec.DecodeError) as error:
        raise ModelError(f"{folder / META}: {error}; delete the folder, or /learn rollback", code=UNUSABLE) from error


def apply_adapter(  # noqa: PLR0913 - the adapter, and what it has to fit
    network: Any, folder: Path, memory_ids: tuple[int, ...], raw: int, base: str, *, beside: bool = False
) -> tuple[Any, Heads]:
    """Merge the adapter into the network, or put it `beside` its weights as `merged` says.

    Returns:
        The network, which is the same object, and the trained heads.

    Raises:
        ModelError: the folder is damaged, or was made for another model.
    """
    meta = read_meta(folder)
    if meta.base != base:
        raise ModelError(
            f"{folder}: this adapter was trained on another model ({meta.base}, not {base})", code=UNUSABLE
        )
    try:
        tensors = read_tensors(folder / HEADS)
        heads = _trained_heads(network, raw, tensors)
        network = merged(network, folder, beside=beside)
        put_rows(network, memory_ids, tensors["rows.input"], tensors["rows.output"])
    except ModelError:
        raise
    except (OSError, KeyError, ValueError, RuntimeError, TypeError, AttributeError) as error:
        if is_out_of_memory(error):
            raise  # that says nothing of the adapter
        # peft and torch raise any of these over files that are not what they seem.
        raise ModelError(
            f"{folder}: the adapter cannot be used: {error}; /learn rollback takes another", code=UNUSABLE
        ) from error
    return network, msgspec.structs.replace(heads, name=meta.name, floor=meta.floor)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file; raises ModelError that names it."""
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f"{path}: cannot be read: {error}; /learn rollback takes another adapter", code=UNUSABLE
        ) from error


def merged(network: Any, folder: Path, *, beside: bool = False) -> Any:
    """The network with the LoRA weights of `folder` added to its own, which costs nothing per token.

    Plain ones stay `beside` the network's own instead where that is asked for, each with its layer, and where its own
    are packed already: rounded to a packed grid, they would be lost.

    Raises:
        ModelError: a file is missing or damaged. peft would look for it on the network.
        KeyError, ValueError, RuntimeError, TypeError, AttributeError: it is none that this network could have.
    """
    if not (folder / CONFIG).is_file():
        raise ModelError(f"{folder}: {CONFIG} is missing; /learn rollback takes another adapter", code=UNUSABLE)
    tensors = read_tensors(folder / WEIGHTS)
    plain = read_plain(json.loads((folder / CONFIG).read_bytes()), tensors)
    if plain is None or not stands_beside(network, plain):
        return _merged_by_peft(network, folder)
    (add if fits(network, plain) and not beside else put_beside)(network, plain)
    return network.eval()


def _merged_by_peft(network: Any, folder: Path) -> Any:
    """What `add` does, for adapters of every kind."""
    from peft import PeftModel  # noqa: PLC0415 - takes a second that the adapters of the nights do not need

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft's notes on tied weights
        out: Any = PeftModel.from_pretrained(network, str(folder)).merge_and_unload()
    return out.eval()


def load_heads(heads: Heads, tensors: dict[str, Tensor], *, assign: bool = False) -> None:
    """Fill the heads; raises RuntimeError when a tensor is missing or of another shape.

    `assign`: the tensors take the places of the heads' own, which may have no memory.
    """
    for prefix, module in heads.modules().items():
        state = {k.removeprefix(f"{prefix}."): v for k, v in tensors.items() if k.startswith(f"{prefix}.")}
        module.load_state_dict({name: value.float() for name, value in state.items()}, assign=assign)


def dump_heads(heads: Heads, rows_in: Tensor, rows_out: Tensor) -> dict[str, Tensor]:
    """What `load_heads` and `put_rows` read, in float16: half the file, and finer than a cosine shows."""
    tensors = {"rows.input": rows_in, "rows.output": rows_out}
    for prefix, module in heads.modules().items():
        tensors.update({f"{prefix}.{name}": value for name, value in module.state_dict().items()})
    return {name: value.detach().to("cpu", torch.float16).contiguous() for name, value in tensors.items()}


@torch.no_grad()
def put_rows(network: Any, memory_ids: tuple[int, ...], rows_in: Tensor, rows_out: Tensor) -> None:
    """Set the embeddings of the three memory tokens `[3, d]`; where the two matrices are one, the input's stay."""
    for layer, rows in ((network.get_output_embeddings(), rows_out), (network.get_input_embeddings(), rows_in)):
        layer.weight[list(memory_ids)] = rows.to(layer.weight)
