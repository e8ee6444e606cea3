"""A prompt's pictures on their way into the model: seen one by one when their turn comes, fed in chunks like words."""

from collections.abc import Sequence
from typing import Any

import torch
from msgspec import Struct
from torch import Tensor

from onebot_bot.engine.model import LoadedModel
from onebot_bot.engine.prefix import Span
from onebot_bot.engine.render import Rendered


class Seen(Struct, frozen=True):
    """What the eyes make of a picture: inputs `[n, d]`, and as many for each of the lower layers to add."""

    inputs: Tensor
    deep: list[Tensor]


class Inserts(Struct, frozen=True):
    """Pictures in a chunk of T positions: which they are `[1, T]`, and what lower layers add there, each `[n, d]`."""

    places: Tensor
    deep: list[Tensor]


class Pictures:
    """Those of one prompt, and the rope positions that they give it."""

    def __init__(self, model: LoadedModel, rendered: Rendered, spans: Sequence[Span]) -> None:
        self._model = model
        self._images = rendered.images
        self._spans = spans
        self._seen: dict[int, Seen] = {}
        ids = torch.tensor([rendered.ids], device=model.device)
        rope, delta = model.network.model.get_rope_index(
            ids,
            mm_token_type_ids=torch.eq(ids, model.renderer.image_token or -1).int(),
            image_grid_thw=torch.cat([image["image_grid_thw"] for image in rendered.images]).to(model.device),
        )
        self.rope: Tensor = rope[:, 0]
        """Time, height and width of every position of the prompt, `[3, T]`."""
        self.delta = int(delta)
        """Rope position minus cache position behind the prompt: pictures take fewer positions than tokens."""

    def reach(self, start: int, stop: int) -> int:
        """The end of a chunk from `start` to `stop` at most, in which no more than one picture is new to the eyes."""
        new = [span[0] for number, span in enumerate(self._spans) if span[1] > start and number not in self._seen]
        return min(stop, new[1]) if len(new) > 1 else stop

    def insert(self, embeddings: Tensor, start: int) -> Inserts | None:
        """Put the pictures of `[1, T, d]`, a chunk that begins at `start`, into it; None: there are none."""
        count = embeddings.shape[1]
        places = torch.zeros(1, count, dtype=torch.bool, device=embeddings.device)
        parts: list[Tensor] = []
        deep: list[list[Tensor]] = []
        for number, (first, behind) in enumerate(self._spans):
            low, high = max(first, start), min(behind, start + count)
            if low < high:
                seen = self._see(number)
                places[0, low - start : high - start] = True
                parts.append(seen.inputs[low - first : high - first])
                deep.append([layer[low - first : high - first] for layer in seen.deep])
        if not parts:
            return None
        embeddings[places] = torch.cat(parts).to(embeddings)
        return Inserts(places, [torch.cat(layers) for layers in zip(*deep, strict=True)])

    def _see(self, number: int) -> Seen:
        if number not in self._seen:
            image: dict[str, Any] = self._images[number]
            out = self._model.network.model.get_image_features(
                image["pixel_values"].to(self._model.device, self._model.dtype),
                image["image_grid_thw"].to(self._model.device),
                return_dict=True,
            )
            deep = [torch.cat(list(layer)) for layer in out.deepstack_features]
            self._seen[number] = Seen(torch.cat(list(out.pooler_output)), deep)
        return self._seen[number]
