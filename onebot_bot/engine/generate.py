"""The runner of the worker thread: a model that can be exchanged, its decode loop, and the keys it makes."""

import contextlib
import gc
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import structlog
import torch
from msgspec import structs
from torch import Tensor

from onebot_bot.engine.answer import Sequence
from onebot_bot.engine.decode import DecodeLoop
from onebot_bot.engine.embedder import Embedder
from onebot_bot.engine.fit import LEAST_CONTEXT, DoesNotFit, fit_context, keys_budget
from onebot_bot.engine.guests import G, Lodging
from onebot_bot.engine.kv import is_out_of_memory, kv_shape
from onebot_bot.engine.model import LoadedModel, free_bytes, text_body
from onebot_bot.engine.recall import raw_keys
from onebot_bot.engine.render import Renderer
from onebot_bot.engine.request import Counters, Generation, ProfileState, Vector
from onebot_bot.engine.runner import UNCALIBRATED, Again
from onebot_bot.errors import ModelError, NoRoom, RequestError

log = structlog.get_logger(__name__)

EMBED_BATCH = 32
EMBED_TOKENS = 512


class Generator:
    """One model at a time: writes answers, makes keys and values of texts, and takes up adapters.

    Raises:
        DoesNotFit: the memory holds the weights, and not even the shortest context besides.
    """

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
        self._lodging = Lodging()
        if not fitting_context(model):
            raise DoesNotFit(
                f"beside the model the memory left on {model.device} holds no context of {LEAST_CONTEXT} tokens. "
                "Set weights in [model] of config.toml to fewer bits, or name a smaller model in `fallback`"
            )
        self._take_up(model)

    def serve(self, adapter: Path | None) -> None:
        """Serve another adapter from now on, or the bare model: pristine weights are read anew, so nothing piles up.

        Raises:
            ModelError: it cannot be loaded; then the one before still serves, unless there was no room for both.
        """
        if self._reload is None:
            raise ModelError("this model was not loaded from a folder")
        self._clear_card()
        self._exchange(self._reload(adapter))
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
            self._exchange(self._reload(self._folder))

    def _clear_card(self) -> None:
        """Two copies of a large model do not fit a card; on a CPU the old one serves until the new one is there."""
        if self.model.device.type == "cuda":
            self.leave()

    def _check_here(self) -> None:
        if self.away:
            raise ModelError("the model is being trained and answers again afterwards: see /learn status")

    def leave(self) -> None:
        """Give the memory back: another model serves in its place, or a training has it."""
        self.away = True
        self._lodging.dismiss()
        self.loop.slots.clear()
        with contextlib.suppress(RuntimeError):  # some packed weights cannot be moved; they go with the model
            self.model.network.to("meta")
        gc.collect()
        if self.model.device.type == "cuda":
            torch.cuda.empty_cache()

    def host(self, make: Callable[[torch.device, int], G]) -> G | None:
        """Have memories' keys on the card, in so many bytes at most, instead of any before; None: not here, or not now.

        Where memory runs out they are cleared, and are not taken in again before it has been enough for a while.
        """
        return None if self.away else self._lodging.host(make, self.model.device)

    @property
    def busy(self) -> bool:
        """Whether it writes an answer."""
        return any(sequence.outcome is None for sequence in self._begun)

    def _exchange(self, model: LoadedModel) -> None:
        self._take_up(model)
        gc.collect()  # a model and its decode loop know each other: the one before would stay for a while

    def _take_up(self, model: LoadedModel) -> None:
        context = fitting_context(model) or LEAST_CONTEXT
        if context < model.context:
            log.warning("the memory does not hold a whole window: contexts are shorter", tokens=context)
        self.model = model = structs.replace(model, context=min(context, model.context))
        self.away = False
        self._window = model.context
        """Tokens of a prompt and its answer; fewer once memory did not hold one alone."""
        self._begun: list[Sequence] = []
        # Once: the status is asked for every turn, on the event loop.
        self._weights: int = sum(p.numel() * p.element_size() for p in model.network.parameters())
        self.parameters: int = model.parameters
        self._lodging.dismiss()
        self._lodging = Lodging(keys_budget(free_bytes(model.device), cuda=model.device.type == "cuda"))
        # A new one: what another adapter left in the cache is not what this one would have.
        self.loop = DecodeLoop(model)
        self.loop.room.spare = self._lodging.spare

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
        """Whether it has room for one more: not where memory ran out with fewer."""
        self._begun = [sequence for sequence in self._begun if sequence.outcome is None]
        return len(self._begun) < self.loop.room.most

    def start(self, generation: Generation) -> Sequence:
        """Check and render a request.

        Raises:
            RequestError: a parameter is out of range or the prompt does not fit the window. NoRoom: or not what of it
                the memory holds.
        """
        self._check_here()
        if not self._begun:
            self.relax()
        try:
            sequence = self.loop.room.twice(partial(self._render, generation))
        except RequestError as error:
            if self._window < self.model.context:
                raise NoRoom from error
            raise
        except (RuntimeError, MemoryError) as error:
            if is_out_of_memory(error):
                raise NoRoom from error
            raise
        self._begun.append(sequence)
        return sequence

    def relax(self) -> None:
        """Try all again as if memory had never run out, when that is long ago."""
        if self.loop.room.relax():
            self._window = self.model.context
            self._lodging.relax()

    def _render(self, generation: Generation) -> Sequence:
        request = generation.request
        request.sampling.check()
        written = request.sampling.max_new_tokens
        if self._window < self.model.context:
            written = min(written, self._window // 2)
            sampling = structs.replace(request.sampling, max_new_tokens=written)
            request = generation.request = structs.replace(request, sampling=sampling)
        budget = self._window - written
        if budget < 1:
            raise RequestError(
                f"generation.max_new_tokens is {written}, the window {self._window} tokens: nothing is left for the "
                "prompt"
            )
        rendered, dropped = self.model.renderer.fit_conversation(request.conversation, budget)
        return Sequence(generation, self.model, rendered, dropped)

    def step(self, running: list[Sequence]) -> None:
        """Advance each answer by one forward; see `DecodeLoop.step`.

        One that the memory does not hold alone is begun anew with less of what was said before, as long as that helps.
        """
        self.loop.step(running)
        for sequence in running:
            if isinstance(sequence.outcome, NoRoom) and self._shorten(sequence):
                sequence.outcome = Again()

    def _shorten(self, sequence: Sequence) -> bool:
        """Answer with half of the window that this one took; False: it is the shortest already."""
        if self._window <= LEAST_CONTEXT:
            return False
        taken = min(self._window, sequence.room(self.model.context))
        self._window = max(LEAST_CONTEXT, taken // 2)
        log.warning("memory ran out: contexts are made shorter", tokens=self._window)
        return True

    # --- keys ----------------------------------------------------------------------------------------------------

    @torch.inference_mode()
    def embed(self, texts: list[str]) -> Vector:
        """Raw keys `[n, D]` float32 of texts."""
        if self._embedder is not None:
            return self._embedder.embed(texts)
        self._check_here()
        batches = [self._embed_some(texts[i : i + EMBED_BATCH]) for i in range(0, len(texts), EMBED_BATCH)]
        if not batches:
            return np.zeros((0, self.model.heads.key.centre.shape[0]), np.float32)
        return np.concatenate(batches)

    def _embed_some(self, texts: list[str]) -> Vector:
        """All at once; where the memory does not hold that, in halves."""
        try:
            return self.loop.room.twice(partial(self._embed_batch, texts))
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if len(texts) == 1:
                raise NoRoom from error
        half = len(texts) // 2
        return np.concatenate([self._embed_some(texts[:half]), self._embed_some(texts[half:])])

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


def fitting_context(model: LoadedModel) -> int:
    """Tokens of one chat that the memory still holds, as `fit_context` counts."""
    return fit_context(free_bytes(model.device), kv_shape(model.network).bytes, model.context)


def key_inputs(renderer: Renderer, texts: list[str], device: torch.device) -> tuple[Tensor, Tensor]:
    """Ids and mask `[n, T]` that raw keys of texts are made from: each behind one token that is not pooled."""
    first = min(renderer.eos)
    rows = [[first, *(renderer.encode_text(text)[:EMBED_TOKENS] or [first])] for text in texts]
    width = max(len(row) for row in rows)
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows], device=device)
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows], device=device)
    return ids, mask
