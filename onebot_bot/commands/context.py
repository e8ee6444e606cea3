"""What a command's handler is given: who asks, where, and the services it may use."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from onebot_bot.characters.cast import Cast
from onebot_bot.commands.backup_control import BackupControl
from onebot_bot.commands.import_control import ImportControl
from onebot_bot.commands.own_context import OwnControl
from onebot_bot.commands.running_control import RunningControl
from onebot_bot.config import Config, Key
from onebot_bot.engine.request import EngineStatus, Recalled
from onebot_bot.errors import NotConnected
from onebot_bot.memory.bank import Hit
from onebot_bot.memory.bans import Ban
from onebot_bot.memory.chat_settings import ChatSettings
from onebot_bot.memory.history import Counts
from onebot_bot.memory.requests import Asked
from onebot_bot.memory.rows import Memory, Stats
from onebot_bot.memory.tallies import Counts as Amounts
from onebot_bot.memory.usage import Peer, Used
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.events import Message
from onebot_bot.texts import Language


class ChatControl(Protocol):
    """What commands may do to a chat."""

    def stop(self, chat: ChatId) -> bool:
        """Stop what is being written; whether there was anything."""

    def recalls(self, chat: ChatId) -> Sequence[Recalled]:
        """What the last answer recalled."""

    def writer(self, chat: ChatId, language: Language) -> str:
        """Which profile wrote the last answer, in words; empty for the main model's own."""

    def decision(self, chat: ChatId, language: Language) -> str:
        """Why the last message was answered or was not, in words; empty when there was none since the start."""


class GroupControl(Protocol):
    """What the admins of a group may decide for it."""

    def of(self, chat: ChatId) -> ChatSettings:
        """What was decided."""

    async def put(self, chat: ChatId, settings: ChatSettings) -> None:
        """Let this hold from now on; raises StoreError."""


class BanControl(Protocol):
    """What bot admins may decide about people."""

    def current(self) -> list[Ban]:
        """Who is banned, the latest first."""

    async def put(self, user: int, seconds: int | None, reason: str, by: int) -> Ban:
        """Ban somebody for so long (None: until lifted); raises StoreError."""

    async def lift(self, user: int) -> bool:
        """End a ban; whether there was one; raises StoreError."""


class TallyControl(Protocol):
    """What was counted."""

    async def of_day(self, day: str) -> dict[ChatId, Amounts]:
        """In each chat on a day, `YYYY-MM-DD`; raises StoreError."""

    async def of_chat(self, chat: ChatId, since: str) -> dict[str, Amounts]:
        """In a chat on each day from `since` on; raises StoreError."""


class UsageControl(Protocol):
    """What was used today."""

    def of(self, peer: Peer) -> Used:
        """By a person or a group."""


class RequestControl(Protocol):
    """Friend requests and invitations."""

    async def waiting(self, limit: int) -> list[Asked]:
        """The latest that nobody has decided yet, oldest first."""

    async def decide(self, number: int, *, accept: bool, reason: str = "") -> Asked | None:
        """Accept or reject one; None when none of that id waits; raises ActionError and StoreError."""


class ConfigControl(Protocol):
    """What commands may do to the configuration."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def config(self) -> Config:
        """The one in force."""

    def reload(self) -> list[Key]:
        """Read the file again and return what changed; raises ConfigError."""

    def set(self, key: str, value: str) -> list[Key]:
        """Write one key into the file and apply it; raises ConfigError."""


class MemoryControl(Protocol):
    """What commands may do to the memories of one chat, which see no other chat's but the shared ones."""

    async def add(
        self, chat: ChatId, text: str, subjects: tuple[int, ...] = (), *, speaker: int | None = None
    ) -> Memory:
        """Remember a fact in this chat; raises CommandError when it is too long."""

    async def page(self, chat: ChatId, number: int, size: int, subject: int | None = None) -> tuple[list[Memory], int]:
        """Page `number` (from 1) of this chat's memories, newest first, and how many there are.

        With `subject`: only those about this person, or said by them.
        """

    async def search(self, chat: ChatId, text: str, subject: int | None = None) -> list[Hit]:
        """The memories of this chat nearest to a text; `subject` as for `page`."""

    async def show(self, chat: ChatId, memory_id: int) -> Memory | None:
        """One memory that this chat may recall, or that was superseded here; None when there is none."""

    async def edit(self, chat: ChatId, memory_id: int, text: str) -> Memory | None:
        """Let one of this chat's memories say something else; None when it has no such."""

    async def pin(self, chat: ChatId, memory_id: int, pinned: bool) -> bool:  # noqa: FBT001 - the verb says which
        """Pin one of this chat's memories, or no longer; False when it has no such."""

    async def forget(self, chat: ChatId, memory_id: int) -> bool:
        """Erase one of this chat's memories; False when it has no such."""

    async def stats(self, chat: ChatId) -> Stats:
        """How many of this chat's memories are in which state."""

    async def export(self, chat: ChatId) -> list[Memory]:
        """All that this chat itself remembers, oldest first, superseded ones among it."""

    async def count(self) -> int:
        """Memories in all."""


class LearningStatus(Struct, frozen=True, kw_only=True):
    """How the nightly learning stands."""

    enabled: bool
    """Whether `learning.enabled` lets it run by itself."""
    step: str | None = None
    """What it is doing, as the catalogue's `learn.step.NAME` names it; None: nothing."""
    share: float = 0.0
    """Of that step, done: from 0 to 1."""
    eta: float | None = None
    """Seconds until the whole run ends; None while nobody can say."""
    started: datetime | None = None
    """In the configured time zone, as all times here."""
    next_run: datetime | None = None
    last_outcome: str = ""
    """How the last run ended, in the bot's language; empty when there was none."""
    adapter: str = ""
    """The version that serves; empty: none, the model is as it came."""


class LearningControl(Protocol):
    """What the owner may do to the nightly learning."""

    def status(self) -> LearningStatus:
        """How it stands; never waits."""

    async def start(self) -> str | None:
        """Start a run now; None, or why it cannot, in the bot's language."""

    def cancel(self) -> bool:
        """End the run, the serving model staying as it is; whether there was one."""

    async def rollback(self) -> str | None:
        """Withdraw the version that serves, in favour of the one before.

        Returns:
            The name of what serves now, empty for the model as it came; None: no version served.
        """

    async def report(self) -> tuple[str, bytes | None]:
        """The last morning report, empty when there was none, and its plot as a PNG."""

    def trained_on(self, memory_id: int) -> list[str]:
        """The versions that were trained on a memory."""


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
    def own(self) -> OwnControl:
        """What people may do to their own part of a chat."""

    @property
    def groups(self) -> GroupControl:
        """The settings of single groups."""

    @property
    def bans(self) -> BanControl:
        """Who is not heard."""

    @property
    def usage(self) -> UsageControl:
        """What was used today."""

    @property
    def tallies(self) -> TallyControl:
        """What was counted."""

    @property
    def imports(self) -> Callable[[ChatId], ImportControl]:
        """Chat exports, to be imported into a chat."""

    @property
    def running(self) -> RunningControl:
        """The running bot."""

    @property
    def requests(self) -> RequestControl:
        """Friend requests and invitations."""

    @property
    def first_words(self) -> Callable[[ChatId], int]:
        """How often the bot spoke first in a chat today."""

    @property
    def configuration(self) -> ConfigControl:
        """Configuration."""

    @property
    def memories(self) -> MemoryControl:
        """Memories."""

    @property
    def cast(self) -> Cast:
        """Who the bot is in each chat."""

    @property
    def learning(self) -> LearningControl:
        """The nightly learning."""

    @property
    def backups(self) -> BackupControl:
        """Backups."""

    async def overview(self) -> Overview:
        """A snapshot for /status."""


async def _tell_nobody(_user: int, _text: str) -> bool:
    """There is no account to send with."""
    return False


async def _send_nothing(_chat: ChatId, _text: str) -> int | None:
    """There is no account to send with."""
    raise NotConnected("no account is connected")


class Context(Struct, frozen=True):
    """One use of a command."""

    chat: ChatId
    message: Message
    tier: int
    prefix: str
    language: Language
    services: Services
    tell: Callable[[int, str], Awaitable[bool]] = _tell_nobody
    """Tells another person something in private, on behalf of whoever gave the command; whether that was done."""
    send: Callable[[ChatId, str], Awaitable[int | None]] = _send_nothing
    """Says something in a chat of this account; the message's id as far as QQ tells it; raises ActionError."""
