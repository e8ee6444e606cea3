"""What every session of the chats shares."""

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

import msgspec
from msgspec import Struct

from onebot_bot.characters.cast import Cast
from onebot_bot.chat.access import Access
from onebot_bot.chat.composing import Draws
from onebot_bot.chat.eyes import Eyes
from onebot_bot.chat.guarding import Guard
from onebot_bot.chat.journal import Journal
from onebot_bot.chat.limits import Limits
from onebot_bot.chat.outbox import Clock, Queues
from onebot_bot.chat.presence import Presence
from onebot_bot.chat.reader import Reader
from onebot_bot.chat.rest import Rest
from onebot_bot.chat.settings import Settings
from onebot_bot.chat.stickers import Stickers
from onebot_bot.engine.request import Engine, Recalled, RecallHit, Vector
from onebot_bot.memory.branches import FIRST, Branch
from onebot_bot.memory.history import History
from onebot_bot.memory.withdrawal import TakeBack
from onebot_bot.protocol.chat_id import ChatId


class Recaller(Protocol):
    """Memories as a session needs them."""

    def search_in(self, chat: ChatId, temperature: float = 0.0) -> Callable[[Vector], RecallHit | None]:
        """The search a recall in this chat may do: its own memories and shared ones, nothing else."""

    def note(self, recalls: Collection[Recalled]) -> None:
        """Count what was recalled."""


class Services(Struct, frozen=True):
    """What every session shares."""

    engine: Engine
    history: History
    recaller: Recaller
    settings: Callable[[], Settings]
    report: Callable[[str, ChatId | None, BaseException], str]
    """Tells the owner: kind, where, what; returns the id that finds the log line."""
    clock: Clock
    rest: Rest = msgspec.field(default_factory=Rest)
    presence: Presence = msgspec.field(default_factory=Presence)
    limits: Limits | None = None
    """None: there are none."""
    access: Access = msgspec.field(default_factory=Access)
    guard: Guard = msgspec.field(default_factory=Guard)
    journal: Journal = msgspec.field(default_factory=Journal)
    heard: Callable[[ChatId], None] | None = None
    """Told of every message that goes on record; None: nobody wants to know."""
    take_back: TakeBack | None = None
    """Takes back what was learned from messages together with them; None: nothing is learned."""
    eyes: Eyes | None = None
    """For a model that may see; None: there is none."""
    queues: Queues | None = None
    """Shared with what else the accounts send; None: nothing else is sent."""
    stickers: Stickers | None = None
    """The owner's; None: there are none."""
    reader: Reader | None = None
    """Reads files and links; None: they stay names."""
    painter: Draws | None = None
    """Draws long answers; None: they are sent as text."""
    cast: Cast | None = None
    """Who the bot is in each chat; None: what config.toml says, word for word."""
    branch: Callable[[ChatId], Branch] = lambda _: FIRST
    """The branch that a chat is in, with its own prompt and settings."""
    shown: Callable[[ChatId], Sequence[ChatId]] = lambda _: ()
    """The private chats that a chat may see the end of: both people agreed."""
