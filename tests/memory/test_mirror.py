"""What a bank writes to a copy of its keys, and when it asks it."""

import threading

import numpy as np
import pytest
from vectors_of import CopiedRows, D, random_units

from onebot_bot.memory.bank import Bank, Recallable
from onebot_bot.memory.index import VectorIndex
from onebot_bot.memory.mirror import AT_ONCE
from onebot_bot.memory.vectors import View
from onebot_bot.protocol.chat_id import ChatId

CHAT = ChatId(1, "group", 10)
VECTORS = random_units(2 * AT_ONCE)
SOME = 100
"""Enough that the index has something to scan."""


def put(bank: Bank, *numbers: int) -> None:
    """Memories under these ids, each with the key of its number."""
    for number in numbers:
        bank.put(number, Recallable(str(number), CHAT, shared=False, value=None), VECTORS[number])


@pytest.fixture
def bank() -> Bank:
    """A bank of memories 0 to `SOME`."""
    made = Bank(VectorIndex(D), View("model", np.zeros(D, np.float32)))
    put(made, *range(SOME))
    return made


@pytest.fixture
def copy(bank: Bank) -> CopiedRows:
    """Its copy, with all in it."""
    rows = CopiedRows()
    assert bank.catch_up(lambda *_: rows, SOME) == 0
    return rows


def test_catching_up_goes_step_by_step(bank: Bank) -> None:
    """So many keys at a time, and then nothing more is asked for."""
    rows = CopiedRows()

    left = [bank.catch_up(lambda *_: rows, 40) for _ in range(3)]

    assert left == [60, 20, 0]
    assert len(rows.rows) == SOME
    assert not bank.uncopied


def test_a_search_writes_what_came_last_and_asks_the_copy(bank: Bank, copy: CopiedRows) -> None:
    """A memory is found by the next search, and the copy has it then."""
    put(bank, SOME)

    found = bank.search(VECTORS[SOME], CHAT, 1)

    assert (found[0].memory_id, copy.scans) == (SOME, 1)
    assert not bank.uncopied


def test_where_much_is_lacking_the_index_is_searched(bank: Bank, copy: CopiedRows) -> None:
    """A search does not wait for hundreds of keys; they are written between the steps."""
    put(bank, *range(SOME, SOME + AT_ONCE + 1))

    found = bank.search(VECTORS[SOME], CHAT, 1)

    assert (found[0].memory_id, copy.scans) == (SOME, 0)
    assert bank.uncopied


def test_another_thread_searches_the_index(bank: Bank, copy: CopiedRows) -> None:
    """The copy is the thread's that wrote it: it may be in the middle of a write."""
    found = []
    thread = threading.Thread(target=lambda: found.extend(bank.search(VECTORS[7], CHAT, 1)))
    thread.start()
    thread.join()

    assert (found[0].memory_id, copy.scans) == (7, 0)


def test_what_is_forgotten_is_overwritten_in_the_copy(bank: Bank, copy: CopiedRows) -> None:
    """Zeros are in the place of an erased key after the next write."""
    bank.drop(7)

    assert bank.uncopied
    bank.catch_up(lambda *_: None, SOME)
    assert [slot for slot, row in copy.rows.items() if not row.any()] == [7]


def test_a_copy_that_is_gone_makes_way_for_another(bank: Bank, copy: CopiedRows) -> None:
    """Until then the index is searched; the new one gets all keys."""
    copy.gone = True
    assert bank.search(VECTORS[7], CHAT, 1)[0].memory_id == 7
    assert bank.uncopied
    second = CopiedRows()

    assert bank.catch_up(lambda *_: second, SOME) == 0

    assert len(second.rows) == SOME


def test_where_there_is_to_be_no_copy_the_index_is_searched(bank: Bank) -> None:
    """No card, or no room: what is asked for says how wide keys are and how many slots there are."""
    asked = []

    assert bank.catch_up(lambda width, slots: asked.append((width, slots)), SOME) == 0

    assert asked == [(D, 4096)]
    assert bank.search(VECTORS[7], CHAT, 1)[0].memory_id == 7
