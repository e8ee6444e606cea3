"""Searching and changing at once: a search finds what was there when it began, and nobody waits."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from vectors_of import CopiedRows, D

from onebot_bot.memory.bank import Bank, Hit, Recallable
from onebot_bot.memory.codes import Part
from onebot_bot.memory.index import Scanner, VectorIndex
from onebot_bot.memory.snapshot import Stamp, write_snapshot
from onebot_bot.memory.vectors import Floats, Ids, View
from onebot_bot.protocol.chat_id import ChatId

CHATS = [ChatId(1, "private", 10), ChatId(1, "group", 10), ChatId(1, "group", 11)]
VIEW = View("model", np.zeros(D, np.float32))


class Interrupted(VectorIndex):
    """An index in whose searches something else happens."""

    def __init__(self) -> None:
        super().__init__(D)
        self.meanwhile: list[Callable[[], Any]] = []
        """Done one by one: before a search scans, before it compares."""

    def _happen(self) -> None:
        if self.meanwhile:
            self.meanwhile.pop(0)()

    def search(
        self, query: Floats, among: Sequence[Part], k: int, scanner: Scanner | None = None
    ) -> tuple[Ids, Floats]:
        """With something before it looks."""
        self._happen()
        return super().search(query, among, k, scanner)

    def _compared(self, query: Floats, slots: Ids, k: int) -> tuple[Ids, Floats]:
        self._happen()
        return super()._compared(query, slots, k)


class World:
    """A bank, and beside it what must be in it."""

    def __init__(self, seed: int) -> None:
        self.index = Interrupted()
        self.bank = Bank(self.index, VIEW)
        self.rng = np.random.default_rng(seed)
        self.known: dict[int, tuple[Recallable, Floats]] = {}

    def put(self, number: int | None = None) -> None:
        """A new memory, or another key for one that is there. They crowd, so that a wrong one is always near."""
        number = len(self.known) + int(self.rng.integers(1000)) * 1000 if number is None else number
        chat = CHATS[int(self.rng.integers(len(CHATS)))]
        key = (np.ones(D) + self.rng.normal(size=D)).astype(np.float32)
        memory = Recallable(f"{number} {key[0]}", chat, shared=bool(self.rng.random() < 0.2), value=None)
        self.bank.put(number, memory, key)
        self.known[number] = memory, VIEW.compared(key[np.newaxis])[0]

    def change(self) -> None:
        """Something comes, goes, or has another key."""
        numbers = list(self.known)
        match int(self.rng.integers(4)) if numbers else 0:
            case 0 | 1:
                self.put()
            case 2:
                self.put(int(self.rng.choice(numbers)))
            case _:
                number = int(self.rng.choice(numbers))
                self.bank.drop(number)
                del self.known[number]

    def change_much(self) -> None:
        """Four times."""
        for _ in range(4):
            self.change()

    def expected(self, query: Floats, chat: ChatId, k: int, *, own: bool = False) -> list[tuple[int, str]]:
        """The right answer, by sorting all."""
        scored = [
            (float(row @ query), number, memory.text)
            for number, (memory, row) in self.known.items()
            if memory.chat == chat or (memory.shared and not own)
        ]
        return [(number, text) for _, number, text in sorted(scored, reverse=True)[:k]]

    def query(self) -> tuple[Floats, ChatId]:
        """Near to some memory, in some chat."""
        rows = [row for _, row in self.known.values()] or [np.ones(D, np.float32)]
        near = rows[int(self.rng.integers(len(rows)))] + 0.1 * self.rng.normal(size=D)
        return VIEW.compared(near[np.newaxis].astype(np.float32))[0], CHATS[int(self.rng.integers(len(CHATS)))]


def told(hits: Sequence[Hit]) -> list[tuple[int, str]]:
    """Which, and what they said."""
    return [(hit.memory_id, hit.text) for hit in hits]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("copied", [False, True], ids=["index", "copy"])
def test_a_search_finds_what_was_there_when_it_began(seed: int, *, copied: bool) -> None:
    """Whatever comes and goes between its steps, on the same thread: were a lock held, this would never end."""
    world = World(seed)
    for _ in range(300):
        world.put()
    copy = CopiedRows()
    while copied and world.bank.catch_up(lambda *_: copy, 100):
        world.change()
    for turn in range(200):
        (query, chat), k = world.query(), 1 + turn % 7
        own = turn % 5 == 0
        right = world.expected(query, chat, k, own=own)
        world.index.meanwhile = [world.change_much] * 3
        found = world.bank.near(query, chat, k) if own else world.bank.search(query, chat, k)
        assert told(found) == right
    assert len(world.bank) == len(world.known)
    assert copied == (copy.scans > 0)


def test_threads_find_the_same_as_one() -> None:
    """Two threads search while one changes: of what never changes, the nearest is always found, with its own score."""
    world = World(1)
    for _ in range(400):
        world.put()
    fixed = {number: row for number, (_, row) in world.known.items()}
    bank, wrong, stop = world.bank, list[int](), threading.Event()

    def look(seed: int) -> None:
        rng = np.random.default_rng(seed)
        while not stop.is_set():
            number = int(rng.choice(list(fixed)))
            hits = bank.search(fixed[number], chats[number], 3)
            if hits[0].memory_id != number or abs(hits[0].score - 1) > 1e-5:
                wrong.append(number)

    chats = {number: memory.chat for number, (memory, _) in world.known.items()}
    threads = [threading.Thread(target=look, args=(seed,)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for at in range(500):
        bank.put(10**6 + at % 50, Recallable("new", CHATS[at % 3], shared=at % 4 == 0, value=None), -np.ones(D, "f4"))
        bank.drop(10**6 + (at * 7) % 50)
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_what_is_forgotten_is_overwritten_when_the_last_search_ends(tmp_path: Any) -> None:
    """Not before, for that search finds it still; but no file gets it, and no new memory takes its place."""
    world = World(0)
    for number in (1, 2):
        world.put(number)
    row = world.known[1][1]
    file = tmp_path / "memory.faiss"
    there: list[bool] = []

    def forget() -> None:
        world.bank.drop(1)
        world.put(3)
        payload, count = world.bank.serialized()
        write_snapshot(file, payload, Stamp(count, "model", 1))
        there.extend(bool((rows == row).all(axis=1).any()) for rows in world.index._rows)

    world.index.meanwhile = [forget]
    found = world.bank.search(row, world.known[1][0].chat, 9)
    assert 1 in [hit.memory_id for hit in found]
    assert there == [True]
    assert row.tobytes() not in file.read_bytes()
    assert not any((rows == row).all(axis=1).any() for rows in world.index._rows)
    assert 1 not in [hit.memory_id for hit in world.bank.search(row, world.known[2][0].chat, 9)]
    assert sorted(world.index._slots.used().tolist()) == [-1, 2, 3]


def test_a_share_that_ends_meanwhile_is_kept_to() -> None:
    """What another chat does not share any more is not told there, also by a search that had begun."""
    world = World(0)
    mine = Recallable("mine", CHATS[0], shared=True, value=None)
    world.bank.put(7, mine, np.ones(D, np.float32))
    private = Recallable("mine", CHATS[0], shared=False, value=None)
    world.index.meanwhile = [lambda: world.bank.update(7, private)]
    assert told(world.bank.search(np.ones(D, np.float32), CHATS[1], 1)) == []
    assert told(world.bank.search(np.ones(D, np.float32), CHATS[0], 1)) == [(7, "mine")]


def test_a_chat_that_is_forgotten_leaves_nothing() -> None:
    """Neither of its own memories nor of those that it shared."""
    world = World(0)
    for number, shared in ((1, False), (2, True)):
        world.bank.put(number, Recallable("x", CHATS[0], shared=shared, value=None), np.ones(D, np.float32))
    assert (list(world.bank._own), list(world.bank._given)) == ([CHATS[0]], [CHATS[0]])
    for number in (1, 2):
        world.bank.drop(number)
    assert (list(world.bank._own), list(world.bank._given)) == ([], [])
    assert told(world.bank.search(np.ones(D, np.float32), CHATS[0], 1)) == []


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ({}, True),
        ({"text": "another"}, False),
        ({"chat": CHATS[1]}, False),
        ({"shared": True}, False),
        ({"value": None}, False),
        ({"value": np.zeros((2, D), np.float32)}, False),
    ],
)
def test_what_is_loaded_anew_takes_no_room_twice(changed: dict[str, Any], same: bool) -> None:  # noqa: FBT001 - a case
    """Unless it says something else; what is not here is what was loaded."""
    world = World(0)
    here = Recallable("mine", CHATS[0], shared=False, value=np.ones((2, D), np.float32))
    world.bank.put(1, here, np.ones(D, np.float32))
    loaded = Recallable(
        **{"text": "mine", "chat": CHATS[0], "shared": False, "value": np.ones((2, D), np.float32), **changed}
    )
    assert world.bank.same(1, loaded) is (here if same else loaded)
    assert world.bank.same(2, loaded) is loaded
