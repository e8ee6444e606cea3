"""The decode loop: prefill, decode, recall, sample, one forward pass a step.

Every input enters as an embedding, so a recall only replaces what is fed next. Positions are explicit per answer:
Qwen3-VL keeps its rope offset on the module, which interleaved answers would overwrite for each other.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import DynamicCache

from onebot_bot.engine.embedder import Embedder
from onebot_bot.engine.model import LoadedModel, text_body
from onebot_bot.engine.recall import inject, raw_keys
from onebot_bot.engine.render import THINK, Rendered, Renderer, TextStream
from onebot_bot.engine.request import (
    RECALL,
    FinishReason,
    Generation,
    GenerationResult,
    Recalled,
    RecallHit,
    RecallPolicy,
    Usage,
    Vector,
)
from onebot_bot.engine.sampling import Sampler, greedy
from onebot_bot.engine.worker import UNCALIBRATED, stop_reason
from onebot_bot.errors import BotError, ModelError, RequestError

PREFILL_CHUNK = 512
"""Prompt tokens a step: bounds how long an interrupt or another answer waits."""

LONGEST_READING = 96
"""Tokens after which a memory that is being read out is closed: a fact has some 40."""
EMBED_BATCH = 32
EMBED_TOKENS = 512


class Sequence:
    """One answer in progress."""

    def __init__(self, generation: Generation, model: LoadedModel, rendered: Rendered, dropped: int) -> None:
        self.generation = generation
        self.outcome: GenerationResult | BotError | None = None
        self.rendered = rendered
        self.cache = DynamicCache(config=model.network.config.get_text_config())
        self.fed = 0
        """Prompt tokens that are in the cache."""
        self.rope_delta = 0
        """Rope position minus cache position; pictures take fewer positions than tokens."""
        self.last_fed = rendered.ids[-1]
        """The token at the newest cache position; what decides whether its hidden state is a query."""
        self.next_input: Tensor | None = None
        """Embeddings `[1, n, d]` to feed next, once the prompt is in."""
        self.recalls: list[Recalled] = []
        self.new_tokens = 0
        self._dropped = dropped
        self._stream = TextStream(model.renderer)
        self._text: list[str] = [_opened(rendered, model)]
        self._delta = "".join(self._text)
        self._started = time.monotonic()
        self._first_token = 0.0
        room = len(rendered.ids) + generation.request.sampling.max_new_tokens + 64
        self._ids = torch.zeros(max(room, model.context) + 64, dtype=torch.long, device=model.device)
        self._ids[: len(rendered.ids)] = torch.tensor(rendered.ids, device=model.device)
        self._length = len(rendered.ids)
        self._said = self._ids.clone()
        self._said_length = self._length
        self.reading = 0
        """Tokens of a memory that is being read out, counted from 1; 0 outside of a recall."""
        self.sampler = Sampler(generation.request.sampling, len(rendered.ids), model.device)

    @property
    def ids(self) -> Tensor:
        """Every id so far `[T]`, prompt and placeholders included."""
        return self._ids[: self._length]

    @property
    def said(self) -> Tensor:
        """`ids` without what was recalled: repeating a memory in the answer is no repetition."""
        return self._said[: self._said_length]

    @property
    def positions(self) -> int:
        """Cache positions taken."""
        return int(self.cache.get_seq_length())

    def append(self, token: int) -> None:
        """Note an id that takes the next position."""
        self._ids[self._length] = token
        self._length += 1
        if not self.reading:
            self._said[self._said_length] = token
            self._said_length += 1

    def write(self, token: int) -> None:
        """Note a sampled token and the text it completes."""
        self.append(token)
        self.new_tokens += 1
        if not self._first_token:
            self._first_token = time.monotonic()
        text = self._stream.feed(token)
        self._text.append(text)
        self._delta += text

    def take_delta(self) -> str:
        """The text that became whole since the last call."""
        delta, self._delta = self._delta, ""
        return delta

    def finish(self, reason: FinishReason) -> None:
        """Settle the outcome; the text so far is kept whatever the reason."""
        now, submitted = time.monotonic(), self.generation.submitted
        self.outcome = GenerationResult(
            text="".join(self._text),
            finish_reason=reason,
            recalls=tuple(self.recalls),
            usage=Usage(
                prompt_tokens=len(self.rendered.ids),
                new_tokens=self.new_tokens,
                dropped_turns=self._dropped,
                queued=self._started - submitted,
                first_token=(self._first_token or now) - submitted,
                total=now - submitted,
            ),
        )


def _opened(rendered: Rendered, model: LoadedModel) -> str:
    """What of the answer stands in the prompt already, for whoever takes the text apart by its marks."""
    if rendered.thinks:
        return f"{THINK}\n"
    return RECALL if rendered.ids[-1] == model.renderer.memory_ids[0] else ""


class Generator:
    """The runner of the worker thread: one model, several answers, one forward each a step."""

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
        self.parameters: int = sum(p.numel() for p in model.network.parameters())
        recall, recall_end, pad = model.renderer.memory_ids
        self._recall, self._recall_end, self._pad = recall, recall_end, pad
        self._bans = {
            asking: torch.tensor(ids, device=model.device)
            for asking, ids in {True: [pad], False: [recall, pad]}.items()
        }

    @property
    def device(self) -> str:
        """For people: where and in what the model runs."""
        return f"{self.model.device} {str(self.model.dtype).removeprefix('torch.')}"

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
        return self.model.fingerprint

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
        """Bytes in use: on the card, or on a CPU what the weights take."""
        if self.model.device.type == "cuda":
            return int(torch.cuda.memory_allocated(self.model.device))
        return self._weights

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

    @torch.inference_mode()
    def step(self, running: list[Sequence]) -> None:
        """Advance each answer by one forward pass; a failure ends only the answer it happened in."""
        for sequence in running:
            try:
                self._advance(sequence)
            except BotError as error:
                sequence.outcome = error
            except Exception as error:  # noqa: BLE001 - one answer's failure must not end the others
                sequence.outcome = ModelError(f"generation failed: {type(error).__name__}: {error}")

    def _advance(self, sequence: Sequence) -> None:
        """One forward pass, and what follows from its last hidden state."""
        # 1. An interrupt or the clock, before every forward.
        if (reason := stop_reason(sequence.generation)) is not None:
            sequence.finish(reason)
            return
        # 2. The forward: a chunk of the prompt, a token, or a memory.
        hidden = self._prefill(sequence) if sequence.next_input is None else self._decode(sequence)
        if hidden is None:
            return
        # 3. At `<recall>` the hidden state is a query; what it finds is fed next, and no token is sampled.
        policy = sequence.generation.request.recall
        if sequence.last_fed == self._recall and self._may_recall(sequence, policy):
            assert policy is not None  # noqa: S101 - _may_recall
            self._recall_memory(sequence, policy, hidden)
            return
        # 4. Otherwise a token.
        self._sample(sequence, hidden, asking=self._may_recall(sequence, policy))

    def _prefill(self, sequence: Sequence) -> Tensor | None:
        """Feed the next chunk of the prompt; the last hidden state `[d]` once all of it is in."""
        ids, images = sequence.rendered.ids, sequence.rendered.images
        if images:
            hidden = self._prefill_pictures(sequence)
        else:
            chunk = ids[sequence.fed : sequence.fed + PREFILL_CHUNK]
            hidden = self._forward(sequence, self.model.embed_ids(chunk))
            sequence.fed += len(chunk)
        return hidden if sequence.fed == len(ids) else None

    def _prefill_pictures(self, sequence: Sequence) -> Tensor:
        """Feed the whole prompt at once: the model scatters its pictures over their placeholders by itself."""
        rendered, body = sequence.rendered, self.model.network.model
        ids = torch.tensor([rendered.ids], device=self.model.device)
        pixels = torch.cat([image["pixel_values"] for image in rendered.images]).to(self.model.device, self.model.dtype)
        grid = torch.cat([image["image_grid_thw"] for image in rendered.images]).to(self.model.device)
        kinds = torch.eq(ids, self.model.renderer.image_token or -1).int()
        rope, delta = body.get_rope_index(ids, mm_token_type_ids=kinds, image_grid_thw=grid)
        sequence.rope_delta = int(delta)
        text = torch.arange(len(rendered.ids), device=self.model.device).expand(1, 1, -1)
        out = body(
            input_ids=ids,
            pixel_values=pixels,
            image_grid_thw=grid,
            mm_token_type_ids=kinds,
            position_ids=torch.cat([text, rope]),
            past_key_values=sequence.cache,
            use_cache=True,
        )
        sequence.fed = len(rendered.ids)
        hidden: Tensor = out.last_hidden_state[0, -1]
        return hidden

    def _decode(self, sequence: Sequence) -> Tensor:
        assert sequence.next_input is not None  # noqa: S101 - the caller looked
        return self._forward(sequence, sequence.next_input)

    def _forward(self, sequence: Sequence, embeddings: Tensor) -> Tensor:
        """Run `[1, n, d]` through the body at the next n positions; the last hidden state `[d]`."""
        start = sequence.positions
        text = torch.arange(start, start + embeddings.shape[1], device=self.model.device).unsqueeze(0)
        positions = text
        if self.model.multimodal_rope:
            positions = torch.stack([text, *[text + sequence.rope_delta] * 3])
        out = self.model.network.model(
            inputs_embeds=embeddings, position_ids=positions, past_key_values=sequence.cache, use_cache=True
        )
        hidden: Tensor = out.last_hidden_state[0, -1]
        return hidden

    # --- recall --------------------------------------------------------------------------------------------------

    def _may_recall(self, sequence: Sequence, policy: RecallPolicy | None) -> bool:
        return policy is not None and len(sequence.recalls) < policy.max_recalls

    def _recall_memory(self, sequence: Sequence, policy: RecallPolicy, hidden: Tensor) -> None:
        """Search with the hidden state and feed the memory's vectors at the next positions."""
        query: Vector = self.model.heads.query(hidden).cpu().numpy()
        nearest = policy.search(query)
        hit = nearest if nearest is not None and nearest.score >= policy.floor else None
        sequence.recalls.append(
            Recalled(
                at=sequence.new_tokens,
                memory_id=hit.memory_id if hit else None,
                score=nearest.score if nearest else None,
                text=hit.text if hit else "",
            )
        )
        sequence.next_input = self._memory_input(hit)
        sequence.last_fed = self._pad
        sequence.reading = 1
        for _ in range(sequence.next_input.shape[1]):
            sequence.append(self._pad)
        if policy.close:
            end = self.model.embed_ids([self._recall_end])
            sequence.next_input = torch.cat([sequence.next_input, end], dim=1)
            sequence.write(self._recall_end)
            sequence.reading = 0

    def _memory_input(self, hit: RecallHit | None) -> Tensor:
        """`[1, n, d]`: the memory's vectors, or `<|memory_pad|>`'s own embedding: nothing comes to mind."""
        vectors = None if hit is None else torch.from_numpy(np.ascontiguousarray(hit.vectors))
        count = 1 if vectors is None else vectors.shape[0]
        pads = self.model.embed_ids([self._pad] * count)
        if vectors is None:
            return pads
        rows = torch.zeros(count, dtype=torch.long, device=pads.device)
        return inject(pads, rows, torch.arange(count, device=pads.device), vectors.to(pads.device))

    # --- sampling ------------------------------------------------------------------------------------------------

    def _sample(self, sequence: Sequence, hidden: Tensor, *, asking: bool) -> None:
        token = self._pick(sequence, self.model.logits(hidden), asking=asking)
        if token in self.model.renderer.eos:
            sequence.new_tokens += 1
            sequence.finish(FinishReason.STOP)
            return
        sequence.write(token)
        if sequence.reading:
            sequence.reading = 0 if token == self._recall_end else sequence.reading + 1
        limit = sequence.generation.request.sampling.max_new_tokens
        if sequence.new_tokens >= limit or sequence.positions + 1 >= self.model.context:
            sequence.finish(FinishReason.LENGTH)
            return
        sequence.last_fed = token
        sequence.next_input = self.model.embed_ids([token])

    def _pick(self, sequence: Sequence, logits: Tensor, *, asking: bool) -> int:
        """A memory is read out greedily, whatever the settings and however often its words were said before."""
        if not sequence.reading:
            return sequence.sampler.pick(logits, sequence.said, self._bans[asking])
        return self._recall_end if sequence.reading > LONGEST_READING else greedy(logits, self._bans[False])

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
