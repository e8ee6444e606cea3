"""Several models behind one runner: who answers, what is loaded when, and who makes room; without torch."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from weakref import WeakValueDictionary

import msgspec
import pytest
from fakes import FakeClock, FakeRunner, FakeRunning, until

from onebot_bot.engine.making import Room, Traits, Variant
from onebot_bot.engine.profiles import HOLD_SECONDS, RETRY_SECONDS, Profiles
from onebot_bot.engine.request import (
    RECALL,
    Control,
    Conversation,
    Counters,
    Generation,
    GenerationRequest,
    GenerationResult,
    RecallPolicy,
    SamplingParams,
    Text,
    Turn,
)
from onebot_bot.engine.worker import EngineWorker
from onebot_bot.errors import BotError, ModelError, ProfileError

TOTAL, EACH = 10, 4
"""Bytes for models beside the main one, and what each takes: two fit."""
SMALL, LARGE, THIRD = (Variant(Path(name), None, "full") for name in ("small", "large", "third"))


class Model(FakeRunner):
    """A model that can leave the card, with a name and things of its own."""

    away = False
    free_device_bytes = 77

    def __init__(self, name: str = "main", on_step: Callable[[list[FakeRunning]], None] = lambda _: None) -> None:
        super().__init__(on_step)
        self.name = name
        self.begun: list[GenerationRequest] = []
        self.served: list[Path | None] = []

    def start(self, generation: Generation) -> FakeRunning:
        """Note what it is asked."""
        if self.away:
            raise ModelError("being trained")
        self.begun.append(generation.request)
        return super().start(generation)

    def memory(self) -> int:
        """One byte."""
        return 1

    def serve(self, adapter: Path | None) -> None:
        """Note it."""
        self.served.append(adapter)

    def make_room(self) -> int:
        """One card."""
        self.away = True
        return 1

    def come_back(self) -> None:
        """Be there again."""
        self.away = False


class Shelf:
    """Makes models of `EACH` bytes, once it may; knows of those that anybody still holds."""

    def __init__(self) -> None:
        self.held: WeakValueDictionary[Variant, Model] = WeakValueDictionary()
        self.made: list[Variant] = []
        self.may_end = threading.Event()
        self.may_end.set()
        self.failure: Exception | None = None
        self.promised = 0
        self.looked = 0
        self.on_step: Callable[[list[FakeRunning]], None] = lambda _: None

    def room(self, variant: Variant, promised: int) -> Room:
        """What those who are held leave."""
        self.looked += 1
        self.promised = promised
        needed = 99 if variant.path.name == "huge" else EACH
        return Room(needed, TOTAL - EACH * len(self.held), f"{variant.path} takes {needed}")

    def make(self, variant: Variant) -> Model:
        """A model, or the failure that the test says."""
        self.may_end.wait(5)
        if self.failure is not None:
            raise self.failure
        self.made.append(variant)
        model = self.held[variant] = Model(variant.path.name, self.on_step)
        return model

    def traits(self, variant: Variant) -> Traits:
        """The large one sees."""
        return Traits(variant.path.name == "large", 5)

    def release(self) -> None:
        """Nothing is kept back."""


class House:
    """A main model, a shelf of others, and the runner over them."""

    def __init__(self) -> None:
        self.main, self.shelf, self.clock = Model(), Shelf(), FakeClock()
        self.configured: dict[str, Variant | None] = {
            "same": None, "small": SMALL, "large": LARGE, "third": THIRD, "huge": Variant(Path("huge"), None, "full"),
        }  # fmt: skip
        self.runner = Profiles(self.main, self.shelf, lambda: self.configured, self.clock.time)

    def begin(self, profile: str) -> FakeRunning:
        """Start an answer whose model is loaded at once."""
        self.runner.load(profile)
        running = self.runner.start(generation(profile))
        assert isinstance(running, FakeRunning)
        return running

    def finish(self, *running: FakeRunning) -> list[str]:
        """What they write, side by side."""
        while left := [each for each in running if each.outcome is None]:
            self.runner.step(left)
        return [each.text for each in running]

    def state(self, profile: str) -> str:
        """How its model stands."""
        return self.runner.profiles[profile].state


@pytest.fixture
def house() -> House:
    """Nothing is loaded yet."""
    return House()


def generation(profile: str, tokens: int = 3) -> Generation:
    """A request for that many letters."""
    conversation = Conversation((Turn("user", (Text("hi"),)),))
    sampling = SamplingParams(max_new_tokens=tokens)
    return Generation(GenerationRequest(conversation=conversation, sampling=sampling, profile=profile))


# --- who answers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", ["", "chat", "same", "nobody"])
async def test_the_main_model_answers_what_needs_no_other(house: House, profile: str) -> None:
    """No profile, one that differs in settings alone, and one that is not there (any more)."""
    assert house.runner.ready(generation(profile))
    assert house.finish(house.begin(profile)) == ["abc"]
    assert len(house.main.begun) == 1
    assert house.shelf.made == []


async def test_each_answer_is_written_by_its_own_model(house: House) -> None:
    """Side by side; a model that is there is not loaded again."""
    running = [house.begin(name) for name in ("small", "large", "", "small")]
    assert house.finish(*running) == ["abc"] * 4
    small, large = house.shelf.held[SMALL], house.shelf.held[LARGE]
    assert (len(small.begun), len(large.begun), len(house.main.begun)) == (2, 1, 1)
    assert house.shelf.made == [SMALL, LARGE]


async def test_what_belongs_to_memories_is_the_main_models(house: House) -> None:
    """Another model is not told of recall: neither by a policy nor by an answer that begins with it."""
    policy = RecallPolicy(search=lambda _: None, floor=0.3, max_recalls=2)
    opening = (Text("Hm."), Control(RECALL))
    conversation = Conversation((Turn("user", (Text("hi"),)),), opening)
    request = GenerationRequest(conversation=conversation, sampling=SamplingParams(), recall=policy)
    for profile in ("small", "same"):
        house.runner.load(profile)
        house.runner.start(Generation(msgspec.structs.replace(request, profile=profile)))
    other, own = house.shelf.held[SMALL].begun[0], house.main.begun[0]
    assert (other.recall, other.conversation.opening) == (None, (Text("Hm."),))
    assert (own.recall, own.conversation.opening) == (policy, opening)
    assert house.runner.free_device_bytes == 77


async def test_a_step_that_fails_ends_the_answers_of_that_model_alone(house: House) -> None:
    """The other models' go on."""

    def broken(_: list[FakeRunning]) -> None:
        raise RuntimeError("no")

    house.shelf.on_step = broken
    other, own = house.begin("small"), house.begin("")
    house.finish(other, own)
    assert isinstance(other.outcome, ModelError)
    assert isinstance(own.outcome, GenerationResult)


# --- loading -------------------------------------------------------------------------------------------------------


async def test_answers_go_on_while_a_model_is_loaded(house: House) -> None:
    """The worker writes others' answers meanwhile, and then the one that waited for its model."""
    house.shelf.may_end.clear()
    async with EngineWorker("main", lambda: house.runner) as worker:
        waiting = worker.submit(generation("small").request)
        assert (await worker.submit(generation("").request).result()).text == "abc"
        assert not waiting.done
        assert house.state("small") == "loading"
        house.shelf.may_end.set()
        assert (await waiting.result()).text == "abc"
        assert house.state("small") == "ready"


async def test_who_waits_for_a_model_can_be_interrupted(house: House) -> None:
    """As anybody who waits for a place."""
    house.shelf.may_end.clear()
    async with EngineWorker("main", lambda: house.runner) as worker:
        waiting = worker.submit(generation("small").request)
        await until(lambda: worker.status.queued == 1 and worker.status.profiles["small"].state == "loading")
        waiting.interrupt()
        assert (await waiting.result()).text == ""
        house.shelf.may_end.set()


@pytest.mark.parametrize("error", [ModelError("no such folder"), RuntimeError("no such folder")])
async def test_a_model_that_cannot_be_loaded_is_told_by_name(house: House, error: Exception) -> None:
    """The profile and the reason; the main model goes on, and after a while it is tried again."""
    house.shelf.failure = error
    async with EngineWorker("main", lambda: house.runner) as worker:
        with pytest.raises(ProfileError, match=r"profiles\.small: .*no such folder") as caught:
            await worker.submit(generation("small").request).result()
        assert caught.value.profile == "small"
        assert (await worker.submit(generation("").request).result()).text == "abc"
        assert "no such folder" in worker.status.profiles["small"].error
        house.shelf.failure = None
        with pytest.raises(ProfileError):
            await worker.submit(generation("small").request).result()
        house.clock.advance(RETRY_SECONDS)
        assert (await worker.submit(generation("small").request).result()).text == "abc"


async def test_how_each_stands_is_known(house: House) -> None:
    """Also whether a model that is not there yet takes pictures."""
    house.begin("small")
    house.runner.load("huge")
    found = {name: (state.state, state.sees) for name, state in house.runner.profiles.items()}
    assert {state.parameters for state in house.runner.profiles.values()} == {0, 5}
    assert found == {
        "same": ("main", False),
        "small": ("ready", False),
        "large": ("absent", True),
        "third": ("absent", False),
        "huge": ("failed", False),
    }


# --- room ----------------------------------------------------------------------------------------------------------


async def test_what_would_not_fit_alone_is_refused(house: House) -> None:
    """With the words of who counted, and nobody is let go for it."""
    house.finish(house.begin("small"))
    house.runner.load("huge")
    with pytest.raises(ProfileError, match=r"profiles\.huge: huge takes 99"):
        house.runner.start(generation("huge"))
    assert house.state("small") == "ready"


async def test_the_longest_unused_makes_room(house: House) -> None:
    """The one that answered last stays."""
    for name in ("small", "large", "small"):
        house.finish(house.begin(name))
        house.clock.advance(1)
    house.finish(house.begin("third"))
    assert sorted(model.name for model in house.shelf.held.values()) == ["small", "third"]
    assert house.state("large") == "absent"


async def test_nobody_is_let_go_who_is_writing(house: House) -> None:
    """Whoever finds no room waits, is looked at only now and then, and those in the way begin nothing new."""
    writing = [house.begin("small"), house.begin("large")]
    assert not house.runner.ready(generation("third"))
    looked = house.shelf.looked
    assert not house.runner.ready(generation("third"))
    assert house.shelf.looked == looked
    assert not house.runner.ready(generation("small"))
    assert house.finish(*writing) == ["abc", "abc"]
    house.clock.advance(HOLD_SECONDS / 2)
    await until(lambda: house.runner.ready(generation("third")))
    assert house.shelf.made == [SMALL, LARGE, THIRD]


async def test_the_way_is_free_again_when_nobody_waits_any_more(house: House) -> None:
    """Whoever found no room and gave up holds nobody back."""
    house.begin("small")
    house.begin("large")
    assert not house.runner.ready(generation("third"))
    house.clock.advance(HOLD_SECONDS)
    assert house.runner.ready(generation("small"))


async def test_a_profile_that_is_gone_makes_room_first(house: House) -> None:
    """Though it answered last."""
    for name in ("small", "large"):
        house.finish(house.begin(name))
        house.clock.advance(1)
    del house.configured["large"]
    house.finish(house.begin("third"))
    assert sorted(model.name for model in house.shelf.held.values()) == ["small", "third"]


async def test_the_caches_of_models_that_are_there_count(house: House) -> None:
    """As far as they may still grow."""
    house.main.counters = Counters(kv_budget=5, kv_bytes=2)
    house.runner.load("small")
    assert house.shelf.promised == 3


async def test_memory_is_that_of_all_models(house: House) -> None:
    """On a computer each counts its own."""
    house.begin("small")
    assert house.runner.memory() == 2


# --- the main model's changes --------------------------------------------------------------------------------------


async def test_the_main_model_takes_up_an_adapter_while_a_profile_writes(house: House) -> None:
    """What the other writes is what it would have written."""
    writing = house.begin("small")
    house.runner.step([writing])
    house.runner.serve(Path("adapter"))
    assert house.main.served == [Path("adapter")]
    assert house.finish(writing) == ["abc"]


async def test_all_models_leave_the_card_to_a_training(house: House) -> None:
    """Whoever is asked meanwhile says why it cannot, and afterwards they come back when they are asked for."""
    house.finish(house.begin("small"))
    assert house.runner.make_room() == 1
    assert list(house.shelf.held) == []
    assert house.runner.ready(generation("small"))
    with pytest.raises(BotError, match="being trained"):
        house.runner.start(generation("small"))
    house.runner.come_back()
    assert house.finish(house.begin("small")) == ["abc"]


async def test_a_training_waits_for_what_is_being_loaded(house: House) -> None:
    """A model that arrived later would take the card from it."""
    house.shelf.may_end.clear()
    assert not house.runner.ready(generation("small"))
    leaving = asyncio.create_task(asyncio.to_thread(house.runner.make_room))
    await asyncio.sleep(0)
    assert not leaving.done()
    house.shelf.may_end.set()
    assert await leaving == 1
    assert list(house.shelf.held) == []
