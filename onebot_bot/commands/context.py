"""What a command's handler is given: who asks, where, and the services it may use."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from onebot_bot.config import Config, Key
from onebot_bot.engine.request import EngineStatus, Recalled
from onebot_bot.memory.bank import Hit
from onebot_bot.memory.history import Counts
from onebot_bot.memory.rows import Memory
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.events import Message
from onebot_bot.texts import Language


class ChatControl(Protocol):
    """What commands may do to a chat."""

    def stop(self, chat: ChatId) -> bool:
        """Stop what is being written; whether there was anything."""

    async def reset(self, chat: ChatId) -> None:
        """Let the model start afresh."""

    async def undo(self, chat: ChatId, turns: int) -> int:
        """Take the last exchanges out of view; how many there were."""

    def recalls(self, chat: ChatId) -> Sequence[Recalled]:
        """What the last answer recalled."""


class ConfigControl(Protocol):
    """What commands may do to the configuration."""

    @property
    def config(self) -> Config:
        """The one in force."""

    def reload(self) -> list[Key]:
        """Read the file again and return what changed; raises ConfigError."""

    def set(self, key: str, value: str) -> list[Key]:
        """Write one key into the file and apply it; raises ConfigError."""


class MemoryControl(Protocol):
    """What commands may do to the memories."""

    async def add(self, chat: ChatId, text: str, subjects: tuple[int, ...] = ()) -> Memory:
        """Remember a fact in this chat."""

    async def page(self, chat: ChatId, number: int, size: int) -> tuple[list[Memory], int]:
        """Page `number` (from 1) of this chat's memories, newest first, and how many memories there are."""

    async def search(self, chat: ChatId, text: str) -> list[Hit]:
        """The memories of this chat nearest to a text."""

    async def forget(self, chat: ChatId, memory_id: int) -> bool:
        """Erase one of this chat's memories; False when it has no such."""

    async def count(self) -> int:
        """Memories in all."""


class Overview(Struct, frozen=True):
    """What /status shows besides the model."""

    engine: EngineStatus
    links: Sequence[str]
    history: Counts
    memories: int
    uptime: float
    """Seconds."""
    process_memory: int
    """Bytes resident, the model's weights on a CPU included."""
    version: str


class Services(Protocol):
    """Everything handlers may use."""

    @property
    def chats(self) -> ChatControl:
        """Chats."""

    @property
    def configuration(self) -> ConfigControl:
        """Configuration."""

    @property
    def memories(self) -> MemoryControl:
        """Memories."""

    async def overview(self) -> Overview:
        """A snapshot for /status."""


class Context(Struct, frozen=True):
    """One use of a command."""

    chat: ChatId
    message: Message
    tier: int
    prefix: str
    language: Language
    services: Services
