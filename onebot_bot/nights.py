"""Learning put together: from chats to memories by day, the nights, idle time, and which adapter the model loads."""

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import Any

import structlog
from msgspec import Struct

from onebot_bot.config import Config
from onebot_bot.engine.echo import EchoEngine
from onebot_bot.engine.fit import DoesNotFit
from onebot_bot.engine.folder import check_model_folder
from onebot_bot.engine.profiles import Profiles
from onebot_bot.engine.request import Engine
from onebot_bot.engine.runner import Runner
from onebot_bot.engine.waiters import let_go
from onebot_bot.engine.worker import EngineWorker
from onebot_bot.errors import ModelError
from onebot_bot.extraction.by_model import Extractor, asking
from onebot_bot.extraction.curator import Clock, Curator, Reading
from onebot_bot.extraction.documents import Readings, nothing_read
from onebot_bot.extraction.prompts import load_prompts
from onebot_bot.freeing import not_collecting
from onebot_bot.learning.cycle import LearningCycle, SystemClock
from onebot_bot.learning.idle import Idle
from onebot_bot.learning.morning import report_text, with_texts
from onebot_bot.learning.night import NightWork, Parts, maker_of
from onebot_bot.learning.primed import primed_for
from onebot_bot.learning.recipes import load_recipes
from onebot_bot.learning.schedule import zone_of
from onebot_bot.learning.sequence import Means
from onebot_bot.learning.versions import Versions
from onebot_bot.learning.work import NightReport
from onebot_bot.memories import Memories
from onebot_bot.memory.rows import Memory
from onebot_bot.memory.store import MemoryStore
from onebot_bot.memory.unread import Unread
from onebot_bot.sections.model import ECHO
from onebot_bot.sections.profiles import ProfileConfig

log = structlog.get_logger(__name__)

CAPABLE = 1_000_000_000
"""Parameters from which on a model is trusted to read chats and to write questions by itself."""


class Learning(Struct, frozen=True, kw_only=True):
    """What goes on beside the chats. Made before the chats are, entered after them."""

    versions: Versions
    curator: Curator
    cycle: LearningCycle
    idle: Idle
    runs: Path

    async def enter(self, stack: AsyncExitStack) -> None:
        """Begin; the cycle last, so that it is left first."""
        await stack.enter_async_context(self.curator)
        await stack.enter_async_context(self.idle)
        await stack.enter_async_context(self.cycle)


class Around(Struct, frozen=True, kw_only=True):
    """What learning stands between."""

    engine: EngineWorker
    store: MemoryStore
    unread: Unread
    memories: Memories
    config: Callable[[], Config]
    persona: Callable[[], str]
    """What the model is told of who it is, wherever no other persona was chosen."""
    folder: Path
    """Of config.toml."""
    clock: Clock
    pause: Callable[[], AbstractAsyncContextManager[None]]
    """Lets the chats rest."""
    tell: Callable[[NightReport], Coroutine[Any, Any, None]]
    """Tells the owner of a night."""
    readings: Readings = nothing_read
    """What was read of files and links."""


def build_learning(around: Around) -> Learning:
    """Put it together.

    Raises:
        ConfigError: training/prompts.toml or a recipe is missing or wrong; the text names the key.
    """
    training, engine = recipes_folder(around.folder), around.engine
    prompts, _ = load_prompts(training / "prompts.toml"), load_recipes(training)
    versions = Versions(around.folder / "models", lambda: engine.status.base)

    zone = functools.cache(zone_of)  # a wrong name is told once, not with every message

    def capable() -> bool:
        return engine.status.parameters >= CAPABLE

    def reading() -> Reading:
        config = around.config()
        return Reading(
            zone=zone(config.learning.timezone),
            mode=config.learning.extract,
            capable=capable(),
            quiet=60 * config.learning.quiet_minutes,
            command_prefixes=tuple(config.commands.prefixes),
        )

    extractor = Extractor(asking(engine), prompts)
    curator = Curator(
        *(around.unread, around.store, around.memories.learn, extractor, reading, around.clock),
        readings=around.readings,
    )
    work = NightWork(
        Parts(
            engine=engine,
            loaded=lambda: _loaded(engine),
            store=around.store,
            memories=around.memories.vectors,
            curator=curator,
            versions=versions,
            config=around.config,
            persona=around.persona,
            folder=around.folder,
            recipes=training,
            capable=capable,
        )
    )
    runs = around.folder / "training" / "runs"
    means = Means(work, versions, around.pause, SystemClock().now, lambda: around.config().learning.keep_versions)

    cycle = LearningCycle(means, runs, lambda: around.config().learning, around.tell, SystemClock())
    idle = Idle(
        engine,
        around.store,
        lambda: around.config().learning,
        lambda: load_recipes(training).refine,
        lambda: engine.wanted,
        lambda: cycle.status().step is not None,
        around.clock,
        persona=around.persona,
    )
    return Learning(versions=versions, curator=curator, cycle=cycle, idle=idle, runs=runs)


def morning_teller(
    config: Callable[[], Config],
    find: Callable[[int], Awaitable[Memory | None]],
    tell: Callable[[str, bytes | None], Awaitable[None]],
) -> Callable[[NightReport], Coroutine[Any, Any, None]]:
    """What tells the owner of a night, in words and with its picture, unless [learning] says not to."""

    async def tell_of(report: NightReport) -> None:
        if config().learning.report:
            picture = await asyncio.to_thread(_read, report.plot)
            shown = await with_texts(report, find)
            await tell(report_text(shown, config().bot.language), picture)

    return tell_of


def _read(picture: str) -> bytes | None:
    """None when there is no picture: the words are told without it."""
    with contextlib.suppress(OSError):
        return Path(picture).read_bytes() if picture else None
    return None


def recipes_folder(folder: Path) -> Path:
    """`training/` beside config.toml, or the project's own when there is none with recipes in it."""
    own = folder / "training"
    return own if (own / "prompts.toml").exists() else Path(__file__).parents[1] / "training"


async def _loaded(engine: EngineWorker) -> None:
    # Shielded: a night that is cancelled while the model loads must not take the news from all others.
    await asyncio.shield(engine.loaded)
    if engine.failure is not None:
        raise engine.failure


async def prepare(engine: EngineWorker, memories: Memories) -> None:
    """Once the model is loaded, make the memories its own.

    Raises:
        ModelError: it could not be loaded or cannot run. StoreError: the database cannot be used.
    """
    await _loaded(engine)
    centre, head = await engine.run_exclusive(lambda runner: runner.key_view)
    status = engine.status
    await memories.vectors.prepare(status.fingerprint, maker_of(status), centre, head)


async def start_engine(
    stack: AsyncExitStack, config: Config, folder: Path, profiles: Callable[[], Mapping[str, ProfileConfig]]
) -> Engine:
    """What writes the answers; a model loads on its own thread from now on, and the stack ends it."""
    if config.model.path == ECHO:
        return EchoEngine()

    name = Path(config.model.path).name
    return await stack.enter_async_context(
        EngineWorker(name, lambda: load_runner(folder, config, profiles), config.model.max_running, config.model.stall)
    )


def load_runner(
    folder: Path, config: Config, profiles: Callable[[], Mapping[str, ProfileConfig]] | None = None
) -> Runner:
    """The model of config.toml with the adapter that serves; on the model's thread, for torch takes seconds to import.

    Where the model does not fit into memory, the configured fallback serves. `profiles` are those configured at any
    time; None: those of `config`.

    Raises:
        ModelError: the model cannot be loaded. An adapter that cannot be used is left out, with an error in the log.
    """
    wanted = profiles or (lambda: config.profiles)
    try:
        return _runner_of(folder, config, folder / config.model.path, wanted)
    except DoesNotFit as error:
        if not config.model.fallback:
            raise
        log.warning("The model does not fit; the fallback serves.", error=str(error), fallback=config.model.fallback)
        let_go(error)  # of what was loaded so far
    return _runner_of(folder, config, folder / config.model.fallback, wanted)


def _runner_of(
    folder: Path, config: Config, path: Path, profiles: Callable[[], Mapping[str, ProfileConfig]]
) -> Profiles:
    """The main model, and beside it those of the profiles."""
    check_model_folder(path)  # before torch is imported, which takes seconds: what is missing is told at once
    with not_collecting():
        from onebot_bot.engine.embedder import load_embedder  # noqa: PLC0415
        from onebot_bot.engine.variants import VariantMaker, Wanted  # noqa: PLC0415

    smaller = folder / config.model.fallback if config.model.fallback else path
    embedder = load_embedder(folder / config.memory.embedding, config.model) if config.memory.embedding else None
    runner = Profiles(
        _main_of(folder, config, path, embedder),
        VariantMaker(config.model, embedder.width if embedder else None),
        Wanted(profiles, folder, path, config.model.weights),
        smaller=None if path == smaller else lambda: _main_of(folder, config, smaller, embedder),
    )
    for name in [name for name, profile in profiles().items() if profile.resident]:
        runner.load(name)
    return runner


def _main_of(folder: Path, config: Config, path: Path, embedder: Any) -> Runner:
    from onebot_bot.engine.generate import Generator  # noqa: PLC0415
    from onebot_bot.engine.model import LoadedModel, fingerprint, load_model  # noqa: PLC0415

    raw = embedder.width if embedder else None

    def load(adapter: Path | None) -> LoadedModel:
        return load_model(path, config.model, adapter, raw)

    for adapter in adapters(folder, lambda: fingerprint(path)):
        try:
            return Generator(load(adapter), load, embedder, adapter)
        except DoesNotFit:
            raise  # without the adapter it does not either
        except ModelError:
            log.exception(
                "An adapter cannot be used; the model serves without it.", code="OB-1205", adapter=str(adapter)
            )
    return Generator(load(None), load, embedder)


def adapters(folder: Path, base: Callable[[], str]) -> list[Path]:
    """What may serve, best first: the last good version of the nights, and the primed adapter of this model."""
    try:
        own = base()
    except (OSError, ValueError):
        return []  # there is no whole model: loading it tells why
    found = (Versions(folder / "models", lambda: own).current(), primed_for(recipes_folder(folder) / "primed", own))
    return [adapter for adapter in found if adapter is not None]
