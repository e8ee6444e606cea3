"""The copy of the keys that a card searches, on torch's CPU device: what it finds is what the index alone finds."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from onebot_bot.device_keys import DeviceKeys, products
from onebot_bot.memory.bank import Bank, Hit, Recallable
from onebot_bot.memory.codes import ROWS
from onebot_bot.memory.index import VectorIndex
from onebot_bot.memory.members import parts_of
from onebot_bot.memory.mirror import KeyCopy
from onebot_bot.memory.vectors import View, unit
from onebot_bot.protocol.chat_id import ChatId

pytestmark = pytest.mark.model

D = 32
CPU = torch.device("cpu")
CHATS = [ChatId(1, "private", 10), ChatId(1, "group", 10), ChatId(1, "group", 11)]
MUCH = 1 << 30


class Twins:
    """Two banks of the same memories, one of them with a copy."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        view = View("model", np.zeros(D, np.float32))
        self.plain, self.copied = Bank(VectorIndex(D), view), Bank(VectorIndex(D), view)
        self.made: list[DeviceKeys] = []
        self.numbers: set[int] = set()

    def find(self, width: int, slots: int) -> KeyCopy | None:
        """As the model's thread makes one."""
        copy = DeviceKeys(width, MUCH, CPU, least=1)
        self.made.append(copy)
        return copy if copy.holds(slots) else None

    def put(self, number: int) -> None:
        """A key among few directions, every third exactly on one, so that many are equal and none is far."""
        centre = np.eye(D, dtype=np.float32)[int(self.rng.integers(4))]
        key = centre if number % 3 == 0 else centre + 0.05 * self.rng.normal(size=D).astype(np.float32)
        chat, shared = CHATS[int(self.rng.integers(len(CHATS)))], bool(self.rng.random() < 0.2)
        for bank in (self.plain, self.copied):
            bank.put(number, Recallable(str(number), chat, shared=shared, value=None), key)
        self.numbers.add(number)

    def drop(self, number: int) -> None:
        """From both."""
        for bank in (self.plain, self.copied):
            bank.drop(number)
        self.numbers.discard(number)

    def change(self, times: int) -> None:
        """New memories, other keys for old ones, and some go."""
        for _ in range(times):
            known = sorted(self.numbers)
            match int(self.rng.integers(4)) if known else 0:
                case 0 | 1:
                    self.put(int(self.rng.integers(1_000_000)))
                case 2:
                    self.put(int(self.rng.choice(known)))
                case _:
                    self.drop(int(self.rng.choice(known)))

    def asked(self, k: int) -> list[list[tuple[int, float]]]:
        """What both find, in a chat of their choice, near one of the directions."""
        query = unit((np.eye(D)[int(self.rng.integers(4))] + 0.1 * self.rng.normal(size=D))[np.newaxis])[0]
        chat = CHATS[int(self.rng.integers(len(CHATS)))]
        return [told(bank.search(query, chat, k)) for bank in (self.plain, self.copied)]


def told(hits: Sequence[Hit]) -> list[tuple[int, float]]:
    """Which, and how near."""
    return [(hit.memory_id, hit.score) for hit in hits]


@pytest.mark.parametrize("seed", range(3))
def test_the_copy_finds_what_the_index_finds(seed: int) -> None:
    """Whatever comes, goes and is equal, in every scope: the same memories with the same scores."""
    twins = Twins(seed)
    twins.change(300)
    while twins.copied.catch_up(twins.find, 100):
        twins.change(1)
    for turn in range(100):
        twins.change(turn % 4)
        plain, copied = twins.asked(1 + turn % 9)
        assert plain == copied
    assert len(twins.made) == 1
    assert not twins.made[0].gone


def test_many_chunks_are_searched_in_blocks() -> None:
    """Room is doubled without moving a key; parts in some of the chunks only are found there."""
    count = 2 * ROWS + 5
    vectors = unit(np.random.default_rng(0).normal(size=(count, D)).astype(np.float32))
    index, copy = VectorIndex(D), DeviceKeys(D, MUCH, CPU, least=1)
    slots = index.add(np.arange(1, count + 1), vectors)
    copy.write(slots[:10], vectors[:10])
    places = copy._blocks[0].keys.data_ptr()
    copy.write(slots[10:], vectors[10:])

    for among in (slots, slots[ROWS + 3 :], np.concatenate([slots[:200], slots[-200:]])):
        parts = parts_of(among)
        for query in vectors[:: count // 2]:
            wanted, found = index.search(query, parts, 3), index.search(query, parts, 3, copy.scan)
            assert wanted[0].tolist() == found[0].tolist()
            assert wanted[1].tolist() == found[1].tolist()
    assert places == copy._blocks[0].keys.data_ptr()
    assert copy.bytes == 4 * ROWS * D * 2


def test_what_it_says_is_off_by_no_more_than_it_admits() -> None:
    """Every score differs from the exact one by at most the error, and what is left out is no better than `rest`."""
    vectors = unit(np.random.default_rng(1).normal(size=(2000, D)).astype(np.float32))
    copy = DeviceKeys(D, MUCH, CPU, least=1)
    copy.write(np.arange(2000), vectors)
    exact = vectors @ vectors[7]

    scan = copy.scan(vectors[7], parts_of(np.arange(2000)), 50)

    assert scan is not None
    assert np.abs(exact[scan.slots] - scan.scores).max() <= scan.error < 0.01
    assert np.delete(exact, scan.slots).max() <= scan.rest + scan.error


def test_few_members_are_left_to_the_index() -> None:
    """A card that reads all keys for a handful is slower than the CPU."""
    copy = DeviceKeys(D, MUCH, CPU)
    copy.write(np.arange(10), unit(np.ones((10, D), np.float32)))

    assert copy.scan(np.ones(D, np.float32), parts_of(np.arange(10)), 3) is None


def test_a_copy_without_room_is_gone() -> None:
    """More keys than the card's share holds: its memory is given back, and it finds nothing."""
    copy = DeviceKeys(D, ROWS * D * 2, CPU, least=1)
    key = np.ones((1, D), np.float32)
    copy.write(np.array([ROWS - 1]), key)
    assert copy.scan(key[0], parts_of(np.array([ROWS - 1])), 1) is not None

    copy.write(np.array([ROWS]), key)

    assert copy.gone
    assert copy.bytes == 0
    assert copy.scan(key[0], parts_of(np.array([ROWS - 1])), 1) is None


def test_a_full_card_leaves_no_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    """That memory runs out is no error: the index is searched."""
    copy = DeviceKeys(D, MUCH, CPU)

    def fail(*_: object) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(copy, "_put", fail)
    copy.write(np.arange(1), np.ones((1, D), np.float32))

    assert copy.gone


def test_an_error_while_it_is_written_leaves_no_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a copy holds after a failure is not known: it is gone, and the failure is told."""
    copy = DeviceKeys(D, MUCH, CPU)
    broken = RuntimeError("CUDA error: an illegal memory access was encountered")

    def fail(*_: object) -> None:
        raise broken

    monkeypatch.setattr(copy, "_put", fail)
    with pytest.raises(RuntimeError, match="illegal memory access"):
        copy.write(np.arange(1), np.ones((1, D), np.float32))

    assert copy.gone


def test_a_card_without_memory_to_search_leaves_it_to_the_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that recalls does not end with it."""
    copy, slots = DeviceKeys(D, MUCH, CPU, least=1), np.arange(9)
    copy.write(slots, np.ones((9, D), np.float32))

    def fail(*_: object) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(copy, "_products", fail)

    assert copy.scan(np.ones(D, np.float32), parts_of(slots), 3) is None
    assert (copy.gone, copy.bytes) == (True, 0)


def test_on_a_card_everything_lies_on_the_card() -> None:
    """Fake tensors of a card run the whole product: none is of another device."""
    with FakeTensorMode():
        keys = torch.zeros(ROWS, D, dtype=torch.bfloat16, device="cuda:0")
        found = products(keys, torch.zeros(D, dtype=torch.bfloat16, device="cuda:0"))

    assert (torch.device("cuda:0"), torch.float32, (ROWS,)) == (found.device, found.dtype, tuple(found.shape))
