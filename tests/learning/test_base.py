"""The base model as training loads it."""

import importlib.util
from pathlib import Path
from typing import Literal

import pytest
import torch
from tiny import READ, RECIPES, TEXTS, learner_of, night_of, writer_of

from onebot_bot.errors import ModelError
from onebot_bot.learning.base import lacking_for_four_bit, load_base, recompute_layers
from onebot_bot.learning.learner import collate
from onebot_bot.learning.lessons import Sample
from onebot_bot.learning.stage import Plan, train, trained_parameters
from onebot_bot.sections.model import ModelConfig

pytestmark = pytest.mark.model
CPU = ModelConfig(dtype="float32", device="cpu", threads=1)


def test_a_base_is_frozen_and_knows_the_width_of_its_keys(tiny_folder: Path) -> None:
    """No weight of its own learns; keys of an embedding model have another width."""
    model = load_base(tiny_folder, CPU)
    assert not any(parameter.requires_grad for parameter in model.network.parameters())
    assert model.heads.key.centre.shape == (192,)
    assert load_base(tiny_folder, CPU, raw=40).heads.key.centre.shape == (40,)


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_a_base_takes_lora_whatever_it_serves_in(tiny_folder: Path, dtype: Literal["bfloat16", "float32"]) -> None:
    """Its layers are those that peft knows, also where the same weights are laid out anew to serve."""
    learner = learner_of(load_base(tiny_folder, ModelConfig(dtype=dtype, device="cpu", threads=1)))
    assert trained_parameters(learner, READ)


def test_computing_layers_again_changes_no_gradient(tiny_folder: Path) -> None:
    """What is done on a card to save memory."""
    gradients = []
    for again in (False, True):
        torch.manual_seed(0)
        model = load_base(tiny_folder, CPU)
        if again:
            recompute_layers(model.network)
        learner = learner_of(model).train()
        parameters = trained_parameters(learner, READ)
        ids = model.renderer.encode_text(TEXTS[0])
        batch = collate([Sample(ids=ids, labels=[True] * len(ids))], torch.device("cpu"))
        loss = learner.reading_loss(learner.states(learner.embed(batch.ids), batch.mask), batch)
        gradients.append([g for g in torch.autograd.grad(loss, parameters, allow_unused=True) if g is not None])
    assert len(gradients[0]) == len(gradients[1]) > 0
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


def test_a_stage_runs_with_layers_computed_again(tiny_folder: Path, tmp_path: Path) -> None:
    """Step after step over one bank, whose keys belong to no gradient."""
    model = load_base(tiny_folder, CPU)
    recompute_layers(model.network)
    learner = learner_of(model)
    assert not learner.embed_texts(list(TEXTS)).requires_grad
    plan = Plan(
        stage=2, recipes=RECIPES, course=night_of(learner), writer=writer_of(model), folder=tmp_path / "checkpoints"
    )
    losses: list[float] = []
    train(learner, plan, lambda line: losses.append(line["loss"]))
    assert len(losses) == RECIPES.read.least_steps


def test_four_bits_without_a_card_say_what_is_missing(tiny_folder: Path) -> None:
    """The folder and what is lacking stand in the error."""
    with pytest.raises(ModelError, match=r"4 bits needs a CUDA card \(model\.device is cpu\)") as caught:
        load_base(tiny_folder, CPU, four_bit=True)
    assert str(tiny_folder) in str(caught.value)


@pytest.mark.skipif(importlib.util.find_spec("bitsandbytes") is not None, reason="bitsandbytes is here")
def test_four_bits_without_bitsandbytes_say_how_to_get_it() -> None:
    """Even where a card is."""
    assert "pip install bitsandbytes" in lacking_for_four_bit(torch.device("cuda"))
