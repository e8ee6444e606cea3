"""An engine without a model: it repeats what it is told.

`model.path = "echo"` tests a connection before gigabytes are downloaded; benches measure the path around the model.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from onebot_bot.engine.request import (
    Conversation,
    EngineStatus,
    FinishReason,
    Generation,
    GenerationRequest,
    GenerationResult,
    Text,
    Vector,
)
from onebot_bot.errors import ModelError

T = TypeVar("T")

NO_MODEL = 'model.path is "echo": there is no model; set it to a model folder in config.toml and restart'


class EchoEngine:
    """Answers at once with the last turn's words."""

    def __init__(self) -> None:
        self._answers = 0

    def submit(self, request: GenerationRequest) -> Generation:
        """An answer that is already finished."""
        generation = Generation(request)
        text = _last_words(request.conversation)
        generation.push(text)
        generation.finish(GenerationResult(text=text, finish_reason=FinishReason.STOP))
        self._answers += 1
        return generation

    async def embed(self, texts: list[str]) -> Vector:  # noqa: ARG002 - the protocol's signature
        """Raise ModelError: keys take a model."""
        raise ModelError(NO_MODEL)

    async def project(self, keys: Vector) -> Vector:  # noqa: ARG002 - the protocol's signature
        """Raise ModelError: values take a model."""
        raise ModelError(NO_MODEL)

    async def run_exclusive(self, job: Callable[[Any], T]) -> T:  # noqa: ARG002 - the protocol's signature
        """Raise ModelError: there is no runner."""
        raise ModelError(NO_MODEL)

    @property
    def status(self) -> EngineStatus:
        """Always ready."""
        return EngineStatus(state="ready", model="echo", device="-", answers=self._answers)


def _last_words(conversation: Conversation) -> str:
    parts = conversation.turns[-1].parts
    return "".join(part.text for part in parts if isinstance(part, Text)).rpartition("\n")[2]
