"""onebot_bot.engine.fit: arithmetic, on the figures of real models."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onebot_bot.engine.fit import BLOCK, kv_bytes, kv_positions

TRIAL = {"num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3, "hidden_size": 576}
QWEN3_4B = {
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "hidden_size": 2560,
    "head_dim": 128,
}


def test_a_position_of_known_models() -> None:
    """SmolLM2-135M takes 22.5 KiB in bfloat16 and Qwen3-4B 144 KiB; a model that sees counts as its text part does."""
    assert kv_bytes(TRIAL, 2) == 23040
    assert kv_bytes(QWEN3_4B, 2) == 147456
    assert kv_bytes({"text_config": QWEN3_4B}, 4) == 294912


def test_without_grouped_heads_every_head_has_its_keys() -> None:
    """Llamas of the first kind name no key-value heads."""
    assert kv_bytes({"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 64}, 2) == 2 * 2 * 64 * 2


@pytest.mark.parametrize(
    ("free", "positions"), [(10**12, 4 * 8192), (640 * 1024, 576), (64 * 1024, 0), (0, 0), (-5, 0)]
)
def test_the_budget_is_what_fits_and_what_is_of_use(free: int, positions: int) -> None:
    """Much memory: four whole windows; little: whole blocks of nine tenths of it; none: nothing."""
    assert kv_positions(free, 1024, 4, 8192) == positions


@given(st.integers(0, 2**42), st.integers(1, 2**20), st.integers(1, 64), st.integers(1, 2**18))
def test_the_budget_keeps_its_bounds(free: int, size: int, chats: int, context: int) -> None:
    """Whole blocks, inside the free memory, less than a block above what the chats can use."""
    positions = kv_positions(free, size, chats, context)
    assert positions % BLOCK == 0
    assert positions * size <= free
    assert positions < chats * (context + BLOCK)
