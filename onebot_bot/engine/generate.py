"""The runner of the worker thread: a model that can be exchanged, its decode loop, and the keys it makes."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from onebot_bot.engine.answer import Sequence
from onebot_bot.engine.decode import DecodeLoop
from onebot_bot.engine.embedder import Embedder
from onebot_bot.engine.model import LoadedModel, text_body
from onebot_bot.engine.recall import raw_keys
from onebot_bot.engine.render import Renderer
from onebot_bot.engine.request import Counters, Generation, ProfileState, Vector
from onebot_bot.engine.runner import UNCALIBRATED
from onebot_bot.errors import ModelError, RequestError

EMBED_BATCH = 32
EMBED_TOKENS = 512


class Generator:
    """One model at a time: writes answers, makes keys and values of texts, and takes up adapters."""

    def __init__(
        self,
        model: LoadedModel,
        reload: Callable[[Path | None], LoadedModel] | None = None,
        embedder: Embedder | None = None,
        adapter: Path | None = None,
    ) -> None:
        self._reload = reload
        self._embedder = embedder
        self._folder: Path | None = adapter
        self._take_up(model)

    def serve(self, adapter: Path | None) -> None:
        """Serve another adapter from now on, or the bare model: pristine weights are read anew, so nothing piles up.

        Raises:
            ModelError: it cannot be loaded; then the one before still serves, unless there was no room for both.
        """
        if self._reload is None:
            raise ModelError("this model was not loaded from a folder")
        self._clear_card()
        self._take_up(self._reload(adapter))
        self._folder = adapter

    # --- while another process trains ----------------------------------------------------------------------------

    @property
    def free_device_bytes(self) -> int | None:
        """Bytes that a training could have on the card, this model's own included; None on a CPU."""
        if self.model.device.type != "cuda":
            return None
        return int(torch.cuda.mem_get_info(self.model.device)[0]) + torch.cuda.memory_reserved(self.model.device)

    def make_room(self) -> int:
        """Leave the card to another process until `come_back`; the number of cards that it may use, 0 on a CPU."""
        if self.model.device.type != "cuda":
            return 0
        self._clear_card()
        return torch.cuda.device_count()

    def come_back(self) -> None:
        """Take the card again, if it was left."""
        if self.away and self._reload is not None:
            self._take_up(self._reload(self._folder))

    def _clear_card(self) -> None:
        """Two copies of a large model do not fit a card; on a CPU the old one serves until the new one is there."""
        if self.model.device.type == "cuda":
            self.away = True
            self.loop.slots.clear()
            self.model.network.to("meta")
            torch.cuda.empty_cache()

    def _check_here(self) -> None:
        if self.away:
            raise ModelError("the model is being trained and answers again afterwards: see /learn status")

    def _take_up(self, model: LoadedModel) -> None:
        self.model = model
        self.away = False
        # Once: the status is asked for every turn, on the event loop.
        self._weights: int = sum(p.numel() * p.element_size() for p in model.network.parameters())
        self.parameters: int = model.parameters
        # A new one: what another adapter left in the cache is not what this one would have.
        self.loop = DecodeLoop(model)

    @property
    def device(self) -> str:
        """For people: where and in what the model runs."""
        return f"{self.model.device} {str(self.model.dtype).removeprefix('torch.')}"

    @property
    def sees(self) -> bool:
        """Whether pictures reach the model."""
        return self.model.renderer.sees

    @property
    def trained_recall(self) -> bool:
        """Whether the weights were trained to ask for memories."""
        return self.model.trained_recall

    @property
    def fingerprint(self) -> str:
        """Names what makes keys."""
        return self._embedder.fingerprint if self._embedder else self.model.fingerprint

    @property
    def base(self) -> str:
        """Names the weights below any adapter."""
        return self.model.base

    @property
    def adapter(self) -> str:
        """Names the adapter that serves; empty: none."""
        return self.model.heads.name

    @property
    def floor(self) -> float:
        """Least cosine of a memory that is recalled, as calibrated."""
        return UNCALIBRATED if self.model.heads.floor is None else self.model.heads.floor

    @property
    def key_view(self) -> tuple[Vector | None, Vector]:
        """Centre `[D]` and head `[d, D]` that raw keys are compared by; no centre until trained."""
        key = self.model.heads.key
        centre = key.centre.cpu().numpy() if self.model.heads.name else None
        return centre, key.matrix().cpu().numpy()

    def memory(self) -> int:
        """Bytes in use: on the card, or on a CPU what the weights and the cache take."""
        if self.model.device.type == "cuda":
            return int(torch.cuda.memory_allocated(self.model.device))
        return self._weights + self.loop.counters.kv_bytes

    @property
    def counters(self) -> Counters:
        """What was done since the model was taken up."""
        return self.loop.counters

    @property
    def profiles(self) -> Mapping[str, ProfileState]:
        """None: it is one model; `profiles.Profiles` has several."""
        return {}

    def ready(self, generation: Generation) -> bool:  # noqa: ARG002 - as the protocol has it
        """The model is there."""
        return True

    def start(self, generation: Generation) -> Sequence:
        """Check and render a request.

        Raises:
            RequestError: a parameter is out of range or the prompt does not fit the window.
        """
        self._check_here()
        request = generation.request
        request.sampling.check()
        budget = self.model.context - request.sampling.max_new_tokens
        if budget < 1:
            raise RequestError(
                f"generation.max_new_tokens is {request.sampling.max_new_tokens}, the window {self.model.context} "
                "tokens: nothing is left for the prompt"
            )
        rendered, dropped = self.model.renderer.fit_conversation(request.conversation, budget)
        return Sequence(generation, self.model, rendered, dropped)

    def step(self, running: list[Sequence]) -> None:
        """Advance each answer by one forward; see `DecodeLoop.step`."""
        self.loop.step(running)

    # --- keys ----------------------------------------------------------------------------------------------------

    @torch.inference_mode()
    def embed(self, texts: list[str]) -> Vector:
        """Raw keys `[n, D]` float32 of texts."""
        if self._embedder is not None:
            return self._embedder.embed(texts)
        self._check_here()
        batches = [self._embed_batch(texts[i : i + EMBED_BATCH]) for i in range(0, len(texts), EMBED_BATCH)]
        if not batches:
            return np.zeros((0, self.model.heads.key.centre.shape[0]), np.float32)
        return np.concatenate(batches)

    def _embed_batch(self, texts: list[str]) -> Vector:
        ids, mask = key_inputs(self.model.renderer, texts, self.model.device)
        out: Any = text_body(self.model.network)(
            inputs_embeds=self.model.embeddings(ids), attention_mask=mask, use_cache=False, output_hidden_states=True
        )
        keys: Vector = raw_keys(out.hidden_states, mask).cpu().numpy()
        return keys

    @torch.inference_mode()
    def project(self, keys: Vector) -> Vector:
        """Values `[n, vectors, d]` float32 of raw keys `[n, D]`: what is injected when such a memory is recalled."""
        self._check_here()
        values: Vector = self.model.heads.projector(torch.from_numpy(keys).to(self.model.device)).cpu().numpy()
        return values


def key_inputs(renderer: Renderer, texts: list[str], device: torch.device) -> tuple[Tensor, Tensor]:
    """Ids and mask `[n, T]` that raw keys of texts are made from: each behind one token that is not pooled."""
    first = min(renderer.eos)
    rows = [[first, *(renderer.encode_text(text)[:EMBED_TOKENS] or [first])] for text in texts]
    width = max(len(row) for row in rows)
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows], device=device)
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows], device=device)
    return ids, mask
