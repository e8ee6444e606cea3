"""What commands can do, put together from the parts that the application owns."""

import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import structlog

from onebot_bot import __version__
from onebot_bot.characters.cast import Cast
from onebot_bot.chat.explained import explain
from onebot_bot.chat.outbox import Queues
from onebot_bot.chat.presence import Presence
from onebot_bot.chat.profiles import explain_writer
from onebot_bot.chat.requests import Requests
from onebot_bot.chat.session import ChatSession
from onebot_bot.commands.backup_control import BackupControl
from onebot_bot.commands.context import LearningControl, LearningStatus, Overview
from onebot_bot.commands.import_control import ImportControl
from onebot_bot.commands.own_context import OwnControl
from onebot_bot.commands.running_control import Busy, RunningControl
from onebot_bot.config import Config, Key, changed_keys, load_config
from onebot_bot.config_file import set_key
from onebot_bot.engine.request import Engine, Recalled
from onebot_bot.errors import LearningError
from onebot_bot.learning.cycle import LearningCycle
from onebot_bot.learning.morning import outcome, report_text, with_texts
from onebot_bot.learning.versions import Versions
from onebot_bot.memories import Memories
from onebot_bot.memory.bans import Bans
from onebot_bot.memory.chat_settings import ChatSettingsStore
from onebot_bot.memory.history import History
from onebot_bot.memory.rows import Memory
from onebot_bot.memory.tallies import Tallies
from onebot_bot.memory.usage import Usage
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.texts import Language, say
from onebot_bot.transport.account import Account

log = structlog.get_logger(__name__)


class Configuration:
    """The configuration in force, and how it changes while the bot runs."""

    def __init__(self, path: Path, config: Config, on_change: Callable[[Config], None]) -> None:
        self.path = path
        self.config = config
        self._on_change = on_change

    def apply(self, config: Config) -> list[Key]:
        """Put another configuration in force; the keys that changed. Those that are not live wait for a restart."""
        keys = changed_keys(self.config, config)
        if keys:
            self.config = config
            self._on_change(config)
            _log_changes(keys)
        return keys

    def reload(self) -> list[Key]:
        """Read the file again; raises ConfigError, and then the last good one stays."""
        return self.apply(load_config(self.path))

    def set(self, key: str, value: str) -> list[Key]:
        """Write one key into the file and apply it; raises ConfigError, and then the file is as it was."""
        return self.apply(set_key(self.path, key, value))


def _log_changes(keys: Sequence[Key]) -> None:
    now = [key.path for key in keys if key.live]
    later = [key.path for key in keys if not key.live]
    log.info("config.toml changed.", applies_now=now or "-", after_restart=later or "-")


class Chats:
    """The chats, as commands steer them."""

    def __init__(self, sessions: Mapping[ChatId, ChatSession], presence: Presence) -> None:
        self._sessions = sessions
        self._presence = presence

    def stop(self, chat: ChatId) -> bool:
        """Stop what is being written; whether there was anything."""
        session = self._sessions.get(chat)
        return session is not None and session.stop()

    def recalls(self, chat: ChatId) -> Sequence[Recalled]:
        """What the last answer recalled."""
        session = self._sessions.get(chat)
        return session.answerer.last_recalls if session else ()

    def writer(self, chat: ChatId, language: Language) -> str:
        """Which profile wrote the last answer; empty for the main model's own."""
        session = self._sessions.get(chat)
        return explain_writer(session.answerer.last_written, language) if session else ""

    def decision(self, chat: ChatId, language: Language) -> str:
        """Why the last message was answered or was not; empty when there was none since the start."""
        considered = self._presence.last(chat)
        return explain(considered, language) if considered is not None else ""


class Running:
    """The running bot, as /queue and /shutdown know it."""

    def __init__(self, sessions: Mapping[ChatId, ChatSession], queues: Queues) -> None:
        self._sessions = sessions
        self._queues = queues

    def busy(self) -> Sequence[Busy]:
        """The chats in which answers are owed, who waits longest first."""
        loads = [(chat, load) for chat, session in self._sessions.items() if (load := session.load) is not None]
        found = [Busy(chat, load.doing, load.messages, load.seconds) for chat, load in loads]
        return sorted(found, key=lambda busy: -busy.seconds)

    def unsent(self) -> Mapping[int, int]:
        """Messages that wait for their turn in the accounts' send queues."""
        return self._queues.waiting()

    def end(self) -> None:
        """As Ctrl-C or SIGTERM would: what is being written ends in order."""
        signal.raise_signal(signal.SIGINT if sys.platform == "win32" else signal.SIGTERM)


@dataclass(frozen=True)
class NoLearning:
    """What /learn has to do with when there is no model that could learn."""

    language: Language

    def status(self) -> LearningStatus:
        """Nothing goes on."""
        return LearningStatus(enabled=True)

    async def start(self) -> str | None:
        """It cannot; the reason."""
        return say(self.language, "learn.no_model")

    def cancel(self) -> bool:
        """There is nothing to end."""
        return False

    async def rollback(self) -> str | None:
        """There is no version."""
        return None

    async def report(self) -> tuple[str, bytes | None]:
        """There is none."""
        return "", None

    def trained_on(self, memory_id: int) -> list[str]:  # noqa: ARG002 - no version, whatever the memory
        """There is no version."""
        return []


class Nights:
    """The nightly learning, as /learn steers it."""

    def __init__(
        self,
        cycle: LearningCycle,
        versions: Versions,
        language: Callable[[], Language],
        find: Callable[[int], Awaitable[Memory | None]],
    ) -> None:
        self._cycle = cycle
        self._versions = versions
        self._language = language
        self._find = find

    def status(self) -> LearningStatus:
        """How it stands; never waits."""
        now = self._cycle.status()
        return LearningStatus(
            enabled=now.next_run is not None,
            step=now.step,
            share=now.share,
            eta=now.eta,
            started=now.started,
            next_run=now.next_run,
            last_outcome=outcome(now.last, self._language()) if now.last else "",
            adapter=now.serving,
        )

    async def start(self) -> str | None:
        """Start a night now; None, or why it cannot."""
        try:
            self._cycle.start_now()
        except LearningError as error:
            return str(error) if self._cycle.status().step is None else say(self._language(), "learn.busy")
        return None

    def cancel(self) -> bool:
        """End the night, the serving model staying as it is; whether there was one."""
        return self._cycle.cancel()

    async def rollback(self) -> str | None:
        """Withdraw the version that serves; raises LearningError while a night is being held, and ModelError."""
        return await self._cycle.rollback()

    async def report(self) -> tuple[str, bytes | None]:
        """The last morning report and its plot; raises StoreError."""
        last = self._cycle.last_report()
        if last is None:
            return "", None
        shown = await with_texts(last, self._find)
        return report_text(shown, self._language()), _picture(Path(last.plot)) if last.plot else None

    def trained_on(self, memory_id: int) -> list[str]:
        """The versions that were trained on a memory."""
        return self._versions.trained_on(memory_id)


def _picture(path: Path) -> bytes | None:
    """The words matter more: a plot that was deleted is no reason to keep them."""
    try:
        return path.read_bytes()
    except OSError:
        return None


@dataclass(frozen=True)
class CommandServices:
    """Everything command handlers may use."""

    chats: Chats
    groups: ChatSettingsStore
    configuration: Configuration
    memories: Memories
    engine: Engine
    history: History
    accounts: Mapping[int, Account]
    bans: Bans
    usage: Usage
    tallies: Tallies
    requests: Requests
    first_words: Callable[[ChatId], int]
    cast: Cast
    own: OwnControl
    backups: BackupControl
    running: RunningControl
    imports: Callable[[ChatId], ImportControl]
    learner: LearningControl | None = None
    """None: there is no model to teach."""
    started: float = field(default_factory=time.monotonic)

    @property
    def learning(self) -> LearningControl:
        """The nightly learning."""
        return self.learner or NoLearning(self.configuration.config.bot.language)

    async def overview(self) -> Overview:
        """A snapshot for /status."""
        return Overview(
            engine=self.engine.status,
            links=[f"{account.self_id}×{len(account.links)}" for account in self.accounts.values() if account.links],
            history=await self.history.counts(),
            memories=await self.memories.count(),
            uptime=time.monotonic() - self.started,
            process_memory=psutil.Process().memory_info().rss,
            version=__version__,
        )
