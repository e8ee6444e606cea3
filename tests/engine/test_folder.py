"""onebot_bot.engine.folder on folders of a few bytes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from onebot_bot.engine.folder import INCOMPLETE, ModelFolder, check_model_folder
from onebot_bot.errors import ModelError

CONFIG: dict[str, Any] = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "max_position_embeddings": 40960,
}
EYES: dict[str, Any] = {
    "architectures": ["Qwen3VLForConditionalGeneration"],
    "model_type": "qwen3_vl",
    "text_config": {"max_position_embeddings": 262144},
}


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")


def safetensors(size: int = 4) -> bytes:
    """A file with one tensor of `size` bytes."""
    tensor = {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}
    header = json.dumps({"__metadata__": {"format": "pt"}, "w": tensor}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(size)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A whole text model."""
    path = tmp_path / "qwen3-4b"
    path.mkdir()
    write_json(path / "config.json", CONFIG)
    (path / "model.safetensors").write_bytes(safetensors())
    write_json(path / "tokenizer.json", {})
    write_json(path / "tokenizer_config.json", {"chat_template": "{{ messages }}"})
    return path


def test_a_whole_folder_is_described(folder: Path) -> None:
    """Architecture, family, eyes and window come from config.json."""
    assert check_model_folder(folder) == ModelFolder(
        path=folder, architecture="Qwen3ForCausalLM", model_type="qwen3", sees=False, context=40960
    )


def test_a_model_with_eyes_needs_its_image_processor(folder: Path) -> None:
    """Qwen3-VL's window is its text part's; without preprocessor_config.json it is not whole."""
    write_json(folder / "config.json", EYES)
    with pytest.raises(ModelError, match=r"preprocessor_config\.json.*`onebot-bot fetch qwen3-4b`"):
        check_model_folder(folder)
    write_json(folder / "preprocessor_config.json", {})
    found = check_model_folder(folder)
    assert (found.sees, found.context) == (True, 262144)


def test_a_missing_folder_names_the_fetch(tmp_path: Path) -> None:
    """The text has the command and the key of config.toml."""
    with pytest.raises(ModelError, match=r"no such model folder.*`onebot-bot fetch trial`.*\[model\]"):
        check_model_folder(tmp_path / "trial")


def test_an_unfinished_download_names_what_was_fetched(folder: Path) -> None:
    """The marker's text is the name to fetch again."""
    (folder / INCOMPLETE).write_text("owner/name")
    with pytest.raises(ModelError, match=r"not finished.*`onebot-bot fetch owner/name`"):
        check_model_folder(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    """Whatever is missing, the text has its name and the command that brings it."""
    (folder / name).unlink()
    with pytest.raises(ModelError, match=rf"{name}.*`onebot-bot fetch qwen3-4b`"):
        check_model_folder(folder)


def test_a_missing_shard_is_named(folder: Path) -> None:
    """Shards of the index that are not there are listed."""
    index = {"weight_map": {"a": "one.safetensors", "b": "two.safetensors", "c": "two.safetensors"}}
    write_json(folder / "model.safetensors.index.json", index)
    (folder / "one.safetensors").write_bytes(safetensors())
    with pytest.raises(ModelError, match=r"weights are missing: two\.safetensors\."):
        check_model_folder(folder)
    (folder / "two.safetensors").write_bytes(safetensors())
    assert check_model_folder(folder).model_type == "qwen3"


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "consolidated.00.pth", "model.ckpt"])
def test_weights_that_can_run_code_are_refused_in_words(folder: Path, name: str) -> None:
    """A pickle is never opened, whatever it is called."""
    (folder / "model.safetensors").rename(folder / name)
    with pytest.raises(ModelError, match=rf"{name}: such weights are not read\. .* run code"):
        check_model_folder(folder)


@pytest.mark.parametrize("name", ["../other/model.safetensors", "/etc/passwd", "one.bin", "a\\\\b.safetensors/.."])
def test_an_index_names_files_of_its_own_folder_alone(folder: Path, name: str) -> None:
    """And only safetensors."""
    write_json(folder / "model.safetensors.index.json", {"weight_map": {"a": name}})
    with pytest.raises(ModelError, match="is no safetensors file of this folder"):
        check_model_folder(folder)


@pytest.mark.parametrize(
    "damaged", [safetensors()[:-1], safetensors() + b"x", b"", b"\xff" * 64, b"\2\0\0\0\0\0\0\0[]"]
)
def test_cut_weights_are_told(folder: Path, damaged: bytes) -> None:
    """Weights whose size is not what their header says are refused before torch sees them."""
    (folder / "model.safetensors").write_bytes(damaged)
    with pytest.raises(ModelError, match=r"model\.safetensors: .*`onebot-bot fetch qwen3-4b`"):
        check_model_folder(folder)


@pytest.mark.parametrize("names", [["GPT2LMHeadModel"], [], None])
def test_an_unknown_architecture_lists_the_known(folder: Path, names: Any) -> None:
    """The text has the architecture found and those supported."""
    write_json(folder / "config.json", {**CONFIG, "architectures": names})
    with pytest.raises(ModelError, match=r"not supported; supported: LlamaForCausalLM, Qwen2ForCausalLM"):
        check_model_folder(folder)


def test_a_base_model_is_told_apart(folder: Path) -> None:
    """Without a chat template nothing can be asked; a template in a file of its own counts."""
    write_json(folder / "tokenizer_config.json", {})
    with pytest.raises(ModelError, match=r"no chat template.*Instruct"):
        check_model_folder(folder)
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    assert check_model_folder(folder).context == 40960


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00"])
def test_a_broken_config_is_told(folder: Path, text: str) -> None:
    """A config.json that is no JSON object is an error of the folder, not a traceback."""
    (folder / "config.json").write_text(text)
    with pytest.raises(ModelError, match=r"config\.json: .*`onebot-bot fetch qwen3-4b`"):
        check_model_folder(folder)


def test_a_window_is_needed(folder: Path) -> None:
    """A config.json without the model's window is refused."""
    write_json(folder / "config.json", {**CONFIG, "max_position_embeddings": None})
    with pytest.raises(ModelError, match="max_position_embeddings is missing"):
        check_model_folder(folder)


def test_torch_is_not_imported() -> None:
    """The check is there before torch is, so that a person waits milliseconds for its answer."""
    code = "import sys, onebot_bot.engine.folder; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
