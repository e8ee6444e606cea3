"""LoRA added without peft: to the bit what peft makes of it, and left to peft where it is of another kind."""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from tiny import make_adapter, make_tiny
from torch import Tensor, nn

from onebot_bot.engine.adapter import CONFIG, WEIGHTS
from onebot_bot.engine.lora import Plain, add, fits, put_beside, read_plain
from onebot_bot.engine.model import load_plain
from onebot_bot.sections.model import ModelConfig

pytestmark = pytest.mark.model
Dtype = Literal["bfloat16", "float32"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, trial_folder: Path) -> Path:
    """A tiny model."""
    return make_tiny(tmp_path_factory.mktemp("lora"), trial_folder)


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Path:
    """LoRA on all of its linear layers."""
    return make_adapter(tmp_path_factory.mktemp("made-lora"), folder)


def network_of(folder: Path, dtype: Dtype) -> Any:
    """As transformers loads it."""
    return load_plain(folder, ModelConfig(dtype=dtype, device="cpu", threads=1)).network


def plain_of(adapter: Path, **changed: object) -> Plain | None:
    """As it is read, its config changed."""
    return read_plain(json.loads((adapter / CONFIG).read_bytes()) | changed, load_file(adapter / WEIGHTS))


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_every_weight_is_what_peft_makes_of_it(folder: Path, adapter: Path, dtype: Dtype) -> None:
    """In half precision as in full, and the layers with LoRA are changed at all."""
    ours, theirs, bare = (network_of(folder, dtype) for _ in range(3))
    plain = plain_of(adapter)
    assert plain is not None
    assert fits(ours, plain)
    add(ours, plain)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = PeftModel.from_pretrained(theirs, str(adapter)).merge_and_unload()
    wanted: Mapping[str, Tensor] = theirs.state_dict()
    got, before = ours.state_dict(), bare.state_dict()
    assert [name for name in wanted if not torch.equal(wanted[name], got[name])] == []
    changed = {name.removesuffix(".weight") for name in got if not torch.equal(got[name], before[name])}
    assert changed == set(plain.pairs)
    assert len(changed) == 14


def test_beside_the_weights_it_computes_the_same(folder: Path, adapter: Path) -> None:
    """In float32, where adding loses nothing; and what is no layer's is told as it is where it is added."""
    ours, theirs, plain = network_of(folder, "float32"), network_of(folder, "float32"), plain_of(adapter)
    assert plain is not None
    put_beside(ours, plain)
    add(theirs, plain)
    ids = torch.arange(9).unsqueeze(0)
    assert torch.allclose(ours(ids).logits, theirs(ids).logits, atol=1e-4)
    other = msgspec.structs.replace(plain, pairs={"lm_head": (torch.zeros(2, 3), torch.zeros(4, 2))})
    for take in (put_beside, add):
        with pytest.raises(RuntimeError):
            take(network_of(folder, "float32"), other)


@pytest.mark.parametrize(
    "kind",
    [
        {"use_dora": True},
        {"use_rslora": True},
        {"rank_pattern": {"q_proj": 2}},
        {"fan_in_fan_out": True},
        {"bias": "all"},
        {"init_lora_weights": "pissa"},
        {"peft_type": "LOHA"},
        {"something_new": 1},
    ],
    ids=lambda kind: next(iter(kind)),
)
def test_other_kinds_are_left_to_peft(adapter: Path, kind: dict[str, object]) -> None:
    """Whatever the config says that a product of two factors does not."""
    assert plain_of(adapter, **kind) is None


def test_packed_layers_are_left_to_peft(folder: Path, adapter: Path) -> None:
    """A subclass may keep its weights in any form."""

    class Packed(nn.Linear):
        pass

    network, plain = network_of(folder, "float32"), plain_of(adapter)
    assert plain is not None
    network.model.layers[3].mlp.down_proj = Packed(1, 1)
    assert not fits(network, plain)


def test_half_a_pair_is_an_error(adapter: Path) -> None:
    """One factor without the other."""
    tensors = load_file(adapter / WEIGHTS)
    del tensors[next(iter(tensors))]
    with pytest.raises(KeyError, match="lora_"):
        read_plain(json.loads((adapter / CONFIG).read_bytes()), tensors)
