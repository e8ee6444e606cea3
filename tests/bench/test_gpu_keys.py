"""The bench of keys on a card, on torch's CPU device with few of them."""

import pytest
import torch

from bench.gpu_keys import Keys, measure_keys

pytestmark = pytest.mark.model


def test_card_and_index_are_asked_the_same() -> None:
    """Both are timed, and both find the same."""
    figures = measure_keys(Keys(count=3000, width=64, searches=3), torch.device("cpu"))

    assert figures["keys_agreement"] == 1
    assert figures["keys_ms_card"] > 0
    assert figures["keys_ms_cpu"] > 0
