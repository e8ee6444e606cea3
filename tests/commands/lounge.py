"""Chats in which people talk to a scripted engine and use the commands about their own part, over a real database."""

import itertools
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
from commands.desk import Learner
from fakes import FakeClock, ScriptedEngine, answer, until
from watching import seen
from world import World

from onebot_bot.chat.files import Files
from onebot_bot.chat.router import ChatRouter
from onebot_bot.chat.services import Services
from onebot_bot.commands.dispatcher import Dispatcher
from onebot_bot.config import Config
from onebot_bot.engine.request import FinishReason, Generation, Recalled, RecallHit, Vector
from onebot_bot.errors import MediaError
from onebot_bot.imports import Imports
from onebot_bot.memories import Memories
from onebot_bot.memory.branches import BranchStore
from onebot_bot.memory.chat_settings import ChatSettingsStore
from onebot_bot.memory.database import Database
from onebot_bot.memory.history import Entry, History
from onebot_bot.memory.persona_choices import PersonaChoices
from onebot_bot.memory.personal import PersonalData
from onebot_bot.memory.rewriting import Rewriting
from onebot_bot.memory.rows import Memory
from onebot_bot.memory.store import MemoryStore
from onebot_bot.own import Kept, OwnData
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.events import Message
from onebot_bot.protocol.segments import At
from onebot_bot.protocol.segments import Text as Words
from onebot_bot.sections.bot import BotConfig

ALICE, BOB, ADMIN = 1, 2, 3
GROUP = 77
PRIVATE = ChatId(10000, "private", ALICE)
HERE = ChatId(10000, "group", GROUP)
_numbers = itertools.count(1)
"""Of messages: a restarted bot hears new ones."""


class Lounge:
    """Who is there, and what is kept of it."""

    def __init__(self, world: World, kept: Kept, database: Database, memories: Memories) -> None:
        self.world = world
        self.kept = kept
        self.database = database
        self.memories = memories
        self.config = Config()
        self.learning = Learner()
        self.bot = BotConfig()
        self.files: dict[str, bytes] = {}
        """What can be fetched, by the last part of its address."""
        self.chats: ChatSettingsStore
        self.personas: PersonaChoices

    @property
    def engine(self) -> ScriptedEngine:
        """What writes the answers."""
        return self.world.engine

    def message(self, words: str, user: int = ALICE, group: int = 0, **fields: Any) -> Message:
        """What somebody says: in a group to the bot, unless it is a command."""
        if not group:
            return self.world.private(words, user, **fields)
        parts = (Words(words),) if words.startswith("/") else (At("10000"), Words(words))
        said = self.world.group(parts, user, group, **fields)
        sender = msgspec.structs.replace(said.sender, role="admin" if user == ADMIN else "member")
        return msgspec.structs.replace(said, sender=sender)

    async def asked(self, words: str, user: int = ALICE, group: int = 0) -> Generation:
        """Somebody says something; what the engine is asked."""
        self.world.say(self.message(words, user, group))
        return await self.next()

    async def next(self) -> Generation:
        """What the engine is asked next, once the merge window has passed."""
        await until(lambda: bool(self.world.clock.sleeping) or not self.engine.requests.empty())
        if self.engine.requests.empty():
            self.world.clock.advance(1.0)
        return await self.engine.next()

    async def reply(self, generation: Generation, words: str) -> str:
        """The engine answers; what is sent."""
        answer(generation, words)
        sent = str((await self.world.account.next()).message[-1].text)
        await self.rest()
        return sent

    async def talk(self, words: str, reply: str, user: int = ALICE, group: int = 0) -> list[str]:
        """One exchange; what the engine saw."""
        generation = await self.asked(words, user, group)
        await self.reply(generation, reply)
        return seen(generation)

    async def rest(self) -> None:
        """Until no answer is being written anywhere."""
        await until(lambda: not any(session.busy for session in self.world.sessions.values()))

    def type(self, command: str, user: int = ALICE, group: int = 0) -> None:
        """Somebody gives a command."""
        self.world.say(self.message(command, user, group))

    async def command(self, command: str, user: int = ALICE, group: int = 0) -> str:
        """Somebody gives a command; the last thing said about it."""
        return str((await self.actions(command, user, group))[-1].message[0].text)

    async def actions(self, command: str, user: int = ALICE, group: int = 0) -> list[Any]:
        """Somebody gives a command; all that the bot does about it, the last of it being what it says."""
        self.type(command, user, group)
        done = [await self.world.account.next()]
        while not hasattr(done[-1], "message"):
            done.append(await self.world.account.next())
        return done

    async def sent(self, command: str, count: int, user: int = ALICE) -> list[Any]:
        """Somebody gives a command; the first so many things that the bot sends."""
        self.type(command, user)
        return [await self.world.account.next() for _ in range(count)]

    async def fetch(self, source: str, max_bytes: int, timeout: float) -> bytes:  # noqa: ASYNC109 - the real one's
        """A file that was sent."""
        name = source.rpartition("/")[2]
        if name not in self.files:
            raise MediaError(f"{name}: expired")
        assert len(self.files[name]) <= max_bytes
        return self.files[name]

    async def record(self, chat: ChatId = PRIVATE) -> list[tuple[str, str]]:
        """Role and text of what the model may see."""
        return [(entry.role, entry.text) for entry in await self.kept.history.recent(chat, 100)]

    async def remember(self, text: str, chat: ChatId = PRIVATE, **fields: Any) -> Memory:
        """Something is remembered."""
        return await self.memories.add(chat, text, **fields)

    async def last(self, chat: ChatId = PRIVATE) -> Entry:
        """The last thing a person said."""
        return [entry for entry in await self.kept.history.recent(chat, 100) if entry.role == "user"][-1]

    async def texts(self, chat: ChatId = PRIVATE) -> list[str]:
        """What is remembered, oldest first."""
        return [memory.text for memory in await self.kept.store.export(chat) if memory.status == "active"]

    def search_in(self, chat: ChatId, temperature: float = 0.0) -> Callable[[Vector], RecallHit | None]:
        """Finds nothing."""
        return lambda _: None

    def note(self, recalls: Collection[Recalled]) -> None:
        """Nothing was recalled."""


def on_disk(folder: Path) -> bytes:
    """All files of a bot."""
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))


def interrupted(generation: Generation) -> None:
    """The engine stops, as it was told to."""
    assert generation.interrupted
    answer(generation, "half", FinishReason.INTERRUPTED)


async def _ready(_account: object) -> None:
    """At once."""


@asynccontextmanager
async def lounge_at(folder: Path, engine: ScriptedEngine, clock: FakeClock) -> AsyncIterator[Lounge]:
    """A bot over the files of a folder; the files stay, for another start."""
    async with Database(folder / "m.sqlite3") as database, MemoryStore(database, folder / "m.faiss") as store:
        memories = Memories(engine, store)
        await memories.vectors.prepare("fake")
        groups, branches, people = ChatSettingsStore(database), BranchStore(database), PersonalData(database)
        personas = PersonaChoices(database)
        for kept_of in (groups, branches, people, personas):
            await kept_of.restore()
        history = History(database)
        world = World(engine, clock, history)
        world._numbers = _numbers
        kept = Kept(history, Rewriting(database), store, branches, people, (groups, personas))
        lounge = Lounge(world, kept, database, memories)
        lounge.chats, lounge.personas = groups, personas
        own = OwnData(lounge.kept, world.sessions, lambda chat: world.router.session(chat))  # noqa: PLW0108 - the router is made later
        services: Any = SimpleNamespace(
            own=own,
            groups=groups,
            memories=memories,
            cast=SimpleNamespace(choices=personas),
            configuration=lounge,
            learning=lounge.learning,
            imports=lambda chat: Imports(chat, history, Files(world.accounts, lounge.fetch), lambda: lounge.config),
        )
        dispatcher = Dispatcher(services, lambda: lounge.bot, lambda: ["/"], world.report, _ready)
        shared = Services(
            *(engine, history, lounge, lambda: world.settings, world.report, clock),
            branch=branches.current,
            shown=people.shown,
            take_back=store.take_back,
        )
        async with ChatRouter(shared, dispatcher, world.accounts, world.sessions, world.fill_gap) as router:
            world.router = router
            yield lounge
