"""From a model folder to weights on a device; every family takes the same path."""

import hashlib
import importlib.util
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import structlog
import torch
import transformers
from msgspec import Struct
from torch import Tensor, nn

from onebot_bot.engine.adapter import Heads, apply_adapter, untrained_heads
from onebot_bot.engine.fit import DoesNotFit, Weights, choices, free_ram, refusal
from onebot_bot.engine.folder import ModelFolder, check_model_folder, find_gguf, weight_sizes
from onebot_bot.engine.kv import is_out_of_memory
from onebot_bot.engine.recall import POOLED, ROWS
from onebot_bot.engine.render import Renderer
from onebot_bot.engine.request import MEMORY_TOKENS
from onebot_bot.engine.serving import gains, lay_out
from onebot_bot.errors import ModelError
from onebot_bot.sections.model import ModelConfig

log = structlog.get_logger(__name__)

METHODS: Mapping[str, tuple[str, ...]] = {
    "gptq": ("gptqmodel", "optimum"),
    "awq": ("gptqmodel",),
    "bitsandbytes": ("bitsandbytes",),
}
"""The ways of quantising a model folder that can be loaded, and the packages that each needs."""

PACKING: Mapping[Weights, str] = {"full": "full", "int8": "int8", "int4": "int4 beside"}
"""Names of how weights are kept, new wherever keys come out otherwise than before."""


class LoadedModel(Struct, frozen=True, kw_only=True):
    """A model ready to run, with what belongs to its memory.

    `context` is in tokens. `base` names the weights on the disk, below any adapter. `fingerprint` names what makes
    keys: `base`, unless the weights are quantised, which moves keys a little; keys made by another fingerprint are not
    comparable. `parameters` counts the numbers of the network before anything was packed.
    """

    network: Any
    renderer: Renderer
    device: torch.device
    dtype: torch.dtype
    context: int
    heads: Heads
    base: str
    fingerprint: str
    parameters: int
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
    """Load the folder onto the configured device, and an adapter that was trained for it, ready to serve.

    `raw` is the width of raw keys where an embedding model makes them; None: the model's own states do.

    Raises:
        DoesNotFit: the memory does not hold the weights; the text names what it would hold.
        ModelError: the folder is missing, half-downloaded or of an unknown kind, or the device is not there, or the
            adapter is damaged or another model's; the text names the fix.
    """
    try:
        return packed(load_plain(path, config, adapter, raw), config.weights)
    except (OSError, RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            raise _no_room(path, config) from error
        raise


def load_plain(path: Path, config: ModelConfig, adapter: Path | None = None, raw: int | None = None) -> LoadedModel:
    """The same before its weights are laid out for a CPU's kernels: as transformers and peft know it."""
    folder = check_model_folder(path)
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # it would be written across the log lines
    device = pick_device(config.device)
    dtype = pick_dtype(config.dtype, device)
    check_method(folder, device, config.weights)
    if device.type == "cpu":
        # One core is left to the event loop: with all of them its tail latency goes from 0.2 ms to milliseconds.
        torch.set_num_threads(config.threads or max(1, (os.cpu_count() or 2) - 1))
        _check_room(folder, dtype, config.weights)
    network = _load_network(folder, dtype, device, config.weights)
    tokenizer = _load_tokenizer(folder)
    _add_memory_tokens(network, tokenizer)
    return _assemble(folder, network, tokenizer, config, adapter, raw)


def packed(model: LoadedModel, weights: Weights) -> LoadedModel:
    """The same model with the weights of its layers kept in so many bits, in place, adapter included.

    On a CPU whole ones are laid out anew too, where that is faster. On CUDA they are in so many bits already, since
    bitsandbytes packs while it loads.
    """
    if model.device.type == "cpu" and (weights != "full" or gains(model.network)):
        lay_out(model.network, weights)
    if weights == "full":
        return model
    # Keys made below a quantised layer differ in their third digit from those made before: memories are made anew.
    made_by = hashlib.sha256(f"{PACKING[weights]} {model.base}".encode()).hexdigest()[:16]
    return msgspec.structs.replace(model, fingerprint=made_by)


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
        raise ModelError(
            f"model.device: {name!r} is no device; use auto, cpu, cuda or cuda:N", code="OB-1204"
        ) from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ModelError(
            f"model.device: {name} is not there ({torch.cuda.device_count()} CUDA devices); use auto", code="OB-1204"
        )
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


# --- what can be loaded --------------------------------------------------------------------------------------------


def check_method(folder: ModelFolder, device: torch.device, weights: Weights) -> None:
    """Refuse what cannot be loaded here, before anything is read.

    Raises:
        ModelError: the folder's weights are quantised in a way that is unknown, or that needs a package or a card that
            is not there, or that goes with no further quantising; or the device has no kernels for `weights`.
    """
    if folder.method:
        _check_quantised(folder, device, weights)
    elif weights == "int8" and device.type != "cpu":
        raise ModelError(f'model.weights: int8 is for CPUs; on {device} take "int4" or "full"')
    elif weights == "int4" and device.type != "cpu":
        _check_packages(folder, METHODS["bitsandbytes"], 'model.weights = "int4" on CUDA')


def _check_quantised(folder: ModelFolder, device: torch.device, weights: Weights) -> None:
    what = f"{folder.path}: its weights are quantised ({folder.method}), which"
    if folder.method not in METHODS:
        raise ModelError(f"{what} is not supported; supported: {', '.join(METHODS)}. Fetch the model unquantised.")
    if weights != "full":
        raise ModelError(f'{what} goes with nothing but weights = "full" in [model], or its profile, of config.toml.')
    if folder.method == "bitsandbytes" and device.type != "cuda":
        raise ModelError(f"{what} needs a CUDA card (model.device is {device}). Fetch the model unquantised.")
    _check_packages(folder, METHODS[folder.method], f"its weights are quantised ({folder.method}), which")


def _check_packages(folder: ModelFolder, needed: tuple[str, ...], what: str) -> None:
    if missing := [name for name in needed if importlib.util.find_spec(name) is None]:
        raise ModelError(f"{folder.path}: {what} needs {' and '.join(missing)}: pip install {' '.join(missing)}")


def _check_room(folder: ModelFolder, dtype: torch.dtype, weights: Weights) -> None:
    """On a CPU, before the weights are read: where memory runs out, the system ends the process without a word."""
    if folder.method:
        return  # what the kernels make of it is theirs
    sizes, free = weight_sizes(folder), free_ram()
    found = choices(sizes, dtype.itemsize, free, folder.context)
    if any(choice.chats < 0 for choice in found if choice.weights == weights):
        raise refusal(folder.path, found, weights, free, "cpu")


def _load_network(folder: ModelFolder, dtype: torch.dtype, device: torch.device, weights: Weights) -> Any:
    try:
        network = getattr(transformers, folder.architecture).from_pretrained(
            folder.path,
            dtype=dtype,
            local_files_only=True,
            use_safetensors=True,
            attn_implementation="sdpa",
            **_format(folder, dtype, device, weights),
        )
        if not getattr(network, "is_quantized", False):
            network = network.to(device)
    except (OSError, ValueError, RuntimeError, KeyError, ImportError) as error:
        if is_out_of_memory(error):
            raise
        raise ModelError(f"{folder.path}: the weights could not be loaded: {error}") from error
    return network.eval().requires_grad_(requires_grad=False)


def _format(folder: ModelFolder, dtype: torch.dtype, device: torch.device, weights: Weights) -> dict[str, Any]:
    """What else `from_pretrained` is told."""
    if folder.gguf:
        return {"gguf_file": folder.gguf, "quantization_config": transformers.GgufConfig(dequantize=True)}
    if weights == "int4" and device.type == "cuda":
        return {"quantization_config": four_bit(dtype), "device_map": {"": device}}
    return {"device_map": {"": device}} if folder.method else {}


def four_bit(dtype: torch.dtype) -> Any:
    """NF4 of bitsandbytes (QLoRA, Dettmers et al. 2023), computed with in `dtype`."""
    return transformers.BitsAndBytesConfig(  # type: ignore[no-untyped-call]  # transformers leaves it so
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )


def _no_room(path: Path, config: ModelConfig) -> DoesNotFit:
    folder, device = check_model_folder(path), pick_device(config.device)
    if device.type == "cuda":
        torch.cuda.empty_cache()
    free, element = free_bytes(device), pick_dtype(config.dtype, device).itemsize
    found = choices(weight_sizes(folder), element, free, folder.context, cuda=device.type == "cuda")
    return refusal(folder.path, found, config.weights, free, str(device))


def free_bytes(device: torch.device) -> int:
    """Bytes that a device has free."""
    return int(torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else free_ram()


def _load_tokenizer(folder: ModelFolder) -> Any:
    from_gguf = {"gguf_file": folder.gguf} if folder.gguf else {}
    try:
        return transformers.AutoTokenizer.from_pretrained(folder.path, local_files_only=True, **from_gguf)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{folder.path}: the tokenizer could not be loaded: {error}") from error


# --- putting it together -------------------------------------------------------------------------------------------


def _add_memory_tokens(network: Any, tokenizer: Any) -> None:
    """Append the three memory tokens; their rows start as the mean of all others, so they mean nothing yet."""
    known = len(tokenizer)
    added = tokenizer.add_special_tokens(
        {"additional_special_tokens": list(MEMORY_TOKENS)}, replace_extra_special_tokens=False
    )
    if not added:
        return  # a folder that was saved with them, rows included
    layers = [network.get_input_embeddings(), network.get_output_embeddings()]
    weights = {id(layer.weight): layer.weight for layer in layers}  # often they are one
    taught = {name: _taught(weight.detach(), known, len(tokenizer)) for name, weight in weights.items()}
    for layer in layers:
        layer.weight = taught[id(layer.weight)]
    rows = layers[0].weight.shape[0]
    layers[0].num_embeddings = layers[1].out_features = network.config.get_text_config().vocab_size = rows


def _taught(weight: Tensor, known: int, wanted: int) -> nn.Parameter:
    """Rows `[V, d]` with those from `known` to `wanted` set, and as many more as that takes."""
    mean = sum(rows.float().sum(0) for rows in torch.split(weight[:known], ROWS)) / known
    if (more := wanted - weight.shape[0]) > 0:
        weight = torch.cat([weight, weight.new_empty(more, weight.shape[1])])
    weight[known:wanted] = mean
    return nn.Parameter(weight, requires_grad=False)


def _assemble(  # noqa: PLR0913, PLR0917 - everything that a loaded model is made of
    folder: ModelFolder, network: Any, tokenizer: Any, config: ModelConfig, adapter: Path | None, raw: int | None
) -> LoadedModel:
    weight = network.get_input_embeddings().weight
    renderer = _renderer(folder, network, tokenizer)
    base, raw = fingerprint(folder.path), raw or len(POOLED) * weight.shape[1]
    parameters = sum(parameter.numel() for parameter in network.parameters())
    if adapter is None:
        heads = untrained_heads(network, raw)
    else:
        beside = config.weights == "int4" and weight.device.type == "cpu"
        network, heads = apply_adapter(network, adapter, renderer.memory_ids, raw, base, beside=beside)
    return LoadedModel(
        network=network,
        renderer=renderer,
        device=weight.device,
        dtype=weight.dtype,
        context=folder.window(config.max_context),
        heads=heads,
        base=base,
        fingerprint=base,
        parameters=parameters,
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
    gguf = find_gguf(path)
    if gguf is None:
        settings = json.loads((path / "config.json").read_bytes())
        settings.pop("transformers_version", None)  # who saved it last changes nothing
        digest.update(json.dumps(settings, sort_keys=True).encode())
    for file in [gguf] if gguf else sorted(path.glob("*.safetensors")):
        size = file.stat().st_size
        digest.update(f"{file.name} {size}\n".encode())
        with file.open("rb") as stream:
            digest.update(stream.read(65536))
            stream.seek(max(0, size - 65536))
            digest.update(stream.read())
    return digest.hexdigest()[:16]
