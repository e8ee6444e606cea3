"""What the bench of adapters compares is the same adapter."""

from pathlib import Path

import pytest
import torch
from tiny import load_tiny, make_adapter, make_tiny

from bench import engine, quality
from bench.adapter import BARE, MERGED, PLAIN, SIDE, SIZES, Plan, find_figures, measure_steps, put_beside
from bench.engine import prepare
from bench.goals import AIMS
from bench.layout import GRIDS
from onebot_bot.engine.fit import KINDS

pytestmark = pytest.mark.model

WAYS = (MERGED, PLAIN, SIDE, BARE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, trial_folder: Path) -> Path:
    """A tiny model."""
    return make_tiny(tmp_path_factory.mktemp("tiny"), trial_folder)


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Path:
    """An adapter for it."""
    return make_adapter(tmp_path_factory.mktemp("made"), folder)


async def test_both_ways_compute_the_same(folder: Path, adapter: Path) -> None:
    """Merged and on the side the model says the same, and something else than without the adapter."""
    merged, side, bare = load_tiny(folder, adapter), load_tiny(folder), load_tiny(folder)
    put_beside(side, adapter)
    prompt = torch.tensor([[1, 5, 6, 7]])
    with torch.no_grad():
        hidden = [model.network.model(prompt).last_hidden_state for model in (merged, side, bare)]
    torch.testing.assert_close(hidden[0], hidden[1], atol=1e-4, rtol=1e-4)
    assert not torch.allclose(hidden[0], hidden[2], atol=1e-2)


def test_every_way_and_size_is_measured(folder: Path) -> None:
    """By steps of the engine, as many rounds as asked for after one that warms up."""
    generator = prepare(load_tiny(folder))
    steps = measure_steps(dict.fromkeys(WAYS, generator), Plan(rounds=1, tokens=3, swaps=0))
    assert {name: len(found) for name, found in steps.items()} == {
        f"{way}_{chats}": 1 for chats in SIZES for way in WAYS
    }
    assert min(min(found) for found in steps.values()) > 0


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        ("adapter", find_figures({f"{way}_{chats}": [1.0] for chats in SIZES for way in WAYS})),
        (
            "engine",
            engine.find_figures(
                dict.fromkeys((engine.OURS, engine.GENERATE, engine.OURS_MANY, engine.SERIAL, engine.STATIC), (1.0,))
            ),
        ),
        (
            "quality",
            quality.find_figures(
                {f"{weights}{suffix}": 2.0 for weights in KINDS for suffix in ("", "_primed")},
                dict.fromkeys((quality.PEER, quality.LLAMA, *KINDS), (1.0,)),
            ),
        ),
    ],
)
def test_tables_show_what_benches_of_models_find(name: str, figures: dict[str, float]) -> None:
    """Every figure that they find by rounds is in a table or a goal, so that its name is the same in both."""
    asked = {key for grid in GRIDS[name] for row in grid.rows for key in row.figures}
    assert set(figures) <= asked | set(AIMS[name])
