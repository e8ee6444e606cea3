"""A tiny random model for everything that learns."""

from pathlib import Path

import pytest
from tiny import load_tiny, make_tiny

from onebot_bot.engine.model import LoadedModel


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory, trial_folder: Path) -> Path:
    """Its folder: four layers, one matrix for input and output."""
    return make_tiny(tmp_path_factory.mktemp("tiny"), trial_folder)


@pytest.fixture(scope="session")
def untied_folder(tmp_path_factory: pytest.TempPathFactory, trial_folder: Path) -> Path:
    """The same with an output matrix of its own, and three layers, of which one and a half are half."""
    return make_tiny(tmp_path_factory.mktemp("untied"), trial_folder, tied=False, layers=3)


@pytest.fixture
def tiny(tiny_folder: Path) -> LoadedModel:
    """Loaded anew: a learner changes it."""
    return load_tiny(tiny_folder)


@pytest.fixture
def untied(untied_folder: Path) -> LoadedModel:
    """Loaded anew."""
    return load_tiny(untied_folder)
