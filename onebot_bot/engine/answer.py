"""One answer in progress: what is still to be fed, what was said, and how it ended."""

import time
from collections import deque

from onebot_bot.engine.forward import Fed
from onebot_bot.engine.kv import is_out_of_memory
from onebot_bot.engine.model import LoadedModel
from onebot_bot.engine.pictures import Pictures
from onebot_bot.engine.prefix import picture_spans, prompt_contents
from onebot_bot.engine.render import THINK, THINK_END, THOUGHT_CLOSED, Rendered, TextStream
from onebot_bot.engine.request import (
    RECALL,
    VECTORS,
    FinishReason,
    Generation,
    GenerationResult,
    Recalled,
    RecallPolicy,
    Usage,
)
from onebot_bot.engine.sampling import Sampler
from onebot_bot.engine.slots import Slot
from onebot_bot.errors import BotError, ModelError, NoRoom


class Sequence:
    """An answer, from its prompt to its outcome."""

    def __init__(self, generation: Generation, model: LoadedModel, rendered: Rendered, dropped: int) -> None:
        self.generation = generation
        self.outcome: GenerationResult | BotError | None = None
        self.rendered = rendered
        self.spans = picture_spans(rendered.ids, model.renderer.image_token) if rendered.images else []
        self.prompt = prompt_contents(rendered, self.spans)
        """Content of every position of the prompt."""
        self.pictures = Pictures(model, rendered, self.spans) if rendered.images else None
        """Until the prompt is in."""
        self.rope_delta = self.pictures.delta if self.pictures else 0
        self.slot: Slot | None = None
        self.pending: deque[Fed] = deque()
        """What is fed next, one a step, once the prompt is in; a token is sampled after the last."""
        self.last_fed = rendered.ids[-1]
        """The token at the newest cache position; what decides whether its hidden state is a query."""
        self.ids: list[int] = list(rendered.ids)
        """Every id so far, prompt and placeholders included."""
        self.recalls: list[Recalled] = []
        self.reading = 0
        """Tokens of a memory that is being read out, counted from 1; 0 outside of a recall."""
        self.injected: list[int] = []
        """Cache positions of the memory that is being read out."""
        self.new_tokens = 0
        self.thought: int | None = 0 if rendered.thinks else None
        """Tokens of the thought that is being written; None outside of one."""
        self._marks = [model.renderer.special.token_to_id(mark) for mark in (THINK, THINK_END)]
        self._closing = model.renderer.encode_control(THOUGHT_CLOSED) if self._thinks_within_bounds else []
        self.reused = 0
        """Tokens of the prompt that were found in the cache."""
        vocabulary = model.embeddings.weight.shape[0]
        self.sampler = Sampler(generation.request.sampling, rendered.ids, vocabulary, model.device)
        self._dropped = dropped
        self._stream = TextStream(model.renderer)
        self._text: list[str] = [_opened(rendered, model)]
        self._delta = "".join(self._text)
        self._started = time.monotonic()
        self._first_token = 0.0

    @property
    def positions(self) -> int:
        """Cache positions taken."""
        return len(self.slot.contents) if self.slot else 0

    @property
    def may_recall(self) -> bool:
        """Whether `<recall>` would be answered."""
        policy = self.policy
        return policy is not None and len(self.recalls) < policy.max_recalls

    @property
    def policy(self) -> RecallPolicy | None:
        """How it may recall."""
        return self.generation.request.recall

    def room(self, context: int) -> int:
        """Positions to set aside: prompt, answer and what may be recalled, as far as the window goes."""
        policy = self.policy
        recalled = policy.max_recalls * VECTORS if policy else 0
        written = self.generation.request.sampling.max_new_tokens + len(self._closing)
        return min(context, len(self.prompt) + written + recalled)

    @property
    def closing(self) -> list[int]:
        """What ends a thought that has used up its tokens; a memory is read to its end before."""
        spent = self.thought is not None and self.thought >= self.generation.request.sampling.max_thinking_tokens
        return self._closing if spent and not self.reading else []

    @property
    def _thinks_within_bounds(self) -> bool:
        """Both marks have to be one token each: nobody else is known to think."""
        return bool(self.generation.request.sampling.max_thinking_tokens) and None not in self._marks

    def write(self, token: int) -> None:
        """Note a token of the answer and the text it completes.

        What is read out of a memory is not counted as said: repeating it in the answer is no repetition.
        """
        self.ids.append(token)
        self.new_tokens += 1
        if not self.reading:
            self.sampler.note(token)
        if token in self._marks:
            self.thought = 0 if token == self._marks[0] else None
        elif self.thought is not None:
            self.thought += 1
        if not self._first_token:
            self._first_token = time.monotonic()
        text = self._stream.feed(token)
        self._text.append(text)
        self._delta += text

    def take_delta(self) -> str:
        """The text that became whole since the last call."""
        delta, self._delta = self._delta, ""
        return delta

    def fail(self, error: Exception) -> None:
        """Settle the outcome: what failed, in words that name the remedy where one is known."""
        if isinstance(error, BotError):
            self.outcome = error
        elif is_out_of_memory(error):
            self.outcome = NoRoom()
        else:
            self.outcome = ModelError(f"generation failed: {type(error).__name__}: {error}")

    def finish(self, reason: FinishReason) -> None:
        """Settle the outcome; the text so far is kept whatever the reason."""
        now, submitted = time.monotonic(), self.generation.submitted
        self.outcome = GenerationResult(
            text="".join(self._text),
            finish_reason=reason,
            recalls=tuple(self.recalls),
            usage=Usage(
                prompt_tokens=len(self.prompt),
                reused_tokens=self.reused,
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
