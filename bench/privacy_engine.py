"""An engine that looks for what it should not be shown."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np
from msgspec import Struct
from structlog.contextvars import get_contextvars

from onebot_bot.engine.request import (
    Conversation,
    EngineStatus,
    FinishReason,
    Generation,
    GenerationRequest,
    GenerationResult,
    Picture,
    Recalled,
    RecallPolicy,
    Vector,
)

T = TypeVar("T")

WIDTH = 8
"""Of keys."""


class Prompt(Struct, frozen=True):
    """What the engine was shown."""

    chat: str
    """The chat whose session asked."""
    words: str
    answer: str
    """The token of what was said to it."""


class Hit(Struct, frozen=True):
    """A memory that came to mind."""

    chat: str
    text: str
    own: bool
    """Whether its vectors were its own."""


class Prying:
    """Notes every prompt, and in each asks by the key of every memory there is, of whatever chat."""

    def __init__(self, tokens: Iterator[int]) -> None:
        self.status = EngineStatus(state="ready", model="prying", trained_recall=True, fingerprint="prying")
        self.probes: set[str] = set()
        """The texts of all memories."""
        self.prompts: list[Prompt] = []
        self.hits: list[Hit] = []
        self._tokens = tokens

    def submit(self, request: GenerationRequest) -> Generation:
        """Look, and answer with a token of its own."""
        chat = get_contextvars()["chat"]  # as every line of the log has it: a session's task is bound to its chat
        recalls = tuple(self._pry(request.recall, chat)) if request.recall else ()
        self.prompts.append(Prompt(chat, words_of(request.conversation), f"a{next(self._tokens):06}"))
        generation = Generation(request)
        text = f"{self.prompts[-1].answer} is what I say."
        generation.push(text)
        generation.finish(GenerationResult(text=text, finish_reason=FinishReason.STOP, recalls=recalls))
        return generation

    def _pry(self, policy: RecallPolicy, chat: str) -> Iterator[Recalled]:
        for text in sorted(self.probes):
            if (hit := policy.search(key_of(text))) is not None:
                own = bool(np.allclose(hit.vectors, raw_key(hit.text), atol=1e-3))
                self.hits.append(Hit(chat, hit.text, own))
                yield Recalled(0, hit.memory_id, hit.score, hit.text)

    async def embed(self, texts: list[str]) -> Vector:
        """Keys that crowd together: a neighbour of another chat is always near."""
        return np.stack([raw_key(text) for text in texts])

    async def project(self, keys: Vector) -> Vector:
        """Values that are the keys."""
        return keys[:, np.newaxis, :]

    async def run_exclusive(self, job: Callable[[Any], T]) -> T:
        """Run it now."""
        return job(self)


def words_of(conversation: Conversation) -> str:
    """Everything in a prompt that has words."""
    parts = [part for turn in conversation.turns for part in turn.parts] + list(conversation.opening)
    return "\n".join(part.words if isinstance(part, Picture) else part.text for part in parts)


def raw_key(text: str) -> Vector:
    """The key that this engine makes of a text."""
    seed = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
    noise = np.random.default_rng(seed).standard_normal(WIDTH)
    return (np.ones(WIDTH) + 0.1 * noise).astype(np.float32)


def key_of(text: str) -> Vector:
    """The same as a query."""
    key = raw_key(text)
    return np.asarray(key / np.linalg.norm(key), dtype=np.float32)
