"""The composition root: builds every long-lived object on one AsyncExitStack; leaving undoes it backwards."""

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from zoneinfo import ZoneInfo

import msgspec
import structlog

from onebot_bot import __version__, logs
from onebot_bot.characters.cast import Cast, open_cast
from onebot_bot.chat.access import Access
from onebot_bot.chat.eyes import Eyes
from onebot_bot.chat.files import Files
from onebot_bot.chat.guarding import Guard
from onebot_bot.chat.hall import Hall
from onebot_bot.chat.initiative import Initiative
from onebot_bot.chat.journal import Journal
from onebot_bot.chat.limits import Limits
from onebot_bot.chat.outbox import Clock, LoopClock, Queues
from onebot_bot.chat.presence import Presence
from onebot_bot.chat.profiles import sees
from onebot_bot.chat.reader import Reader
from onebot_bot.chat.reports import Reports
from onebot_bot.chat.requests import Requests
from onebot_bot.chat.router import ChatRouter
from onebot_bot.chat.services import Services
from onebot_bot.chat.session import ChatSession
from onebot_bot.chat.settings import Settings
from onebot_bot.chat.stickers import Stickers
from onebot_bot.chat.turnlog import TurnLog
from onebot_bot.commands.dispatcher import Dispatcher
from onebot_bot.config import Config, load_config
from onebot_bot.config_file import watch_config
from onebot_bot.controls import Chats, CommandServices, Configuration, Nights
from onebot_bot.engine.echo import EchoEngine
from onebot_bot.engine.expected import may_see, window_of
from onebot_bot.engine.request import Engine
from onebot_bot.engine.worker import EngineWorker
from onebot_bot.errors import BotError, ConfigError
from onebot_bot.learning.journal import interrupted_since
from onebot_bot.learning.morning import report_text, with_texts
from onebot_bot.learning.work import NightReport
from onebot_bot.memories import Memories
from onebot_bot.memory.bans import Bans
from onebot_bot.memory.branches import BranchStore
from onebot_bot.memory.chat_settings import ChatSettingsStore
from onebot_bot.memory.database import Database
from onebot_bot.memory.first_words import FirstWords
from onebot_bot.memory.history import History
from onebot_bot.memory.personal import PersonalData
from onebot_bot.memory.pictures import PictureStore
from onebot_bot.memory.readings import ReadingStore
from onebot_bot.memory.requests import RequestStore
from onebot_bot.memory.rewriting import Rewriting
from onebot_bot.memory.store import MemoryStore
from onebot_bot.memory.tallies import Tallies
from onebot_bot.memory.usage import Usage
from onebot_bot.nights import Around, Learning, build_learning, load_runner, prepare
from onebot_bot.own import Kept, OwnData
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.events import Message
from onebot_bot.reading.extractor import Extractor
from onebot_bot.rendering.painter import Painter
from onebot_bot.sections.profiles import ProfileConfig
from onebot_bot.texts import Language, say
from onebot_bot.transport.account import Account
from onebot_bot.transport.gapfill import fill_gap
from onebot_bot.transport.media import fetch_media
from onebot_bot.transport.pages import fetch_page
from onebot_bot.transport.server import OneBotServer
from onebot_bot.transport.token import read_token

log = structlog.get_logger(__name__)

ECHO = "echo"
"""As `model.path`: no model, see engine/echo.py."""


class App:
    """The whole bot of one config.toml. An async context manager: it listens once entered, before the model is loaded.

    Raises:
        ConfigError, StoreError: on entering, when it cannot start; the text names the fix.
    """

    def __init__(
        self,
        path: Path,
        make_history: Callable[[Database], History] = History,
        engine: Engine | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.path = path.absolute()
        self.folder = self.path.parent
        self._make_history = make_history
        self._given_engine = engine  # None: the one of config.toml
        self._clock = clock or LoopClock()

    async def __aenter__(self) -> Self:
        """Build everything, the server last: nothing is received before there is somewhere to put it."""
        config = load_config(self.path)
        self.token = read_token(config.server, self.folder, create=True)
        async with AsyncExitStack() as stack:
            await self._build(stack, config)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Undo it in reverse order."""
        log.info("Shutting down.")
        await self._stack.aclose()

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self.configuration.config

    async def _build(self, stack: AsyncExitStack, config: Config) -> None:
        self.configuration = Configuration(self.path, config, self._configured)
        self._settings = _settings(config)
        accounts: dict[int, Account] = {}
        sessions: dict[ChatId, ChatSession] = {}
        kept = self.folder / "memory_store"
        # 1. What is on the disk.
        database = await stack.enter_async_context(Database(kept / "memory.sqlite3"))
        history = self._make_history(database)
        groups, bans, words = ChatSettingsStore(database), Bans(database), FirstWords(database)
        branches, people = BranchStore(database), PersonalData(database)
        usage = Usage(database, self._today)
        for kept_of in (groups, bans, words, branches, people, usage):
            await kept_of.restore()
        tallies = Tallies(database, self._today, self._clock.time)
        stack.callback(tallies.save)
        presence = self._presence = Presence(groups.of, self._local_time)
        store = await stack.enter_async_context(MemoryStore(database, kept / "memory.faiss"))
        # 2. The model, which loads on its own thread while the rest goes on.
        self.engine = self._given_engine or await _start_engine(
            stack, config, self.folder, lambda: self.config.profiles
        )
        memories = Memories(self.engine, store)
        # 3. Chats and commands.
        tasks = asyncio.TaskGroup()
        await tasks.__aenter__()
        # Not entered on the stack: the group would wrap an error meant for a person, such as a port in use.
        stack.push_async_callback(tasks.__aexit__, None, None, None)
        queues = Queues(lambda: self._settings.sending, self._clock)
        reports = Reports(lambda: self.config.bot, accounts, tasks, self._clock.time, queues.tell)
        access = Access(bans.banned)
        requests = await stack.enter_async_context(
            Requests(
                RequestStore(database),
                accounts=accounts,
                settings=lambda: self._settings,
                access=access,
                tell=reports.tell,
                report=reports.report,
                clock=self._clock,
                today=self._today,
            )
        )
        cast = await open_cast(database, self.folder / "personas", reports.report, self._local_time)
        learning = self._learning(store, history, memories, reports, cast)
        own = OwnData(
            Kept(history, Rewriting(database), store, branches, people, (groups, cast.choices, tallies)),
            sessions,
            lambda chat: router.session(chat),  # noqa: PLW0108 - the router is made later
        )
        services = CommandServices(
            *(Chats(sessions, presence), groups, self.configuration, memories, self.engine, history, accounts),
            bans=bans,
            usage=usage,
            tallies=tallies,
            requests=requests,
            first_words=lambda chat: words.of(chat).on(self._today()),
            own=own,
            learner=Nights(learning.cycle, learning.versions, self._language, store.get) if learning else None,
            cast=cast,
        )
        commands = Dispatcher(
            services, lambda: self.config.bot, lambda: self.config.commands.prefixes, reports.report, queues.reply
        )
        shared = Services(
            *(self.engine, history, memories, lambda: self._settings, reports.report, self._clock),
            presence=presence,
            access=access,
            unlearn=store.withdraw,
            queues=queues,
            limits=Limits(usage, self._clock.time),
            stickers=Stickers(lambda: self.folder / self.config.tags.stickers),
            guard=(guard := self._guard(reports)),
            journal=await self._open_journal(stack, config, tallies),
            painter=Painter(),
            cast=cast,
            branch=branches.current,
            shown=people.shown,
            eyes=await self._open_eyes(
                stack, PictureStore(database, kept / "pictures", self._room), files := Files(accounts, fetch_media)
            ),
            reader=await self._open_reader(stack, database, files, guard),
        )
        if learning is not None:
            shared = _listened(shared, learning)
        router = await stack.enter_async_context(ChatRouter(shared, commands, accounts, sessions, self._fill_gap))
        self._pause = router.paused
        initiative = Initiative(
            words,
            groups=groups,
            accounts=accounts,
            settings=lambda: self._settings,
            presence=presence,
            access=access,
            speak=router.speak_first,
            awake=lambda: learning is not None and self.engine.status.state == "ready" and not shared.rest.resting,
            language=lambda chat, user: cast.persona(chat, user, self.config.bot).language,
            report=reports.report,
            clock=self._clock,
            local=self._local_time,
        )
        # 4. What goes on in the background, and the door.
        works = (self._watch(reports), cast.watch(), _prepare(self.engine, memories, reports), initiative.run())
        for work in works:
            stack.callback(tasks.create_task(_guarded(work, reports)).cancel)
        if learning is not None:
            await learning.enter(stack)
        hall = Hall(router, reports, requests, initiative)
        self._server = await stack.enter_async_context(
            OneBotServer(config.server, self.token, hall.dispatch, hall.connected, accounts=accounts)
        )
        self.port = self._server.port

    def _guard(self, reports: Reports) -> Guard:
        """Raises ConfigError when a word list cannot be read."""
        guard = Guard(lambda: self.config.guard, self.folder, self._clock, reports.report)
        guard.load()
        return guard

    async def _open_journal(self, stack: AsyncExitStack, config: Config, tallies: Tallies) -> Journal:
        """With a turn log unless `log.turns` is empty."""
        log_config, folder = lambda: self.config.log, config.log.turns
        turns = await stack.enter_async_context(TurnLog(self.folder / folder, log_config)) if folder else None
        return Journal(turns.write if turns else None, tallies.count, log_config, self._local_time)

    def _learning(
        self, store: MemoryStore, history: History, memories: Memories, reports: Reports, cast: Cast
    ) -> Learning | None:
        """None for the echo: there is nothing to teach."""
        if not isinstance(self.engine, EngineWorker):
            return None

        async def tell(report: NightReport) -> None:
            if self.config.learning.report:
                picture = await asyncio.to_thread(_read, report.plot)
                shown = await with_texts(report, store.get)
                await reports.tell(report_text(shown, self.config.bot.language), picture)

        around = Around(
            engine=self.engine,
            store=store,
            history=history,
            memories=memories,
            config=lambda: self.config,
            persona=lambda: cast.prompt(self.config.bot),
            folder=self.folder,
            clock=self._clock,
            pause=lambda: self._pause(),  # noqa: PLW0108 - the router is made later
            tell=tell,
            readings=lambda rows: self._reader.readable(rows),  # noqa: PLW0108 - so is the reader
        )
        return build_learning(around)

    async def _open_eyes(self, stack: AsyncExitStack, store: PictureStore, files: Files) -> Eyes:
        await store.restore()
        self._may_see = await asyncio.to_thread(may_see, self.folder, self.config.model)
        self._context = await asyncio.to_thread(window_of, self.folder, self.config.model)
        return await stack.enter_async_context(
            Eyes(store, files, config=lambda: self.config.vision, sees=self._sees, clock=self._clock)
        )

    def _sees(self, chat: ChatId) -> bool:
        """Whether pictures reach the model that answers there."""
        profile = self._presence.profile(chat, self.config.chat, self.config.profiles)
        return sees(self.engine.status, profile, expected=self._may_see)

    async def _open_reader(self, stack: AsyncExitStack, database: Database, files: Files, guard: Guard) -> Reader:
        store = ReadingStore(database, lambda: self.config.reading.kept)
        self._reader = await stack.enter_async_context(
            Reader(
                *(store, files, fetch_page, Extractor()),
                config=lambda: self.config.reading,
                sees=self._sees,
                window=lambda: self._context,
                clock=self._clock,
                refuses=guard.refuses,
            )
        )
        return self._reader

    def _room(self) -> int:
        """Bytes for pictures."""
        return self.config.vision.store_mib * 2**20

    def _local_time(self) -> datetime:
        """Where the people of the chats live."""
        return datetime.now(ZoneInfo(self.config.learning.timezone))

    def _today(self) -> str:
        return self._local_time().date().isoformat()

    def _language(self) -> Language:
        return self.config.bot.language

    async def _fill_gap(self, account: Account, chats: list[ChatId]) -> list[Message]:
        return await fill_gap(account, chats, self.config.server.gap_messages)

    def _configured(self, config: Config) -> None:
        """Hand the live keys to what does not read them anew by itself."""
        self._settings = _settings(config)
        logs.set_level(config.log.level)
        self._server.configure(config.server)

    async def _watch(self, reports: Reports) -> None:
        """Apply every saved change; a broken file keeps the last good configuration, and the owner hears why."""
        async for found in watch_config(self.path):
            if isinstance(found, ConfigError):
                reports.report("report.config", None, found)
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


def _read(picture: str) -> bytes | None:
    """None when there is no picture: the words are told without it."""
    with contextlib.suppress(OSError):
        return Path(picture).read_bytes() if picture else None
    return None


def _settings(config: Config) -> Settings:
    return Settings(
        *(config.bot, config.chat, config.generation, config.memory, config.log, config.sending, config.render),
        *(config.tags, config.access, config.limits, config.requests, config.commands, config.character),
        *(config.proactive, config.profiles),
        own=config.own,
    )


async def _start_engine(
    stack: AsyncExitStack, config: Config, folder: Path, profiles: Callable[[], Mapping[str, ProfileConfig]]
) -> Engine:
    if config.model.path == ECHO:
        return EchoEngine()

    name = Path(config.model.path).name
    return await stack.enter_async_context(
        EngineWorker(name, lambda: load_runner(folder, config, profiles), config.model.max_running)
    )


async def _guarded(work: Coroutine[Any, Any, None], reports: Reports) -> None:
    """What goes wrong in the background is told, and does not take the bot with it."""
    try:
        await work
    except Exception as error:  # noqa: BLE001 - see above
        reports.report("report.background", None, error)


async def _prepare(engine: Engine, memories: Memories, reports: Reports) -> None:
    """Once the model is loaded, make the memories its own; when it fails to load, tell the owner."""
    if not isinstance(engine, EngineWorker):
        return
    try:
        await prepare(engine, memories)
    except BotError as error:
        reports.report("report.model", None, error)


async def serve(path: Path, *, stop: asyncio.Event | None = None) -> None:
    """Run the bot of `path` until a signal (or `stop`) ends it.

    Raises:
        ConfigError, StoreError: it cannot start; the text names the fix.
    """
    ended = stop or asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows: KeyboardInterrupt ends the runner instead
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with App(path) as app:
        sys.stdout.write(banner(app))
        sys.stdout.flush()
        await ended.wait()


def banner(app: App) -> str:
    """What to paste into NapCat, and what to do without QQ."""
    language, config = app.config.bot.language, app.config
    return say(
        language,
        "start.body",
        name="onebot-bot",
        version=__version__,
        url=app.url,
        token=app.token or say(language, "start.no_token"),
        console=_console_command(),
        config=app.path,
        owner="" if config.bot.owners else say(language, "start.no_owner"),
    )


def _console_command() -> str:
    """The console as this installation calls it: the script beside the interpreter is seldom on the PATH."""
    script = Path(sys.executable).with_name("onebot-bot")
    if not script.exists():
        return f"{Path(sys.executable).name} -m onebot_bot console"
    here = Path.cwd()
    return f"{script.relative_to(here) if script.is_relative_to(here) else script} console"
