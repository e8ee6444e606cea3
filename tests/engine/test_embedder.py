"""Qwen3-Embedding's recipe on a tiny random model with the real tokenizer."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from onebot_bot.engine.embedder import BATCH, LONGEST, Embedder, load_embedder
from onebot_bot.engine.folder import INCOMPLETE
from onebot_bot.engine.request import Vector
from onebot_bot.errors import ModelError
from onebot_bot.sections.model import ModelConfig

pytestmark = pytest.mark.model

EXACT = ModelConfig(device="cpu", dtype="float32")
END = 151643  # <|endoftext|>, which Qwen3-Embedding's tokenizer closes a text with
TEXTS = ["猫", "Ann has a grey cat called Fog.", "", "小明的生日是三月十四日，他每年都请大家吃饭。" * 3, "x"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, qwen_tokenizer_folder: Path) -> Path:
    """A folder like Qwen3-Embedding's: the bare decoder, with a tokenizer that closes what it encodes."""
    torch.manual_seed(0)
    config = transformers.Qwen3Config(
        hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
        head_dim=8, vocab_size=151936, max_position_embeddings=1024,
    )  # fmt: skip
    model = transformers.Qwen3Model(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    path = tmp_path_factory.mktemp("tiny-qwen3-embedding")
    model.save_pretrained(path)
    for file in qwen_tokenizer_folder.iterdir():
        (path / file.name).write_bytes(file.read_bytes())
    tokenizer = json.loads((path / "tokenizer.json").read_text(encoding="utf-8"))
    closing = {
        "type": "TemplateProcessing",
        "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {"<|endoftext|>": {"id": "<|endoftext|>", "ids": [END], "tokens": ["<|endoftext|>"]}},
    }
    tokenizer["post_processor"] = {"type": "Sequence", "processors": [tokenizer["post_processor"], closing]}
    (path / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def embedder(folder: Path) -> Embedder:
    """Ready, in float32."""
    return load_embedder(folder, EXACT)


def card(folder: Path, texts: list[str]) -> Vector:
    """The model card's own recipe: padded on the left, masked, the last position, length 1."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, padding_side="left")
    model = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    assert (batch["input_ids"][:, -1] == END).all()
    with torch.inference_mode():
        hidden = model(**batch).last_hidden_state[:, -1]
    out: Vector = torch.nn.functional.normalize(hidden, dim=-1).numpy()
    return out


def test_keys_are_those_of_the_cards_recipe(folder: Path, embedder: Embedder) -> None:
    """Padding on the other side, masks and batches make no difference."""
    keys = embedder.embed(TEXTS)

    assert keys.shape == (len(TEXTS), 32)
    assert keys.dtype == np.float32
    np.testing.assert_allclose(card(folder, TEXTS), keys, atol=1e-5)
    np.testing.assert_allclose(np.ones(len(TEXTS)), np.linalg.norm(keys, axis=1), atol=1e-5)


def test_a_tokenizer_that_closes_nothing_is_closed_for(
    folder: Path, qwen_tokenizer_folder: Path, tmp_path: Path
) -> None:
    """The first release's tokenizer leaves the end token to who calls it."""
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "tokenizer.json").write_bytes((qwen_tokenizer_folder / "tokenizer.json").read_bytes())
    bare = load_embedder(tmp_path, EXACT)

    assert bare.end == (END,)
    np.testing.assert_allclose(card(folder, TEXTS), bare.embed(TEXTS), atol=1e-5)


def test_batches_give_what_single_texts_give(embedder: Embedder) -> None:
    """In the order in which the texts came, over more than one batch."""
    texts = [f"{n} " + "ab c" * (n * 7 % 23) for n in range(2 * BATCH + 3)]
    singly = np.concatenate([embedder.embed([text]) for text in texts])

    np.testing.assert_allclose(singly, embedder.embed(texts), atol=1e-5)
    assert np.linalg.norm(singly[0] - singly[1]) > 0.1


def test_no_text_no_keys(embedder: Embedder) -> None:
    """An empty list has a width too."""
    assert embedder.embed([]).shape == (0, 32)


def test_words_are_never_special_tokens(embedder: Embedder) -> None:
    """What a person types does not end the text."""
    ids = embedder._ids("a<|endoftext|><|im_end|>b")

    assert ids.count(END) == 1
    assert ids[-1] == END
    assert 151645 not in ids


def test_a_long_text_is_cut_before_its_end_token(embedder: Embedder) -> None:
    """What is left out is words, never the place where the meaning is read."""
    ids = embedder._ids("cat " * 2000)

    assert len(ids) == LONGEST
    assert ids[-1] == END


def test_the_fingerprint_names_weights_and_recipe(folder: Path, embedder: Embedder, tmp_path: Path) -> None:
    """The same folder gives the same name; other weights give another."""
    assert embedder.fingerprint == load_embedder(folder, EXACT).fingerprint
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    content = bytearray((tmp_path / "model.safetensors").read_bytes())
    content[-5] ^= 0x01
    (tmp_path / "model.safetensors").write_bytes(content)
    assert embedder.fingerprint != load_embedder(tmp_path, EXACT).fingerprint


def test_a_folder_that_cannot_serve_is_refused(folder: Path, tmp_path: Path) -> None:
    """With the command that mends it: missing, half-fetched, damaged, of another family."""
    with pytest.raises(ModelError, match="onebot-bot fetch qwen3-embedding-4b"):
        load_embedder(tmp_path / "qwen3-embedding-4b", EXACT)
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / INCOMPLETE).touch()
    with pytest.raises(ModelError, match="not finished"):
        load_embedder(tmp_path, EXACT)
    (tmp_path / INCOMPLETE).unlink()
    weights = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(ModelError, match="could not be loaded"):
        load_embedder(tmp_path, EXACT)


def test_another_family_is_refused(tmp_path: Path, qwen_tokenizer_folder: Path) -> None:
    """One whose last token means nothing."""
    config = transformers.LlamaConfig(
        hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2, vocab_size=64
    )
    transformers.LlamaModel(config).save_pretrained(tmp_path)
    for file in qwen_tokenizer_folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ModelError, match="llama is no embedding model"):
        load_embedder(tmp_path, EXACT)
