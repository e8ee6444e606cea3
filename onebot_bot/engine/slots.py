"""Which chat has which row of the cache: what a prompt begins with is found again, the oldest makes room.

A request names no chat: the row whose content its prompt shares the longest prefix with is that chat's.
"""

from collections.abc import Sequence

import torch
from msgspec import Struct, field

from onebot_bot.engine.fit import BLOCK, MAX_ROWS, free_ram, kv_budget, round_up
from onebot_bot.engine.kv import KvBuffers, KvShape, is_out_of_memory
from onebot_bot.engine.prefix import Span, shared_prefix, whole_pictures

GOES_ON = 0.75
"""Least share of a row's content that a prompt must begin with to take the row over; below, it gets a copy."""


class Slot(Struct, eq=False):
    """A row and what stands in it."""

    row: int = -1
    contents: list[int] = field(default_factory=list)
    """Of each cached position."""
    room: int = 0
    """Positions set aside while an answer is written here."""
    busy: bool = False
    used: int = 0
    """When it was last given back, counted."""


def find_budget(shape: KvShape, context: int) -> int:
    """Positions that all rows may take together, by `kv_budget`; to be asked once the weights are there."""
    cuda = shape.device.type == "cuda"
    free = torch.cuda.mem_get_info(shape.device)[0] if cuda else free_ram()
    return kv_budget(free, shape.bytes, context, cuda=cuda)


class Slots:
    """The rows of the cache, given out and kept; `spare` as in `KvBuffers`.

    With `at_once` all that the budget allows is laid out for the first answer, for memory that is only taken where it
    is written: what the cache holds is then hardly ever copied, which takes a second of a gigabyte.
    """

    def __init__(self, shape: KvShape, context: int, budget: int, spare: int = 0, *, at_once: bool = False) -> None:
        self.kv = KvBuffers(shape, spare)
        self.budget = budget
        """Positions, over all rows."""
        self._at_once = at_once
        self._longest = round_up(context)
        self._rows: list[Slot | None] = []
        self._reach: list[int] = []
        """Positions that were set aside in each row since it was laid out: at most so many are written."""
        self._clock = 0

    @property
    def bytes(self) -> int:
        """Of memory that is taken now."""
        positions = sum(self._reach) if self._at_once else self.kv.rows * self.kv.length
        return positions * self.kv.shape.bytes

    def take(self, prompt: Sequence[int], room: int, pictures: Sequence[Span] = ()) -> Slot | None:
        """A slot with room for so many positions, and in it what the prompt has in common with an earlier one.

        At least one position of the prompt is left to be fed, and no picture is left in part.

        Returns:
            None while the answers that are being written leave no room.

        Raises:
            RuntimeError: there is no memory for it; the answers that are being written keep theirs.
        """
        source, shared = self._find_nearest(prompt[:-1], pictures)
        slot = source if source is not None and _goes_on(source, shared) else Slot()
        kept = self._keep(slot, room, source, self._filled())
        if kept is None:
            return None
        if source is not None and source not in kept:  # no room for a copy beside it
            kept[kept.index(slot)] = slot = source
        slot.room, slot.busy = room, True
        try:
            self._seat(kept, round_up(max(_length(each) for each in kept)))
        except RuntimeError:
            slot.busy = False
            raise
        if source is not None and slot is not source:
            self.kv.copy(source.row, slot.row, shared)
        slot.contents = list(prompt[:shared])
        self.kv.visible[slot.row, :] = True
        return slot

    def park(self, slot: Slot) -> None:
        """Give a slot back; its content is kept for the chat's next turn, until others need the room."""
        self._clock += 1
        slot.busy, slot.used = False, self._clock

    def drop(self, slot: Slot) -> None:
        """Give a slot back whose content is not to be trusted."""
        slot.busy, slot.contents = False, []
        if self._held(slot):
            self._rows[slot.row] = None
            self.kv.wipe(slot.row, self._reach[slot.row])

    def extend(self, slot: Slot, room: int) -> bool:
        """Set more positions aside for an answer that is being written; False: the others leave none.

        Raises:
            RuntimeError: there is no memory for them; nobody loses what she has.
        """
        before, slot.room = slot.room, room
        try:
            others = [each for each in self._filled() if each is not slot]
            if (kept := self._keep(slot, room, None, others)) is None:
                slot.room = before
                return False
            self._seat(kept, round_up(max(_length(each) for each in kept)))
        except RuntimeError:
            slot.room = before
            raise
        return True

    def shrink(self) -> None:
        """Forget what is idle, and give back what the answers that are being written do not need."""
        kept = [slot for slot in self._filled() if slot.busy]
        if not kept:
            self.clear()
            return
        self._rows = [slot if slot in kept else None for slot in self._rows]
        rows, length = len(kept), round_up(max(_length(slot) for slot in kept))
        if rows * length < self.kv.rows * self.kv.length:
            try:
                self._lay_out(kept, rows, length)
            except RuntimeError as error:  # a layer at a time is there twice, and there was no room even for that
                if not is_out_of_memory(error):
                    raise

    def lower_budget(self) -> None:
        """Take what is there now for all there is: who finds no room in it waits instead of asking for more."""
        self.budget = max(self._longest, self.bytes // self.kv.shape.bytes)

    def hide(self, slot: Slot, positions: Sequence[int]) -> None:
        """Hide positions from all that is fed from now on."""
        places = torch.tensor(positions, device=self.kv.visible.device)
        self.kv.visible[slot.row].index_fill_(0, places, value=False)

    def line_up(self, slots: Sequence[Slot], *, first: bool = False) -> int:
        """Make their rows neighbours, so that a forward reads a view; the first row. Others may move.

        With `first` they are the cache's first rows, where a recorded forward reads.
        """
        rows, count = [slot.row for slot in slots], len(slots)
        if max(rows) - min(rows) == count - 1 and not (first and min(rows)):
            return min(rows)
        starts = range(1 if first else len(self._rows) - count + 1)
        start = max(starts, key=lambda at: sum(at <= row < at + count for row in rows))
        inside = range(start, start + count)
        others = [row for row in inside if row not in rows]
        for slot in slots:
            if slot.row not in inside:
                self._swap(slot.row, others.pop())
        return start

    def clear(self) -> None:
        """Forget everything and give the memory back."""
        self._rows, self._reach = [], []
        self.kv.clear()

    # --- finding a row -------------------------------------------------------------------------------------------

    def _held(self, slot: Slot) -> bool:
        return 0 <= slot.row < len(self._rows) and self._rows[slot.row] is slot

    def _find_nearest(self, prompt: Sequence[int], pictures: Sequence[Span]) -> tuple[Slot | None, int]:
        """The slot that begins most like the prompt, and for how many positions; an idle one rather than a busy one."""
        found = [(whole_pictures(shared_prefix(slot.contents, prompt), pictures), slot) for slot in self._filled()]
        shared, slot = max(found, key=lambda each: (each[0], not each[1].busy, each[1].used), default=(0, None))
        return (slot, shared) if shared else (None, 0)

    def _filled(self) -> list[Slot]:
        return [slot for slot in self._rows if slot is not None]

    def _keep(self, slot: Slot, room: int, source: Slot | None, others: Sequence[Slot]) -> list[Slot] | None:
        """The slots that the budget holds together: all busy ones, this one, and of the idle ones the latest."""
        kept = [each for each in others if each.busy]
        length = max([room, *(each.room for each in kept)])
        kept.append(slot)
        if not self._holds(len(kept), length):
            return None
        idle = [each for each in others if each not in kept]
        for each in sorted(idle, key=lambda one: (one is source, one.used), reverse=True):
            longer = max(length, len(each.contents))
            if self._holds(len(kept) + 1, longer):
                kept.append(each)
                length = longer
        return kept

    def _holds(self, rows: int, length: int) -> bool:
        return rows <= MAX_ROWS and rows * round_up(length) <= self.budget

    # --- giving rows out -----------------------------------------------------------------------------------------

    def _seat(self, kept: list[Slot], length: int) -> None:
        """Give each a row of at least that length; whoever is not among them loses hers."""
        if len(kept) > self.kv.rows or length > self.kv.length:
            self._grow(kept, length)
            return
        self._rows = [slot if slot in kept else None for slot in self._rows]
        for slot in kept:
            if slot.row < 0:
                slot.row = self._rows.index(None)
                self._rows[slot.row] = slot
            self._reach[slot.row] = max(self._reach[slot.row], round_up(_length(slot)))

    def _grow(self, kept: list[Slot], length: int) -> None:
        """Lay out more; where a system wants memory for all at once, as much as is needed."""
        try:
            self._lay_out(kept, *self._find_size(len(kept), length))
        except RuntimeError as error:
            lost = any(slot.row >= 0 and not self._held(slot) for slot in kept)
            if not self._at_once or lost or not is_out_of_memory(error):
                raise
            self._at_once = False
            self._lay_out(kept, *self._find_size(len(kept), length))

    def _lay_out(self, kept: list[Slot], rows: int, length: int) -> None:
        moves = [(slot.row, row, len(slot.contents)) for row, slot in enumerate(kept) if slot.row >= 0]
        before, self._rows = self._rows, []  # nothing is to be found in buffers that are not there
        try:
            self.kv.lay_out(rows, length, moves)
        except RuntimeError:
            self._rows = [slot if slot in kept else None for slot in before][: self.kv.rows]
            self._reach = self._reach[: self.kv.rows]
            raise
        for row, slot in enumerate(kept):
            slot.row = row
        self._rows = [*kept, *[None] * (rows - len(kept))]
        self._reach = [round_up(_length(slot)) if slot else 0 for slot in self._rows]

    def _find_size(self, rows: int, length: int) -> tuple[int, int]:
        """Rows and length to lay out: what has to grow is doubled, or takes all that the budget leaves.

        So it seldom does: all that the cache holds is copied, and every chat waits.
        """
        more = self.kv.rows if rows <= self.kv.rows else min(max(rows, 2 * self.kv.rows), MAX_ROWS)
        longer = self.kv.length
        if length > longer:
            longer = max(length, min(2 * longer, self._longest))
        if self._at_once:
            more, longer = MAX_ROWS, max(longer, min(self.budget // MAX_ROWS // BLOCK * BLOCK, self._longest))
        if rows > self.kv.rows:
            tight = min(more, self.budget // length), length
        else:
            tight = rows, min(longer, self.budget // rows // BLOCK * BLOCK)
        sizes = ((more, longer), (min(more, self.budget // longer), longer), tight)
        return next(size for size in sizes if size[0] >= rows and size[0] * size[1] <= self.budget)

    def _swap(self, one: int, other: int) -> None:
        first, second = self._rows[one], self._rows[other]
        count = max(len(slot.contents) for slot in (first, second) if slot is not None)
        self.kv.swap(one, other, count)
        self._rows[one], self._rows[other] = second, first
        self._reach[one] = self._reach[other] = max(self._reach[one], self._reach[other])
        for row, slot in ((one, second), (other, first)):
            if slot is not None:
                slot.row = row


def _goes_on(slot: Slot, shared: int) -> bool:
    return not slot.busy and shared >= GOES_ON * len(slot.contents)


def _length(slot: Slot) -> int:
    return slot.room if slot.busy else len(slot.contents)
