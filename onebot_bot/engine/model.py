"""From a model folder to weights on a device; every family takes the same path."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import structlog
import torch
import transformers
from msgspec import Struct
from torch import Tensor, nn

from onebot_bot.config import ModelConfig
from onebot_bot.engine.adapter import Heads, apply_adapter, untrained_heads
from onebot_bot.engine.folder import ModelFolder, check_model_folder
from onebot_bot.engine.recall import POOLED
from onebot_bot.engine.render import Renderer
from onebot_bot.engine.request import MEMORY_TOKENS
from onebot_bot.errors import ModelError

log = structlog.get_logger(__name__)

DEFAULT_CONTEXT = 8192
"""Tokens of prompt plus answer when the config names none: bounds the KV cache of models with huge windows."""


class LoadedModel(Struct, frozen=True, kw_only=True):
    """A model ready to run, with what belongs to its memory.

    `context` is in tokens. `fingerprint` names the weights below any adapter: keys made by another fingerprint are not
    comparable.
    """

    network: Any
    renderer: Renderer
    device: torch.device
    dtype: torch.dtype
    context: int
    heads: Heads
    fingerprint: str
    multimodal_rope: bool

    @property
    def trained_recall(self) -> bool:
        """Whether the weights were trained to ask for memories and to read them."""
        return bool(self.heads.name)

    @property
    def embeddings(self) -> nn.Embedding:
        """The token embeddings `[V, d]`."""
        layer = self.network.get_input_embeddings()
        assert isinstance(layer, nn.Embedding)  # noqa: S101 - every supported family has a plain embedding
        return layer

    def embed_ids(self, ids: list[int]) -> Tensor:
        """Token embeddings `[1, T, d]`."""
        out: Tensor = self.embeddings(torch.tensor([ids], device=self.device))
        return out

    def logits(self, hidden: Tensor) -> Tensor:
        """Next-token logits `[V]` from a last hidden state `[d]`."""
        out: Tensor = self.network.lm_head(hidden)
        return out


def load_model(path: Path, config: ModelConfig, adapter: Path | None = None, raw: int | None = None) -> LoadedModel:
    """Load the folder onto the configured device, and an adapter that was trained for it.

    `raw` is the width of raw keys where an embedding model makes them; None: the model's own states do.

    Raises:
        ModelError: the folder is missing, half-downloaded or of an unknown kind, or the device is not there, or the
            adapter is damaged or another model's; the text names the fix.
    """
    folder = check_model_folder(path)
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # it would be written across the log lines
    device = pick_device(config.device)
    dtype = pick_dtype(config.dtype, device)
    if device.type == "cpu":
        # One core is left to the event loop: with all of them its tail latency goes from 0.2 ms to milliseconds.
        torch.set_num_threads(config.threads or max(1, (os.cpu_count() or 2) - 1))
    network = _load_network(folder, dtype, device)
    tokenizer = _load_tokenizer(folder)
    _add_memory_tokens(network, tokenizer)
    return _assemble(folder, network, tokenizer, config, adapter, raw)


def pick_device(name: str) -> torch.device:
    """The torch device for `auto`, `cpu`, `cuda` or `cuda:N`.

    Raises:
        ModelError: the device is unknown or not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ModelError(f"model.device: {name!r} is no device; use auto, cpu, cuda or cuda:N") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ModelError(f"model.device: {name} is not there ({torch.cuda.device_count()} CUDA devices); use auto")
    return device


def pick_dtype(name: str, device: torch.device) -> torch.dtype:
    """`auto`: bfloat16 where the device computes in it, else float16 on CUDA and float32 on a CPU."""
    if name != "auto":
        dtype = getattr(torch, name)
        assert isinstance(dtype, torch.dtype)  # noqa: S101 - the config admits only these names
        return dtype
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return torch.bfloat16 if torch.cpu._is_avx512_bf16_supported() else torch.float32  # noqa: SLF001 - no public twin


def _load_network(folder: ModelFolder, dtype: torch.dtype, device: torch.device) -> Any:
    try:
        network = getattr(transformers, folder.architecture).from_pretrained(
            folder.path, dtype=dtype, local_files_only=True, attn_implementation="sdpa"
        )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise ModelError(f"{folder.path}: the weights could not be loaded: {error}") from error
    return network.to(device).eval().requires_grad_(requires_grad=False)


def _load_tokenizer(folder: ModelFolder) -> Any:
    try:
        return transformers.AutoTokenizer.from_pretrained(folder.path, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{folder.path}: the tokenizer could not be loaded: {error}") from error


def _add_memory_tokens(network: Any, tokenizer: Any) -> None:
    """Append the three memory tokens; their rows start as the mean of all others, so they mean nothing yet."""
    known = len(tokenizer)
    added = tokenizer.add_special_tokens(
        {"additional_special_tokens": list(MEMORY_TOKENS)}, replace_extra_special_tokens=False
    )
    if not added:
        return  # a folder that was saved with them, rows included
    if len(tokenizer) > network.get_input_embeddings().weight.shape[0]:
        network.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    for layer in (network.get_input_embeddings(), network.get_output_embeddings()):
        with torch.no_grad():
            layer.weight[known : len(tokenizer)] = layer.weight[:known].float().mean(0).to(layer.weight)


def _assemble(  # noqa: PLR0913, PLR0917 - everything that a loaded model is made of
    folder: ModelFolder, network: Any, tokenizer: Any, config: ModelConfig, adapter: Path | None, raw: int | None
) -> LoadedModel:
    weight = network.get_input_embeddings().weight
    renderer = _renderer(folder, network, tokenizer)
    base, raw = fingerprint(folder.path), raw or len(POOLED) * weight.shape[1]
    heads = untrained_heads(network, raw)
    if adapter is not None:
        network, heads = apply_adapter(network, adapter, renderer.memory_ids, raw, base)
    return LoadedModel(
        network=network,
        renderer=renderer,
        device=weight.device,
        dtype=weight.dtype,
        context=min(folder.context, config.max_context or DEFAULT_CONTEXT),
        heads=heads,
        fingerprint=base,
        multimodal_rope=folder.sees,
    )


def text_body(network: Any) -> Any:
    """The decoder of a network, without the eyes of a model that sees: takes `inputs_embeds`, gives hidden states."""
    return getattr(network.model, "language_model", network.model)


def _renderer(folder: ModelFolder, network: Any, tokenizer: Any) -> Renderer:
    if not folder.sees:
        return Renderer(tokenizer)
    # The PIL processor: one result on every device, and no torchvision.
    images = transformers.Qwen2VLImageProcessorPil.from_pretrained(folder.path, local_files_only=True)
    return Renderer(tokenizer, images, network.config.image_token_id)


def fingerprint(path: Path) -> str:
    """A name for the weights in a folder, found without reading them whole.

    Each weight file counts with its name, size, and first and last 64 KiB.
    """
    digest = hashlib.sha256(b"pooled-states-2\n")
    settings = json.loads((path / "config.json").read_bytes())
    settings.pop("transformers_version", None)  # who saved it last changes nothing
    digest.update(json.dumps(settings, sort_keys=True).encode())
    for file in sorted(path.glob("*.safetensors")):
        size = file.stat().st_size
        digest.update(f"{file.name} {size}\n".encode())
        with file.open("rb") as stream:
            digest.update(stream.read(65536))
            stream.seek(max(0, size - 65536))
            digest.update(stream.read())
    return digest.hexdigest()[:16]
