"""What a model folder holds, found out from its JSON files alone: in milliseconds and without torch.

A folder is in the Hugging Face layout: config.json, weights in safetensors, a tokenizer and a chat template. Or it
holds one GGUF file, which has all of these inside.
"""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from onebot_bot.engine.gguf_header import GgufHeader, read_gguf
from onebot_bot.errors import ModelError

INCOMPLETE = ".incomplete"
"""Marker in a folder whose download is not verified to its end; its text is the name that was fetched."""

ARCHITECTURES: Mapping[str, bool] = {
    "LlamaForCausalLM": False,
    "Qwen2ForCausalLM": False,
    "Qwen3ForCausalLM": False,
    "Qwen3VLForConditionalGeneration": True,
}
"""The architectures the engine runs, and whether each takes pictures."""

GGUF_ARCHITECTURES: Mapping[str, str] = {
    "llama": "LlamaForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
}
"""The same by the names that GGUF files have for them."""

MAX_HEADER = 100_000_000
"""Longest safetensors header, bytes: the format's own limit."""

ELEMENTS: Mapping[str, int] = {"F32": 4, "F16": 2, "BF16": 2}
"""Bytes of a number, by safetensors' names of the types that weights have before anybody quantises them."""

DEFAULT_CONTEXT = 8192
"""Tokens of prompt plus answer when the config names none: bounds the KV cache of models with huge windows."""

DAMAGED = "OB-1203"
"""The id of a folder with files that are missing or damaged."""

_CONFIG = "config.json"
_PICKLED = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl"})
_CODE = (
    "Weights in .bin, .pt and the like are pickles, which run code of whoever made them; only safetensors and GGUF "
    "are read. Take the same model in safetensors."
)
_WEIGHTS = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")
_TEMPLATES = ("chat_template.jinja", "chat_template.json")
_IMAGE_PROCESSORS = ("preprocessor_config.json", "processor_config.json")


class ModelFolder(Struct, frozen=True, kw_only=True):
    """A folder that has everything the engine needs.

    Attributes:
        path: the folder.
        architecture: the class of transformers that runs it, a key of `ARCHITECTURES`.
        model_type: transformers' name of the family, such as `llama` or `qwen3_vl`.
        sees: whether the model takes pictures.
        context: longest prompt plus answer the model was made for, tokens.
        method: how the weights on the disk are quantised, such as `gptq`; empty: they are whole, or a GGUF file's.
        gguf: name of the GGUF file with everything; empty: the weights are safetensors.
    """

    path: Path
    architecture: str
    model_type: str
    sees: bool
    context: int
    method: str = ""
    gguf: str = ""

    def window(self, most: int) -> int:
        """Tokens of prompt plus answer that are used of it; `most` is `model.max_context`, 0: `DEFAULT_CONTEXT`."""
        return min(self.context, most or DEFAULT_CONTEXT)


class WeightSizes(Struct, frozen=True):
    """What is known of the weights before they are read.

    Attributes:
        config: what config.json says of the layers, or a GGUF file in config.json's words.
        shapes: of each tensor `[out, in]`, by its name in the file.
        element: bytes of a number on the disk; 0: packed in some way.
    """

    config: Mapping[str, Any]
    shapes: Mapping[str, tuple[int, ...]]
    element: int


class _Tensor(Struct, frozen=True):
    """What is of interest in a safetensors header: where a tensor lies behind it; its `__metadata__` lies nowhere."""

    dtype: str = ""
    shape: tuple[int, ...] = ()
    data_offsets: tuple[int, int] = (0, 0)


def check_model_folder(path: Path) -> ModelFolder:
    """Check that `path` is a whole model of a known architecture.

    Raises:
        ModelError: anything is missing, cut short or unknown; the text names the command that mends it.
    """
    _check_complete(path)
    if gguf := find_gguf(path):
        return _check_gguf(gguf)
    config = _read_object(path / _CONFIG, _refetch(path))
    architecture = _architecture(path, config)
    sees = ARCHITECTURES[architecture]
    _check_weights(path)
    _check_tokenizer(path)
    if sees and not _any_file(path, _IMAGE_PROCESSORS):
        raise ModelError(
            f"{path}: no {_IMAGE_PROCESSORS[0]}, which a model with eyes needs. {_refetch(path)}", code=DAMAGED
        )
    return ModelFolder(
        path=path,
        architecture=architecture,
        model_type=str(config.get("model_type", "")),
        sees=sees,
        context=_context(path, config),
        method=_method(config),
    )


def _method(config: Mapping[str, Any]) -> str:
    found = config.get("quantization_config")
    return str(found.get("quant_method") or "unknown") if isinstance(found, dict) else ""


def weight_sizes(folder: ModelFolder) -> WeightSizes:
    """The shapes of a checked folder's weights, from the files' headers alone."""
    if folder.gguf:
        header = read_gguf(folder.path / folder.gguf)
        return WeightSizes(_gguf_config(header), header.shapes, 0)
    tensors: dict[str, _Tensor] = {}
    for name in _shards(folder.path):
        tensors |= _read_header(folder.path / name)[0]
    shapes = {name: tensor.shape for name, tensor in tensors.items() if tensor.dtype}
    kinds = {tensor.dtype for name, tensor in tensors.items() if tensor.dtype}
    config = _read_object(folder.path / _CONFIG, _refetch(folder.path))
    return WeightSizes(config, shapes, ELEMENTS.get(kinds.pop(), 0) if len(kinds) == 1 else 0)


def _refetch(path: Path) -> str:
    """The sentence with the command that fetches this folder (again)."""
    return f"Fetch it again with `onebot-bot fetch {_fetched_name(path)}`; what is right already is kept."


def _fetched_name(path: Path) -> str:
    """The name that was fetched into `path`: the marker tells; else `fetch NAME` wrote to models/NAME."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return (path / INCOMPLETE).read_text(encoding="utf-8").strip() or path.name
    return path.name


def _check_complete(path: Path) -> None:
    if not path.is_dir():
        raise ModelError(
            f"{path}: no such model folder. Fetch one with `onebot-bot fetch {path.name or 'trial'}` "
            "(`onebot-bot fetch --help` lists the names), or set `path` in [model] of config.toml.",
            code="OB-1202",
        )
    if (path / INCOMPLETE).exists():
        command = f"onebot-bot fetch {_fetched_name(path)}"
        raise ModelError(
            f"{path}: the download was not finished. Run `{command}` again: it goes on where it stopped.", code=DAMAGED
        )


def _read_object(path: Path, mend: str) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(
            f"{path.parent}: no {path.name}, so this is not a model folder. {mend}", code=DAMAGED
        ) from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read: {error}. {mend}", code=DAMAGED) from error
    if not isinstance(value, dict):
        raise ModelError(f"{path}: not a JSON object. {mend}", code=DAMAGED)
    return value


def _architecture(path: Path, config: Mapping[str, Any]) -> str:
    named = config.get("architectures")
    names = [str(name) for name in named] if isinstance(named, list) else []
    for name in names:
        if name in ARCHITECTURES:
            return name
    raise ModelError(
        f"{path}: architecture {', '.join(names) or 'not named in config.json'} is not supported; "
        f"supported: {', '.join(ARCHITECTURES)}. Fetch such a model, for example with "
        "`onebot-bot fetch qwen3-vl-4b`, and set `path` in [model] of config.toml."
    )


def _context(path: Path, config: Mapping[str, Any]) -> int:
    """Tokens; a model that sees keeps the figure in its `text_config`."""
    text = config.get("text_config")
    for owner in (text if isinstance(text, dict) else {}, config):
        value = owner.get("max_position_embeddings")
        if isinstance(value, int) and value > 0:
            return value
    raise ModelError(f"{path / _CONFIG}: max_position_embeddings is missing. {_refetch(path)}", code=DAMAGED)


# --- weights ---------------------------------------------------------------------------------------------


def _check_weights(path: Path) -> None:
    for name in _shards(path):
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise ModelError(f"{path / _INDEX}: {name!r} is no safetensors file of this folder. {_CODE}", code=DAMAGED)
    missing = [name for name in _shards(path) if not (path / name).is_file()]
    if missing and (pickled := find_pickles(path)):
        raise ModelError(f"{path}: {', '.join(pickled)}: such weights are not read. {_CODE}", code=DAMAGED)
    if missing:
        raise ModelError(f"{path}: weights are missing: {', '.join(missing)}. {_refetch(path)}", code=DAMAGED)
    for name in _shards(path):
        _check_safetensors(path / name)


def find_pickles(path: Path) -> list[str]:
    """Names of files in a folder that hold weights as Python's pickles, which run whatever code is in them."""
    return sorted(file.name for file in path.iterdir() if file.suffix in _PICKLED)


def _shards(path: Path) -> list[str]:
    if not (path / _INDEX).exists():
        return [_WEIGHTS]
    weights = _read_object(path / _INDEX, _refetch(path)).get("weight_map")
    if not isinstance(weights, dict) or not weights:
        raise ModelError(f"{path / _INDEX}: no weight_map. {_refetch(path)}", code=DAMAGED)
    return sorted({str(name) for name in weights.values()})


def _check_safetensors(path: Path) -> None:
    """Compare the size with what the header promises: 8 bytes of length, the header, then the tensors."""
    size = path.stat().st_size
    try:
        promised = _promised_size(path)
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise ModelError(f"{path}: not a safetensors file. {_refetch(path.parent)}", code=DAMAGED) from error
    if size != promised:
        raise ModelError(
            f"{path}: {size} bytes where its header says {promised}. {_refetch(path.parent)}", code=DAMAGED
        )


def _promised_size(path: Path) -> int:
    tensors, start = _read_header(path)
    return start + max((tensor.data_offsets[1] for tensor in tensors.values()), default=0)


def _read_header(path: Path) -> tuple[dict[str, _Tensor], int]:
    """The tensors that a safetensors file lists, and where they begin; raises ValueError and msgspec's errors."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= MAX_HEADER:
            raise ValueError(length)
        return msgspec.json.decode(file.read(length), type=dict[str, _Tensor]), 8 + length


# --- GGUF --------------------------------------------------------------------------------------------------


def find_gguf(path: Path) -> Path | None:
    """The GGUF file that a folder consists of; None where there are safetensors, or no weights at all.

    Raises:
        ModelError: there are several, and nobody says which.
    """
    if any(path.glob("*.safetensors")) or (path / _INDEX).exists():
        return None
    found = sorted(path.glob("*.gguf"))
    if len(found) > 1:
        names = ", ".join(file.name for file in found)
        raise ModelError(f"{path}: several GGUF files: {names}. Leave one, in one piece, in the folder.")
    return found[0] if found else None


def _check_gguf(path: Path) -> ModelFolder:
    try:
        header = read_gguf(path)
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read: {error}. Download the file again.", code=DAMAGED) from error
    if path.stat().st_size < header.size:
        raise ModelError(
            f"{path}: cut short: {path.stat().st_size} of {header.size} bytes. Download the file again.", code=DAMAGED
        )
    family = str(header.settings.get("general.architecture"))
    if family not in GGUF_ARCHITECTURES:
        raise ModelError(f"{path}: architecture {family} is not supported; supported: {', '.join(GGUF_ARCHITECTURES)}.")
    if "tokenizer.chat_template" not in header.settings:
        raise ModelError(
            f"{path}: no chat template, so this is a base model that cannot chat. Take its Instruct variant."
        )
    return ModelFolder(
        path=path.parent,
        architecture=GGUF_ARCHITECTURES[family],
        model_type=family,
        sees=False,
        context=int(_gguf_config(header)["max_position_embeddings"]),
        gguf=path.name,
    )


def _gguf_config(header: GgufHeader) -> dict[str, Any]:
    """What a GGUF file says of its layers, by config.json's names; raises ModelError when it does not say it."""
    family = header.settings.get("general.architecture")
    names = {
        "max_position_embeddings": "context_length",
        "num_hidden_layers": "block_count",
        "hidden_size": "embedding_length",
        "num_attention_heads": "attention.head_count",
    }
    more = {"num_key_value_heads": "attention.head_count_kv", "head_dim": "attention.key_length"}
    found = {ours: header.settings.get(f"{family}.{theirs}") for ours, theirs in (names | more).items()}
    if missing := [f"{family}.{theirs}" for ours, theirs in names.items() if not found[ours]]:
        raise ModelError(f"the GGUF file has no {', '.join(missing)}. Download the file again.", code=DAMAGED)
    return {name: value for name, value in found.items() if value}


# --- tokenizer -------------------------------------------------------------------------------------------


def _check_tokenizer(path: Path) -> None:
    if not _any_file(path, _TOKENIZERS):
        raise ModelError(f"{path}: no tokenizer ({_TOKENIZERS[0]}). {_refetch(path)}", code=DAMAGED)
    if not _any_file(path, _TEMPLATES) and not _has_inline_template(path):
        raise ModelError(
            f"{path}: no chat template, so this is a base model that cannot chat. "
            "Fetch its Instruct variant, for example with `onebot-bot fetch qwen3-4b`."
        )


def _has_inline_template(path: Path) -> bool:
    file = path / "tokenizer_config.json"
    return file.exists() and bool(_read_object(file, _refetch(path)).get("chat_template"))


def _any_file(path: Path, names: tuple[str, ...]) -> bool:
    return any((path / name).is_file() for name in names)
