"""The base model as it is loaded to be taught: frozen, in 4 bits where the card is small, and thrifty with memory."""

import importlib.util
from pathlib import Path
from typing import Any

import msgspec
import torch
import transformers

from onebot_bot.engine.folder import ModelFolder, check_model_folder
from onebot_bot.engine.model import (
    LoadedModel,
    _add_memory_tokens,
    _assemble,
    _load_tokenizer,
    four_bit,
    load_plain,
    pick_device,
    pick_dtype,
)
from onebot_bot.errors import ModelError
from onebot_bot.sections.model import ModelConfig


def load_base(path: Path, config: ModelConfig, *, four_bit: bool = False, raw: int | None = None) -> LoadedModel:
    """Load a model without adapter for a `Learner`; on CUDA, layers are computed again instead of being kept.

    `four_bit`: its linear layers in NF4 (QLoRA, Dettmers et al. 2023), computed with in the configured type. `raw` is
    the width of raw keys where an embedding model makes them.

    Raises:
        ModelError: as `load_model`; or 4 bits are asked for and bitsandbytes or CUDA is not there.
    """
    config = msgspec.structs.replace(config, weights="full")  # what serves may be packed: a gradient needs it whole
    model = _load_four_bit(path, config, raw) if four_bit else load_plain(path, config, raw=raw)
    model.network.requires_grad_(requires_grad=False)
    if model.device.type == "cuda":
        recompute_layers(model.network)
    return model


def recompute_layers(network: Any) -> None:
    """Gradient checkpointing, in the form that needs no input with a gradient: half of the layers never have one."""
    network.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})


def lacking_for_four_bit(device: torch.device) -> str:
    """What a base in 4 bits lacks here, for people; empty: nothing."""
    if device.type != "cuda":
        return f"a CUDA card (model.device is {device.type})"
    if importlib.util.find_spec("bitsandbytes") is None:
        return "bitsandbytes (`pip install bitsandbytes`)"
    return ""


def _load_four_bit(path: Path, config: ModelConfig, raw: int | None) -> LoadedModel:
    folder, device = check_model_folder(path), pick_device(config.device)
    if lacking := lacking_for_four_bit(device):
        raise ModelError(f"{path}: training in 4 bits needs {lacking}; without, the weights are kept whole")
    dtype = pick_dtype(config.dtype, device)
    network, tokenizer = _quantised(folder, dtype, device), _load_tokenizer(folder)
    _add_memory_tokens(network, tokenizer)
    return _assemble(folder, network, tokenizer, config, None, raw)


def _quantised(folder: ModelFolder, dtype: torch.dtype, device: torch.device) -> Any:
    """The network with its linear layers in NF4, the token embeddings and `lm_head` as they are.

    peft's own preparation would put everything else into float32 as well, two GiB for the embeddings of a model of 4 B
    alone: autocast keeps float32 where it is needed.
    """
    try:
        network = getattr(transformers, folder.architecture).from_pretrained(
            folder.path,
            dtype=dtype,
            local_files_only=True,
            use_safetensors=True,
            attn_implementation="sdpa",
            quantization_config=four_bit(dtype),
            device_map={"": device},
        )
    except (OSError, ValueError, RuntimeError, KeyError, ImportError) as error:
        raise ModelError(f"{folder.path}: the weights could not be loaded in 4 bits: {error}") from error
    return network.eval()
