"""What is asked of the engine and what comes back: values that both threads may hold. No torch."""

import asyncio
import enum
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Literal, Protocol, TypeVar

import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

from onebot_bot.errors import BotError, RequestError

Role = Literal["system", "user", "assistant"]
Vector = NDArray[np.float32]
T = TypeVar("T")

RECALL = "<recall>"
RECALL_END = "</recall>"
MEMORY_PAD = "<|memory_pad|>"
MEMORY_TOKENS = (RECALL, RECALL_END, MEMORY_PAD)
"""Appended to every tokenizer in this order (design: ids 151669-151671 on Qwen3-VL)."""


class Text(Struct, frozen=True, tag=True):
    """Words of a person, a file or the model: never becomes a special token, whatever it spells."""

    text: str


class Control(Struct, frozen=True, tag=True):
    """Text of our own in which special tokens are special."""

    text: str


class Picture(Struct, frozen=True, tag=True):
    """An encoded image (PNG, JPEG, WebP, GIF: the first frame)."""

    data: bytes
    words: str = ""
    """What a model without eyes reads in its place: which model answers is known only when the prompt is rendered."""


Part = Text | Control | Picture


class Turn(Struct, frozen=True):
    """One turn of a conversation."""

    role: Role
    parts: tuple[Part, ...]


class Conversation(Struct, frozen=True):
    """What the model sees.

    `opening` begins the answer itself (an activation phrase, `<recall>`); `thinking` is handed to the chat template.
    """

    turns: tuple[Turn, ...]
    opening: tuple[Part, ...] = ()
    thinking: bool = False
    keep: int = 1
    """How many of the last turn's parts must stay when the conversation is cut to fit."""


class SamplingParams(Struct, frozen=True, kw_only=True):
    """How tokens are chosen. Temperature 0 is greedy; a seed makes an answer repeatable."""

    temperature: float = 0.7
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    seed: int | None = None
    max_new_tokens: int = 256
    max_thinking_tokens: int = 0
    """Of those, tokens of a thought, after which it is closed; 0: no bound."""

    def check(self) -> None:
        """Raise RequestError, naming the parameter and its range, when one is out of range."""
        checks = {
            "temperature (>= 0)": self.temperature >= 0,
            "top_p (in (0, 1])": 0 < self.top_p <= 1,
            "top_k (>= 0)": self.top_k >= 0,
            "min_p (in [0, 1])": 0 <= self.min_p <= 1,
            "repetition_penalty (> 0)": self.repetition_penalty > 0,
            "max_new_tokens (>= 1)": self.max_new_tokens >= 1,
            "max_thinking_tokens (>= 0)": self.max_thinking_tokens >= 0,
        }
        if bad := [name for name, fine in checks.items() if not fine]:
            raise RequestError(f"sampling parameter out of range: {', '.join(bad)}")


VECTORS = 2
"""Vectors of a memory's value: room for a fact word for word, at the price of two positions of context."""


class RecallHit(Struct, frozen=True):
    """A memory found by a recall; `vectors` `[n, d]` float32 go in at the next n positions."""

    memory_id: int
    score: float
    text: str
    vectors: Vector


class RecallPolicy(Struct, frozen=True):
    """How a request may recall.

    `search` is called on the GPU thread with the unit query `[d]` float32 and returns the best memory in the
    request's scope, or None when there is none; hits below `floor` (cosine) count as none.
    """

    search: Callable[[Vector], RecallHit | None]
    floor: float
    max_recalls: int
    close: bool = False
    """Feed `</recall>` right behind the vectors: for a model that was never trained to read a memory out and close."""
    drop_injected: bool = False
    """Hide the vectors from what follows `</recall>`: then the answer sees only the words that were read out."""


class Recalled(Struct, frozen=True):
    """One recall that happened: at which new token, what was found (None: nothing comes to mind), how near.

    `score` is the nearest memory's, also where that was too far to come to mind.
    """

    at: int
    memory_id: int | None
    score: float | None
    text: str


class GenerationRequest(Struct, frozen=True, kw_only=True):
    """One answer to write. `timeout` is in seconds and counts from the submission, the wait in the queue included."""

    conversation: Conversation
    sampling: SamplingParams
    recall: RecallPolicy | None = None
    timeout: float = 180.0
    profile: str = ""
    """Whose model answers, by its name in [profiles] of config.toml; empty, or one that is not there: the main one."""


class FinishReason(enum.Enum):
    """Why an answer ended; an interrupt is a value, so what was written so far survives."""

    STOP = "stop"
    LENGTH = "length"
    INTERRUPTED = "interrupted"
    TIMEOUT = "timeout"


class Usage(Struct, frozen=True, kw_only=True):
    """What an answer cost; times in seconds since the submission.

    `dropped_turns` counts parts of turns: in a chat, one for each message that was left out to fit the window.
    """

    prompt_tokens: int = 0
    reused_tokens: int = 0
    """Of the prompt, found in the cache."""
    new_tokens: int = 0
    dropped_turns: int = 0
    queued: float = 0.0
    first_token: float = 0.0
    total: float = 0.0


class GenerationResult(Struct, frozen=True, kw_only=True):
    """A finished answer: the raw text, thinking and recalls included."""

    text: str
    finish_reason: FinishReason
    recalls: tuple[Recalled, ...] = ()
    usage: Usage = Usage()


class Generation:
    """An answer being written: iterate for text deltas, or await `result()`.

    Both raise the BotError that made this one answer fail. Belongs to the event loop it was submitted on; only
    `interrupted` is read by the other thread.
    """

    def __init__(self, request: GenerationRequest) -> None:
        self.request = request
        self.submitted = time.monotonic()
        self.interrupted = False  # set once, by the loop; read by the GPU thread before every forward
        self.begun = 0
        """How often the answer was begun anew: text before the last time is void."""
        self._deltas: deque[str] = deque()
        self._outcome: GenerationResult | BotError | None = None
        self._settled: asyncio.Future[None] | None = None
        """For who waits for the outcome; made only then."""
        self._news: asyncio.Event | None = None
        """Set when there is more to read; made when somebody waits for it."""

    def interrupt(self) -> None:
        """Stop at the next token; the result then carries what was written, with INTERRUPTED."""
        self.interrupted = True

    @property
    def done(self) -> bool:
        """Whether the outcome is known."""
        return self._outcome is not None

    def when_done(self, call: Callable[["Generation"], object]) -> None:
        """Have `call` hear of the outcome, soon after it is there."""
        self._settling().add_done_callback(lambda _: call(self))

    async def result(self) -> GenerationResult:
        """The finished answer.

        Raises:
            BotError: this answer failed; others go on.
        """
        if self._outcome is None:
            # Shielded: who waits may be cancelled, the answer goes on. A finished one needs no waiting at all.
            await asyncio.shield(self._settling())
        return self._told()

    async def __aiter__(self) -> AsyncIterator[str]:
        """Text deltas in order; never splits a character."""
        while True:
            while self._deltas:
                yield self._deltas.popleft()
            if self._outcome is not None:
                self._told()
                return
            if self._news is None:
                self._news = asyncio.Event()
            self._news.clear()
            await self._news.wait()

    def _told(self) -> GenerationResult:
        """The outcome, which is there."""
        if isinstance(self._outcome, BotError):
            raise self._outcome.with_traceback(None)  # or it would hold on to the frames of who was told before
        assert self._outcome is not None  # noqa: S101 - for the type: asked only once it is there
        return self._outcome

    def _settling(self) -> "asyncio.Future[None]":
        if self._settled is None:
            self._settled = asyncio.get_running_loop().create_future()
            if self._outcome is not None:
                self._settled.set_result(None)
        return self._settled

    def begin_anew(self) -> None:
        """What was written so far is void, and what comes is another answer (engine only, on the loop)."""
        self._deltas.clear()
        self.begun += 1

    def push(self, delta: str) -> None:
        """Add text (engine only, on the loop)."""
        self._deltas.append(delta)
        if self._news is not None:
            self._news.set()

    def finish(self, outcome: GenerationResult | BotError) -> None:
        """Settle the outcome (engine only, on the loop); later calls change nothing."""
        if self._outcome is not None:
            return
        self._outcome = outcome
        if self._settled is not None:
            self._settled.set_result(None)
        if self._news is not None:
            self._news.set()


class Counters(Struct, kw_only=True):
    """What the model's thread has done since the model was loaded."""

    prompt_tokens: int = 0
    reused_tokens: int = 0
    """Of those, found in the cache."""
    decode_steps: int = 0
    decoded_rows: int = 0
    """Answers fed in those steps, each step's counted."""
    recalls: int = 0
    recall_seconds: float = 0.0
    """For the query and the search, over all recalls."""
    kv_bytes: int = 0
    """Taken by keys and values now, those kept for a chat's next turn included."""
    kv_budget: int = 0
    """Bytes that they may take."""
    graphs: str = ""
    """Whether answers are written by recorded CUDA graphs: `on`, `off: why`; empty on a CPU, which has none."""

    @property
    def mean_batch(self) -> float:
        """Answers that shared a forward."""
        return self.decoded_rows / self.decode_steps if self.decode_steps else 0.0

    @property
    def mean_recall(self) -> float:
        """Seconds a recall."""
        return self.recall_seconds / self.recalls if self.recalls else 0.0


class ProfileState(Struct, frozen=True, kw_only=True):
    """How the model of a profile stands."""

    state: Literal["main", "ready", "loading", "absent", "failed"]
    """`main`: it has no weights of its own; `absent`: they are loaded when they are first asked for."""
    sees: bool | None = None
    """Whether pictures reach it; None while nobody knows."""
    parameters: int = 0
    """How many it has; 0 while nobody knows."""
    error: str = ""
    """Why it failed."""


class EngineStatus(Struct, frozen=True, kw_only=True):
    """What /status shows. Rates in tokens a second over the last answers; memory in bytes."""

    state: str
    model: str
    device: str = ""
    memory: int = 0
    running: int = 0
    queued: int = 0
    answers: int = 0
    tokens_per_second: float = 0.0
    first_token: float = 0.0
    first_token_p50: float = 0.0
    """Seconds from the submission to the first token: the median of the last answers."""
    first_token_p95: float = 0.0
    interrupts: int = 0
    """Answers that an interrupt ended, since the start."""
    counters: Counters = field(default_factory=Counters)
    sees: bool = False
    """Whether pictures reach the model."""
    trained_recall: bool = False
    fingerprint: str = ""
    """Names what makes keys; empty while there is no model."""
    base: str = ""
    """Names the chat model's own weights, whatever adapter it serves; empty while there is none."""
    adapter: str = ""
    """The adapter that serves; empty: none."""
    calibrated_floor: float = 0.3
    parameters: int = 0
    profiles: Mapping[str, ProfileState] = {}
    """Those of config.toml."""

    def floor(self, configured: float) -> float:
        """The least cosine in force: `memory.floor`, or the calibrated one where that is 0."""
        return configured or self.calibrated_floor


class Engine(Protocol):
    """The seam between chats and the model; a second machine would attach here."""

    def submit(self, request: GenerationRequest) -> Generation:
        """Queue an answer; never blocks and never raises: a failure is the generation's outcome."""

    async def embed(self, texts: list[str]) -> Vector:
        """Keys `[n, d]` float32 of texts, not centred, made between two decode steps."""

    async def project(self, keys: Vector) -> Vector:
        """Values `[n, vectors, d]` float32 of raw keys `[n, D]`: what is injected when such a memory is recalled."""

    async def run_exclusive(self, job: Callable[[Any], T]) -> T:
        """Run `job(runner)` on the model's thread once no answer is running; answers asked for meanwhile wait."""

    @property
    def status(self) -> EngineStatus:
        """A snapshot for people."""
