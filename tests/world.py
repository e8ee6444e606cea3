"""What a chat test touches: a scripted engine and account, a real history, a clock that the test moves."""

import asyncio
from collections.abc import Callable, Collection, Iterator
from typing import Any, TypeVar

import msgspec
from fakes import FakeAccount, FakeClock, ScriptedEngine, until

from onebot_bot.characters.cast import Cast
from onebot_bot.chat.guarding import Guard
from onebot_bot.chat.router import ChatRouter
from onebot_bot.chat.services import Services
from onebot_bot.chat.session import ChatSession
from onebot_bot.chat.settings import Settings
from onebot_bot.engine.request import Generation, Recalled, RecallHit, Vector
from onebot_bot.memory.branches import FIRST
from onebot_bot.memory.history import History
from onebot_bot.memory.withdrawal import Hide
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.events import GroupMessage, Message, PrivateMessage, Sender
from onebot_bot.protocol.segments import Segment, Text
from onebot_bot.sections.bot import BotConfig
from onebot_bot.sections.chat import ChatConfig
from onebot_bot.sections.guard import GuardConfig
from onebot_bot.sections.memory import MemoryConfig
from onebot_bot.sections.model import GenerationConfig
from onebot_bot.sections.sending import SendingConfig
from onebot_bot.sections.server import LogConfig

T = TypeVar("T")


class World:
    """Everything a chat test touches."""

    def __init__(self, engine: ScriptedEngine, clock: FakeClock, history: History) -> None:
        self.engine = engine
        self.clock = clock
        self.history = history
        self.account: Any = FakeAccount()
        self.accounts: dict[int, Any] = {10000: self.account}
        self.sessions: dict[ChatId, ChatSession] = {}
        self.reports: asyncio.Queue[tuple[str, BaseException]] = asyncio.Queue()
        self.commands: asyncio.Queue[str] = asyncio.Queue()
        self.missed: list[Message] = []
        self.noted: list[Recalled] = []
        self.unlearned: list[tuple[ChatId, list[int]]] = []
        self.settings = Settings(
            BotConfig(names=["小忆"], persona="Be kind."),
            ChatConfig(merge_window=1.0, typing_speed=0.0, name_chance=1.0),
            GenerationConfig(),
            MemoryConfig(),
            LogConfig(),
            SendingConfig(interval=0.0, jitter=0.0, per_minute=0),
        )
        self._numbers: Iterator[int] = iter(range(1, 100_000))
        self.cast: Cast | None = None
        self.branch = FIRST
        self.router: ChatRouter

    def services(self) -> Services:
        """What sessions are given."""
        guard = Guard(lambda: GuardConfig(loops=False))  # long answers of tests are one sentence again and again
        needed = (self.engine, self.history, self, lambda: self.settings, self.report, self.clock)
        return Services(*needed, take_back=self.take_back, guard=guard, cast=self.cast, branch=lambda _: self.branch)

    def configure(self, section: str, **values: Any) -> None:
        """Change settings, as a saved config.toml would."""
        changed = msgspec.structs.replace(getattr(self.settings, section), **values)
        self.settings = msgspec.structs.replace(self.settings, **{section: changed})

    def report(self, kind: str, chat: ChatId | None, error: BaseException) -> str:
        """Note a report."""
        self.reports.put_nowait((kind, error))
        return "id"

    def search_in(self, chat: ChatId, temperature: float = 0.0) -> Callable[[Vector], RecallHit | None]:
        """Finds nothing."""
        return lambda _: None

    def note(self, recalls: Collection[Recalled]) -> None:
        """Note what was recalled."""
        self.noted += recalls

    async def take_back(self, chat: ChatId, hide: Hide[T]) -> T:
        """Note what nothing may be learned from any more."""
        rows, told = await self.history._database.write(hide)
        self.unlearned.append((chat, [*rows]))
        return told

    def matches(self, text: str, message: Message) -> bool:
        """A slash is a command."""
        return text.startswith("/")

    async def run(self, account: Any, message: Message, text: str) -> None:
        """Note the command."""
        self.commands.put_nowait(text)

    async def fill_gap(self, account: Any, chats: list[ChatId]) -> list[Message]:
        """What the test says was missed."""
        return self.missed

    def private(self, text: str | tuple[Segment, ...], user: int = 1, **fields: Any) -> PrivateMessage:
        """A private message."""
        segments = (Text(text),) if isinstance(text, str) else text
        number = next(self._numbers)
        values: dict[str, Any] = {"time": 1_700_000_000 + number, "message_id": number, "self_id": 10000, **fields}
        return PrivateMessage(
            user_id=user, sender=Sender(user_id=user, nickname=f"n{user}"), message=segments, **values
        )

    def group(self, text: str | tuple[Segment, ...], user: int = 1, group: int = 77, **fields: Any) -> GroupMessage:
        """A group message."""
        segments = (Text(text),) if isinstance(text, str) else text
        number = next(self._numbers)
        values: dict[str, Any] = {"time": 1_700_000_000 + number, "message_id": number, "self_id": 10000, **fields}
        sender = Sender(user_id=user, nickname=f"n{user}", card=f"card{user}", role="member")
        return GroupMessage(user_id=user, group_id=group, sender=sender, message=segments, **values)

    def say(self, message: Message, account: Any = None) -> None:
        """A message arrives."""
        self.router.dispatch(account or self.account, message)

    async def quiet(self, seconds: float = 1.0) -> None:
        """Let the merge window pass, once a session waits for it."""
        await until(lambda: bool(self.clock.sleeping))
        self.clock.advance(seconds)

    async def asks(self, *segments: Segment, **fields: Any) -> Generation:
        """Somebody says something; what the model is given for it."""
        self.say(self.private(segments, **fields))
        await self.quiet()
        return await self.engine.next()

    async def settled(self) -> None:
        """Until everything queued so far is on the disk."""
        await self.history.counts()
        await self.history.mark([], "heard")
