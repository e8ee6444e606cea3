"""Keys from a model made for it: Qwen3-Embedding and its kin, loaded from a folder.

The recipe is the model card's for what is kept: the text as it is, one end token behind it, the last hidden state
there, length 1.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from msgspec import Struct
from safetensors import SafetensorError

from onebot_bot.engine.folder import INCOMPLETE
from onebot_bot.engine.model import fingerprint, pick_device, pick_dtype
from onebot_bot.engine.request import Vector
from onebot_bot.errors import ModelError
from onebot_bot.sections.model import ModelConfig

FAMILY = "qwen3"
"""The model_type that pools its last token."""
BATCH = 16
LONGEST = 512
"""Tokens; a memory has about 40."""
END = "<|endoftext|>"


class Embedder(Struct, frozen=True, kw_only=True):
    """A model that makes keys, ready to run; for one thread at a time."""

    network: Any
    tokenizer: Any
    end: tuple[int, ...]
    """What the tokenizer closes a text with; the last of it is where the meaning is read."""
    fingerprint: str
    """Names the weights and the recipe: keys made by another are not comparable."""

    @property
    def width(self) -> int:
        """How many numbers a key has."""
        return int(self.network.config.hidden_size)

    @torch.inference_mode()
    def embed(self, texts: Sequence[str]) -> Vector:
        """Unit keys `[n, d]` float32 of what is kept; at most `LONGEST` tokens of each count."""
        rows = [self._ids(text) for text in texts]
        # Neighbours in length share a batch, so that little of it is padding.
        order = sorted(range(len(rows)), key=lambda number: len(rows[number]))
        keys = np.zeros((len(rows), self.width), np.float32)
        for at in range(0, len(order), BATCH):
            batch = order[at : at + BATCH]
            keys[batch] = self._embed_batch([rows[number] for number in batch])
        return keys

    def _ids(self, text: str) -> list[int]:
        """A person's words are never special tokens, whatever they spell."""
        ids = self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        return [*ids[: LONGEST - len(self.end)], *self.end]

    def _embed_batch(self, rows: list[list[int]]) -> Vector:
        longest = max(len(row) for row in rows)
        device = self.network.device
        # Padded on the right and not masked: a causal model sees nothing behind a token, so nothing of it is read.
        ids = torch.tensor([row + [self.end[-1]] * (longest - len(row)) for row in rows], device=device)
        hidden = self.network(input_ids=ids, use_cache=False).last_hidden_state
        last = hidden[torch.arange(len(rows), device=device), torch.tensor([len(row) - 1 for row in rows]).to(device)]
        out: Vector = torch.nn.functional.normalize(last.float(), dim=-1).cpu().numpy()
        return out


def load_embedder(path: Path, config: ModelConfig) -> Embedder:
    """Load the folder onto the device that is configured for the chat model, in its type.

    Raises:
        ModelError: the folder is missing, half-downloaded or of another family, or the device is not there; the text
            names the fix.
    """
    fetch = f"Fetch one with `onebot-bot fetch {path.name or 'qwen3-embedding-4b'}`, or empty `embedding` in [memory]."
    if not (path / "config.json").is_file() or (path / INCOMPLETE).exists():
        raise ModelError(f"{path}: no such embedding model, or its download was not finished. {fetch}")
    device = pick_device(config.device)
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # it would be written across the log lines
    try:
        network = transformers.AutoModel.from_pretrained(
            path,
            dtype=pick_dtype(config.dtype, device),
            local_files_only=True,
            use_safetensors=True,
            attn_implementation="sdpa",
        )
        tokenizer: Any = transformers.AutoTokenizer.from_pretrained(path, local_files_only=True)
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise ModelError(f"{path}: the embedding model could not be loaded: {error}. {fetch}") from error
    if network.config.model_type != FAMILY:
        raise ModelError(f"{path}: {network.config.model_type} is no embedding model of the Qwen3 family. {fetch}")
    return Embedder(
        network=network.to(device).eval(), tokenizer=tokenizer, end=_end(tokenizer), fingerprint=_fingerprint(path)
    )


def _end(tokenizer: Any) -> tuple[int, ...]:
    """What the tokenizer adds to an empty text; the first release of Qwen3-Embedding's adds nothing by itself."""
    return tuple(tokenizer("")["input_ids"]) or (tokenizer.convert_tokens_to_ids(END),)


def _fingerprint(path: Path) -> str:
    return hashlib.sha256(f"last-token-1 {fingerprint(path)}".encode()).hexdigest()[:16]
