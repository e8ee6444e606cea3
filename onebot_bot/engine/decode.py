"""The decode loop: admission, prompts in chunks, one forward for all answers, recall, one sampling for all.

A step feeds at most `PREFILL_CHUNK` tokens of prompts, and then every answer one position. Interrupts and timeouts
are looked at before every forward.
"""

import contextlib
import time
from collections import deque
from collections.abc import Iterator
from collections.abc import Sequence as Rows
from functools import partial

import numpy as np
import structlog
import torch
from msgspec import Struct
from torch import Tensor

from onebot_bot.engine.answer import Sequence
from onebot_bot.engine.forward import Fed, Forwards, Row
from onebot_bot.engine.graphs import Recorder, recorder_for
from onebot_bot.engine.kv import is_out_of_memory, kv_shape
from onebot_bot.engine.model import LoadedModel
from onebot_bot.engine.prefix import INJECTED
from onebot_bot.engine.request import VECTORS, Counters, FinishReason, Recalled, RecallHit, RecallPolicy, Vector
from onebot_bot.engine.room import PREFILL_BESIDE, PREFILL_CHUNK, SMALLEST_CHUNK, Room
from onebot_bot.engine.runner import Again
from onebot_bot.engine.sampling import BROKEN, Choice, Scored, choose, draw, hot
from onebot_bot.engine.slots import Slot, Slots, find_budget
from onebot_bot.engine.waiters import stop_reason
from onebot_bot.errors import BotError, ModelError

log = structlog.get_logger(__name__)

LONGEST_READING = 96
"""Tokens after which a memory that is being read out is closed: a fact has some 40."""


class Ready(Struct, frozen=True):
    """An answer whose next token is due, and its last hidden state `[d]`."""

    sequence: Sequence
    hidden: Tensor
    scored: Scored | None = None
    """What its step's graph made of all its rows."""
    row: int = 0
    """Its own of those."""


class DecodeLoop:
    """Writes answers with one model.

    `budget` is what the cache may hold, in positions (None: found out); `recorder` records its steps (None: what the
    device has).
    """

    def __init__(self, model: LoadedModel, budget: int | None = None, recorder: Recorder | None = None) -> None:
        self._model = model
        shape, recorder = kv_shape(model.network), recorder or recorder_for(model.device)
        self.slots = Slots(
            shape, model.context, budget or find_budget(shape, model.context),
            spare=int(recorder is not None), at_once=model.device.type == "cpu",
        )  # fmt: skip
        self._forwards = Forwards(model, self.slots, recorder)
        self.room = Room(self.slots, model.device)
        self._prompts: deque[Sequence] = deque()
        """Whose prompt is not in yet: each is fed a chunk in turn."""
        self._holders: list[Sequence] = []
        """Who has a slot."""
        self._recall, self._recall_end, self._pad = model.renderer.memory_ids
        self._counters = Counters()

    @property
    def counters(self) -> Counters:
        """What was done so far; the object goes on counting."""
        self._counters.kv_bytes = self.slots.bytes
        self._counters.kv_budget = self.slots.budget * self.slots.kv.shape.bytes
        self._counters.graphs = self._forwards.graphs.state
        return self._counters

    @torch.inference_mode()
    def step(self, running: Rows[Sequence]) -> None:
        """Advance each answer; sets `outcome` on those that ended. Who is not among them any more loses her slot.

        Where memory runs out, idle chats make room; where that is not enough, the newest answer waits for another's end
        (`Again`); where there is no other, it ends with `NoRoom`.
        """
        self._release([sequence for sequence in self._holders if sequence not in running])
        self._end_stopped(running)
        self._admit(running)
        writing = [sequence for sequence in self._holders if sequence.pending]
        ready = self._feed_prompts(running, PREFILL_BESIDE if writing else PREFILL_CHUNK)
        self._end_stopped(running)
        ready += self._feed_answers([sequence for sequence in writing if sequence.outcome is None])
        self._go_on([each for each in ready if each.sequence.outcome is None])
        self._release([sequence for sequence in self._holders if sequence.outcome is not None])

    # --- who takes part ------------------------------------------------------------------------------------------

    def _end_stopped(self, running: Rows[Sequence]) -> None:
        """An interrupt or the clock."""
        for sequence in running:
            if sequence.outcome is None and (reason := stop_reason(sequence.generation)) is not None:
                sequence.finish(reason)

    def _admit(self, running: Rows[Sequence]) -> None:
        """A slot for each, first come, first served: who finds no room holds up those behind."""
        for sequence in running:
            if sequence.slot is None and sequence.outcome is None:
                with self._blaming(sequence):
                    sequence.slot = self._take_slot(sequence)
                if sequence.outcome is not None:
                    continue
                if sequence.slot is None:
                    return
                self._holders.append(sequence)
                self._prompts.append(sequence)
                self._counters.prompt_tokens += len(sequence.prompt)
                sequence.reused = len(sequence.slot.contents)
                self._counters.reused_tokens += sequence.reused

    def _take_slot(self, sequence: Sequence) -> Slot | None:
        room = sequence.room(self._model.context)
        try:
            return self.room.twice(partial(self.slots.take, sequence.prompt, room, sequence.spans))
        except RuntimeError:
            self.slots.lower_budget()
            raise

    def _release(self, leaving: Rows[Sequence]) -> None:
        """Keep what their slots hold for the chats' next turns, unless something went wrong there."""
        for sequence in leaving:
            self._holders.remove(sequence)
            if sequence in self._prompts:
                self._prompts.remove(sequence)
            assert sequence.slot is not None  # noqa: S101 - every holder has one
            if isinstance(sequence.outcome, BotError):
                self.slots.drop(sequence.slot)
            else:
                self.slots.park(sequence.slot)

    @contextlib.contextmanager
    def _blaming(self, sequence: Sequence) -> Iterator[None]:
        """A failure inside ends this answer alone."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it is, the other answers go on
            self._blame(error, sequence)

    def _fail(self, error: Exception, sequence: Sequence) -> None:
        """A failure ends the answer it belongs to; that memory ran out is nobody's, and puts off the newest."""
        if is_out_of_memory(error):
            sequence = next(each for each in reversed(self._holders) if each.outcome is None)
        self._blame(error, sequence)

    def _blame(self, error: Exception, sequence: Sequence) -> None:
        """What lacks memory beside others is begun anew when one of them has ended."""
        others = sum(each.outcome is None and each is not sequence for each in self._holders)
        if others and is_out_of_memory(error):
            self.room.lower(others)
            sequence.outcome = Again()
        else:
            sequence.fail(error)

    # --- prompts -------------------------------------------------------------------------------------------------

    def _feed_prompts(self, running: Rows[Sequence], budget: int) -> list[Ready]:
        """Feed so many tokens at most, to each prompt in turn; those that are in now."""
        ready: list[Ready] = []
        while budget > 0 and self._prompts:
            self._end_stopped(running)
            sequence = self._prompts.popleft()
            if sequence.outcome is not None:
                continue
            before = sequence.positions
            try:
                hidden = self.room.twice(partial(self._feed_chunk, sequence, budget))
            except Exception as error:  # noqa: BLE001 - whatever it is, the other answers go on
                self._fail(error, sequence)
                self._prompts.append(sequence)  # whoever had to end: the next step tries again
                break
            if sequence.positions == len(sequence.prompt):
                sequence.pictures = None
                ready.append(Ready(sequence, hidden))
            else:
                self._prompts.append(sequence)
            budget -= max(1, sequence.positions - before)
        return ready

    def _feed_chunk(self, sequence: Sequence, most: int) -> Tensor:
        """Feed the next tokens of a prompt; the last hidden state `[d]`."""
        slot, pictures, start = sequence.slot, sequence.pictures, sequence.positions
        assert slot is not None  # noqa: S101 - it was admitted
        stop = min(
            len(sequence.prompt), start + min(most, self.room.chunk, max(SMALLEST_CHUNK, self._forwards.in_time))
        )
        if pictures is not None:
            stop = pictures.reach(start, stop)
        embeddings = self._model.embed_ids(sequence.rendered.ids[start:stop])
        inserts = rope = None
        if pictures is not None:
            rope, inserts = pictures.rope[:, start:stop], pictures.insert(embeddings, start)
        hidden = self._forwards.feed_prompt(slot, embeddings, rope, inserts)
        slot.contents += sequence.prompt[start:stop]
        return hidden

    # --- answers -------------------------------------------------------------------------------------------------

    def _feed_answers(self, writing: list[Sequence]) -> list[Ready]:
        """Feed every answer one position; those that have nothing more to be fed are due a token."""
        if not writing:
            return []
        self._counters.decode_steps += 1
        self._counters.decoded_rows += len(writing)
        try:
            fed = self.room.twice(partial(self._feed_together, writing))
        except Exception as error:  # noqa: BLE001 - whatever it is, the other answers go on
            if is_out_of_memory(error):
                self._fail(error, writing[-1])  # the others are fed by the next step
                return []
            fed = self._feed_apart(writing)
        return [each for each in fed if not each.sequence.pending]

    def _feed_apart(self, writing: list[Sequence]) -> list[Ready]:
        """One by one it shows whose failure it is."""
        fed: list[Ready] = []
        for sequence in writing:
            with self._blaming(sequence):
                # A copy, to be scored anew: the next forward's output may take the same place.
                fed += [Ready(sequence, each.hidden.clone()) for each in self._feed_together([sequence])]
        return fed

    def _feed_together(self, writing: list[Sequence]) -> list[Ready]:
        """One forward; what it read is then in the slots."""
        held = [(sequence, sequence.slot) for sequence in writing if sequence.slot is not None]
        self.slots.line_up([slot for _, slot in held], first=self._forwards.graphs.on)
        held.sort(key=lambda each: each[1].row)
        rows = [
            Row(slot, sequence.pending[0], sequence.rope_delta, asking=_may_ask(sequence)) for sequence, slot in held
        ]
        stepped = self._forwards.feed_answers(rows)
        for (sequence, _), row in zip(held, rows, strict=True):
            self._hide_read(sequence, row.fed)
        for (sequence, _), row in zip(held, rows, strict=True):  # from here on nothing can fail, so it is done once
            self._note_fed(sequence, row.fed)
        return [Ready(held[at][0], hidden, stepped.scored, at) for at, hidden in enumerate(stepped.hidden)]

    def _note_fed(self, sequence: Sequence, fed: Fed) -> None:
        slot = sequence.slot
        assert slot is not None  # noqa: S101 - it was fed there
        sequence.pending.popleft()
        sequence.last_fed = fed.token
        if fed.vector is not None:
            sequence.injected.append(len(slot.contents))
        slot.contents.append(fed.token if fed.vector is None else INJECTED)
        if fed.token == self._recall_end:
            sequence.injected = []

    def _hide_read(self, sequence: Sequence, fed: Fed) -> None:
        """Behind `</recall>` nothing sees the vectors any more, where that is wanted."""
        slot, policy = sequence.slot, sequence.policy
        assert slot is not None  # noqa: S101 - it was fed there
        if fed.token == self._recall_end and policy is not None and policy.drop_injected and sequence.injected:
            self.slots.hide(slot, sequence.injected)

    # --- what follows from a hidden state ------------------------------------------------------------------------

    def _go_on(self, ready: list[Ready]) -> None:
        """At `<recall>` the hidden state is a query, and what it finds is fed next; anywhere else comes a token."""
        due: list[Ready] = []
        for each in ready:
            if each.sequence.last_fed == self._recall and each.sequence.may_recall:
                with self._blaming(each.sequence):
                    self._recall_memory(each.sequence, each.hidden)
            else:
                due.append(each)
        if due:
            self._sample(due)

    def _recall_memory(self, sequence: Sequence, hidden: Tensor) -> None:
        """Search with the hidden state and feed the memory's vectors at the next positions."""
        policy, slot = sequence.policy, sequence.slot
        assert policy is not None  # noqa: S101 - it may recall
        assert slot is not None  # noqa: S101 - it was fed
        hit = self._search(sequence, policy, hidden)
        inputs = self._memory_input(hit)
        if (more := len(inputs) - VECTORS) > 0:  # than were set aside for a memory
            self.room.twice(partial(self.slots.extend, slot, min(self._model.context, slot.room + more)))
        sequence.pending.extend(inputs)
        sequence.reading = 1
        sequence.ids += [self._pad] * len(inputs)
        if policy.close:
            sequence.pending.append(Fed(self._recall_end))
            sequence.write(self._recall_end)
            sequence.reading = 0
        if sequence.positions + len(sequence.pending) >= slot.room:
            sequence.finish(FinishReason.LENGTH)

    def _search(self, sequence: Sequence, policy: RecallPolicy, hidden: Tensor) -> RecallHit | None:
        """What comes to mind, noted; None: nothing near enough."""
        started = time.perf_counter()
        query: Vector = self._model.heads.query(hidden).cpu().numpy()
        nearest = policy.search(query)
        self._counters.recalls += 1
        self._counters.recall_seconds += time.perf_counter() - started
        hit = nearest if nearest is not None and nearest.score >= policy.floor else None
        sequence.recalls.append(
            Recalled(
                at=sequence.new_tokens,
                memory_id=hit.memory_id if hit else None,
                score=nearest.score if nearest else None,
                text=hit.text if hit else "",
            )
        )
        return hit

    def _memory_input(self, hit: RecallHit | None) -> list[Fed]:
        """The memory's vectors, or `<|memory_pad|>` as it is: nothing comes to mind."""
        if hit is None:
            return [Fed(self._pad)]
        vectors = torch.from_numpy(np.ascontiguousarray(hit.vectors)).to(self._model.device, self._model.dtype)
        return [Fed(self._pad, vector) for vector in vectors]

    # --- sampling ------------------------------------------------------------------------------------------------

    def _sample(self, due: list[Ready]) -> None:
        """A token for each, all at once; where that fails, one by one."""
        try:
            self.room.twice(partial(self._sample_together, due))
        except Exception:  # noqa: BLE001 - one by one it shows whose failure it is
            for each in due:
                with self._blaming(each.sequence):
                    self._sample_together([each])

    def _sample_together(self, due: list[Ready]) -> None:
        tokens = [*self._draw_scored([each for each in due if each.scored])]
        tokens += self._draw_fresh([each for each in due if not each.scored])
        for each, token in tokens:
            with self._blaming(each.sequence):
                self._write(each.sequence, self._recall_end if each.sequence.reading > LONGEST_READING else token)

    def _draw_scored(self, due: list[Ready]) -> list[tuple[Ready, int]]:
        """From what their step's graph scored."""
        if not due or (scored := due[0].scored) is None:
            return []
        tokens = draw(scored, hot({each.row: _choice(each.sequence) for each in due}))
        return [(each, tokens[each.row]) for each in due]

    def _draw_fresh(self, due: list[Ready]) -> list[tuple[Ready, int]]:
        """From the logits of their hidden states."""
        if not due:
            return []
        logits = self._model.logits(torch.stack([each.hidden for each in due]))
        tokens = choose(logits, [_choice(each.sequence) for each in due], self._recall, self._pad)
        return list(zip(due, tokens, strict=True))

    def _write(self, sequence: Sequence, token: int) -> None:
        """Take a token into the answer, which may end it."""
        if token == BROKEN:
            raise ModelError(
                "the model produced NaN or infinite logits: set model.dtype to float32 or bfloat16, "
                "or check the model's files with `onebot-bot doctor`"
            )
        if token in self._model.renderer.eos:
            sequence.new_tokens += 1
            sequence.finish(FinishReason.STOP)
            return
        sequence.write(token)
        if sequence.reading:
            sequence.reading = 0 if token == self._recall_end else sequence.reading + 1
        closing = sequence.closing if token != self._recall else []
        for each in closing:
            sequence.write(each)
        sequence.pending.extend(map(Fed, [token, *closing]))
        limit = sequence.generation.request.sampling.max_new_tokens
        if sequence.new_tokens >= limit or sequence.positions + len(sequence.pending) >= self._model.context:
            sequence.finish(FinishReason.LENGTH)


def _may_ask(sequence: Sequence) -> bool:
    """Whether `<recall>` may come next: not while a memory is read out."""
    return sequence.may_recall and not sequence.reading


def _choice(sequence: Sequence) -> Choice:
    """A memory is read out greedily, whatever the settings and however often its words were said before."""
    return Choice(None if sequence.reading else sequence.sampler, asking=_may_ask(sequence))
