"""Rows of the cache: who gets which, what is found again, what makes room."""

import contextlib
from typing import Any

import pytest
import torch

from onebot_bot.engine import kv
from onebot_bot.engine.fit import BLOCK, MAX_ROWS
from onebot_bot.engine.kv import KvShape
from onebot_bot.engine.prefix import INJECTED, shared_prefix, whole_pictures
from onebot_bot.engine.slots import Slot, Slots, find_budget

pytestmark = pytest.mark.model

SHAPE = KvShape(layers=2, heads=1, width=4, dtype=torch.float32, device=torch.device("cpu"))


def new_slots(blocks: int = 100) -> Slots:
    """With a budget of so many blocks."""
    return Slots(SHAPE, 8 * BLOCK, blocks * BLOCK)


def fill(slots: Slots, slot: Slot, contents: list[int]) -> Slot:
    """As a forward would: every position of the row holds its content's number."""
    slot.contents = contents
    for layer in slots.kv.layers:
        layer.keys[slot.row, :, : len(contents)] = torch.tensor(contents, dtype=torch.float32)[None, :, None]
    return slot


def held(slots: Slots, slot: Slot) -> list[int]:
    """What really stands in a slot's row, the same in both layers."""
    first, second = (layer.keys[slot.row, 0, : len(slot.contents), 0] for layer in slots.kv.layers)
    assert torch.equal(first, second)
    return [int(number) for number in first]


def taken(slots: Slots, contents: list[int], room: int = BLOCK) -> Slot:
    """A slot filled with a prompt."""
    slot = slots.take(contents, room)
    assert slot is not None
    return fill(slots, slot, contents)


def noting_sizes(slots: Slots, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Rows and length of every cache that is laid out from now on."""
    sizes: list[tuple[int, int]] = []
    lay_out = slots.kv.lay_out

    def noting(rows: int, length: int, moves: Any) -> None:
        sizes.append((rows, length))
        lay_out(rows, length, moves)

    monkeypatch.setattr(slots.kv, "lay_out", noting)
    return sizes


def test_nothing_is_taken_before_it_is_needed() -> None:
    """An idle bot has no cache, one short chat a small one."""
    slots = new_slots()
    assert slots.bytes == 0
    taken(slots, [1, 2, 3])
    assert slots.bytes == BLOCK * SHAPE.bytes


def test_a_chat_finds_its_row_again() -> None:
    """What its prompt shares with the row stays, the rest is to be fed, at least one position."""
    slots = new_slots()
    first = taken(slots, [1, 2, 3, 4])
    slots.park(first)
    again = slots.take([1, 2, 3, 9, 9], BLOCK)
    assert again is first
    assert again.contents == [1, 2, 3]
    slots.park(again)
    whole = slots.take([1, 2, 3], BLOCK)
    assert whole is not None
    assert whole.contents == [1, 2]


def test_another_chat_gets_a_copy_of_the_shared_beginning() -> None:
    """The persona is read once; the first chat keeps its own, idle or busy."""
    slots = new_slots()
    first = taken(slots, [1, 2, 3, 4, 5, 6])
    busy = slots.take([1, 2, 9], BLOCK)
    slots.park(first)
    idle = slots.take([1, 2, 8], BLOCK)
    assert busy is not None
    assert idle is not None
    assert busy.contents == idle.contents == [1, 2] == held(slots, busy) == held(slots, idle)
    assert len({first.row, busy.row, idle.row}) == 3
    assert held(slots, first) == [1, 2, 3, 4, 5, 6]


def test_what_was_injected_is_never_reused() -> None:
    """No prompt has a memory's vectors in it, so reuse ends before them."""
    slots = new_slots()
    slots.park(taken(slots, [1, 2, INJECTED, 4]))
    again = slots.take([1, 2, 3, 4, 5], BLOCK)
    assert again is not None
    assert again.contents == [1, 2]


def test_a_picture_is_reused_whole_or_not_at_all() -> None:
    """Reuse that would end inside of one ends before it."""
    slots = new_slots()
    slots.park(taken(slots, [1, -7, -7, -7, 2]))
    again = slots.take([1, -7, -7, -7, 5], BLOCK, [(1, 4)])
    assert again is not None
    assert again.contents == [1, -7, -7, -7]
    slots.park(again)
    other = slots.take([1, -7, -7, 5, 5], BLOCK, [(1, 4)])
    assert other is not None
    assert other.contents == [1]


def test_the_longest_idle_makes_room() -> None:
    """Within the budget; who came back lately stays."""
    slots = new_slots(blocks=3)
    one, two, three = (taken(slots, [start, 5, 5, 5]) for start in (1, 2, 3))
    for slot in (two, one, three):
        slots.park(slot)
    taken(slots, [4, 5, 5, 5])
    assert (held(slots, one), held(slots, three)) == ([1, 5, 5, 5], [3, 5, 5, 5])
    found = slots.take([2, 5, 5, 5, 5], BLOCK)
    assert found is not None
    assert found.contents == []


def test_without_room_one_waits() -> None:
    """Busy rows are never taken away; when one is given back, there is room."""
    slots = new_slots(blocks=2)
    one, _ = taken(slots, [1]), taken(slots, [2])
    assert slots.take([3], BLOCK) is None
    slots.park(one)
    assert slots.take([3], BLOCK) is not None


def test_a_long_chat_does_not_keep_short_ones_out_for_ever() -> None:
    """Rows that are too long for the budget are laid out shorter again, with what is in them."""
    slots = new_slots(blocks=8)
    long = taken(slots, [1, 2, 3], room=8 * BLOCK)
    slots.park(long)
    chats = [taken(slots, [start, 7]) for start in (4, 5, 6)]
    assert slots.kv.rows * slots.kv.length <= slots.budget
    assert [held(slots, slot) for slot in (long, *chats)] == [[1, 2, 3], [4, 7], [5, 7], [6, 7]]


def test_rows_grow_with_what_is_in_them() -> None:
    """Neither more nor longer rows lose anything."""
    slots = new_slots()
    chats = [taken(slots, [start, start + 1]) for start in range(10)]
    chats.append(taken(slots, [77], room=3 * BLOCK))
    assert [held(slots, slot) for slot in chats] == [slot.contents for slot in chats]
    assert slots.kv.length >= 3 * BLOCK


@pytest.mark.parametrize("room", [BLOCK, 3 * BLOCK])
def test_the_cache_is_seldom_laid_out_anew(monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    """Also when nearly all of the budget is taken: all that it holds is copied each time, and every chat waits."""
    slots = new_slots(blocks=150)
    laid_out = noting_sizes(slots, monkeypatch)
    for number in range(120):
        slots.park(taken(slots, [number] * (2 + number % 3), room))
    assert len(laid_out) <= 8
    assert max(rows * length for rows, length in laid_out) <= slots.budget


def test_long_chats_take_what_the_budget_leaves_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One chat that grows block by block among others does not have the cache laid out for every block."""
    slots = new_slots(blocks=30)
    others = [taken(slots, [number, number]) for number in range(4)]
    laid_out = noting_sizes(slots, monkeypatch)
    growing = others[0]
    for blocks in range(2, 8):
        assert slots.extend(growing, blocks * BLOCK)
    assert len(laid_out) <= 3
    assert [held(slots, slot) for slot in others] == [slot.contents for slot in others]


def test_where_memory_comes_with_writing_nothing_is_ever_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of the budget is laid out for the first answer; what counts as taken is what was set aside."""
    slots = Slots(SHAPE, 8 * BLOCK, 2 * MAX_ROWS * BLOCK, at_once=True)
    laid_out = noting_sizes(slots, monkeypatch)
    for number in range(2 * MAX_ROWS):
        slots.park(taken(slots, [number] * (2 + number % 3), 2 * BLOCK))
    assert laid_out == [(MAX_ROWS, 2 * BLOCK)]
    assert slots.bytes == 2 * MAX_ROWS * BLOCK * SHAPE.bytes
    slots.clear()
    taken(slots, [1], BLOCK)
    assert slots.bytes == BLOCK * SHAPE.bytes


def test_a_longer_chat_finds_room_where_all_was_laid_out_for_shorter_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer rows then, with what the latest chats have; memory that was found missing lowers the budget to what is."""
    slots = Slots(SHAPE, 8 * BLOCK, 2 * MAX_ROWS * BLOCK, at_once=True)
    others = [taken(slots, [number, number], BLOCK) for number in range(4)]
    laid_out = noting_sizes(slots, monkeypatch)
    long = taken(slots, [9, 9, 9], 8 * BLOCK)
    assert laid_out == [(2 * MAX_ROWS // 8, 8 * BLOCK)]
    assert [held(slots, slot) for slot in (*others, long)] == [slot.contents for slot in (*others, long)]
    slots.lower_budget()
    assert slots.budget == (4 + 8) * BLOCK


def test_a_system_that_wants_memory_for_what_is_laid_out_gets_asked_for_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's answer waits for it, and nobody loses hers."""
    slots = Slots(SHAPE, 8 * BLOCK, 4 * MAX_ROWS * BLOCK, at_once=True)
    lay_out = slots.kv.lay_out

    def refusing(rows: int, length: int, moves: Any) -> None:
        if rows * length > 8 * BLOCK:
            raise torch.OutOfMemoryError("out of memory")
        lay_out(rows, length, moves)

    monkeypatch.setattr(slots.kv, "lay_out", refusing)
    chats = [taken(slots, [start, 7]) for start in range(8)]
    assert [held(slots, slot) for slot in chats] == [[start, 7] for start in range(8)]
    assert slots.bytes == 8 * BLOCK * SHAPE.bytes


def test_rows_of_a_forward_become_neighbours() -> None:
    """Whatever lies between them moves, with its content."""
    slots = new_slots()
    chats = [taken(slots, [start, start]) for start in range(1, 7)]
    slots.hide(chats[0], [1])
    slots.park(chats[1])
    chosen = [chats[0], chats[2], chats[5]]
    first = slots.line_up(chosen)
    assert sorted(slot.row for slot in chosen) == [first, first + 1, first + 2]
    assert [held(slots, slot) for slot in chats] == [slot.contents for slot in chats]
    assert slots.kv.visible[chats[0].row, :3].tolist() == [True, False, True]


def test_rows_of_a_recorded_forward_come_first() -> None:
    """Neighbours or not, with what is in them."""
    slots = new_slots()
    chats = [taken(slots, [start, start]) for start in range(1, 7)]
    assert slots.line_up(chats[2:4], first=True) == 0
    assert sorted(slot.row for slot in chats[2:4]) == [0, 1]
    assert [held(slots, slot) for slot in chats] == [slot.contents for slot in chats]
    rows = [slot.row for slot in chats]
    assert slots.line_up(chats[2:4], first=True) == 0
    assert [slot.row for slot in chats] == rows


@pytest.mark.parametrize("granted", range(6))
def test_without_memory_to_move_them_rows_move_later(granted: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever copy cannot be had: no row has one layer of one chat and the next of another."""
    slots = new_slots()
    chats = [taken(slots, [start, start]) for start in range(1, 7)]
    chosen, clone, left = [chats[0], chats[5]], torch.Tensor.clone, iter(range(granted))

    def refusing(of: torch.Tensor) -> torch.Tensor:
        if next(left, None) is None:
            raise torch.OutOfMemoryError("out of memory")
        return clone(of)

    with monkeypatch.context() as patch:
        patch.setattr(torch.Tensor, "clone", refusing)
        with contextlib.suppress(torch.OutOfMemoryError):
            slots.line_up(chosen)
    first = slots.line_up(chosen)
    assert sorted(slot.row for slot in chosen) == [first, first + 1]
    assert [held(slots, slot) for slot in chats] == [slot.contents for slot in chats]


def test_neighbours_do_not_move() -> None:
    """One chat alone, or the first few, cost nothing."""
    slots = new_slots()
    chats = [taken(slots, [start]) for start in range(4)]
    rows = [slot.row for slot in chats]
    assert slots.line_up(chats[1:3]) == rows[1]
    assert slots.line_up([chats[3]]) == rows[3]
    assert [slot.row for slot in chats] == rows


def test_what_failed_is_wiped() -> None:
    """A row with NaN in it would spoil who gets it next."""
    slots = new_slots()
    slot = taken(slots, [1, 2])
    slots.kv.layers[0].keys[slot.row, :, 1] = torch.nan
    row = slot.row
    slots.drop(slot)
    again = slots.take([1, 2, 3], BLOCK)
    assert again is not None
    assert (again.row, again.contents) == (row, [])
    assert all(bool(layer.keys[row].eq(0).all()) for layer in slots.kv.layers)


def test_wiping_takes_no_memory_that_was_never_written() -> None:
    """Where memory comes with writing, zeros behind what was set aside would take it."""
    slots = Slots(SHAPE, 8 * BLOCK, 2 * MAX_ROWS * BLOCK, at_once=True)
    slot = taken(slots, [1, 2])
    keys, row = slots.kv.layers[0].keys, slot.row
    keys[row, :, BLOCK] = 5.0  # a mark that nobody sets
    slots.drop(slot)
    assert keys[row, 0, [0, 1, BLOCK], 0].tolist() == [0.0, 0.0, 5.0]


@pytest.mark.parametrize("granted", [0, 1, 2, 3])
def test_without_memory_for_longer_rows_nobody_loses_hers(granted: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever of the four buffers cannot be had: what was laid out before is there again."""
    slots = new_slots()
    writing, idle = taken(slots, [1, 2, 3]), taken(slots, [7, 8])
    slots.park(idle)
    with monkeypatch.context() as patch:
        _grant(patch, granted, then=granted)
        with pytest.raises(RuntimeError, match="out of memory"):
            slots.take([7, 8, 9], 2 * BLOCK)
    assert (slots.kv.rows, slots.kv.length) == (2, BLOCK)
    assert held(slots, writing) == [1, 2, 3]
    again = slots.take([7, 8, 9], BLOCK)
    assert again is idle
    assert held(slots, again) == [7, 8]


def test_without_memory_for_the_old_rows_all_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then nothing is half done, and the next answer starts anew."""
    slots = new_slots()
    slots.park(taken(slots, [1, 2, 3]))
    with monkeypatch.context() as patch:
        _grant(patch, 2, then=0)
        with pytest.raises(RuntimeError, match="out of memory"):
            slots.take([1, 2, 3, 4], 2 * BLOCK)
    assert slots.bytes == 0
    assert taken(slots, [1, 2, 3]).row == 0


def _grant(patch: pytest.MonkeyPatch, count: int, then: int) -> None:
    """Memory for so many buffers, none for the next, and for so many more afterwards."""
    zeros, asked = kv._zeros, iter([True] * count + [False] + [True] * then)

    def some(shape: tuple[int, ...], like: torch.Tensor) -> torch.Tensor:
        if not next(asked, False):
            raise torch.OutOfMemoryError("out of memory")
        return zeros(shape, like)

    patch.setattr(kv, "_zeros", some)


def test_room_can_be_had_later() -> None:
    """As far as the budget goes; without, everything stays as it is."""
    slots = new_slots(blocks=4)
    slots.park(taken(slots, [9, 9]))
    writing, other = taken(slots, [1, 2]), taken(slots, [5])
    assert slots.extend(writing, 2 * BLOCK)
    assert (held(slots, writing), held(slots, other)) == ([1, 2], [5])
    assert slots.kv.length >= 2 * BLOCK
    assert not slots.extend(writing, 3 * BLOCK)
    assert writing.room == 2 * BLOCK


def test_shrinking_leaves_what_is_being_written() -> None:
    """Idle content goes, and rows and lengths that nobody needs."""
    slots = new_slots()
    idle, long, writing = taken(slots, [7, 8]), taken(slots, [1, 2], room=4 * BLOCK), taken(slots, [5, 6])
    slots.park(idle)
    slots.park(long)
    slots.shrink()
    assert (slots.kv.rows, slots.kv.length) == (1, BLOCK)
    assert held(slots, writing) == [5, 6]
    slots.park(writing)
    slots.shrink()
    assert slots.bytes == 0


def test_a_lowered_budget_holds_what_is_there_and_one_whole_context() -> None:
    """Who finds no room waits."""
    slots = new_slots()
    taken(slots, [1, 2])
    slots.lower_budget()
    assert slots.budget == 8 * BLOCK
    for start in range(3, 9):
        taken(slots, [start])
    assert slots.take([20], 2 * BLOCK) is None


def test_what_fills_up_a_batch_has_a_place_of_its_own() -> None:
    """Behind each row's last position; it is never read, and it is not counted."""
    slots = Slots(SHAPE, 8 * BLOCK, 100 * BLOCK, spare=1)
    slot = taken(slots, [1, 2])
    layer = slots.kv.layers[0]
    assert layer.keys.shape[2] == slots.kv.length + 1 == BLOCK + 1
    layer.keys[slot.row, :, -1] = torch.nan
    longer = taken(slots, [5], room=2 * BLOCK)
    assert held(slots, slot) == [1, 2]
    assert not layer.keys[longer.row].isnan().any()


def test_the_budget_holds_a_whole_context_at_least() -> None:
    """However little is free, one answer can be written; however much, rows have an end."""
    huge = KvShape(layers=100_000, heads=1000, width=1000, dtype=torch.float32, device=torch.device("cpu"))
    assert find_budget(huge, 1000) == 1024
    assert find_budget(SHAPE, 64) == MAX_ROWS * 64


@pytest.mark.parametrize(
    ("kept", "wanted", "expected"), [([], [1], 0), ([1, 2], [1, 2, 3], 2), ([1, 9, 3], [1, 2, 3], 1), ([5], [6], 0)]
)
def test_prefixes_are_compared_by_content(kept: list[int], wanted: list[int], expected: int) -> None:
    """Up to the first difference or the shorter one's end."""
    assert shared_prefix(kept, wanted) == expected


def test_a_span_cuts_what_ends_inside_it() -> None:
    """Its edges are no inside."""
    assert [whole_pictures(count, [(2, 5)]) for count in (1, 2, 3, 4, 5, 6)] == [1, 2, 2, 2, 5, 6]
