"""The trial model in float32, loaded once: bfloat16 flips an argmax now and then, and these tests are exact."""

from pathlib import Path

import pytest

from onebot_bot.engine.generate import Generator
from onebot_bot.engine.model import LoadedModel, load_model
from onebot_bot.sections.model import ModelConfig


@pytest.fixture(scope="session")
def trial_model(trial_folder: Path) -> LoadedModel:
    """Its weights."""
    return load_model(trial_folder, ModelConfig(dtype="float32"))


@pytest.fixture(scope="module")
def trial(trial_model: LoadedModel) -> Generator:
    """The trial model, ready to step; each file has a cache of its own, which goes with it."""
    return Generator(trial_model)
