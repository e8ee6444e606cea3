"""onebot_bot.learning.fitting: what memory does not hold whole is done in halves. The stages: test_stage.py."""

import pytest

from onebot_bot.errors import LearningError
from onebot_bot.learning.fitting import halved

pytestmark = pytest.mark.model


def holding(most: int, done: list[tuple[int, int]], first: int, last: int) -> int:
    """Work that needs memory for everything between two indices."""
    if last - first > most:
        raise MemoryError
    done.append((first, last))
    return last - first


@pytest.mark.parametrize(("most", "parts"), [(9, [7]), (4, [3, 4]), (2, [1, 2, 2, 2]), (1, [1] * 7)])
def test_what_fits_is_done_whole_and_the_rest_in_halves(most: int, parts: list[int]) -> None:
    """In order, each once."""
    done: list[tuple[int, int]] = []
    assert halved(3, 10, lambda first, last: holding(most, done, first, last)) == parts
    assert [index for first, last in done for index in range(first, last)] == list(range(3, 10))


def test_what_does_not_fit_alone_names_the_keys() -> None:
    """The owner reads it in the morning."""
    with pytest.raises(LearningError, match=r"refine: the memory .*training/stage2\.toml"):
        halved(0, 4, lambda first, last: holding(0, [], first, last))


def test_other_errors_are_not_tried_again() -> None:
    """A bug is no shortage."""
    with pytest.raises(RuntimeError, match="shapes"):
        halved(0, 4, lambda *_: (_ for _ in ()).throw(RuntimeError("shapes do not match")))
