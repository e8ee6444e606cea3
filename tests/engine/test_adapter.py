"""What training leaves behind, taken up or refused; and the parts that stand between a model and its memories."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from tiny import load_tiny, make_adapter, make_tiny

from onebot_bot.engine.adapter import CONFIG, HEADS, META, WEIGHTS, read_meta, untrained_heads
from onebot_bot.engine.recall import KeyHead, QueryHead, depth_of, embedding_scale, first_trained, inject, pool
from onebot_bot.errors import ModelError

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, trial_folder: Path) -> Path:
    """A tiny model."""
    return make_tiny(tmp_path_factory.mktemp("tiny"), trial_folder)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Path:
    """An adapter for it."""
    return make_adapter(tmp_path_factory.mktemp("made"), folder)


@pytest.fixture
def adapter(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(made, tmp_path / "adapter"))


def test_an_adapter_changes_answers_rows_and_heads(folder: Path, adapter: Path) -> None:
    """Its name and floor are known, the three tokens have its rows, and the base's other rows are as they were."""
    bare, taught = load_tiny(folder), load_tiny(folder, adapter)
    assert (taught.heads.name, taught.heads.floor, taught.trained_recall) == ("made", 0.41, True)
    assert (bare.heads.name, bare.heads.floor, bare.trained_recall) == ("", None, False)
    ids = list(taught.renderer.memory_ids)
    same = (taught.embeddings.weight == bare.embeddings.weight).all(1)
    assert (~same).nonzero().flatten().tolist() == ids
    prompt = torch.tensor([[1, 5, 6, 7]])
    with torch.no_grad():
        assert not torch.allclose(taught.network(prompt).logits, bare.network(prompt).logits, atol=1e-2)


def test_an_adapter_of_another_model_is_refused(folder: Path, adapter: Path) -> None:
    """Both models' names stand in the error, and the folder."""
    meta = json.loads((adapter / META).read_bytes())
    (adapter / META).write_text(json.dumps(meta | {"base": "0123456789abcdef"}), encoding="utf-8")
    with pytest.raises(ModelError, match=r"another model \(0123456789abcdef, not [0-9a-f]{16}\)") as caught:
        load_tiny(folder, adapter)
    assert str(adapter) in str(caught.value)


@pytest.mark.parametrize("name", [WEIGHTS, HEADS, CONFIG, META])
@pytest.mark.parametrize("how", ["missing", "cut", "empty"])
def test_a_damaged_adapter_is_refused_by_name(folder: Path, adapter: Path, name: str, how: str) -> None:
    """Whichever file it is: an error that names the folder and the way out, never a look at the network."""
    path = adapter / name
    whole = path.read_bytes()
    path.unlink()
    if how != "missing":
        path.write_bytes(whole[: len(whole) // 2] if how == "cut" else b"")
    with pytest.raises(ModelError, match="/learn rollback") as caught:
        load_tiny(folder, adapter)
    assert str(adapter) in str(caught.value)


def test_an_adapter_in_a_pickle_is_not_opened(folder: Path, adapter: Path) -> None:
    """What peft itself would take in place of safetensors can run code."""
    (adapter / WEIGHTS).rename(adapter / "adapter_model.bin")
    with pytest.raises(ModelError, match=rf"{WEIGHTS}: cannot be read"):
        load_tiny(folder, adapter)


def test_heads_of_another_width_are_refused(folder: Path, adapter: Path, trial_folder: Path, tmp_path: Path) -> None:
    """An adapter trained with an embedding model's keys is of no use without it."""
    model = load_tiny(folder)
    other = untrained_heads(model.network, 50)
    assert other.projector(torch.zeros(1, 50)).shape == (1, 2, 64)
    from safetensors.torch import load_file, save_file  # noqa: PLC0415 - only here

    tensors = load_file(adapter / HEADS)
    kept = {name: value for name, value in tensors.items() if not name.startswith("key.")}
    save_file(kept | {f"key.{n}": v for n, v in other.key.state_dict().items()}, adapter / HEADS)
    with pytest.raises(ModelError, match="cannot be used"):
        load_tiny(folder, adapter)


def test_meta_tells_what_the_engine_needs(adapter: Path) -> None:
    """Name, base and floor; the checksums of the files beside it are right."""
    meta = read_meta(adapter)
    assert (meta.name, meta.floor) == ("made", 0.41)
    files = json.loads((adapter / META).read_bytes())["files"]
    assert {name: (adapter / name).stat().st_size for name in files} == {n: f["bytes"] for n, f in files.items()}


# --- recall.py ---------------------------------------------------------------------------------------------------


def test_injection_touches_its_positions_alone() -> None:
    """And gradients reach both what was there and what is put in."""
    embeddings = torch.zeros(2, 4, 3, requires_grad=True)
    vectors = torch.ones(2, 3, requires_grad=True)
    out = inject(embeddings, torch.tensor([0, 1]), torch.tensor([1, 3]), vectors)
    assert out.sum(-1).tolist() == [[0, 3, 0, 0], [0, 0, 0, 3]]
    left, put = torch.autograd.grad(out.sum(), [embeddings, vectors])
    assert left.sum(-1).tolist() == [[3, 0, 3, 3], [3, 3, 3, 0]]
    assert put.tolist() == [[1.0] * 3] * 2


def test_pooling_counts_directions() -> None:
    """A state a thousand times longer weighs no more; what the mask leaves out not at all."""
    hidden = torch.tensor([[[1000.0, 0.0], [0.0, 1.0], [-5.0, -5.0]]])
    pooled = pool(hidden, torch.tensor([[1, 1, 0]]))
    torch.testing.assert_close(pooled, torch.tensor([[0.5**0.5, 0.5**0.5]]))


def test_no_adapter_reaches_below_the_deepest_state_of_a_key() -> None:
    """For every number of layers: the state at half depth is made by layers that are never trained."""
    for layers in range(1, 100):
        assert depth_of([torch.zeros(1)] * (layers + 1), 0.5) <= first_trained(layers)
    assert (first_trained(30), first_trained(36)) == (15, 18)


def test_untrained_heads_hand_through() -> None:
    """Query: the state itself; key: the last of the raw numbers; both at unit length, and the matrix says the same."""
    state = torch.tensor([[3.0, 4.0]])
    torch.testing.assert_close(QueryHead(2, 2)(state), torch.tensor([[0.6, 0.8]]))
    head = KeyHead(4, 2)
    raw = torch.tensor([[9.0, 9.0, 3.0, 4.0]])
    torch.testing.assert_close(head(raw), torch.tensor([[0.6, 0.8]]))
    head.centre.fill_(1.0)
    head.spread.copy_(torch.tensor([1.0, 1.0, 2.0, 4.0]))
    compared = torch.nn.functional.normalize((raw - head.centre) @ head.matrix().T, dim=-1)
    torch.testing.assert_close(compared, head(raw))


def test_the_scale_leaves_out_padding() -> None:
    """Rows of zeros are no tokens."""
    weight = torch.cat([torch.zeros(50, 2), torch.tensor([[3.0, 4.0], [0.0, 5.0], [0.0, 7.0]])])
    assert embedding_scale(weight) == pytest.approx(5.0)
