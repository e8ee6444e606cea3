"""What bot admins and the owner may see and do of the running bot."""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from msgspec import Struct

from onebot_bot.protocol.chat_id import ChatId


class Busy(Struct, frozen=True):
    """A chat in which answers are owed."""

    chat: ChatId
    doing: Literal["waiting", "writing", "sending"]
    messages: int
    """Those to be answered."""
    seconds: float
    """Since the first of them came."""


class RunningControl(Protocol):
    """The running bot."""

    def busy(self) -> Sequence[Busy]:
        """The chats in which answers are owed, who waits longest first."""

    def unsent(self) -> Mapping[int, int]:
        """Messages that wait for their turn in the accounts' send queues; accounts without any are left out."""

    def end(self) -> None:
        """End the process in order, soon after this returns."""
