"""Forwards of the unmodified model over rows of the cache: a chunk of one prompt, or one position of many answers.

Everything enters as an embedding at explicit positions, so a memory's vector only takes one row's input, and what
transformers keeps on the module (Qwen3-VL's rope offset) is not used.
"""

from collections.abc import Sequence
from typing import Any

import torch
from msgspec import Struct
from torch import Tensor

from onebot_bot.engine.kv import Window
from onebot_bot.engine.model import LoadedModel, text_body
from onebot_bot.engine.pictures import Inserts
from onebot_bot.engine.slots import MAX_ROWS, Slot, Slots, round_up


class Fed(Struct, frozen=True):
    """What one answer is fed at its next position."""

    token: int
    vector: Tensor | None = None
    """`[d]`, in place of the token's embedding."""


class Forwards:
    """Runs a model's body; its inputs and outputs stay in the same place from step to step."""

    def __init__(self, model: LoadedModel, slots: Slots) -> None:
        self._model = model
        self._slots = slots
        self._body = text_body(model.network)
        config = model.network.config.get_text_config()
        slides = "sliding_attention" in (getattr(config, "layer_types", None) or ())
        self._sliding: int | None = config.sliding_window if slides else None
        width = model.embeddings.weight.shape[1]
        self._inputs = torch.zeros(MAX_ROWS, width, dtype=model.dtype, device=model.device)
        self._outputs = torch.zeros_like(self._inputs)
        self._numbers = torch.zeros(3, MAX_ROWS, dtype=torch.long, device=model.device)
        """Ids, cache positions and rope positions of the rows."""
        self._rows = torch.arange(MAX_ROWS, device=model.device).unsqueeze(1)
        self._places = torch.arange(0, device=model.device)

    def feed_prompt(self, slot: Slot, embeddings: Tensor, rope: Tensor | None, inserts: Inserts | None) -> Tensor:
        """Feed `[1, T, d]` at a slot's next positions; the last hidden state `[d]`.

        `rope` `[3, T]` are the positions that a model with eyes turns by, where they are not the cache's.
        """
        start, count = len(slot.contents), embeddings.shape[1]
        stop = start + count
        positions = self._cache_positions(stop)[start:stop].unsqueeze(0)
        turned = positions.expand(3, -1) if rope is None else rope
        # A prompt's first chunk attends as any causal model does: without a mask the fast kernels serve.
        plain = start == 0 and self._sliding is None
        length = stop if plain else min(round_up(stop), self._slots.kv.length)
        window = Window(first=slot.row, start=start, length=length)
        mask = None if plain else self._mask(window, positions)
        more: dict[str, Any] = {}
        if inserts is not None:
            more = {"visual_pos_masks": inserts.places, "deepstack_visual_embeds": inserts.deep}
        return self._run(window, embeddings, mask, self._rope(positions, turned.unsqueeze(1)), **more)[0, -1]

    def feed_answers(self, slots: Sequence[Slot], fed: Sequence[Fed], deltas: Sequence[int]) -> Tensor:
        """Feed each slot, neighbours in order, one position; the last hidden states `[n, d]`, valid until the next."""
        count = len(slots)
        places = [len(slot.contents) for slot in slots]
        turned = [place + delta for place, delta in zip(places, deltas, strict=True)]
        numbers = self._numbers[:, :count]
        numbers.copy_(torch.tensor([[each.token for each in fed], places, turned]))
        inputs = self._inputs[:count]
        inputs.copy_(self._model.embeddings(numbers[0]))
        for row, each in enumerate(fed):
            if each.vector is not None:
                inputs[row] = each.vector
        positions = numbers[1].unsqueeze(1)
        length = min(round_up(max(places) + 1), self._slots.kv.length)
        window = Window(first=slots[0].row, count=count, start=places[0], length=length)
        if count > 1:
            window.rows, window.positions = self._rows[:count], positions
        rope = self._rope(positions, numbers[2].unsqueeze(1).expand(3, -1, -1))
        outputs = self._outputs[:count]
        outputs.copy_(self._run(window, inputs.unsqueeze(1), self._mask(window, positions), rope)[:, -1])
        return outputs

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
        places = self._cache_positions(window.length)
        behind = positions.unsqueeze(-1) - places
        visible = (behind >= 0) & self._slots.kv.visible[rows, None, : window.length]
        full = self._added(visible)
        if self._sliding is None:
            return full
        return {"full_attention": full, "sliding_attention": self._added(visible & (behind < self._sliding))}

    def _added(self, visible: Tensor) -> Tensor:
        # In the scores' type: every layer would convert a mask of booleans anew.
        hidden = torch.zeros(visible.shape, dtype=self._model.dtype, device=visible.device)
        return hidden.masked_fill_(~visible, -torch.inf).unsqueeze(1)

    def _cache_positions(self, length: int) -> Tensor:
        if len(self._places) < length:
            self._places = torch.arange(round_up(length), device=self._model.device)
        return self._places[:length]
