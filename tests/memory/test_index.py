"""The index over unit vectors, one search and one change at a time."""

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vectors_of import D, ids_of, numbered, random_units, remove, search, small_index

from onebot_bot.errors import StoreError
from onebot_bot.memory.codes import ROWS
from onebot_bot.memory.index import VectorIndex
from onebot_bot.memory.vectors import Floats, unit


@pytest.fixture
def index() -> VectorIndex:
    """Three vectors under the ids 3, 50 and 1000."""
    return small_index()


@settings(max_examples=50, deadline=None)
@given(data=st.data(), seed=st.integers(0, 1000), k=st.integers(1, 12))
def test_search_agrees_with_sorting_by_hand(data: st.DataObject, seed: int, k: int) -> None:
    """Within any selection the same ids come, best first, with their cosines."""
    vectors = random_units(20, seed)
    numbers = np.arange(20, dtype=np.int64) * 7 + 1
    chosen = sorted(data.draw(st.sets(st.integers(0, 19))))
    index = VectorIndex(D)
    index.add(numbers, vectors)
    query = random_units(1, seed + 1)[0]

    found, scores = search(index, query, numbers[chosen], k)

    cosines = vectors @ query
    best = sorted(chosen, key=lambda at: -cosines[at])[:k]
    assert [int(numbers[at]) for at in best] == found.tolist()
    np.testing.assert_allclose(cosines[best], scores, atol=1e-5)


def test_a_selection_may_name_ids_that_are_gone(index: VectorIndex) -> None:
    """Ids that the index does not hold are not found, and nothing else is in their place."""
    found, _ = search(index, random_units(1)[0], ids_of(1, 1000, 99_999), 5)

    assert found.tolist() == [1000]


def test_removing_removes_only_those(index: VectorIndex) -> None:
    """What is removed is not found; what was never there is no error."""
    assert remove(index, 3, 4) == 1

    found, _ = search(index, random_units(1)[0], ids_of(3, 50, 1000), 5)
    assert sorted(found.tolist()) == [50, 1000]
    assert len(index) == 2


@pytest.mark.parametrize("k", [0, 3])
def test_an_empty_index_finds_nothing(k: int) -> None:
    """Neither emptiness nor asking for none is an error."""
    found, scores = search(VectorIndex(D), random_units(1)[0], ids_of(1), k)

    assert (len(found), len(scores)) == (0, 0)


@pytest.mark.parametrize(
    ("vector", "reason"),
    [
        (np.full(D, np.nan), "NaN or infinity"),
        (np.full(D, np.inf), "NaN or infinity"),
        (np.zeros(D + 1), f"{D + 1} numbers does not fit .* of {D}"),
        (np.zeros((1, D)), "has the shape"),
        (np.zeros(0), "has the shape"),
    ],
)
def test_a_query_that_does_not_fit_is_refused(index: VectorIndex, vector: Floats, reason: str) -> None:
    """NaN, another width and another rank are named."""
    with pytest.raises(StoreError, match=reason):
        search(index, vector, ids_of(3), 1)


@pytest.mark.parametrize("vectors", [np.full((1, D), np.nan), np.zeros((1, D - 1))])
def test_a_vector_that_does_not_fit_is_not_added(index: VectorIndex, vectors: Floats) -> None:
    """A refused vector leaves the index as it was."""
    with pytest.raises(StoreError):
        index.add(ids_of(7), vectors)
    assert len(index) == 3


def test_a_search_leaves_the_thread_count_alone(index: VectorIndex) -> None:
    """Whoever shares the OpenMP library keeps its threads."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(3)
    try:
        search(index, random_units(1)[0], ids_of(3), 1)
        assert faiss.omp_get_max_threads() == 3
    finally:
        faiss.omp_set_num_threads(before)


# --- many vectors ---


def crowded(count: int, spread: float, width: int = 40) -> Floats:
    """Unit vectors [count, width] that all point almost the same way; the first number is far larger than the rest."""
    noise = np.random.default_rng(4).normal(size=(count, width)) * spread
    noise[:, 0] += 1
    return unit(noise.astype(np.float32))


@pytest.mark.parametrize("spread", [1.0, 0.1, 0.001])
def test_bytes_lose_no_neighbour(spread: float) -> None:
    """However little neighbours differ, far less than a byte can tell, the ranking is that of float32."""
    vectors = crowded(ROWS + 900, spread)
    index, everything = numbered(vectors)

    for at in (0, 17, ROWS, ROWS + 899):
        query = unit(vectors[at : at + 1] + crowded(1, spread))[0]
        cosines = vectors @ query
        found, scores = search(index, query, everything, 7)
        np.testing.assert_allclose(np.sort(cosines)[::-1][:7], scores, atol=2e-7)
        np.testing.assert_allclose(cosines[found - 1], scores, atol=2e-7)


def test_whatever_no_byte_can_say_is_found_too() -> None:
    """Vectors of one huge number, of length 0 and of length 9 are compared as they are."""
    vectors = np.vstack([np.eye(70), np.zeros((300, 70)), 9 * np.eye(70)]).astype(np.float32)
    index, everything = numbered(vectors)

    for query in (np.eye(70, dtype=np.float32)[3], np.zeros(70, np.float32)):
        _, scores = search(index, query, everything, 3)
        assert np.sort(vectors @ query)[::-1][:3].tolist() == scores.tolist()


def test_a_selection_follows_the_index() -> None:
    """One that has been searched never lets in who took the place of a member, and finds members in other places."""
    vectors = random_units(2 * ROWS)
    index, _ = numbered(vectors)
    half = np.arange(1, ROWS + 1)
    assert search(index, vectors[2], half, 1)[0].tolist() == [3]

    remove(index, 3)
    index.add(ids_of(9999), vectors[2:3])
    assert search(index, vectors[2], half, 1)[0].tolist() != [9999]
    index.add(ids_of(3), vectors[2:3])
    assert search(index, vectors[2], half, 1)[0].tolist() == [3]


def test_an_added_vector_moves_none() -> None:
    """Room is made in chunks that stay where they are: nothing is copied, however much is there."""
    index, _ = numbered(random_units(ROWS))
    places = [chunk.ctypes.data for chunk in index._rows]
    index.add(ids_of(ROWS + 1), random_units(1))

    assert places == [chunk.ctypes.data for chunk in index._rows[:1]]
    assert len(index._rows) == 2


def test_what_is_removed_makes_room() -> None:
    """The places of the dead are overwritten and given to the next: a bank that changes does not grow."""
    index, _ = numbered(random_units(ROWS))
    remove(index, 9)
    assert not index._rows[0][8].any()

    index.add(ids_of(ROWS + 7), random_units(1))
    assert len(index._rows) == 1
