"""The composition root: builds every long-lived object on one AsyncExitStack; leaving undoes it backwards."""

import asyncio
import time
from collections.abc import Callable, Collection, Coroutine
from contextlib import AsyncExitStack
from datetime import datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import structlog

from onebot_bot import logs
from onebot_bot.backups.contents import Place
from onebot_bot.backups.daily import Backups
from onebot_bot.characters.cast import open_cast
from onebot_bot.chat.access import Access, Door
from onebot_bot.chat.guarding import Guard
from onebot_bot.chat.hall import Hall
from onebot_bot.chat.initiative import Initiative
from onebot_bot.chat.journal import Journal
from onebot_bot.chat.limits import Limits
from onebot_bot.chat.outbox import Clock, LoopClock, Queues
from onebot_bot.chat.presence import Presence
from onebot_bot.chat.reports import Reports
from onebot_bot.chat.requests import Requests
from onebot_bot.chat.router import ChatRouter
from onebot_bot.chat.services import Services
from onebot_bot.chat.session import ChatSession
from onebot_bot.chat.settings import settings_of
from onebot_bot.chat.stickers import Stickers
from onebot_bot.chat.turnlog import TurnLog
from onebot_bot.commands.dispatcher import Dispatcher
from onebot_bot.config import Config, load_config
from onebot_bot.config_file import watch_config
from onebot_bot.controls import Chats, CommandServices, Configuration, Nights, Running
from onebot_bot.door import open_door
from onebot_bot.engine.request import Engine
from onebot_bot.engine.worker import EngineWorker
from onebot_bot.errors import ConfigError
from onebot_bot.freeing import keep_giving_back
from onebot_bot.health import NEVER, Restarts, prepare_memories, tell_restart, watch_engine
from onebot_bot.hours import LocalTime
from onebot_bot.imports import Imports
from onebot_bot.key_copies import keep_copied
from onebot_bot.learning.journal import interrupted_since
from onebot_bot.memories import Memories
from onebot_bot.memory.database import Database
from onebot_bot.memory.history import History
from onebot_bot.memory.requests import RequestStore
from onebot_bot.memory.rewriting import Rewriting
from onebot_bot.memory.unread import Unread
from onebot_bot.nights import Around, Learning, build_learning, morning_teller, start_engine
from onebot_bot.own import Kept, OwnData, Rewrite
from onebot_bot.private import close_to_others, private_files
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.events import Message
from onebot_bot.rendering.painter import Painter
from onebot_bot.senses import Surroundings, open_senses
from onebot_bot.stores import open_stores
from onebot_bot.texts import Language
from onebot_bot.transport.account import Account
from onebot_bot.transport.gapfill import fill_gap
from onebot_bot.transport.server import OneBotServer
from onebot_bot.transport.token import read_token

log = structlog.get_logger(__name__)


class App:
    """The whole bot of one config.toml. An async context manager: it listens once entered, before the model is loaded.

    `server` listens already, where clients are to be let in before this module is imported; its end is taken over.

    Raises:
        ConfigError, StoreError: on entering, when it cannot start; the text names the fix.
    """

    def __init__(  # noqa: PLR0913 - the path, and five seams for tests and for `start`
        self,
        path: Path,
        make_history: Callable[[Database], History] = History,
        engine: Engine | None = None,
        clock: Clock | None = None,
        *,
        restarts: Restarts = NEVER,
        server: OneBotServer | None = None,
    ) -> None:
        self._restarts = restarts
        self._given_server = server
        self.path = path.absolute()
        self.folder = self.path.parent
        self._make_history = make_history
        self._given_engine = engine  # None: the one of config.toml
        self._clock = clock or LoopClock()
        self._local = LocalTime()

    async def __aenter__(self) -> Self:
        """Build everything; only then is what clients send received, for now there is somewhere to put it."""
        config = load_config(self.path)
        for ours in ("memory_store", "training/runs"):  # those of before, too
            close_to_others(self.folder / ours)
        self.token = read_token(config.server, self.folder, create=True)
        async with AsyncExitStack() as stack:
            stack.enter_context(private_files())
            self._server = self._given_server or await open_door(stack, config, self.folder)
            self.port = self._server.port
            await self._build(stack, config)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Undo it in reverse order."""
        log.info("Shutting down.")
        await self._stack.aclose()

    async def _build(self, stack: AsyncExitStack, config: Config) -> None:
        """Each part stands on those before it; the door opens last and is shut first."""
        self.config = config
        """The configuration in force."""
        self.configuration = Configuration(self.path, config, self._configured)
        self._settings = settings_of(config)
        _note_words(config)
        self._accounts = self._server.accounts
        self._sessions: dict[ChatId, ChatSession] = {}
        self._stores = await open_stores(
            stack, self.folder / "memory_store", self._make_history, self._today, self._clock.time
        )
        self._presence = Presence(self._stores.groups.of, self._local_time)
        # The model loads on its own thread while the rest goes on.
        self.engine = self._given_engine or await start_engine(stack, config, self.folder, lambda: self.config.profiles)
        self._memories = Memories(self.engine, self._stores.memories)
        self._tasks = await _open_tasks(stack)
        self._queues = Queues(lambda: self._settings.sending, self._clock)
        self._reports = Reports(
            lambda: self.config.bot, self._accounts, self._tasks, self._clock.time, self._queues.tell
        )
        self._access = Access(self._stores.bans.banned)
        self._requests = await stack.enter_async_context(self._make_requests())
        self._cast = await open_cast(
            self._stores.database, self.folder / "personas", self._reports.report, self._local_time
        )
        self._backups = Backups(
            self._stores.database,
            lambda: Place(self.path, self.config),
            self._reports.report,
            self._clock,
            self._local_time,
        )
        learning = self._make_learning()
        services = await self._open_services(stack, config, learning)
        self._router = await stack.enter_async_context(
            ChatRouter(services, self._make_commands(learning), self._accounts, self._sessions, self._fill_gap)
        )
        initiative = self._make_initiative(services, learning)
        self._begin(stack, initiative)
        if learning is not None:
            await learning.enter(stack)
        hall = Hall(self._router, self._reports, self._requests, initiative)
        stack.push_async_exit(self._server)
        self._server.hear(hall.dispatch, hall.connected)

    def _make_requests(self) -> Requests:
        return Requests(
            RequestStore(self._stores.database),
            accounts=self._accounts,
            settings=lambda: self._settings,
            access=self._access,
            tell=self._reports.tell,
            report=self._reports.report,
            clock=self._clock,
            today=self._today,
        )

    def _make_own(self) -> OwnData:
        stores = self._stores
        followers = (stores.groups, self._cast.choices, stores.tallies)
        rewriting = Rewriting(stores.database)
        return OwnData(
            Kept(stores.history, rewriting, stores.memories, stores.branches, stores.people, followers, self._files()),
            self._sessions,
            lambda chat: self._router.session(chat),  # noqa: PLW0108 - the router is made later
        )

    def _files(self) -> list[Rewrite]:
        """What is kept of people beside the database."""

        async def log_file(user: int, _messages: Collection[int]) -> None:
            await logs.forget(user)

        return [log_file, *([self._turns.forget] if self._turns else [])]

    def _make_commands(self, learning: Learning | None) -> Dispatcher:
        stores, find = self._stores, self._stores.memories.get
        services = CommandServices(
            *(Chats(self._sessions, self._presence), stores.groups, self.configuration, self._memories, self.engine),
            *(stores.history, self._accounts),
            bans=stores.bans,
            usage=stores.usage,
            tallies=stores.tallies,
            requests=self._requests,
            first_words=lambda chat: stores.words.of(chat).on(self._today()),
            own=self._make_own(),
            backups=self._backups,
            running=Running(self._sessions, self._queues),
            imports=lambda chat: Imports(chat, stores.history, self._senses.files, lambda: self.config),
            learner=Nights(learning.cycle, learning.versions, self._language, find) if learning else None,
            cast=self._cast,
        )
        return Dispatcher(
            services,
            lambda: self.config.bot,
            lambda: self.config.commands.prefixes,
            self._reports.report,
            self._queues.reply,
            hears=self._hears,
        )

    def _hears(self, user: int) -> bool:
        """Whether what a person says in private is the bot's business."""
        return self._access.door_of(user, 0, self.config.bot, self.config.access) is Door.OPEN

    async def _open_services(self, stack: AsyncExitStack, config: Config, learning: Learning | None) -> Services:
        stores, guard = self._stores, self._make_guard()
        journal = await self._open_journal(stack, config)
        self._senses = await open_senses(stack, self._surroundings(guard))
        shared = Services(
            *(self.engine, stores.history, self._memories, lambda: self._settings, self._reports.report, self._clock),
            presence=self._presence,
            access=self._access,
            take_back=stores.memories.take_back,
            queues=self._queues,
            limits=Limits(stores.usage, self._clock.time),
            stickers=Stickers(lambda: self.folder / self.config.tags.stickers),
            guard=guard,
            journal=journal,
            painter=Painter(),
            cast=self._cast,
            branch=stores.branches.current,
            shown=stores.people.shown,
            eyes=self._senses.eyes,
            reader=self._senses.reader,
        )
        if self._restarts.last is not None:
            tell_restart(self._restarts.last, shared.rest, self._reports)
        return shared if learning is None else _listened(shared, learning)

    def _surroundings(self, guard: Guard) -> Surroundings:
        return Surroundings(
            folder=self.folder,
            config=lambda: self.config,
            database=self._stores.database,
            accounts=self._accounts,
            engine=self.engine,
            presence=self._presence,
            refuses=guard.refuses,
            clock=self._clock,
        )

    def _make_initiative(self, services: Services, learning: Learning | None) -> Initiative:
        def awake() -> bool:
            return learning is not None and self.engine.status.state == "ready" and not services.rest.resting

        return Initiative(
            self._stores.words,
            groups=self._stores.groups,
            accounts=self._accounts,
            settings=lambda: self._settings,
            presence=self._presence,
            access=self._access,
            speak=self._router.speak_first,
            awake=awake,
            language=lambda chat, user: self._cast.persona(chat, user, self.config.bot).language,
            report=self._reports.report,
            clock=self._clock,
            local=self._local_time,
        )

    def _begin(self, stack: AsyncExitStack, initiative: Initiative) -> None:
        """What goes on in the background."""
        prepare = partial(prepare_memories, self.engine, self._memories, self._reports)
        watched = watch_engine(self.engine, self._reports, self._restarts.restart, prepare)
        works = (self._watch(), self._cast.watch(), prepare(), initiative.run(), self._backups.run(), watched)
        copied = keep_copied(self.engine, self._stores.memories, self._clock)
        for work in (*works, copied, keep_giving_back(self._clock, shrink=self._stores.shrink)):
            stack.callback(self._tasks.create_task(_guarded(work, self._reports)).cancel)

    def _make_guard(self) -> Guard:
        """Raises ConfigError when a word list cannot be read."""
        guard = Guard(lambda: self.config.guard, self.folder, self._clock, self._reports.report)
        guard.load()
        return guard

    async def _open_journal(self, stack: AsyncExitStack, config: Config) -> Journal:
        """With a turn log unless `log.turns` is empty."""
        log_config, folder = lambda: self.config.log, config.log.turns
        turns = await stack.enter_async_context(TurnLog(self.folder / folder, log_config)) if folder else None
        self._turns = turns
        return Journal(turns.write if turns else None, self._stores.tallies.count, log_config, self._local_time)

    def _make_learning(self) -> Learning | None:
        """None for the echo: there is nothing to teach."""
        if not isinstance(self.engine, EngineWorker):
            return None
        around = Around(
            engine=self.engine,
            store=self._stores.memories,
            unread=Unread(self._stores.database),
            memories=self._memories,
            config=lambda: self.config,
            persona=lambda: self._cast.prompt(self.config.bot),
            folder=self.folder,
            clock=self._clock,
            pause=lambda: self._router.paused(),  # noqa: PLW0108 - the router is made later
            tell=morning_teller(lambda: self.config, self._stores.memories.get, self._reports.tell),
            readings=lambda rows: self._senses.reader.readable(rows),  # noqa: PLW0108 - so is the reader
        )
        return build_learning(around)

    def _local_time(self) -> datetime:
        """Where the people of the chats live, to the second; every message asks for it several times."""
        return self._local.now(self.config.learning.timezone)

    def _today(self) -> str:
        """The day there."""
        return self._local.today(self.config.learning.timezone)

    def _language(self) -> Language:
        return self.config.bot.language

    async def _fill_gap(self, account: Account, chats: list[ChatId]) -> list[Message]:
        return await fill_gap(account, chats, self.config.server.gap_messages)

    def _configured(self, config: Config) -> None:
        """Hand the live keys to what does not read them anew by itself."""
        self.config = config
        self._settings = settings_of(config)
        logs.set_level(config.log.level)
        _note_words(config)
        self._server.configure(config.server)

    async def _watch(self) -> None:
        """Apply every saved change; a broken file keeps the last good configuration, and the owner hears why."""
        async for found in watch_config(self.path):
            if isinstance(found, ConfigError):
                self._reports.report("report.config", None, found)
            else:
                self.configuration.apply(found)

    @property
    def url(self) -> str:
        """What NapCat dials, as seen from this machine."""
        host = self.config.server.host
        return f"ws://{'127.0.0.1' if host in ('0.0.0.0', '::', '') else host}:{self.port}/onebot/v11/ws"  # noqa: S104


def _listened(shared: Services, learning: Learning) -> Services:
    """With the learning told of every message; what waited while a night was cut short is remembered."""
    if (since := interrupted_since(learning.runs, time.time())) is not None:
        shared.rest.remember(since, time.time())
    return msgspec.structs.replace(shared, heard=learning.curator.heard)


def _note_words(config: Config) -> None:
    """Who reads the logs knows from them what they are."""
    if config.log.content:
        log.warning("What people say is written into the logs: log.content is on.")


async def _open_tasks(stack: AsyncExitStack) -> asyncio.TaskGroup:
    """Not entered on the stack: the group would wrap an error meant for a person, such as a port in use."""
    tasks = asyncio.TaskGroup()
    await tasks.__aenter__()
    stack.push_async_callback(tasks.__aexit__, None, None, None)
    return tasks


async def _guarded(work: Coroutine[Any, Any, None], reports: Reports) -> None:
    """What goes wrong in the background is told, and does not take the bot with it."""
    try:
        await work
    except Exception as error:  # noqa: BLE001 - see above
        reports.report("report.background", None, error)
