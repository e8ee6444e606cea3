"""What fits into memory, computed from config.json and tensor headers alone: no weights are read, no torch is needed.

The KV cache keeps a key and a value of every layer for each position of a chat, so its size is known before anything
is loaded.
"""

from collections.abc import Mapping
from typing import Any

BLOCK = 64
"""Positions that the cache is given out by."""
SPARE = 0.1
"""Share of the free memory that no cache takes: a forward's own intermediate results."""


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


def kv_positions(free_bytes: int, bytes_per_position: int, chats: int, context: int) -> int:
    """Positions of KV cache, all chats together: what fits, and never more than all chats can use.

    Args:
        free_bytes: free on the device once the weights are there; a tenth of it is left alone.
        bytes_per_position: as `kv_bytes` gives it.
        chats: how many are to have their positions at once.
        context: most positions of one chat.

    Returns:
        A multiple of `BLOCK`; 0 when not even one block fits.
    """
    wanted = chats * -(-context // BLOCK)
    fitting = int(max(0, free_bytes) * (1 - SPARE)) // (bytes_per_position * BLOCK)
    return min(wanted, fitting) * BLOCK
