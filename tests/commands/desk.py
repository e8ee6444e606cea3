"""What command tests share: services that are real where they can be, and a chat to type in."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from fakes import FakeAccount, ScriptedEngine

from onebot_bot.characters.cast import Cast
from onebot_bot.characters.library import SHIPPED, Library
from onebot_bot.commands.backup_control import KeptBackup, MadeBackup
from onebot_bot.commands.context import LearningStatus, Overview
from onebot_bot.commands.dispatcher import Dispatcher
from onebot_bot.commands.running_control import Busy
from onebot_bot.config import Config, Key, changed_keys, load_config
from onebot_bot.config_file import set_key
from onebot_bot.engine.request import Recalled
from onebot_bot.errors import StaleAnswer
from onebot_bot.memories import Memories
from onebot_bot.memory.bans import Bans
from onebot_bot.memory.chat_settings import ChatSettingsStore
from onebot_bot.memory.database import Database
from onebot_bot.memory.history import Counts
from onebot_bot.memory.moods import MoodStore
from onebot_bot.memory.persona_choices import PersonaChoices
from onebot_bot.memory.requests import Asked
from onebot_bot.memory.store import MemoryStore
from onebot_bot.memory.tallies import Tallies
from onebot_bot.memory.usage import Usage
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.events import GroupMessage, Message, PrivateMessage, Sender
from onebot_bot.protocol.segments import At, Segment, Text
from onebot_bot.sections.bot import BotConfig
from onebot_bot.texts import Language

OWNER, ANYONE, ADMIN = 1, 2, 3
GROUP = 7
NIGHT = datetime(2026, 11, 22, 2, tzinfo=UTC)
NOON = datetime(2026, 11, 21, 12).astimezone().timestamp()
"""When memories are noted: noon where the tests run."""


class Learner:
    """A nightly learning that does what a test says."""

    def __init__(self) -> None:
        self.now = LearningStatus(enabled=True, next_run=NIGHT)
        self.refusal: str | None = None
        self.earlier: list[str] = []
        self.told: tuple[str, bytes | None] = "", None
        self.trained: dict[int, list[str]] = {}
        self.did: list[str] = []

    def status(self) -> LearningStatus:
        """What the test says."""
        return self.now

    async def start(self) -> str | None:
        """Note it, unless the test refuses."""
        if self.refusal is None:
            self.did.append("start")
        return self.refusal

    def cancel(self) -> bool:
        """Note it; there is something when it was started."""
        self.did.append("cancel")
        return "start" in self.did

    async def rollback(self) -> str | None:
        """One version back."""
        return self.earlier.pop() if self.earlier else None

    async def report(self) -> tuple[str, bytes | None]:
        """What the test says."""
        return self.told

    def trained_on(self, memory_id: int) -> list[str]:
        """What the test says."""
        return self.trained.get(memory_id, [])


class Cellar:
    """Backups of which a test says when they were made."""

    def __init__(self) -> None:
        self.made: list[KeptBackup] = []

    async def make(self) -> MadeBackup:
        """One of a little more than a megabyte."""
        self.made.insert(0, KeptBackup(f"backup-{len(self.made)}.zip", NIGHT, 1_250_000))
        path = Path("backups") / self.made[0].name
        return MadeBackup(path=path, bytes=1_250_000, messages=1200, memories=3, pictures=0, adapter="")

    async def kept(self) -> list[KeptBackup]:
        """Those."""
        return self.made


class Busybody:
    """A running bot that is as busy as a test says."""

    def __init__(self) -> None:
        self.chats: list[Busy] = []
        self.outgoing: dict[int, int] = {}
        self.sent: Callable[[], int] = lambda: 0
        self.ended_after: int | None = None
        """How much `sent` said when it was ended; None: it was not."""

    def busy(self) -> list[Busy]:
        """What the test says."""
        return self.chats

    def unsent(self) -> dict[int, int]:
        """What the test says."""
        return self.outgoing

    def end(self) -> None:
        """Note it."""
        self.ended_after = self.sent()


class Lobby:
    """Requests that wait for a decision."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.decided: list[tuple[int, bool, str]] = []

    async def waiting(self, limit: int) -> list[Asked]:
        """Those."""
        return self.asked[-limit:]

    async def decide(self, number: int, *, accept: bool, reason: str = "") -> Asked | None:
        """Note it, if it waits."""
        found = next((asked for asked in self.asked if asked.id == number), None)
        if found is not None:
            self.asked.remove(found)
            self.decided.append((number, accept, reason))
        return found


def make_cast(database: Database) -> Cast:
    """The shipped personas, with which nothing goes wrong."""

    def report(kind: str, chat: ChatId | None, error: BaseException) -> None:
        raise error

    library = Library(SHIPPED)
    library.load()
    return Cast(library, PersonaChoices(database), MoodStore(database), report, clock=lambda: NOON)


class Desk:
    """What handlers may use, and what they did with it."""

    def __init__(self, path: Path, memories: Memories, store: MemoryStore, database: Database) -> None:
        self.path = path
        self.memories = memories
        self.store = store
        self.groups = ChatSettingsStore(database)
        self.bans = Bans(database)
        self.usage = Usage(database, lambda: "2026-11-21")
        self.cast = make_cast(database)
        self.tallies = Tallies(database, lambda: self.day, lambda: 0.0)
        self.day = "2026-11-21"
        """On which things are counted."""
        self.chats = self
        self.own: Any = self
        self.configuration = self
        self.config = Config()
        self.learning = Learner()
        self.requests = Lobby()
        self.backups = Cellar()
        self.running = Busybody()
        self.imports: Any = None
        self.first_words: Callable[[ChatId], int] = lambda _: 0
        self.did: list[str] = []
        self.engine = ScriptedEngine().status
        self.found: Sequence[Recalled] = ()
        self.decided = ""
        self.wrote = ""
        self.broken = False

    def stop(self, chat: ChatId) -> bool:
        """Note it."""
        self.did.append(f"stop {chat}")
        return len(self.did) == 1

    async def reset(self, chat: ChatId) -> None:
        """Note it."""
        self.did.append(f"reset {chat}")

    async def undo(self, chat: ChatId, turns: int) -> int:
        """There are two turns."""
        return min(turns, 2)

    def recalls(self, chat: ChatId) -> Sequence[Recalled]:
        """What the test says."""
        return self.found

    def writer(self, chat: ChatId, language: Language) -> str:
        """What the test says."""
        return self.wrote

    def decision(self, chat: ChatId, language: Language) -> str:
        """What the test says."""
        return self.decided

    def reload(self) -> list[Key]:
        """The real file."""
        return self._apply(load_config(self.path))

    def set(self, key: str, value: str) -> list[Key]:
        """The real file."""
        return self._apply(set_key(self.path, key, value))

    def _apply(self, config: Config) -> list[Key]:
        keys, self.config = changed_keys(self.config, config), config
        return keys

    async def overview(self) -> Overview:
        """Made up."""
        if self.broken:
            raise ZeroDivisionError
        return Overview(self.engine, ["10000×1"], Counts(12, 3, 1), 4, 3725.0, 512 * 2**20, "0.1.0")


class Room:
    """A chat in which commands are typed."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.account = FakeAccount()
        self.reported: list[BaseException] = []
        self.queued = 0
        self.late = False
        self.bot = BotConfig(owners=[OWNER])
        self.dispatcher = Dispatcher(desk, self._bot, lambda: ["/", "／"], self.report, self.ready)

    def _bot(self) -> BotConfig:
        """Its owner, and the admins that /admin made."""
        return msgspec.structs.replace(self.bot, admins=self.desk.config.bot.admins)

    async def ready(self, account: Any) -> None:
        """Count what asks for a place in the send queue."""
        self.queued += 1
        if self.late:
            raise StaleAnswer("too late")

    def report(self, kind: str, chat: ChatId | None, error: BaseException) -> str:
        """Note it."""
        self.reported.append(error)
        return "abc123"

    async def type(self, text: str, user: int = OWNER, group: int = 0) -> str:
        """Type a command; what the bot answers."""
        action = (await self.actions(text, user, group))[-1]
        assert (action.group_id or None) == (group or None)
        answer: str = action.message[0].text
        return answer

    async def actions(self, text: str, user: int = OWNER, group: int = 0) -> list[Any]:
        """Type a command; all that the bot does about it."""
        message = said(text, user, group)
        assert self.dispatcher.matches(text, message)
        account: Any = self.account
        await self.dispatcher.run(account, message, text)
        return [self.account.sent.get_nowait() for _ in range(self.account.sent.qsize())]


def said(text: str, user: int, group: int = 0, *, mention: bool = False) -> Message:
    """A message with that text."""
    parts: tuple[Segment, ...] = (At("10000"), Text(text)) if mention else (Text(text),)
    sender = Sender(user_id=user, nickname="n", role="admin" if user == ADMIN else "member")
    common: dict[str, Any] = {
        "time": 1, "self_id": 10000, "user_id": user, "message_id": 5, "sender": sender, "message": parts
    }  # fmt: skip
    return GroupMessage(group_id=group, **common) if group else PrivateMessage(**common)
