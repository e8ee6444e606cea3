"""onebot_bot.engine.fit: arithmetic, on the figures of real models."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onebot_bot.engine.fit import BLOCK, MAX_ROWS, choices, kv_budget, kv_bytes, round_up
from onebot_bot.engine.folder import WeightSizes

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


WINDOW = 8192 * 1024
"""Bytes of a window of 8192 positions of 1024 bytes."""


@pytest.mark.parametrize(
    ("free", "cuda", "windows"),
    [(40 * WINDOW, False, 10), (40 * WINDOW, True, 24), (10**12, False, 64), (WINDOW, True, 1), (-5, False, 1)],
)
def test_the_budget_is_a_share_of_what_is_free(free: int, cuda: bool, windows: int) -> None:  # noqa: FBT001 - a case
    """A quarter of a computer's memory, six tenths of a card's; all rows at most, one window at least."""
    assert kv_budget(free, 1024, 8192, cuda=cuda) == windows * 8192


@given(st.integers(0, 2**42), st.integers(1, 2**20), st.integers(1, 2**18), st.booleans())
def test_the_budget_keeps_its_bounds(free: int, size: int, context: int, cuda: bool) -> None:  # noqa: FBT001 - a case
    """Whole blocks, a window at least, inside the free memory where that holds one."""
    positions, window = kv_budget(free, size, context, cuda=cuda), round_up(context)
    assert positions % BLOCK == 0
    assert window <= positions <= MAX_ROWS * window
    assert positions == window or positions * size <= free


@pytest.mark.parametrize(("windows", "chats"), [(0.5, 0), (1.5, 1), (2, 1), (12, 3), (10_000, 64)])
def test_chats_are_the_windows_that_the_budget_holds(windows: float, chats: int) -> None:
    """Besides the weights; where a window is larger than all that is left, none is promised."""
    config = {"num_hidden_layers": 1, "num_attention_heads": 4, "hidden_size": 256}  # 1024 bytes a position
    sizes = WeightSizes(config, {"model.norm.weight": (64,)}, 2)
    found = choices(sizes, 2, 128 + int(windows * WINDOW), 8192)[0]
    assert (found.chat_bytes, found.chats) == (WINDOW, chats)
