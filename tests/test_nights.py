"""onebot_bot.nights: what the parts of learning are to each other once they are put together."""

import contextlib
import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest
from facts import CHAT, letters
from fakes import FakeClock, FakeRunner, until
from nights import make_adapter

from onebot_bot.config import Config
from onebot_bot.engine.request import Vector
from onebot_bot.engine.worker import EngineWorker
from onebot_bot.errors import ConfigError, ModelError
from onebot_bot.learning.idle import PATIENCE, Tried
from onebot_bot.learning.versions import Versions, seal
from onebot_bot.learning.work import NightReport
from onebot_bot.memories import Memories
from onebot_bot.memory.database import Database
from onebot_bot.memory.history import Entry, History
from onebot_bot.memory.rows import Memory
from onebot_bot.memory.store import MemoryStore
from onebot_bot.memory.unread import Unread
from onebot_bot.nights import (
    CAPABLE,
    Around,
    Learning,
    adapters,
    build_learning,
    load_runner,
    prepare,
    recipes_folder,
)
from onebot_bot.sections.memory import LearningConfig
from onebot_bot.sections.model import ModelConfig

TRAINING = Path(__file__).parents[1] / "training"
NOON = 1_795_176_000


class Runner(FakeRunner):
    """A model without torch, on a CPU, whose keys are letters."""

    adapter = "primed-0"
    key_view = (np.zeros(8, np.float32), np.eye(8, dtype=np.float32))
    free_device_bytes: int | None = None
    away = False

    def serve(self, adapter: Path | None) -> None:
        """Take up the model without one: there is no other here."""
        assert adapter is None
        self.adapter = ""

    def embed(self, texts: list[str]) -> Vector:
        """How often each letter is in it."""
        return np.stack([letters(text) for text in texts])

    def project(self, keys: Vector) -> Vector:
        """Two ones each."""
        return np.ones((len(keys), 2, 8), np.float32)


class Home:
    """A bot's folder, and everything that learning stands between."""

    def __init__(self, folder: Path, engine: EngineWorker, database: Database, store: MemoryStore) -> None:
        self.folder = folder
        self.engine = engine
        self.store = store
        self.database = database
        self.history = History(database)
        self.memories = Memories(engine, store)
        self.clock = FakeClock()
        self.config = Config(learning=LearningConfig(enabled=False, quiet_minutes=1.0))
        self.told: list[NightReport] = []

    def learning(self) -> Learning:
        """As the app builds it."""
        around = Around(
            engine=self.engine, store=self.store, unread=Unread(self.database), memories=self.memories,
            config=lambda: self.config, persona=lambda: self.config.bot.persona, folder=self.folder,
            clock=self.clock, pause=contextlib.nullcontext, tell=self.tell,
        )  # fmt: skip
        return build_learning(around)

    async def tell(self, report: NightReport) -> None:
        """Note it."""
        self.told.append(report)

    async def say(self, text: str) -> None:
        """Somebody says something."""
        await self.history.append(CHAT, Entry(role="user", text=text, time=NOON, user_id=5, name="Ann"))

    async def texts(self) -> list[str]:
        """What is remembered."""
        return [memory.text for memory in await self.store.page(None)]


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    """A bot with recipes of its own whose model is loaded."""
    shutil.copytree(TRAINING, tmp_path / "training", ignore=shutil.ignore_patterns("primed"))
    async with (
        Database(tmp_path / "m.sqlite3") as database,
        MemoryStore(database, tmp_path / "m.faiss") as store,
        EngineWorker("model", Runner) as engine,
    ):
        made = Home(tmp_path, engine, database, store)
        await prepare(engine, made.memories)
        yield made


async def entered(learning: Learning, stack: contextlib.AsyncExitStack) -> Learning:
    """Begun, until the stack ends."""
    await learning.enter(stack)
    return learning


async def test_a_prepared_bank_is_searched_by_the_models_own_view(home: Home) -> None:
    """What is remembered comes to mind by its keys, and has a value of the model's."""
    assert home.store.view is not None
    assert home.store.view.fingerprint == "fake"
    memory = await home.memories.add(CHAT, "Ann has a cat.")
    assert (memory.maker, np.asarray(memory.value).shape) == ("primed-0", (2, 8))


async def test_a_model_that_does_not_load_prepares_nothing(tmp_path: Path) -> None:
    """Its own failure is what is raised."""

    def fail() -> Runner:
        raise ModelError("no such folder")

    async with (
        Database(tmp_path / "m.sqlite3") as database,
        MemoryStore(database, tmp_path / "m.faiss") as store,
        EngineWorker("model", fail) as engine,
    ):
        with pytest.raises(ModelError, match="no such folder"):
            await prepare(engine, Memories(engine, store))
        assert store.view is None


async def test_what_is_said_is_remembered_after_a_quiet_spell(home: Home) -> None:
    """The quiet of config.toml, read by rules where the model is small: it is never asked."""
    async with contextlib.AsyncExitStack() as stack:
        learning = await entered(home.learning(), stack)
        await home.say("My birthday is March 14.")
        learning.curator.heard(CHAT)
        await until(lambda: 60.0 in home.clock.slept)
        assert await home.texts() == []
        home.clock.advance(60)
        await until(lambda: home.store.near(CHAT, letters("x"), 1) != [])
        assert await home.texts() == ["Ann's birthday is March 14."]
    assert home.engine.status.answers == 0


async def test_a_large_model_reads_by_itself(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a billion parameters on it is asked; what it says that is no fact is not kept."""
    monkeypatch.setattr(Runner, "parameters", CAPABLE)
    await home.say("My birthday is March 14.")
    await home.learning().curator.catch_up()
    assert home.engine.status.answers > 0


@pytest.mark.parametrize("held", [False, True])
async def test_idle_time_is_left_to_a_night(home: Home, monkeypatch: pytest.MonkeyPatch, *, held: bool) -> None:
    """While one is held nothing is refined beside it; without one the next memories are."""
    learning = home.learning()
    await home.memories.add(CHAT, "Ann has a cat.")
    tried: list[str] = []

    def refine(_: object, found: Sequence[Memory], *__: object) -> list[Tried]:
        tried.extend(memory.text for memory in found)
        return [Tried(np.ones((2, 8), np.float32), exact=True) for _ in found]

    monkeypatch.setattr(learning.idle, "_refine", refine)
    step = msgspec.structs.replace(learning.cycle.status(), step="stage1" if held else None)
    monkeypatch.setattr(learning.cycle, "status", lambda: step)
    async with learning.idle:
        await until(lambda: home.clock.sleeping == 1)
        home.clock.advance(PATIENCE)
        await until(lambda: home.clock.sleeping == 1)
    assert tried == ([] if held else ["Ann has a cat."])


async def test_a_night_is_told_and_written_below_the_bots_own_folder(home: Home) -> None:
    """With nothing to learn it ends at once; the owner hears of it all the same."""
    async with contextlib.AsyncExitStack() as stack:
        learning = await entered(home.learning(), stack)
        learning.cycle.start_now()
        await until(lambda: bool(home.told))
    assert home.told[0].ending.key == "night.no_memories"
    assert (home.folder / "training" / "runs" / home.told[0].name / "journal.json").exists()


@pytest.mark.parametrize("name", ["prompts.toml", "stage1.toml", "stage2.toml"])
async def test_a_broken_recipe_is_told_at_the_start(home: Home, name: str) -> None:
    """Not in the middle of a night; the text names the file."""
    (home.folder / "training" / name).write_text("x = [")
    with pytest.raises(ConfigError, match=name):
        home.learning()


def test_a_folder_without_recipes_takes_the_projects(tmp_path: Path) -> None:
    """And one with its own takes those: a folder of runs alone is none."""
    (tmp_path / "training" / "runs").mkdir(parents=True)
    assert recipes_folder(tmp_path) == TRAINING
    (tmp_path / "training" / "prompts.toml").touch()
    assert recipes_folder(tmp_path) == tmp_path / "training"


def test_the_last_good_version_serves_before_the_primed_adapter(tmp_path: Path) -> None:
    """Of this model alone; without a whole model there is nothing to choose."""
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "prompts.toml").touch()
    primed = make_adapter(tmp_path / "training" / "primed" / "trial", "primed")
    seal(primed, "model-1", [], name="primed-0", floor=0.4)
    own = Versions(tmp_path / "models", lambda: "model-1").promote(
        make_adapter(tmp_path / "made", "own"), "20261120T020000Z"
    )
    assert adapters(tmp_path, lambda: "model-1") == [own, primed]
    assert adapters(tmp_path, lambda: "model-2") == []

    def no_model() -> str:
        raise OSError("config.json")

    assert adapters(tmp_path, no_model) == []


def test_a_missing_model_is_told_before_torch_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That takes seconds, on a busy machine minutes, and the owner waits for the word."""
    for module in ("torch", "onebot_bot.engine.embedder", "onebot_bot.engine.variants", "onebot_bot.engine.generate"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ModelError, match="models/none"):
        load_runner(tmp_path, Config(model=ModelConfig(path="models/none")))
