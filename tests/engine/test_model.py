"""onebot_bot.engine.model: each family and format by the one loading path, and what cannot be loaded says why."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from gguf_files import TOKENS, write_gguf
from tiny import make_tiny

from onebot_bot.cli.plan import Device, describe_plan
from onebot_bot.config import Config
from onebot_bot.engine import model, slots
from onebot_bot.engine.fit import DoesNotFit, choices, weight_bytes
from onebot_bot.engine.folder import check_model_folder, weight_sizes
from onebot_bot.engine.generate import Generator
from onebot_bot.engine.model import fingerprint, load_model
from onebot_bot.engine.request import MEMORY_TOKENS
from onebot_bot.errors import ModelError
from onebot_bot.sections.model import ModelConfig

pytestmark = pytest.mark.model

CONFIG = ModelConfig(device="cpu", dtype="float32", threads=1)
FAMILIES: dict[str, tuple[Any, Any]] = {
    "llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM),
    "qwen2": (transformers.Qwen2Config, transformers.Qwen2ForCausalLM),
    "qwen3": (transformers.Qwen3Config, transformers.Qwen3ForCausalLM),
}
SHAPE: dict[str, Any] = {
    "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "head_dim": 16,
    "num_key_value_heads": 2, "max_position_embeddings": 256, "initializer_range": 0.2, "bos_token_id": 1,
    "eos_token_id": 2, "pad_token_id": 0,
}  # fmt: skip


def network(family: str, vocabulary: int, **more: Any) -> Any:
    """A random one."""
    torch.manual_seed(0)
    make, kind = FAMILIES[family]
    return kind(make(**{**SHAPE, **more}, vocab_size=vocabulary)).eval()


def same_logits(loaded: Any, wanted: Any, vocabulary: int) -> bool:
    """Of the tokens that both know."""
    ids = torch.arange(3, 35).view(2, 16)
    with torch.no_grad():
        found, expected = loaded.network(ids).logits, wanted(ids).logits
    return torch.allclose(found[..., :vocabulary], expected[..., :vocabulary], atol=1e-4)


@pytest.mark.parametrize(("family", "tied"), [("llama", False), ("qwen2", True), ("qwen3", True)])
def test_every_family_loads_from_safetensors(family: str, tied: bool, tmp_path: Path, trial_folder: Path) -> None:  # noqa: FBT001 - a parameter of the test
    """With the logits of the network that was saved, and three tokens more."""
    wanted = network(family, 49152, tie_word_embeddings=tied)
    wanted.save_pretrained(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(trial_folder / name, tmp_path / name)
    loaded = load_model(tmp_path, CONFIG)
    assert same_logits(loaded, wanted, 49152)
    assert len(loaded.renderer.memory_ids) == len(MEMORY_TOKENS)
    assert (loaded.base, loaded.fingerprint) == (fingerprint(tmp_path), fingerprint(tmp_path))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_loads_from_gguf(family: str, tmp_path: Path) -> None:
    """One file is a whole model: its logits, its tokenizer and template, its window, and a name for its weights."""
    # Every Qwen3 has heads of 128, and transformers believes no GGUF file that says otherwise.
    wanted = network(family, len(TOKENS), tie_word_embeddings=False, head_dim=128 if family == "qwen3" else 16)
    write_gguf(tmp_path / "tiny.gguf", wanted)
    loaded = load_model(tmp_path, CONFIG)
    assert same_logits(loaded, wanted, len(TOKENS))
    assert (loaded.context, loaded.renderer.encode_text("th")) == (256, [TOKENS.index("th")])
    assert loaded.fingerprint == fingerprint(tmp_path)
    packed = load_model(tmp_path, ModelConfig(device="cpu", dtype="float32", threads=1, weights="int8"))
    assert packed.fingerprint != loaded.fingerprint


def test_gguf_files_that_are_not_whole_are_told(tmp_path: Path) -> None:
    """Cut short, without a template, of another architecture, no GGUF at all, or several."""
    file, net = tmp_path / "tiny.gguf", network("llama", len(TOKENS), tie_word_embeddings=False)
    write_gguf(file, net)
    whole = file.read_bytes()
    for content, message in (
        (whole[:-64], r"tiny\.gguf: cut short"),
        (whole[:100], r"tiny\.gguf: cannot be read: the header is cut short"),
        (b"GGML" + whole[4:], "not a GGUF file"),
        (whole.replace(b"llama", b"gemma", 1), "gemma is not supported"),
    ):
        file.write_bytes(content)
        with pytest.raises(ModelError, match=message):
            check_model_folder(tmp_path)
    write_gguf(file, net, template=None)
    with pytest.raises(ModelError, match="no chat template"):
        check_model_folder(tmp_path)
    shutil.copy(file, tmp_path / "second.gguf")
    with pytest.raises(ModelError, match=r"several GGUF files: second\.gguf, tiny\.gguf"):
        check_model_folder(tmp_path)


# --- what cannot be loaded -----------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, trial_folder: Path) -> Path:
    """A tiny Llama, whole."""
    return make_tiny(tmp_path / "tiny", trial_folder, layers=1)


def quantised(folder: Path, method: str) -> Path:
    """The same folder, said to be quantised."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config["quantization_config"] = {"quant_method": method}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("gptq", r"quantised \(gptq\), which needs gptqmodel and optimum: pip install gptqmodel optimum"),
        ("awq", r"quantised \(awq\), which needs gptqmodel: pip install gptqmodel"),
        ("bitsandbytes", r"\(bitsandbytes\), which needs a CUDA card \(model\.device is cpu\)"),
        ("fp99", r"\(fp99\), which is not supported; supported: gptq, awq, bitsandbytes"),
    ],
)
def test_quantised_folders_say_what_they_need(
    folder: Path, method: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package that is missing, or the card."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ModelError, match=message):
        load_model(quantised(folder, method), CONFIG)


def test_quantised_folders_are_not_quantised_again(folder: Path) -> None:
    """The key to change is named."""
    with pytest.raises(ModelError, match=r'nothing but weights = "full"'):
        load_model(quantised(folder, "gptq"), ModelConfig(device="cpu", weights="int4"))


def test_a_model_that_does_not_fit_is_refused_before_it_is_read(
    tmp_path: Path, trial_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what would fit: weights that stay on the disk until they are packed; in another type they are read first."""
    folder = make_tiny(tmp_path / "untied", trial_folder, tied=False, layers=1)
    free = weight_bytes(weight_sizes(check_model_folder(folder)), 4, "full") - 1
    monkeypatch.setattr(model, "free_ram", lambda: free)
    with pytest.raises(
        DoesNotFit, match=r'free on cpu\. Set weights = "int8" \(.*\) or weights = "int4" \(.*`fallback`'
    ):
        load_model(folder, CONFIG)
    packed = ModelConfig(device="cpu", dtype="float32", threads=1, weights="int4")
    assert load_model(folder, packed).network.lm_head.in_features == 64
    monkeypatch.setattr(model, "free_ram", lambda: free // 2)
    with pytest.raises(DoesNotFit, match=r"free on cpu\. Take a smaller model"):
        load_model(folder, ModelConfig(device="cpu", dtype="bfloat16", threads=1, weights="int4"))


def test_what_plan_prints_is_what_the_engine_takes(
    tmp_path: Path, trial_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the weights are there, and once they are: the same cache, for as many full chats."""
    folder = check_model_folder(make_tiny(tmp_path / "small", trial_folder, layers=1))
    left, weights = 9 * 2**20, weight_bytes(weight_sizes(folder), 4, "full")
    found = choices(weight_sizes(folder), 4, weights + left, 2048)[0]
    lines, _ = describe_plan(folder, Config(model=CONFIG), Device("CPU", weights + left, 2, cuda=False), tmp_path)
    monkeypatch.setattr(slots, "free_ram", lambda: left)
    loop = Generator(load_model(folder.path, CONFIG)).loop
    taken = loop.counters.kv_budget, loop.slots.budget // 2048
    assert taken == (found.cache_bytes, found.chats)
    assert lines[3].split()[-1] == str(taken[1]) == "4"


@pytest.mark.parametrize(
    "raised",
    [torch.OutOfMemoryError("CUDA out of memory."), RuntimeError("DefaultCPUAllocator: can't allocate memory")],
)
def test_memory_that_runs_out_while_loading_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, raised: Exception
) -> None:
    """As one that does not fit, whichever way torch says it."""

    def refuse(*args: Any, **options: Any) -> None:
        raise raised

    monkeypatch.setattr(transformers.LlamaForCausalLM, "from_pretrained", refuse)
    with pytest.raises(DoesNotFit, match=r"fallback.*onebot-bot plan"):
        load_model(folder, CONFIG)
