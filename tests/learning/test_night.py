"""onebot_bot.learning.night on real files and a real store; engine and training process are the test's."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
import pytest
from facts import MODEL, PRIVATE, CountingEngine, D, fact, holding, opened
from fakes import answer
from nights import make_adapter

from onebot_bot.config import Config
from onebot_bot.engine.request import RECALL, RECALL_END, Generation, GenerationRequest, Vector
from onebot_bot.errors import LearningError, ModelError
from onebot_bot.extraction.curator import Summary
from onebot_bot.learning import night
from onebot_bot.learning.job import (
    Judged,
    Refinements,
    read_job,
    read_plain_job,
    write_refined,
    write_verdict,
)
from onebot_bot.learning.journal import open_run
from onebot_bot.learning.night import NightWork, Parts, maker_of, sampled
from onebot_bot.learning.primed import name_of
from onebot_bot.learning.versions import META, Versions, seal
from onebot_bot.learning.work import CANDIDATE, Plan, Run
from onebot_bot.memory.erasing import opt_out
from onebot_bot.memory.rows import Memory
from onebot_bot.memory.store import MemoryStore
from onebot_bot.memory.vectors import Floats

T = TypeVar("T")
BASE = "base-1"
TRAINING = Path(__file__).parents[2] / "training"
START = 1_800_000_000.0


class NightEngine(CountingEngine):
    """A model whose adapters are names, and its runner; answers at once."""

    def __init__(self) -> None:
        super().__init__()
        self.status = msgspec.structs.replace(self.status, base=BASE, fingerprint=MODEL, trained_recall=True)
        self.away = False
        self.free_device_bytes: int | None = None
        self.cards = 0
        self.broken: set[str] = set()
        """Adapters that cannot be loaded."""
        self.happened: list[str] = []
        self.said = f"{RECALL}it{RECALL_END} yes"

    def submit(self, request: GenerationRequest) -> Generation:
        """Answer it."""
        generation = Generation(request)
        answer(generation, self.said)
        return generation

    def make_room(self) -> int:
        """Leave the card."""
        self.away = self.cards > 0
        self.happened.append("room")
        return self.cards

    def come_back(self) -> None:
        """Take it again."""
        self.away = False
        self.happened.append("back")

    def serve(self, adapter: Path | None) -> None:
        """Take up an adapter, unless it is broken."""
        name = name_of(adapter) if adapter else ""
        if name in self.broken:
            self.away = self.cards > 0
            raise ModelError(f"{name} cannot be loaded")
        self.away = False
        self.happened.append(f"serve {name}")
        self.status = msgspec.structs.replace(self.status, adapter=name)

    @property
    def key_view(self) -> tuple[Vector, Vector]:
        """Nothing is changed about keys."""
        return np.zeros(D, np.float32), np.eye(D, dtype=np.float32)


class Followers:
    """`Memories` as the night sees them: whether they may recall, and by which adapter."""

    def __init__(self) -> None:
        self.suspended = False
        self.seen: list[str] = []

    def suspend(self) -> None:
        """Recall nothing."""
        self.suspended = True

    async def switch(self, adapter_id: str, centre: Vector | None = None, head: Vector | None = None) -> None:
        """Recall again."""
        self.suspended = False
        self.seen.append(adapter_id)


class Reader:
    """A curator that has read everything."""

    def __init__(self) -> None:
        self.reads = 0

    async def catch_up(self, stop: Callable[[], bool]) -> Summary:
        """Nothing new, one thing said again, one not believed."""
        self.reads += 1
        return Summary(again=1, dropped={"a question": 1})


class Home:
    """A bot's folder, and the work of its nights."""

    def __init__(self, folder: Path, store: MemoryStore) -> None:
        self.folder = folder
        self.store = store
        self.engine = NightEngine()
        self.memories = Followers()
        self.recipes = folder / "recipes"
        self.recipes.mkdir()
        (self.recipes / "prompts.toml").write_bytes((TRAINING / "prompts.toml").read_bytes())
        self.versions = Versions(folder / "models", lambda: BASE)
        self.capable = False
        self.asleep = asyncio.Event()
        self.taught: list[tuple[str, int]] = []
        self.exact = [True]
        self.value: Floats = np.full((2, D), 7.0, np.float32)
        self.judged = Judged({"hit@1": (0.5, 0.9)}, [])
        self.run = self.begin()
        self.work = self.process()

    def begin(self, at: float = START) -> Run:
        """A new run."""
        journal = open_run(self.folder / "training" / "runs", at)
        return Run(journal.folder, journal, lambda: False, lambda step, share: None)

    def process(self) -> NightWork:
        """The work of a process that was just started."""
        curator: Any = Reader()
        parts = Parts(
            self.engine, self._loaded, self.store, self.memories, curator, self.versions, Config,
            lambda: "You are kind.", self.folder, self.recipes, lambda: self.capable,
        )  # fmt: skip
        return NightWork(parts)

    async def _loaded(self) -> None:
        """It is."""

    async def teach(self, folder: Path, step: str, progress: Callable[[float], None], devices: int = 0) -> None:
        """What the training process leaves behind."""
        self.taught.append((step, devices))
        progress(1.0)
        if step == "stage2":
            make_adapter(folder / CANDIDATE, "new")
        elif step == "refine":
            count = len(read_plain_job(folder).memories)
            exact = np.resize(np.array(self.exact), count)
            write_refined(folder, Refinements(np.repeat(self.value[np.newaxis], count, 0), exact))
        elif step == "gate":
            write_verdict(folder, self.judged, 0.61)

    async def through_gate(self) -> Path:
        """A night up to its promotion; the folder of the new version."""
        await self.work.extract(self.run)
        await self.work.teach(self.run, 1)
        await self.work.teach(self.run, 2)
        await self.work.refine(self.run)
        await self.work.gate(self.run)
        return self.versions.promote(self.run.folder / CANDIDATE, self.run.folder.name)

    def prime(self) -> Path:
        """A primed adapter."""
        folder = make_adapter(self.recipes / "primed" / "trial", "primed")
        seal(folder, BASE, [], name="primed-0", floor=0.4)
        return folder

    async def only(self) -> Memory:
        """The one memory."""
        (memory,) = await self.store.page(None)
        return memory


@pytest.fixture
async def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Home]:
    """A folder with one memory in it."""
    async with opened(tmp_path / "m.sqlite3") as store:
        await store.add(fact(1, PRIVATE, text="Ann has a cat.", value=np.ones((2, D), np.float32)))
        made = Home(tmp_path, store)
        monkeypatch.setattr(night, "teach", made.teach)
        yield made


# --- what a night learns from ---------------------------------------------------------------------------------------


async def test_the_plan_asks_for_room_on_the_card(home: Home) -> None:
    """And for none where there is no card."""
    assert await home.work.plan() == Plan(1, night.DISK_BYTES, 0, 0)
    home.engine.free_device_bytes = 5
    home.engine.status = msgspec.structs.replace(home.engine.status, parameters=1000)
    assert await home.work.plan() == Plan(1, night.DISK_BYTES, 3200, 5)


async def test_the_first_night_reports_all_as_new(home: Home) -> None:
    """With what was said again and what was not believed."""
    gave = await home.work.extract(home.run)
    assert tuple(gave[name] for name in ("memories", "added", "merged", "superseded")) == (1, 1, 1, 0)
    assert (gave["examples"], gave["dropped"]) == ([(await home.only()).id], {"a question": 1})


async def test_later_nights_report_what_the_serving_version_does_not_know(home: Home) -> None:
    """Read by day or at night: also what took the place of something else."""
    await home.through_gate()
    old = await home.only()
    await home.store.add(fact(2, PRIVATE, text="Ann has a dog.", value=np.ones((2, D), np.float32)), [old.id])
    gave = await home.process().extract(home.begin(START + 1))
    assert tuple(gave[name] for name in ("memories", "added", "superseded")) == (1, 1, 1)
    assert gave["examples"] == [(await home.only()).id]


async def test_a_night_that_has_ended_keeps_no_words(home: Home) -> None:
    """What is forgotten later is in no file of its folder, the journal included."""
    journal = home.run.journal
    journal.begin("extract", START)
    journal.finish("extract", START, await home.work.extract(home.run))
    assert holding(home.run.folder, b"Ann has a cat.") != []
    journal.close("done", "", START)
    assert (holding(home.run.folder, b"Ann"), journal.gave("extract") is None) == ([], False)


async def test_without_memories_there_is_nothing_to_learn(home: Home) -> None:
    """And no job."""
    await home.store.forget((await home.only()).id)
    gave = await home.work.extract(home.run)
    assert (gave["memories"], gave["files"]) == (0, [])


async def test_what_somebody_said_who_opted_out_is_not_trained_on(home: Home) -> None:
    """Though it was learned before, and is still recalled."""
    await home.store.add(fact(2, PRIVATE, speaker=7))
    await home.store._database.write(lambda connection: opt_out(connection, 7))
    assert (await home.work.extract(home.run))["memories"] == 1


async def test_a_memory_with_another_models_key_waits(home: Home) -> None:
    """For the next night: it is still being made anew."""
    await home.store.add(fact(2, fingerprint="another"))
    assert (await home.work.extract(home.run))["memories"] == 1


async def test_the_job_starts_from_primed_and_is_compared_with_what_serves(home: Home) -> None:
    """Never from yesterday's adapter."""
    primed = home.prime()
    await home.work.extract(home.run)
    job, vectors = read_job(home.run.folder)
    assert (str(primed), str(primed), BASE) == (job.primed, job.serving, job.base)
    assert vectors.refined.tolist() == [False]
    promoted = await home.through_gate()
    memory = await home.only()
    await home.store.refine(memory.id, np.full((2, D), 3.0, np.float32), exact=True, maker="x")
    run = home.begin(START + 1)
    await home.process().extract(run)
    job, vectors = read_job(run.folder)
    assert (str(primed), str(promoted)) == (job.primed, job.serving)
    assert (vectors.refined.tolist(), float(vectors.values[0, 0, 0])) == ([True], 3.0)


async def test_a_capable_model_writes_situations(home: Home) -> None:
    """Forms stay as the last, which the gate asks with."""
    home.capable = True
    home.engine.said = "Does Ann like animals?"
    await home.work.extract(home.run)
    (memory,) = read_plain_job(home.run.folder).memories
    assert memory.situations[0] == [("user", "Does Ann like animals?")]
    assert len(memory.situations) > 2


async def test_time_for_writing_situations_is_bounded(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the model does not come to gets its situations from forms."""
    monkeypatch.setattr(night, "WRITING_SECONDS", 0.0)
    home.capable = True
    home.engine.said = "Does Ann like animals?"
    await home.work.extract(home.run)
    (memory,) = read_plain_job(home.run.folder).memories
    assert [("user", "Does Ann like animals?")] not in memory.situations


async def test_many_memories_are_thinned_out(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pinned and new ones all, of the old ones an even share, and none whose key is no number."""
    one = await home.only()
    many = [msgspec.structs.replace(one, id=n, pinned=n == 3) for n in range(100, 0, -1)]
    many[0] = msgspec.structs.replace(one, id=100, key=np.full(D, np.nan, np.float32))
    monkeypatch.setattr(night, "MOST_MEMORIES", 20)
    ids = [memory.id for memory in sampled(many)]
    assert ids[:11] == [3, *range(99, 89, -1)]
    assert (len(set(ids)), min(ids) < 20, 100 in ids) == (len(ids), True, False)
    assert len(ids) <= 20


# --- training -------------------------------------------------------------------------------------------------------


async def test_the_card_is_left_and_taken_again(home: Home) -> None:
    """Around every step; only the stages run on several cards."""
    home.engine.cards = 4
    await home.through_gate()
    assert home.taught == [("stage1", 4), ("stage2", 4), ("refine", 1), ("gate", 1)]
    assert home.engine.happened == ["room", "back"] * 4


@pytest.mark.parametrize("error", [LearningError("killed"), asyncio.CancelledError()])
async def test_the_model_comes_back_however_a_step_ends(
    home: Home, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed or cancelled."""

    async def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(night, "teach", fail)
    home.engine.cards = 1
    await home.work.extract(home.run)
    with pytest.raises(type(error)):
        await home.work.teach(home.run, 1)
    assert (home.engine.away, home.engine.happened) == (False, ["room", "back"])


async def test_the_floor_that_the_gate_found_is_sealed(home: Home) -> None:
    """The candidate is sealed twice, whole each time, and lists the memories that it was trained on."""
    promoted = await home.through_gate()
    meta = msgspec.json.decode((promoted / META).read_bytes())
    assert (0.61, home.run.folder.name) == (meta["floor"], meta["name"])
    assert [(await home.only()).id] == meta["memories"]
    assert home.versions.problem(promoted) == ""


async def test_a_refusal_is_passed_on(home: Home) -> None:
    """With what speaks against the candidate; a figure that is no number stays none."""
    await home.work.extract(home.run)
    await home.work.teach(home.run, 2)
    home.judged = Judged({"chat loss": (1.0, None)}, ["chat loss 1.000 -> nan"])
    verdict = await home.work.gate(home.run)
    assert (verdict.passed, verdict.reasons) == (False, ["chat loss 1.000 -> nan"])
    assert np.isnan(verdict.figures["chat loss"][1])


# --- taking it up ---------------------------------------------------------------------------------------------------


async def test_a_new_adapter_gets_its_values_when_it_has_proved_itself(home: Home) -> None:
    """Not before, and once: what is refined later stays."""
    promoted = await home.through_gate()
    await home.work.swap(promoted)
    assert (promoted.name, False, [promoted.name]) == (
        home.engine.status.adapter,
        home.memories.suspended,
        home.memories.seen,
    )
    assert float(np.asarray((await home.only()).value)[0, 0]) == 1.0
    assert await home.work.canary() == []
    memory = await home.only()
    assert (promoted.name, True, 7.0) == (memory.maker, memory.exact, float(np.asarray(memory.value)[0, 0]))
    home.run.journal.close("done", "", START)
    await home.store.refine(memory.id, np.full((2, D), 8.0, np.float32), exact=True, maker=promoted.name)
    await home.work.swap(promoted)
    assert await home.work.canary() == []
    assert float(np.asarray((await home.only()).value)[0, 0]) == 8.0


async def test_a_process_killed_between_the_two_hands_over_in_the_next(home: Home) -> None:
    """Its model is loaded with the new adapter already."""
    promoted = await home.through_gate()
    home.engine.serve(promoted)
    work = home.process()
    await work.swap(promoted)
    assert await work.canary() == []
    assert (await home.only()).maker == promoted.name
    assert home.engine.happened.count(f"serve {promoted.name}") == 1


async def test_values_stay_when_the_adapter_is_taken_back(home: Home) -> None:
    """The one before reads them as it did."""
    promoted = await home.through_gate()
    home.engine.said = ""
    await home.work.swap(promoted)
    faults = await home.work.canary()
    assert len(faults) == 3
    await home.work.swap(None)
    home.engine.said = f"{RECALL}it{RECALL_END} yes"
    await home.work.canary()
    memory = await home.only()
    assert (memory.maker, memory.exact, float(np.asarray(memory.value)[0, 0])) == ("", None, 1.0)


async def test_a_memory_that_is_not_read_to_its_end_is_a_fault(home: Home) -> None:
    """Named by its number."""
    promoted = await home.through_gate()
    home.engine.said = f"{RECALL}on and on"
    await home.work.swap(promoted)
    assert await home.work.canary() == [f"memory {(await home.only()).id} is never read out to its end"]


async def test_memories_that_changed_during_the_night_are_left(home: Home) -> None:
    """Forgotten: not in the promoted bank, yet listed as trained on. Edited: its value is of something else."""
    forgotten = await home.only()
    edited = await home.store.add(fact(2, PRIVATE, text="Bob has a dog.", value=np.ones((2, D), np.float32)))
    promoted = await home.through_gate()
    await home.store.forget(forgotten.id)
    await home.store.edit(edited.id, "Bob has a fox.", fact(3).key, np.full((2, D), 2.0, np.float32), MODEL, "")
    await home.work.swap(promoted)
    assert await home.work.canary() == []
    memory = await home.only()
    assert (memory.text, float(np.asarray(memory.value)[0, 0])) == ("Bob has a fox.", 2.0)
    assert [promoted.name] == home.versions.trained_on(forgotten.id)
    assert home.store.search(fact(1).key, PRIVATE, 5)[0].memory_id == edited.id


async def test_a_value_that_is_no_number_is_not_handed_over(home: Home) -> None:
    """The night's others are."""
    home.value = np.full((2, D), np.nan, np.float32)
    home.exact = [False]
    promoted = await home.through_gate()
    await home.work.swap(promoted)
    assert await home.work.canary() == []
    assert float(np.asarray((await home.only()).value)[0, 0]) == 1.0


async def test_rolled_back_to_an_earlier_version_and_to_the_primed_one(home: Home) -> None:
    """The memories follow each time."""
    home.prime()
    promoted = await home.through_gate()
    for adapter, name in ((promoted, promoted.name), (None, "primed-0"), (promoted, promoted.name)):
        await home.work.swap(adapter)
        assert (name, name) == (home.engine.status.adapter, home.memories.seen[-1])


async def test_without_a_primed_adapter_the_bare_model_serves(home: Home) -> None:
    """Its values are made for the model as it came."""
    await home.work.swap(await home.through_gate())
    await home.work.swap(None)
    assert ("", f"base-{BASE}") == (home.engine.status.adapter, home.memories.seen[-1])
    assert maker_of(home.engine.status) == f"base-{BASE}"


async def test_a_primed_adapter_that_cannot_be_used_is_done_without(home: Home) -> None:
    """Whether its files are damaged or the model refuses it."""
    primed = home.prime()
    await home.work.swap(await home.through_gate())
    home.engine.broken = {"primed-0"}
    await home.work.swap(None)
    assert home.engine.status.adapter == ""
    (primed / "adapter.safetensors").write_text("cut")
    home.engine.broken = set()
    await home.work.swap(None)
    assert home.engine.status.adapter == ""


@pytest.mark.parametrize("cards", [0, 1])
async def test_an_adapter_that_cannot_be_loaded_leaves_the_one_before(home: Home, cards: int) -> None:
    """The memories are recalled by it again; also where it had to leave the card first."""
    home.prime()
    await home.work.swap(None)
    promoted = await home.through_gate()
    home.engine.cards, home.engine.broken = cards, {promoted.name}
    with pytest.raises(ModelError):
        await home.work.swap(promoted)
    assert (home.memories.suspended, home.memories.seen[-1]) == (False, "primed-0")
    await home.work.swap(None)
    assert (home.engine.away, home.memories.suspended, home.engine.status.adapter) == (False, False, "primed-0")
