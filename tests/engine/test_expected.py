"""What is known of a model before it is loaded."""

import json
from pathlib import Path

import pytest

from onebot_bot.engine.expected import may_see, window_of
from onebot_bot.engine.folder import DEFAULT_CONTEXT
from onebot_bot.sections.model import ModelConfig


@pytest.mark.parametrize(
    ("path", "fallback", "expected"),
    [("seeing", "", True), ("blind", "seeing", True), ("blind", "", False), ("echo", "gone", False)],
)
def test_eyes_are_expected_of_whatever_may_serve(path: str, fallback: str, expected: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a case
    """Pictures that come while the model loads are fetched if it, or its fallback, sees."""
    for name, kind in (("blind", "Qwen3ForCausalLM"), ("seeing", "Qwen3VLForConditionalGeneration")):
        write_model(tmp_path / name, kind)
    assert may_see(tmp_path, ModelConfig(path=path, fallback=fallback)) == expected


def test_the_window_is_that_of_the_smallest_that_may_serve(tmp_path: Path) -> None:
    """What is read must leave room in it; the echo has the usual one."""
    write_model(tmp_path / "small", "Qwen3ForCausalLM")
    assert window_of(tmp_path, ModelConfig(path="echo")) == DEFAULT_CONTEXT
    assert window_of(tmp_path, ModelConfig(path="echo", fallback="small")) == 64


def write_model(folder: Path, architecture: str) -> None:
    """A folder that is whole as far as its files' headers go."""
    folder.mkdir()
    settings = {"architectures": [architecture], "max_position_embeddings": 64}
    (folder / "config.json").write_text(json.dumps(settings))
    (folder / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    for name in ("tokenizer.json", "preprocessor_config.json"):
        (folder / name).write_text("{}")
    (folder / "tokenizer_config.json").write_text('{"chat_template": "{{ messages }}"}')
