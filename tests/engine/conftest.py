"""The trial model in float32, loaded once: bfloat16 flips an argmax now and then, and these tests are exact."""

from pathlib import Path

import pytest

from onebot_bot.engine.generate import Generator
from onebot_bot.engine.model import load_model
from onebot_bot.sections.model import ModelConfig


@pytest.fixture(scope="session")
def trial(trial_folder: Path) -> Generator:
    """The trial model, ready to step."""
    return Generator(load_model(trial_folder, ModelConfig(dtype="float32")))
