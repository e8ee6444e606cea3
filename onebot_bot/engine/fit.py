"""What fits into memory, computed from config.json and tensor headers alone: no weights are read, no torch is needed.

The KV cache keeps a key and a value of every layer for each position of a chat, so its size is known before anything
is loaded.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import psutil
from msgspec import Struct

from onebot_bot.engine.folder import WeightSizes
from onebot_bot.errors import ModelError

Weights = Literal["full", "int8", "int4"]
KINDS: tuple[Weights, ...] = ("full", "int8", "int4")
BLOCK = 64
"""Positions that the cache is given out by."""
CARD_SHARE, HOST_SHARE = 0.6, 0.25
"""Of the memory that is free besides the weights, what keys and values may take: a card's rest is for intermediate
results, pictures and memories' vectors, a computer's for everything else that runs there."""
KEYS_SHARE = 0.1
"""Of the same on a card, what a copy of the memories' keys may take there; it makes way where memory runs out."""
CHAT_SHARE = 0.8
"""The same where not even one whole window fits: there is one chat, and it has nearly all."""
MAX_ROWS = 64
"""Chats in the cache at once: as many as `model.max_running` can ask for."""
LEAST_CONTEXT = 512
"""Tokens of prompt and answer below which a chat is not worth answering: persona, message and a short reply."""
GROUP = 32
"""Weights that share a scale and an offset in 4 bits. Rows of other lengths than a multiple of it are kept whole."""
HALF = 2
"""Bytes of a number in 16 bits."""
_LINEAR = re.compile(r"\b(\w+_proj|attn_(q|k|v|output)|ffn_(gate|up|down))\.weight$")
_HEADS = ("lm_head.weight", "output.weight")
_EMBEDDINGS = ("embed_tokens.weight", "token_embd.weight")
_LIMITS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


class DoesNotFit(ModelError):
    """The memory does not hold the model; another way of keeping it, or a smaller one, may fit."""


class Choice(Struct, frozen=True):
    """One way of keeping the weights.

    Attributes:
        weights: as `model.weights` names it.
        weight_bytes: what the weights take once they serve.
        load_bytes: what loading them takes at most. On a CPU, weights that the disk has in the type wanted stay there
            until they are used, so that quantising them takes no more than its result; others are made whole first.
        chat_bytes: what the KV cache of one chat takes when its window is full.
        cache_bytes: what the KV cache of all chats may take, by `kv_budget`.
        chats: full windows that it holds; 0: not even one fits besides the weights; -1: these cannot be loaded.
    """

    weights: Weights
    weight_bytes: int
    load_bytes: int
    chat_bytes: int
    cache_bytes: int
    chats: int


# --- the cache -----------------------------------------------------------------------------------------------------


def kv_bytes(config: Mapping[str, Any], element: int) -> int:
    """Bytes that one position takes in the KV cache.

    Args:
        config: the content of config.json; of a model that sees, its `text_config` counts.
        element: bytes of one number, 2 for bfloat16 and float16.
    """
    text = config.get("text_config") or config
    heads = text["num_attention_heads"]
    width = text.get("head_dim") or text["hidden_size"] // heads
    return 2 * int(text["num_hidden_layers"] * (text.get("num_key_value_heads") or heads) * width) * element


def round_up(length: int) -> int:
    """Positions in whole blocks: few shapes, and aligned masks."""
    return -(-length // BLOCK) * BLOCK


def kv_budget(free_bytes: int, bytes_per_position: int, context: int, *, cuda: bool) -> int:
    """Positions of KV cache, all chats together: what the engine takes at most, and what `onebot-bot plan` says.

    The rule: `CARD_SHARE` of a card's memory, or `HOST_SHARE` of a computer's, that is free once the weights are there;
    never more than `MAX_ROWS` whole windows, and never less than one, for without it nothing could be answered.

    Args:
        free_bytes: free on the device besides the weights.
        bytes_per_position: as `kv_bytes` gives it.
        context: most positions of one chat: a window.
        cuda: whether the device is a card.

    Returns:
        A multiple of `BLOCK`.
    """
    window = round_up(context)
    blocks = int(free_bytes * (CARD_SHARE if cuda else HOST_SHARE)) // (bytes_per_position * BLOCK)
    return max(window, min(blocks * BLOCK, MAX_ROWS * window))


def keys_budget(free_bytes: int, *, cuda: bool) -> int:
    """Bytes that a copy of memories' keys may take beside the weights: none on a CPU, which has the keys themselves."""
    return max(0, int(free_bytes * KEYS_SHARE)) if cuda else 0


def fit_context(free_bytes: int, bytes_per_position: int, context: int) -> int:
    """Tokens that the cache of one chat may have: `context`, or what `CHAT_SHARE` of the free memory holds.

    Returns:
        0 where that is less than `LEAST_CONTEXT`, and `context` is more.
    """
    if round_up(context) * bytes_per_position <= free_bytes:
        return context
    tokens = int(free_bytes * CHAT_SHARE) // (bytes_per_position * BLOCK) * BLOCK
    return tokens if tokens >= min(LEAST_CONTEXT, context) else 0


# --- the weights ---------------------------------------------------------------------------------------------------


def weight_bytes(sizes: WeightSizes, element: int, weights: Weights, *, cuda: bool = False) -> int:
    """Bytes that the weights take once they serve, `element` bytes a number where they are whole.

    On a CPU the output's vocabulary is packed too, as `head_weights` says; where it is the input's as well it is kept
    twice, once to be looked up. On CUDA bitsandbytes leaves it whole.
    """
    head: Weights = "full" if cuda else head_weights(weights)
    laid_out = not cuda and (weights != "full" or element == HALF)
    tied = laid_out and not any(name.endswith(_HEADS) for name in sizes.shapes)
    total = 0
    for name, shape in sizes.shapes.items():
        total += _packed(shape, element, head if name.endswith(_HEADS) else weights if _is_inner(name) else "full")
        if tied and name.endswith(_EMBEDDINGS):
            total += _packed(shape, element, head)
    return total


def head_weights(weights: Weights) -> Weights:
    """How the output's vocabulary is kept on a CPU where the rest is kept as `weights` says.

    In 4 bits it would do more harm than all layers together: its errors go straight into the logits. Measured, the
    trial model: 1.051 times the perplexity, in 8 bits 1.002 times.
    """
    return "int8" if weights == "int4" else weights


def parameters(sizes: WeightSizes) -> int:
    """How many numbers the weights are."""
    return sum(_count(shape) for shape in sizes.shapes.values())


def _is_inner(name: str) -> bool:
    """Whether it is a linear layer of the decoder; the eyes of a model that sees are none."""
    return "visual" not in name and _LINEAR.search(name) is not None


def _count(shape: Sequence[int]) -> int:
    count = 1
    for side in shape:
        count *= side
    return count


def _packed(shape: Sequence[int], element: int, weights: Weights) -> int:
    """With its scales; rows that do not divide into groups stay whole."""
    count = _count(shape)
    if weights == "full" or shape[-1] % GROUP:
        return count * element
    return count + shape[0] * element if weights == "int8" else count // 2 + 2 * count // GROUP * element


# --- both ----------------------------------------------------------------------------------------------------------


def choices(sizes: WeightSizes, element: int, free_bytes: int, context: int, *, cuda: bool = False) -> list[Choice]:
    """Every way of keeping the weights that the device has, with how many chats of `context` positions fit besides."""
    position, window = kv_bytes(sizes.config, element), round_up(context)
    taken = {kind: weight_bytes(sizes, element, kind, cuda=cuda) for kind in KINDS if kind != "int8" or not cuda}
    least = 0 if cuda or sizes.element == element else taken["full"]
    found = []
    for kind, size in taken.items():
        loading = max(size, least)
        left = free_bytes - size
        budget = kv_budget(left, position, context, cuda=cuda)
        chats = -1 if loading > free_bytes else 0 if position * window > left else budget // window
        found.append(Choice(kind, size, loading, position * window, position * budget, chats))
    return found


def refusal(path: Path, found: Sequence[Choice], weights: Weights, free_bytes: int, device: str) -> DoesNotFit:
    """The error for a model that does not fit, with what would."""
    taken = {choice.weights: choice.load_bytes for choice in found}
    fitting = [choice.weights for choice in found if choice.chats >= 0]
    offers = [f'weights = "{kind}" ({gibibytes(taken[kind])})' for kind in fitting]
    ways = f"Set {' or '.join(offers)} in [model] of config.toml" if offers else "Take a smaller model"
    return DoesNotFit(
        f"{path}: the weights take {gibibytes(taken[weights])}, and {gibibytes(free_bytes)} are free on {device}. "
        f"{ways}, or name one in `fallback`; `onebot-bot plan` shows what fits."
    )


def gibibytes(count: int) -> str:
    """For people."""
    return f"{count / 2**30:.1f} GiB"


def free_ram() -> int:
    """Bytes of memory that this process can still have; in a container, what its limit leaves."""
    left = int(psutil.virtual_memory().available)
    for limit, used in _LIMITS:
        try:
            left = min(left, max(0, int(Path(limit).read_text("ascii")) - int(Path(used).read_text("ascii"))))
        except (OSError, ValueError):  # no such limit, or `max`
            continue
    return left
