"""Weights laid out for a CPU, whole, in 8 and in 4 bits: every family computes the same with them, or nearly."""

from pathlib import Path
from typing import Any

import pytest
import structlog
import torch
import transformers
from torch import Tensor, nn

from onebot_bot.engine import quantize
from onebot_bot.engine.fit import Weights, weight_bytes
from onebot_bot.engine.folder import check_model_folder, weight_sizes
from onebot_bot.engine.model import LoadedModel, load_model
from onebot_bot.engine.quantize import (
    MANY,
    Int4Linear,
    Int8Linear,
    WholeLinear,
    can_reorder,
    fits_kernels,
    fused,
    packed_rows,
)
from onebot_bot.engine.request import Conversation, Text, Turn
from onebot_bot.engine.serving import gains, lay_out
from onebot_bot.sections.model import ModelConfig

pytestmark = pytest.mark.model

FEW, LAYERS = 3, (Int8Linear, Int4Linear)
BOUNDS: dict[Any, float] = {Int8Linear: 0.012, Int4Linear: 0.09}
"""Relative error of a product with normal weights; a step of the grid over the square root of 12, by theory, is 0.007
and 0.08."""
SMALL: dict[str, Any] = {
    "vocab_size": 100,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.3,
    "pad_token_id": 0,
}
FAMILIES = {
    "llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM),
    "qwen2": (transformers.Qwen2Config, transformers.Qwen2ForCausalLM),
    "qwen3": (transformers.Qwen3Config, transformers.Qwen3ForCausalLM),
}


def error(found: Tensor, wanted: Tensor) -> float:
    """Relative, over all numbers."""
    return float((found.float() - wanted.float()).norm() / wanted.float().norm())


def weights(rows: int, width: int) -> Tensor:
    """Normal ones, the same every time."""
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(rows + width))


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(("rows", "width"), [(64, 64), (100, 96), (3, 32), (130, 576)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_products_are_near(layer: type, rows: int, width: int, dtype: torch.dtype) -> None:
    """Whatever the number of rows; by the kernel for a few positions and unpacked for many; leading dimensions stay."""
    weight, bias = weights(rows, width), weights(1, rows)[0]
    packed = layer(weight.to(dtype), bias.to(dtype))
    for positions in (FEW, MANY):
        x = weights(positions, width).to(dtype).unsqueeze(0)
        out = packed(x)
        assert (tuple(out.shape), out.dtype) == ((1, positions, rows), dtype)
        assert error(out, x.float() @ weight.T + bias) < BOUNDS[layer]


def test_weights_that_are_on_a_grid_stay() -> None:
    """What had 4 bits a weight before, such as weights out of a GGUF file, comes out as it went in."""
    q = torch.randint(0, 16, (64, 4, 32), generator=torch.Generator().manual_seed(1)).float()
    q[..., 0], q[..., 1] = 0, 15
    weight = (q * 0.5 - 3.25).flatten(1)
    x = weights(FEW, 128)
    assert error(Int4Linear(weight)(x), x @ weight.T) < 1e-6


def test_fitting_the_grid_brings_weights_nearer() -> None:
    """Least squares beat the grid from end to end, in the mean and never in a group the other way round."""
    weight = weights(64, 256)
    groups = weight.view(64, -1, 32)
    low, high = groups.amin(-1, keepdim=True), groups.amax(-1, keepdim=True)
    scale = (high - low) / 15
    plain = ((groups - low) / scale).round() * scale + low
    q, scales = quantize._to_int4(weight)
    fitted = (q.view(64, -1, 32) - 8) * scales[..., :1].transpose(0, 1) + scales[..., 1:].transpose(0, 1)
    before, after = (plain - groups).square().sum(-1), (fitted - groups).square().sum(-1)
    assert (after <= before + 1e-6).all()
    assert after.sum() < 0.97 * before.sum()


def test_zeros_are_zeros() -> None:
    """A row or a group without a spread has a scale all the same."""
    for layer in LAYERS:
        assert layer(torch.zeros(32, 32))(weights(2, 32)).abs().max() == 0


def test_unpacking_undoes_the_kernels_packing() -> None:
    """On every CPU whose packing is known; on others many positions go through the kernel as few do."""
    if block := packed_rows():
        q = torch.randint(0, 16, (128, 32), dtype=torch.int32)
        assert torch.equal(quantize._unpack(quantize._pack(q), block).int(), q.T)


def test_a_cpu_that_packs_in_another_way_is_served_by_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer is the same, slower."""
    packed, x = Int4Linear(weights(64, 64)), weights(MANY, 64)
    wanted = packed(x)
    monkeypatch.setattr(quantize, "packed_rows", lambda: 0)
    assert error(packed(x), wanted) < 1e-5


def test_rows_that_the_kernels_do_not_take_stay_whole() -> None:
    """Their products are exact, and several layers are still one."""
    first, second = nn.Linear(60, 32), nn.Linear(60, 7)
    x = weights(FEW, 60)
    assert not fits_kernels(60)
    assert torch.allclose(fused([first, second], "int4")(x), torch.cat([first(x), second(x)], dim=-1), atol=1e-6)


# --- networks ------------------------------------------------------------------------------------------------------


def network(family: str, width: int, *, tied: bool = False) -> Any:
    """A small random one, its heads `width / 4` wide."""
    torch.manual_seed(0)
    make, model = FAMILIES[family]
    config = make(
        **SMALL, hidden_size=width, intermediate_size=2 * width, head_dim=width // 4, tie_word_embeddings=tied
    )
    return model(config).eval().requires_grad_(requires_grad=False)


def logits(net: Any, ids: Tensor) -> Tensor:
    """Of all positions, the last two fed one by one."""
    start = net(ids[:, :-2], use_cache=True)
    cache = start.past_key_values
    ends = [net(ids[:, [at]], past_key_values=cache, use_cache=True).logits for at in (-2, -1)]
    return torch.cat([start.logits, *ends], dim=1)


@pytest.mark.parametrize("family", FAMILIES)
def test_exchanged_layers_compute_the_same(family: str) -> None:
    """With rows of 40, which stay whole, every family's logits are transformers' own; and the log names what stayed."""
    net = network(family, 40)
    ids = torch.arange(24).view(2, 12) * 3
    wanted = logits(net, ids)
    with structlog.testing.capture_logs() as logs:
        lay_out(net, "int4")
    assert torch.allclose(logits(net, ids), wanted, atol=1e-4)
    assert [(line["layers"], line["rows"]) for line in logs] == [(15, [40, 80])]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("bits", "bound"), [("int8", 0.1), ("int4", 0.6)])
def test_quantised_networks_are_near(family: str, bits: Weights, bound: float) -> None:
    """Nothing stays whole but the embeddings, also where they were the output's; a random network magnifies errors."""
    net = network(family, 64, tied=True)
    ids = torch.arange(24).view(2, 12) * 3
    wanted, embeddings = logits(net, ids), net.get_input_embeddings().weight.clone()
    with structlog.testing.capture_logs() as logs:
        lay_out(net, bits)
    assert error(logits(net, ids), wanted) < bound
    assert torch.equal(net.get_input_embeddings().weight, embeddings)
    assert ([module for module in net.modules() if isinstance(module, nn.Linear)], logs) == ([], [])


# --- whole ---------------------------------------------------------------------------------------------------------

needs_bfloat16 = pytest.mark.skipif(not can_reorder(torch.bfloat16), reason="this CPU does not compute in bfloat16")


@needs_bfloat16
@pytest.mark.parametrize(("rows", "width"), [(64, 64), (100, 40), (3, 7), (960, 576)])
@pytest.mark.parametrize("shape", [(), (1,), (2, 5), (1, 300)])
def test_reordered_weights_compute_the_same(rows: int, width: int, shape: tuple[int, ...]) -> None:
    """Of any size, for one position without leading dimensions up to a prompt's chunk, up to bfloat16's rounding."""
    plain = nn.Linear(width, rows).bfloat16().requires_grad_(requires_grad=False)
    x = weights(max(1, int(torch.tensor(shape).prod())), width).bfloat16().reshape(*shape, width)
    out = WholeLinear(plain.weight, plain.bias)(x)
    assert (out.shape, out.dtype) == ((*shape, rows), torch.bfloat16)
    assert error(out, plain(x)) < 0.004


@needs_bfloat16
def test_reordered_weights_let_a_gradient_through() -> None:
    """To the input, as vectors of memories are refined on the model that serves."""
    plain = nn.Linear(96, 64).bfloat16().requires_grad_(requires_grad=False)
    layer, x = WholeLinear(plain.weight, plain.bias), weights(5, 96).bfloat16()
    found = []
    for module in (plain, layer):
        start = x.clone().requires_grad_()
        found.append(torch.autograd.grad(module(start).float().square().sum(), start)[0])
    assert error(found[1], found[0]) < 0.01


@needs_bfloat16
@pytest.mark.parametrize("family", FAMILIES)
def test_networks_with_reordered_weights_are_the_same(family: str) -> None:
    """Tied embeddings stay as they are; once laid out there is nothing more to gain."""
    net = network(family, 40, tied=True).bfloat16()
    ids = torch.arange(24).view(2, 12) * 3
    wanted = logits(net, ids)
    assert gains(net)
    lay_out(net, "full")
    assert error(logits(net, ids), wanted) < 0.03
    assert [module for module in net.modules() if isinstance(module, nn.Linear)] == []


def test_networks_in_float32_gain_nothing() -> None:
    """So they stay transformers' own, number for number."""
    assert not gains(network("llama", 64))


# --- the trial model -----------------------------------------------------------------------------------------------

PRIMED = Path(__file__).parents[2] / "training" / "primed" / "trial"


def answer(model: LoadedModel) -> str:
    """The likeliest answer to a plain question."""
    question = Conversation((Turn("user", (Text("Which language is spoken in Paris?"),)),))
    ids = torch.tensor([model.renderer.render_conversation(question).ids])
    out = model.network.generate(ids, do_sample=False, max_new_tokens=12)
    text: str = model.renderer.special.decode(out[0, ids.shape[1] :].tolist(), skip_special_tokens=True)
    return text


@pytest.mark.parametrize("bits", [pytest.param("full", marks=needs_bfloat16), "int8", "int4"])
def test_the_trial_model_makes_sense(trial_folder: Path, bits: Weights) -> None:
    """It knows a language, and takes the bytes that were foretold from the headers."""
    model = load_model(trial_folder, ModelConfig(device="cpu", dtype="bfloat16", weights=bits))
    assert "French" in answer(model)
    taken = sum(p.numel() * p.element_size() for p in model.network.parameters())
    planned = weight_bytes(weight_sizes(check_model_folder(trial_folder)), 2, bits)
    assert planned == pytest.approx(taken, rel=0.01)


def test_adapters_are_merged_before(trial_folder: Path) -> None:
    """The primed model's logits, not the bare one's; its keys have a maker of their own, its adapters do not."""
    whole = load_model(trial_folder, ModelConfig(device="cpu", dtype="bfloat16"), PRIMED)
    bare = load_model(trial_folder, ModelConfig(device="cpu", dtype="bfloat16"))
    model = load_model(trial_folder, ModelConfig(device="cpu", dtype="bfloat16", weights="int8"), PRIMED)
    assert (model.base, model.parameters, model.heads.name) == (whole.base, whole.parameters, whole.heads.name)
    assert len({bare.fingerprint, whole.fingerprint, model.fingerprint, model.base}) == 2
    system = Turn("system", (Text("You are a friend on QQ.\nYou are talking with Ann."),))
    asked = Turn("user", (Text("What is Bob's favourite food?"),))
    ids = torch.tensor([whole.renderer.render_conversation(Conversation((system, asked))).ids])
    # Only what was primed begins its answer with a recall.
    recalls = [int(each.network(ids).logits[0, -1].argmax()) for each in (whole, bare, model)]
    recall = whole.renderer.memory_ids[0]
    assert [token == recall for token in recalls] == [True, False, True]
