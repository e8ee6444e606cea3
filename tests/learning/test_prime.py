"""Priming from its worlds to an adapter that a model takes up, on a tiny model."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tiny import PROMPTS, RECIPES, TEXTS, load_tiny

from onebot_bot.engine.generate import Generator
from onebot_bot.extraction.prompts import load_prompts
from onebot_bot.learning import prime, stage
from onebot_bot.learning.prime import prime as run_prime

pytestmark = pytest.mark.model
RECIPE = msgspec.structs.replace(
    RECIPES,
    ask=msgspec.structs.replace(RECIPES.ask, most_steps=2, least_steps=2, longest=512),
    read=msgspec.structs.replace(RECIPES.read, most_steps=2, least_steps=2, longest=512),
)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small worlds, little chat, and a checkpoint before each step."""
    monkeypatch.setattr(prime, "FACTS", 12)
    monkeypatch.setattr(prime, "TALKS", 4)
    monkeypatch.setattr(prime, "ASKED", 8)
    monkeypatch.setattr(stage, "CHECKPOINT_SECONDS", -1.0)


def test_priming_makes_an_adapter_even_after_a_kill(tiny_folder: Path, tmp_path: Path) -> None:
    """Killed in stage 2 and started again, it goes on there; the adapter serves, and nothing else is left behind."""
    prompts = load_prompts(PROMPTS)
    lines: list[tuple[int, int]] = []

    def killed(line: dict[str, Any]) -> None:
        lines.append((line["stage"], line["step"]))
        if lines[-1] == (2, 1):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_prime(load_tiny(tiny_folder), RECIPE, prompts, tmp_path, killed, worlds=2)
    again: list[tuple[int, int]] = []
    folder = run_prime(
        load_tiny(tiny_folder), RECIPE, prompts, tmp_path, lambda line: again.append((line["stage"], line["step"])), 2
    )
    assert lines == [(1, 1), (1, 2), (2, 1)]
    assert again == [(2, 1), (2, 2)]
    assert [path.name for path in tmp_path.iterdir()] == ["candidate"]
    served = Generator(load_tiny(tiny_folder, folder))
    assert served.trained_recall
    assert served.project(served.embed([TEXTS[0]])).shape == (1, 2, 64)
    meta = json.loads((folder / "meta.json").read_bytes())
    assert meta["name"].startswith("primed-")
    assert (meta["name"], meta["base"], meta["memories"]) == (served.adapter, served.model.fingerprint, [])
    assert meta["recipes"]["read"]["most_steps"] == 2
    assert -1 <= meta["floor"] <= 1
