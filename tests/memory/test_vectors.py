"""Vectors as they are compared."""

import numpy as np

from onebot_bot.memory.vectors import View


def test_unit_vectors_are_centred_and_of_length_one() -> None:
    """Centring turns almost parallel keys apart."""
    keys = np.ones((2, 16), np.float32) * 100
    keys[0, 0] += 1
    keys[1, 1] += 1
    rows = View("model", keys.mean(axis=0)).compared(keys)

    np.testing.assert_allclose(np.ones(2), np.linalg.norm(rows, axis=1), rtol=1e-5)
    np.testing.assert_allclose(-1.0, rows[0] @ rows[1], rtol=1e-5)


def test_a_key_that_is_the_centre_has_no_direction() -> None:
    """The only key of a bank is its own centre: it becomes zero, not NaN."""
    key = np.ones((1, 16), np.float32)

    assert np.array_equal(np.zeros((1, 16), np.float32), View("model", key[0]).compared(key))
