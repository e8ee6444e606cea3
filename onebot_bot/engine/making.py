"""What the model of a profile is, who makes one, and how it is made beside the answers that are being written."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct

from onebot_bot.engine.fit import Weights


class Variant(Struct, frozen=True):
    """What is loaded for a profile."""

    path: Path
    """The model folder."""
    adapter: Path | None
    weights: Weights


class Room(Struct, frozen=True):
    """What a model takes, and what there is, in bytes."""

    needed: int
    """By its weights while they are loaded, and the cache of one chat."""
    free: int
    refusal: str
    """What is said where it does not fit: with the bytes and the fix."""


class Traits(Struct, frozen=True):
    """What a chat has to know of the model that answers it."""

    sees: bool | None = None
    """Whether it takes pictures; None where that cannot be known."""
    parameters: int = 0
    """How many it has; 0 where that cannot be known."""


class Maker(Protocol):
    """Makes the runners of variants; `variants.VariantMaker` is the real one."""

    def room(self, variant: Variant, promised: int) -> Room:
        """What it takes and what there is, `promised` bytes being other models' to fill; raises ModelError."""

    def make(self, variant: Variant) -> Any:
        """A runner, loaded; called on a thread of its own; raises ModelError."""

    def traits(self, variant: Variant) -> Traits:
        """What is known of it before it is loaded; never raises."""

    def release(self) -> None:
        """Give back to the device what was let go."""


class Loading:
    """One model being loaded, on its own thread: a daemon, for loading cannot be interrupted."""

    def __init__(self, variant: Variant, taken: int, make: Callable[[Variant], Any]) -> None:
        self.variant = variant
        self.taken = taken
        self.runner: Any = None
        self.error: Exception | None = None
        self._make = make
        self._thread = threading.Thread(target=self._run, name="profile", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.runner = self._make(self.variant)
        except Exception as error:  # noqa: BLE001 - whatever a model folder can raise is told by who asked for it
            self.error = error

    @property
    def done(self) -> bool:
        """Whether it ended."""
        return not self._thread.is_alive()

    def wait(self) -> None:
        """Until it ended."""
        self._thread.join()
