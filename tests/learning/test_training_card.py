"""Both stages of a night on a pretended card (pretend_card.py): nothing lies on the wrong device."""

import contextlib
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
import torch
from pretend_card import CARD, pretended, to_card
from tiny import RECIPES, TEXTS, learner_of, load_tiny, night_of, writer_of

from onebot_bot.learning.learner import Learner
from onebot_bot.learning.recipes import Recipes
from onebot_bot.learning.stage import Plan, train

pytestmark = pytest.mark.model

SHORT: dict[str, Any] = {"least_steps": 2, "epochs": 1, "batch": 4}
TWO = Recipes(
    ask=msgspec.structs.replace(RECIPES.ask, **SHORT),
    read=msgspec.structs.replace(RECIPES.read, **SHORT),
    refine=RECIPES.refine,
)


def fresh(folder: Path) -> Learner:
    """With the same first weights every time."""
    torch.manual_seed(0)
    learner = learner_of(load_tiny(folder))
    learner.calibrate(learner.embed_texts(list(TEXTS[:2])))
    return learner


def losses(learner: Learner, number: Literal[1, 2], folder: Path) -> list[float]:
    """Of the steps of a stage."""
    lines: list[dict[str, Any]] = []
    writer = writer_of(learner.model)
    train(
        learner,
        Plan(stage=number, recipes=TWO, course=night_of(learner), writer=writer, folder=folder, seed=4),
        lines.append,
    )
    return [line["loss"] for line in lines]


@pytest.mark.parametrize("number", [1, 2])
def test_a_stage_learns_on_a_card_as_on_a_cpu(
    tiny_folder: Path, tmp_path: Path, number: Literal[1, 2], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same first loss, and nearly the same later: Adam's first steps make much of the last digits."""
    (tmp_path / "cpu").mkdir()
    wanted = losses(fresh(tiny_folder), number, tmp_path / "cpu")
    learner = fresh(tiny_folder)
    to_card(learner)
    # What the card is called here, autocast does not know.
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: contextlib.nullcontext())
    with pretended():
        learner.model = msgspec.structs.replace(learner.model, device=CARD)
        found = losses(learner, number, tmp_path)

    assert len(wanted) > 1
    assert found[0] == pytest.approx(wanted[0], rel=1e-3)
    assert found == pytest.approx(wanted, rel=0.03)
