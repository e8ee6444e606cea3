"""The models of profiles for real, tiny ones: what is loaded, what it writes beside the others, what is refused."""

import asyncio
from pathlib import Path

import pytest
import torch
from tiny import VOCABULARY, load_tiny, make_adapter, make_tiny

from onebot_bot.engine import variants
from onebot_bot.engine.answer import Sequence
from onebot_bot.engine.folder import WeightSizes
from onebot_bot.engine.generate import Generator
from onebot_bot.engine.making import Traits, Variant
from onebot_bot.engine.model import LoadedModel
from onebot_bot.engine.profiles import Profiles
from onebot_bot.engine.request import (
    Conversation,
    Generation,
    GenerationRequest,
    GenerationResult,
    SamplingParams,
    Text,
    Turn,
)
from onebot_bot.engine.variants import VariantMaker, find_variants
from onebot_bot.errors import ProfileError
from onebot_bot.sections.model import ModelConfig
from onebot_bot.sections.profiles import ProfileConfig

pytestmark = pytest.mark.model

CONFIG = ModelConfig(dtype="float32", device="cpu", threads=1)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, trial_folder: Path) -> Path:
    """A folder with two models, and an adapter for the first."""
    home = tmp_path_factory.mktemp("home")
    make_tiny(home / "main", trial_folder, layers=2)
    make_tiny(home / "other", trial_folder, layers=1)
    make_adapter(home / "adapter", home / "main")
    return home


@pytest.fixture(scope="module")
def expected(home: Path) -> dict[str, str]:
    """What each model writes that has the process to itself."""
    models = {"main": load_tiny(home / "main"), "other": load_tiny(home / "other"), "taught": _taught(home)}

    async def write() -> dict[str, str]:
        return {name: finish(Generator(model), name)[name] for name, model in models.items()}

    return asyncio.run(write())


@pytest.fixture(scope="module")
def runner(home: Path) -> Profiles:
    """All of them, none but the main one loaded before it is asked for."""
    main = Generator(load_tiny(home / "main"), lambda adapter: load_tiny(home / "main", adapter))
    profiles = {
        "other": ProfileConfig(path="other"),
        "taught": ProfileConfig(adapter="adapter"),
        "lost": ProfileConfig(path="nowhere"),
        "bare": ProfileConfig(path="other", adapter="main"),
    }
    found = find_variants(profiles, home, home / "main", "full")
    return Profiles(main, VariantMaker(CONFIG, None), lambda: found)


def _taught(home: Path) -> LoadedModel:
    return load_tiny(home / "main", home / "adapter")


def begin(runner: Profiles | Generator, profile: str) -> Sequence:
    """Start the profile's answer to its name, its model loaded."""
    if isinstance(runner, Profiles):
        runner.load(profile)
    conversation = Conversation((Turn("user", (Text(f"Who is {profile}?"),)),))
    sampling = SamplingParams(temperature=0, max_new_tokens=6)
    running = runner.start(Generation(GenerationRequest(conversation=conversation, sampling=sampling, profile=profile)))
    assert isinstance(running, Sequence)
    return running


def finish(runner: Profiles | Generator, *profiles: str) -> dict[str, str]:
    """What they write, side by side."""
    running = {profile: begin(runner, profile) for profile in profiles}
    while left := [each for each in running.values() if each.outcome is None]:
        runner.step(left)
    return {name: text_of(each) for name, each in running.items()}


def text_of(running: Sequence) -> str:
    """Of an answer that has ended well."""
    assert isinstance(running.outcome, GenerationResult)
    return running.outcome.text


async def test_answers_of_several_models_are_those_of_each_alone(runner: Profiles, expected: dict[str, str]) -> None:
    """Token for token, a step at a time; an adapter may serve beside its bare model."""
    assert len(set(expected.values())) == 3
    assert finish(runner, "main", "other", "taught") == expected


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lost", r"profiles\.lost: .*nowhere: no such model folder\. Fetch it with `onebot-bot fetch nowhere`"),
        ("bare", r"profiles\.bare: .*main: no such adapter .*Change `adapter`"),
    ],
)
async def test_what_is_not_there_is_named_with_the_fix(runner: Profiles, name: str, message: str) -> None:
    """The profile, the folder, and what to do."""
    with pytest.raises(ProfileError, match=message):
        begin(runner, name)


async def test_loading_beside_answers_does_not_change_them(runner: Profiles, expected: dict[str, str]) -> None:
    """While transformers makes a network on another thread, numbers that name no type are of another than usual."""
    torch.set_default_dtype(torch.bfloat16)
    try:
        found = finish(runner, "main")
    finally:
        torch.set_default_dtype(torch.float32)
    assert found["main"] == expected["main"]


async def test_the_main_model_changes_its_adapter_while_a_profile_writes(
    home: Path, runner: Profiles, expected: dict[str, str]
) -> None:
    """The one writes on as if nothing had happened, the other serves what is new."""
    writing = begin(runner, "other")
    runner.step([writing])
    runner.serve(home / "adapter")
    while writing.outcome is None:
        runner.step([writing])
    assert text_of(writing) == expected["other"]
    assert runner.adapter == "made"


def test_a_profile_of_the_main_model_needs_none_of_its_own(home: Path) -> None:
    """However the folder is written; other weights or an adapter are another model."""
    profiles = {
        "settings": ProfileConfig(temperature=0.1),
        "named": ProfileConfig(path="x/../main", weights="full"),
        "packed": ProfileConfig(weights="int4"),
        "taught": ProfileConfig(adapter="adapter"),
    }
    assert find_variants(profiles, home, home / "main", "full") == {
        "settings": None,
        "named": None,
        "packed": Variant(home / "main", None, "int4"),
        "taught": Variant(home / "main", home / "adapter", "full"),
    }


def test_what_a_model_is_like_is_known_before_it_is_loaded(home: Path) -> None:
    """From its folder; of none, nothing is."""
    maker, folder = VariantMaker(CONFIG, None), home / "other"
    found = maker.traits(Variant(folder, None, "full"))
    assert (found.sees, VOCABULARY * 64 < found.parameters < VOCABULARY * 128) == (False, True)
    assert maker.traits(Variant(home / "nowhere", None, "full")) == Traits()


@pytest.mark.parametrize(
    ("gib", "fix"),
    [(3, 'Set weights = "int8" or weights = "int4" there.'), (0, "Name a smaller model there, or set weights of")],
)
def test_what_does_not_fit_is_told_in_bytes(home: Path, monkeypatch: pytest.MonkeyPatch, gib: int, fix: str) -> None:
    """How much it takes, how much there is beside what others were promised, and which weights would fit."""
    layers = {"num_hidden_layers": 1, "num_attention_heads": 4, "hidden_size": 256}
    sizes = WeightSizes(layers, {"model.layers.0.mlp.up_proj.weight": (2**20, 2**10)}, 4)
    monkeypatch.setattr(variants, "weight_sizes", lambda _: sizes)
    monkeypatch.setattr(variants, "free_bytes", lambda _: (gib + 1) * 2**30)
    room = VariantMaker(CONFIG, None).room(Variant(home / "other", None, "full"), promised=2**30)
    assert (room.needed > room.free, room.free) == (True, gib * 2**30)
    assert f"other takes 4.0 GiB with the cache of one chat, and {gib}.0 GiB are free on cpu" in room.refusal
    assert fix in room.refusal


def test_weights_are_kept_as_the_profile_says(home: Path) -> None:
    """In fewer bits than the main model's; which makes other keys."""
    made = VariantMaker(CONFIG, None).make(Variant(home / "other", None, "int8"))
    assert made.fingerprint != made.base
