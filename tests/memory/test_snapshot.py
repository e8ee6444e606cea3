"""The index's file."""

from pathlib import Path

import numpy as np
import pytest
from vectors_of import D, ids_of, numbered, random_units, remove, search, small_index

from onebot_bot.errors import StoreError
from onebot_bot.memory.codes import ROWS
from onebot_bot.memory.index import VectorIndex
from onebot_bot.memory.snapshot import Stamp, load_index, write_snapshot

STAMP = Stamp(count=3, fingerprint="model", revision=5)


@pytest.fixture
def index() -> VectorIndex:
    """Three vectors under the ids 3, 50 and 1000."""
    return small_index()


def test_a_saved_index_finds_the_same(index: VectorIndex, tmp_path: Path) -> None:
    """Ids and scores survive the file, which is private and has no leftovers beside it."""
    file = tmp_path / "memory.faiss"
    write_snapshot(file, index.serialized(), STAMP)
    loaded = load_index(file, STAMP, D)
    query, everything = random_units(1, 9)[0], ids_of(3, 50, 1000)

    expected, actual = search(index, query, everything, 3), search(loaded, query, everything, 3)
    np.testing.assert_array_equal(expected[0], actual[0])
    np.testing.assert_array_equal(expected[1], actual[1])
    assert [file] == list(tmp_path.iterdir())
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "stamp",
    [
        Stamp(count=4, fingerprint="model", revision=5),
        Stamp(count=3, fingerprint="other", revision=5),
        Stamp(count=3, fingerprint="model", revision=6),
    ],
)
def test_a_file_of_another_state_is_refused(index: VectorIndex, tmp_path: Path, stamp: Stamp) -> None:
    """Count, fingerprint and revision must all be those of the database."""
    file = tmp_path / "memory.faiss"
    write_snapshot(file, index.serialized(), stamp)

    with pytest.raises(StoreError, match="it was made from"):
        load_index(file, STAMP, D)


def test_a_missing_file_is_named_so(tmp_path: Path) -> None:
    """There is a reason for every rebuild."""
    with pytest.raises(StoreError, match="there is none"):
        load_index(tmp_path / "memory.faiss", STAMP, D)


def test_no_damage_goes_unseen(index: VectorIndex, tmp_path: Path) -> None:
    """A file cut anywhere, or with any byte changed, is refused before faiss reads it."""
    file = tmp_path / "memory.faiss"
    write_snapshot(file, index.serialized(), STAMP)
    whole = file.read_bytes()
    rng = np.random.default_rng(0)

    for at in [0, 1, len(whole) - 1, *rng.integers(0, len(whole), 60).tolist()]:
        for damaged in (whole[:at], whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :]):
            file.write_bytes(damaged)
            with pytest.raises(StoreError):
                load_index(file, STAMP, D)


def test_a_failed_save_keeps_the_old_file(index: VectorIndex, tmp_path: Path) -> None:
    """When the new file cannot be made, the old one is still whole."""
    file = tmp_path / "memory.faiss"
    write_snapshot(file, index.serialized(), STAMP)
    (tmp_path / ".memory.faiss.tmp").mkdir()

    with pytest.raises(StoreError, match=r"memory\.faiss cannot be written"):
        write_snapshot(file, index.serialized(), STAMP)
    assert len(load_index(file, STAMP, D)) == 3


def test_a_saved_index_has_no_gaps(tmp_path: Path) -> None:
    """What was removed is not in the file, nor loaded from it; all chunks are."""
    vectors = random_units(ROWS + 20)
    index, everything = numbered(vectors)
    remove(index, 5, ROWS + 20)
    stamp = Stamp(count=len(index), fingerprint="model", revision=1)
    file = tmp_path / "memory.faiss"
    write_snapshot(file, index.serialized(), stamp)
    loaded = load_index(file, stamp, D)

    assert vectors[4].tobytes() not in file.read_bytes()
    assert len(loaded) == ROWS + 18
    for at in (3, ROWS + 18):
        assert search(loaded, vectors[at], everything, 1)[0].tolist() == [at + 1]


def test_a_change_while_the_file_is_written_waits_for_nothing() -> None:
    """What is to be written is the index's own memory: its vectors are not copied under anybody's lock."""
    index, _ = numbered(random_units(ROWS))
    assert [
        np.shares_memory(part, rows) for part, rows in zip(index.serialized().parts[1:], index._rows, strict=True)
    ] == [True]
