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

from onebot_bot.engine.adapter import CONFIG, WEIGHTS, merged
from onebot_bot.engine.lora import Plain, add, fits, put_beside, read_plain, stands_beside
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


class Packed(nn.Linear):
    """A layer whose weights are bytes on a coarse grid, as of cards' libraries: a subclass with other contents."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__(linear.in_features, linear.out_features, bias=False, device="meta")
        self.step = float(linear.weight.abs().max()) / 7
        packed = (linear.weight / self.step).round().to(torch.int8)
        self.weight = nn.Parameter(packed, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """Of the weights that the bytes mean."""
        return nn.functional.linear(x, self.meant.to(x.dtype))

    @property
    def meant(self) -> Tensor:
        """The weights."""
        return self.weight * self.step


def packed_of(folder: Path, dtype: Dtype, names: Mapping[str, object]) -> tuple[Any, Any]:
    """A network with packed layers, and one with the same weights whole."""
    packed, whole = network_of(folder, dtype), network_of(folder, dtype)
    for name in names:
        layer = Packed(packed.get_submodule(name))
        packed.set_submodule(name, layer)
        whole.get_submodule(name).weight.copy_(layer.meant)
    return packed, whole


def test_an_adapter_stays_beside_packed_layers(folder: Path, adapter: Path) -> None:
    """Rounded to their grid it would be lost; it computes in the network's type, whatever theirs is."""
    plain = plain_of(adapter)
    assert plain is not None
    packed, whole = packed_of(folder, "float32", plain.pairs)
    ids = torch.arange(9).unsqueeze(0)
    bare = packed(ids).logits
    assert not fits(packed, plain)
    taught = merged(packed, adapter)
    add(whole, plain)
    assert torch.allclose(taught(ids).logits, whole(ids).logits, atol=1e-4)
    assert not torch.allclose(taught(ids).logits, bare, atol=1e-2)


def test_what_is_no_linear_layer_is_left_to_peft(folder: Path, adapter: Path) -> None:
    """It has no widths to put anything beside."""
    network, plain = network_of(folder, "float32"), plain_of(adapter)
    assert plain is not None
    assert stands_beside(network, plain)
    network.model.layers[3].mlp.down_proj = nn.Embedding(3, 3)
    assert not stands_beside(network, plain)


def test_a_rank_of_zero_is_an_error(adapter: Path) -> None:
    """Nothing is divided by it."""
    with pytest.raises(ValueError, match="rank r is 0"):
        plain_of(adapter, r=0)


def test_half_a_pair_is_an_error(adapter: Path) -> None:
    """One factor without the other."""
    tensors = load_file(adapter / WEIGHTS)
    del tensors[next(iter(tensors))]
    with pytest.raises(KeyError, match="lora_"):
        read_plain(json.loads((adapter / CONFIG).read_bytes()), tensors)
