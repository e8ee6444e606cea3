"""What the worker drives: a runner, and the answers that it writes. No torch here."""

from collections.abc import Mapping
from typing import Any, Protocol

from onebot_bot.engine.request import Counters, Generation, GenerationResult, ProfileState, Vector
from onebot_bot.errors import BotError, ModelError

UNCALIBRATED = 0.3
"""Least cosine of a recalled memory, for a model that nobody trained to ask."""


class Again(ModelError):
    """Nobody hears of this outcome: the answer goes back into the queue, before all that wait, and is begun anew."""


class Running(Protocol):
    """An answer in progress, on the model's thread."""

    generation: Generation
    outcome: GenerationResult | BotError | None

    def take_delta(self) -> str:
        """The text that became whole since the last call."""


class Runner(Protocol):
    """What the thread drives; `profiles.Profiles` is the real one. Every method runs on the model's thread."""

    @property
    def device(self) -> str:
        """For people: `cpu`, `cuda:0`."""

    @property
    def sees(self) -> bool:
        """Whether pictures reach the model."""

    @property
    def trained_recall(self) -> bool:
        """Whether the weights were trained to ask for memories."""

    @property
    def fingerprint(self) -> str:
        """Names what makes keys."""

    @property
    def base(self) -> str:
        """Names the weights below any adapter."""

    @property
    def adapter(self) -> str:
        """Names the adapter that serves; empty: none."""

    @property
    def floor(self) -> float:
        """Least cosine of a memory that is recalled, as calibrated."""

    @property
    def parameters(self) -> int:
        """How many the network has."""

    @property
    def counters(self) -> Counters:
        """What was done since the model was loaded."""

    @property
    def profiles(self) -> Mapping[str, ProfileState]:
        """How the models of the profiles stand; asked for on the event loop."""

    def ready(self, generation: Generation) -> bool:
        """Whether `start` is to be called; False while its model is being loaded, or has no room for one more."""

    def start(self, generation: Generation) -> Running:
        """Check and render a request; raises RequestError, and ProfileError where its model cannot be loaded."""

    def step(self, running: list[Any]) -> None:
        """Advance each by one forward pass; sets `outcome` on those that ended or failed."""

    def embed(self, texts: list[str]) -> Vector:
        """Raw keys of texts `[n, D]` float32."""

    def project(self, keys: Vector) -> Vector:
        """Values `[n, vectors, d]` of raw keys `[n, D]`, float32."""

    def memory(self) -> int:
        """Bytes in use on the device."""
