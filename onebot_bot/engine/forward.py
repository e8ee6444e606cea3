"""Forwards of the unmodified model over rows of the cache: a chunk of one prompt, or one position of many answers.

Everything enters as an embedding at explicit positions, so a memory's vector only takes one row's input, and what
transformers keeps on the module (Qwen3-VL's rope offset) is not used.
"""

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from msgspec import Struct
from torch import Tensor

from onebot_bot.engine.fit import MAX_ROWS, round_up
from onebot_bot.engine.graphs import Graphs, Recorder, Stepped
from onebot_bot.engine.kv import Window
from onebot_bot.engine.model import LoadedModel, text_body
from onebot_bot.engine.pictures import Inserts
from onebot_bot.engine.sampling import score
from onebot_bot.engine.serving import steps_of
from onebot_bot.engine.slots import Slot, Slots

CHUNK_SECONDS = 0.25
"""What one forward of a prompt is to take at most where it can be timed, on a CPU: interrupts are seen between two."""


class Fed(Struct, frozen=True):
    """What one answer is fed at its next position."""

    token: int
    vector: Tensor | None = None
    """`[d]`, in place of the token's embedding."""


class Row(Struct, frozen=True):
    """One answer's part in a step."""

    slot: Slot
    fed: Fed
    delta: int = 0
    """Rope position minus cache position."""
    asking: bool = False
    """Whether `<recall>` may come next."""


class Forwards:
    """Runs a model's body; what a step reads stays in the same place from step to step, so that it can be recorded."""

    def __init__(self, model: LoadedModel, slots: Slots, recorder: Recorder | None = None) -> None:
        self._model = model
        self._slots = slots
        self.graphs = Graphs(recorder)
        self._body = text_body(model.network)
        self._steps = steps_of(self._body)
        config = model.network.config.get_text_config()
        slides = "sliding_attention" in (getattr(config, "layer_types", None) or ())
        self._sliding: int | None = config.sliding_window if slides else None
        width = model.embeddings.weight.shape[1]
        self._inputs = torch.zeros(MAX_ROWS, width, dtype=model.dtype, device=model.device)
        self._numbers = torch.zeros(4, MAX_ROWS, dtype=torch.long, device=model.device)
        """Ids, cache positions and rope positions of the rows, and whether they may recall."""
        self._rows = torch.arange(MAX_ROWS, device=model.device).unsqueeze(1)
        self._places = torch.arange(round_up(model.context), device=model.device)
        self._pace = 0.0
        """Seconds that each token of the last chunk took; on a card nearly none, for nobody waits there."""

    @property
    def in_time(self) -> int:
        """Tokens of a prompt that one forward takes `CHUNK_SECONDS` for, by what the last one took."""
        return int(CHUNK_SECONDS / self._pace) if self._pace else self._model.context

    def feed_prompt(self, slot: Slot, embeddings: Tensor, rope: Tensor | None, inserts: Inserts | None) -> Tensor:
        """Feed `[1, T, d]` at a slot's next positions; the last hidden state `[d]`.

        `rope` `[3, T]` are the positions that a model with eyes turns by, where they are not the cache's.
        """
        began, start, count = time.perf_counter(), len(slot.contents), embeddings.shape[1]
        stop = start + count
        positions = self._places[start:stop].unsqueeze(0)
        turned = positions.expand(3, -1) if rope is None else rope
        # A prompt's first chunk attends as any causal model does: without a mask the fast kernels serve.
        plain = start == 0 and self._sliding is None
        length = stop if plain else min(round_up(stop), self._slots.kv.length)
        window = Window(first=slot.row, start=start, length=length)
        mask = None if plain else self._mask(window, positions)
        more: dict[str, Any] = {}
        if inserts is not None:
            more = {"visual_pos_masks": inserts.places, "deepstack_visual_embeds": inserts.deep}
        hidden = self._run(window, embeddings, mask, self._rope(positions, turned.unsqueeze(1)), **more)[0, -1]
        self._pace = (time.perf_counter() - began) / count
        return hidden

    # --- one position of many answers ----------------------------------------------------------------------------

    def feed_answers(self, rows: Sequence[Row]) -> Stepped:
        """Feed each slot, neighbours in order, one position; a graph serves those that begin at the cache's first."""
        kv, first, needed = self._slots.kv, rows[0].slot.row, max(len(row.slot.contents) for row in rows) + 1
        shape = None if first else self.graphs.find_shape(len(rows), needed, kv)
        self._fill(rows, shape[0] if shape else len(rows))
        if shape is None:
            return self._step(rows, needed)
        recorded = kv.recorded.get(shape)
        if recorded is not None:
            recorded.replay()
            found = recorded.stepped
            return Stepped(found.hidden[: len(rows)], found.scored and found.scored.first(len(rows)))
        eager = self._step(rows, needed)
        if (made := self.graphs.record(partial(self._recordable, *shape), eager)) is not None:
            kv.recorded[shape] = made
        return eager

    def _fill(self, rows: Sequence[Row], count: int) -> None:
        """Write what a step of `count` rows reads; those without an answer write where nobody reads."""
        spare = self._slots.kv.length
        told = [(row.fed.token, len(row.slot.contents), row.delta, row.asking) for row in rows]
        table = [(token, place, place + delta, int(asking)) for token, place, delta, asking in told]
        table += [(0, spare, 0, 0)] * (count - len(rows))
        self._numbers[:, :count].copy_(torch.tensor(list(zip(*table, strict=True))))
        inputs = self._inputs[:count]
        inputs.copy_(self._model.embeddings(self._numbers[0, :count]))
        for at, row in enumerate(rows):
            if row.fed.vector is not None:
                inputs[at] = row.fed.vector

    def _step(self, rows: Sequence[Row], needed: int) -> Stepped:
        """Feed exactly these rows."""
        count, length = len(rows), min(round_up(needed), self._slots.kv.length)
        window = Window(first=rows[0].slot.row, count=count, start=len(rows[0].slot.contents), length=length)
        if count > 1:
            window.rows, window.positions = self._rows[:count], self._numbers[1, :count].unsqueeze(1)
        return Stepped(self._feed_window(window))

    def _recordable(self, count: int, length: int) -> Stepped:
        """Feed the first rows: nothing in it depends on anything but the two numbers and what lies on the device."""
        positions = self._numbers[1, :count].unsqueeze(1)
        window = Window(count=count, rows=self._rows[:count], positions=positions, length=length)
        hidden = self._feed_window(window)
        recall, _, pad = self._model.renderer.memory_ids
        return Stepped(hidden, score(self._model.logits(hidden), self._numbers[3, :count] > 0, recall, pad))

    def _feed_window(self, window: Window) -> Tensor:
        """The hidden states `[count, d]` of what was filled in."""
        _, places, turned, _ = self._numbers[:, : window.count]
        positions, turned = places.unsqueeze(1), turned.unsqueeze(1)
        inputs, mask = self._inputs[: window.count], self._mask(window, positions)
        rope = turned.expand(3, -1, -1) if self._model.multimodal_rope else turned
        if self._steps is None:
            return self._run(window, inputs.unsqueeze(1), mask, self._rope(positions, rope))[:, -1]
        self._slots.kv.look_at(window)
        return self._steps.run(inputs, rope, mask, self._slots.kv.layers)

    # --- what both have in common --------------------------------------------------------------------------------

    def _run(self, window: Window, embeddings: Tensor, mask: Any, positions: Tensor, **more: Any) -> Tensor:
        kv = self._slots.kv
        kv.look_at(window)
        out = self._body(
            inputs_embeds=embeddings,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=kv.cache,
            use_cache=True,
            **more,
        )
        hidden: Tensor = out.last_hidden_state
        return hidden

    def _rope(self, positions: Tensor, turned: Tensor) -> Tensor:
        """Position ids `[B, T]`; of a model with eyes `[4, B, T]`: the cache's, then time, height and width."""
        if not self._model.multimodal_rope:
            return positions
        return torch.cat([positions.unsqueeze(0), turned])

    def _mask(self, window: Window, positions: Tensor) -> Any:
        """What each of `positions` `[B, T]` does not see, added to its scores: `[B, 1, T, length]`."""
        rows = slice(window.first, window.first + window.count)
        behind = positions.unsqueeze(-1) - self._places[: window.length]
        visible = (behind >= 0) & self._slots.kv.visible[rows, None, : window.length]
        full = self._added(visible)
        if self._sliding is None:
            return full
        return {"full_attention": full, "sliding_attention": self._added(visible & (behind < self._sliding))}

    def _added(self, visible: Tensor) -> Tensor:
        # In the scores' type: every layer would convert a mask of booleans anew.
        hidden = torch.zeros(visible.shape, dtype=self._model.dtype, device=visible.device)
        return hidden.masked_fill_(~visible, -torch.inf).unsqueeze(1)
