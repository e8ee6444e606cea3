"""Weights laid out for a CPU, whole, in 8 and in 4 bits: every family computes the same with them, or nearly."""

import copy
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
from onebot_bot.engine.kv import KvBuffers, Window, kv_shape
from onebot_bot.engine.lora import LoraLinear
from onebot_bot.engine.model import LoadedModel, load_model
from onebot_bot.engine.quantize import (
    MANY,
    Int4Linear,
    Int8Linear,
    WholeLinear,
    can_reorder,
    few,
    fits_kernels,
    fused,
    packed_rows,
)
from onebot_bot.engine.request import Conversation, Text, Turn
from onebot_bot.engine.serving import ServedNorm, gains, lay_out, steps_of
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


def network(family: str, width: int, *, tied: bool = False, **more: Any) -> Any:
    """A small random one, its heads `width / 4` wide."""
    torch.manual_seed(0)
    make, model = FAMILIES[family]
    sizes = {"hidden_size": width, "intermediate_size": 2 * width, "head_dim": width // 4}
    config = make(**SMALL, **sizes, tie_word_embeddings=tied, **more)
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


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("rows", [1, 3])
def test_a_step_computes_what_the_layers_do(family: str, rows: int) -> None:
    """One position of one chat, or of several at different places, behind a prompt; what it leaves in the cache too."""
    net = network(family, 40)
    lay_out(net, "int4")
    body, kv = net.model, KvBuffers(kv_shape(net))
    kv.lay_out(rows, 64, ())
    inputs = weights(9 * rows, 40).view(rows, 9, 40)
    for row in range(rows):
        kv.look_at(Window(first=row, start=0, length=8))
        body(inputs_embeds=inputs[[row], :8], past_key_values=kv.cache, position_ids=torch.arange(8).unsqueeze(0))
    places = torch.tensor([[8 - row] for row in range(rows)])
    mask = torch.zeros(rows, 1, 1, 64).masked_fill_(torch.arange(64) > places.view(rows, 1, 1, 1), -torch.inf)
    window = Window(count=rows, start=8, length=64)
    if rows > 1:
        window.rows, window.positions = torch.arange(rows).unsqueeze(1), places
    kv.look_at(window)
    steps = steps_of(body)
    assert steps is not None
    found = steps.run(inputs[:, 8], places, mask, kv.layers)
    left = [layer.keys.clone() for layer in kv.layers]
    out = body(inputs_embeds=inputs[:, 8:], attention_mask=mask, position_ids=places, past_key_values=kv.cache)
    assert torch.allclose(found, out.last_hidden_state[:, -1], atol=1e-5)
    assert all(torch.allclose(one, layer.keys, atol=1e-6) for one, layer in zip(left, kv.layers, strict=True))


ROPES: dict[str, dict[str, Any]] = {
    "linear": {"factor": 2.0},
    "dynamic": {"factor": 2.0},
    "yarn": {"factor": 4.0, "original_max_position_embeddings": 16},
    "llama3": {
        "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 16
    },
}  # fmt: skip


@pytest.mark.parametrize("rope", ROPES)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_step_turns_as_transformers_does(family: str, rope: str) -> None:
    """However positions are scaled, also beyond the window that a model was first made for, and with biases."""
    scaling = {"rope_type": rope, "rope_theta": 10000.0, **ROPES[rope]}
    net = network(family, 40, rope_parameters=scaling, max_position_embeddings=32, attention_bias=True)
    for name, parameter in net.named_parameters():
        if name.endswith("bias"):
            parameter.copy_(weights(1, len(parameter))[0])
    found, wanted = stepped(net, 33, torch.zeros(1, 1, 1, 9))
    assert torch.allclose(found, wanted, atol=1e-4)


def test_a_step_sees_no_further_than_each_layer_does() -> None:
    """Some layers see all, others the last four."""
    net = network("qwen2", 40, use_sliding_window=True, sliding_window=4, max_window_layers=1)
    assert net.config.layer_types == ["full_attention", "sliding_attention"]
    full, near = torch.zeros(1, 1, 1, 9), torch.zeros(1, 1, 1, 9)
    near[..., :5] = -torch.inf
    found, wanted = stepped(net, 0, {"full_attention": full, "sliding_attention": near})
    assert torch.allclose(found, wanted, atol=1e-4)


def stepped(net: Any, first: int, mask: Any) -> tuple[Tensor, Tensor]:
    """The last of nine positions from `first` on, by a step and by transformers' own layers `[1, d]`."""
    inputs, places = weights(9, 40).unsqueeze(0), torch.arange(first, first + 9).unsqueeze(0)
    start = {"inputs_embeds": inputs[:, :8], "position_ids": places[:, :8]}
    plain = copy.deepcopy(net.model)  # a rotation remembers the longest that it has seen
    cache = transformers.DynamicCache()  # keeps all, whatever a layer sees
    plain(**start, past_key_values=cache)
    end = plain(inputs_embeds=inputs[:, 8:], position_ids=places[:, 8:], past_key_values=cache, attention_mask=mask)
    lay_out(net, "int4")
    kv = KvBuffers(kv_shape(net))
    kv.lay_out(1, 64, ())
    kv.look_at(Window(start=0, length=8))
    net.model(**start, past_key_values=kv.cache)
    kv.look_at(Window(start=8, length=9))
    steps = steps_of(net.model)
    assert steps is not None
    return steps.run(inputs[:, 8], places[:, 8:], mask, kv.layers), end.last_hidden_state[:, -1]


def test_only_what_is_laid_out_has_steps() -> None:
    """A network as transformers has it runs its own layers."""
    assert steps_of(network("llama", 40).model) is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_norm_is_transformers_own(dtype: torch.dtype) -> None:
    """Rounded once at most, whatever the size of the numbers."""
    norm = transformers.models.llama.modeling_llama.LlamaRMSNorm(96, 1e-5).to(dtype)
    norm.weight.data = weights(1, 96)[0].to(dtype)
    norm.requires_grad_(requires_grad=False)
    x = torch.cat([weights(3, 96), 1e3 * weights(4, 96), 1e-3 * weights(5, 96)]).to(dtype)
    exact = nn.functional.rms_norm(x.float(), (96,), norm.weight.float(), 1e-5)
    assert error(ServedNorm(norm)(x), exact) < (1e-6 if dtype == torch.float32 else 0.003)


# --- adapters ------------------------------------------------------------------------------------------------------


def adapted(rank: int, inputs: int, outputs: int) -> tuple[LoraLinear, Tensor]:
    """A layer with a small adapter beside it, and the weights that this adds."""
    linear = nn.Linear(inputs, outputs, bias=False).requires_grad_(requires_grad=False)
    linear.weight.copy_(weights(outputs, inputs))
    down, up = weights(rank, inputs), 0.01 * weights(outputs, rank)
    return LoraLinear(linear, down, up), up @ down


def test_an_adapter_smaller_than_a_step_of_4_bits_is_kept() -> None:
    """Beside the weights, also where only some of the layers that became one have one."""
    (first, to_first), (third, to_third) = adapted(3, 64, 32), adapted(5, 64, 64)
    second = nn.Linear(64, 32, bias=False).requires_grad_(requires_grad=False)
    bare, layer = fused([first.linear, second, third.linear], "int4"), fused([first, second, third], "int4")
    added = torch.cat([to_first, torch.zeros(32, 64), to_third])
    for positions in (FEW, MANY):
        x = weights(positions, 64)
        assert error(layer(x) - bare(x), x @ added.T) < 0.02
        assert torch.allclose(few(layer, x), layer(x), atol=1e-4)


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


@pytest.mark.parametrize("bits", ["int8", "int4"])
def test_adapters_are_served(trial_folder: Path, bits: Weights) -> None:
    """The primed model asks for memories, not the bare one; its keys have a maker of their own, its adapters do not."""
    whole = load_model(trial_folder, ModelConfig(device="cpu", dtype="bfloat16"), PRIMED)
    bare = load_model(trial_folder, ModelConfig(device="cpu", dtype="bfloat16"))
    model = load_model(trial_folder, ModelConfig(device="cpu", dtype="bfloat16", weights=bits), PRIMED)
    assert (model.base, model.parameters, model.heads.name) == (whole.base, whole.parameters, whole.heads.name)
    assert len({bare.fingerprint, whole.fingerprint, model.fingerprint, model.base}) == 2
    system = Turn("system", (Text("You are a friend on QQ.\nYou are talking with Ann."),))
    asked = Turn("user", (Text("What is Bob's favourite food?"),))
    ids = torch.tensor([whole.renderer.render_conversation(Conversation((system, asked))).ids])
    # Only what was primed begins its answer with a recall.
    recalls = [int(each.network(ids).logits[0, -1].argmax()) for each in (whole, bare, model)]
    recall = whole.renderer.memory_ids[0]
    assert [token == recall for token in recalls] == [True, False, True]
