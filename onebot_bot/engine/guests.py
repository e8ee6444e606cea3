"""What else lies on the model's card for as long as there is room: the copy of the memories' keys. No torch here."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar


class Guest(Protocol):
    """It gives its memory back when asked to, and by itself where it finds none."""

    @property
    def gone(self) -> bool:
        """Whether it has given it back, for good."""

    def clear(self) -> None:
        """Give it back, for good."""


G = TypeVar("G", bound=Guest)


class Lodging:
    """Room for one guest, `budget` bytes; 0: none."""

    def __init__(self, budget: int = 0) -> None:
        self._budget = self._room = budget
        self._guest: Guest | None = None

    def host(self, make: Callable[[Any, int], G], device: Any) -> G | None:
        """Make a guest on a torch device, in so many bytes at most, instead of any before; None: there is no room.

        Where the one before had to go by itself the next has half: the same would soon happen again.
        """
        if self._guest is not None and self._guest.gone:
            self._room //= 2
        self.dismiss()
        if not self._room:
            return None
        self._guest = guest = make(device, self._room)
        return guest

    def dismiss(self) -> None:
        """Clear whoever is here."""
        if self._guest is not None:
            self._guest.clear()
            self._guest = None

    def spare(self) -> None:
        """Memory ran out: answers come first, and nobody is taken in before `relax`."""
        if self._guest is not None:
            self._room = 0
            self.dismiss()

    def relax(self) -> None:
        """That was long ago."""
        self._room = self._budget
