"""The model while it learns: what is put where, what each loss counts, and what lands on the disk."""

from pathlib import Path

import msgspec
import pytest
import torch
from tiny import (
    ASK,
    HIDDEN,
    READ,
    RECIPES,
    TEXTS,
    bank_of,
    learner_of,
    lessons,
    load_tiny,
    night_of,
    rng,
    talks,
    writer_of,
)
from torch import Tensor, nn

from onebot_bot.engine.adapter import HEADS, WEIGHTS
from onebot_bot.engine.generate import Generator
from onebot_bot.engine.model import LoadedModel, load_plain
from onebot_bot.errors import ModelError
from onebot_bot.learning.course import reading
from onebot_bot.learning.learner import NULL_COSINE, Batch, Learner, Totals, collate, infonce_loss, mse_loss, parts_of
from onebot_bot.learning.lessons import NOTHING, UNASKED, Sample
from onebot_bot.learning.prime import write_meta
from onebot_bot.learning.recipes import Stage2
from onebot_bot.learning.stage import Objective, trained_parameters
from onebot_bot.sections.model import ModelConfig

pytestmark = pytest.mark.model
CPU = torch.device("cpu")


def some_samples(model: LoadedModel, learner: Learner, count: int = 12) -> list[Sample]:
    """A step of stage 2, every kind of sample among them."""
    found = night_of(learner).draw(rng())
    return reading(found, talks(), msgspec.structs.replace(READ, batch=count), writer_of(model), rng())


def test_samples_are_padded_on_the_right() -> None:
    """Ids, mask and labels side by side; the padding counts for nothing."""
    one = Sample(ids=[5, 6], labels=[False, True], recall=1, memory=3, target=3)
    batch = collate([one, Sample(ids=[7], labels=[False], keep=1)], CPU)
    assert batch.ids.tolist() == [[5, 6], [7, 0]]
    assert batch.mask.tolist() == [[1, 1], [1, 0]]
    assert batch.labels.tolist() == [[False, True], [False, False]]
    assert (batch.recall.tolist(), batch.memory.tolist()) == ([1, -1], [3, NOTHING])
    assert (batch.target.tolist(), batch.keep.tolist()) == ([3, UNASKED], [0, 1])
    assert batch.totals == Totals(asked=1, found=1, read=1, kept=1, decided=1)


def test_gradients_of_the_parts_are_those_of_the_whole(tiny: LoadedModel) -> None:
    """Four parts of unlike lengths and kinds add up to one big batch, in loss and in gradient."""
    learner = learner_of(tiny)
    bank, samples = bank_of(learner), some_samples(tiny, learner)
    recipes = msgspec.structs.replace(RECIPES, read=msgspec.structs.replace(READ, refined=0.0))
    objective = Objective(learner, recipes, 2)
    parameters = trained_parameters(learner, READ)

    def gradients(parts: list[Batch]) -> tuple[float, list[Tensor]]:
        learner.zero_grad()
        losses = [objective(part, bank)["loss"] for part in parts]
        for loss in losses:
            loss.backward()
        return sum(float(loss.detach()) for loss in losses), [p.grad.clone() for p in parameters if p.grad is not None]

    whole, parts = gradients(parts_of(samples, 12, CPU)), gradients(parts_of(samples, 3, CPU))
    assert len(parts_of(samples, 3, CPU)) == 4
    assert parts[0] == pytest.approx(whole[0], rel=1e-5)
    assert len(whole[1]) == len(parameters)
    for one, other in zip(whole[1], parts[1], strict=True):
        torch.testing.assert_close(other, one, atol=1e-5, rtol=1e-3)


# --- forward -----------------------------------------------------------------------------------------------------


def test_an_untouched_learner_is_the_model(tiny: LoadedModel) -> None:
    """Before any training its logits are the base model's, memory tokens and all."""
    ids = torch.tensor([[1, *tiny.renderer.encode_text("Ann has a cat."), *tiny.renderer.memory_ids]])
    with torch.no_grad():
        expected = tiny.network(input_ids=ids).logits[0]
        learner = learner_of(tiny, moved=False)
        actual = learner.logits(learner.states(learner.embed(ids), torch.ones_like(ids))[0])
    torch.testing.assert_close(actual, expected, atol=1e-4, rtol=1e-4)


def test_a_memory_lies_right_behind_its_recall(tiny: LoadedModel) -> None:
    """The two positions behind `<recall>` hold its vectors; a sample without a memory keeps its own embeddings."""
    learner, writer = learner_of(tiny), writer_of(tiny)
    bank = bank_of(learner)
    samples = [
        writer.read(lessons()[4], 4, rng(), answer=False, phrased=True),
        writer.read_nothing(lessons()[0].contexts[0], "en", rng()),
    ]
    batch = collate(samples, CPU)
    with torch.no_grad():
        embeddings = learner.embed(batch.ids)
        at = samples[0].recall
        embeddings[0, at + 1 : at + 3] = learner.heads.projector(bank.raw[4:5])[0]
        expected = learner.states(embeddings, batch.mask)
        actual = learner.run(batch, bank)
    torch.testing.assert_close(actual, expected)


def test_refined_values_are_injected_in_the_share_asked_for(tiny: LoadedModel) -> None:
    """Only memories that have one, all of them at a share of 1, none at 0."""
    learner = learner_of(tiny)
    raw = bank_of(learner)
    bank = msgspec.structs.replace(
        raw, values=torch.full_like(raw.values, 7.0), refined=torch.tensor([True, False] * 3)
    )
    every = torch.arange(6)
    projected = learner.heads.projector(bank.raw)
    torch.testing.assert_close(learner.values(bank, every, 0.0), projected)
    mixed = learner.values(bank, every, 1.0)
    assert (mixed[::2] == 7.0).all()
    torch.testing.assert_close(mixed[1::2], projected[1::2])


def test_the_rows_learn_from_input_and_output(tiny: LoadedModel, untied: LoadedModel) -> None:
    """One matrix: one set of rows; two: each its own, and both get a gradient."""
    for model, tied in ((tiny, True), (untied, False)):
        learner = learner_of(model)
        assert (learner.own_rows is learner.rows) is tied
        bank = bank_of(learner)
        trained_parameters(learner, READ)
        batch = collate([writer_of(model).read(lessons()[0], 0, rng(), answer=True, phrased=False)], CPU)
        loss = learner.reading_loss(learner.run(batch, bank), batch)
        for gradient in torch.autograd.grad(loss, [learner.rows, learner.own_rows]):
            assert gradient[0].abs().sum() > 0


def test_keys_are_the_same_under_every_adapter(tiny: LoadedModel, untied: LoadedModel) -> None:
    """Bit for bit, with an odd number of layers too: no adapter changes a layer below the deepest state of a key."""
    for model in (tiny, untied):
        learner = learner_of(model, moved=False)
        before = learner.embed_texts(list(TEXTS))
        with torch.no_grad():
            for name, value in learner.network.named_parameters():
                if "lora_" in name:
                    value.add_(torch.randn_like(value))
        assert torch.equal(learner.embed_texts(list(TEXTS)), before)


def test_lora_lies_in_the_upper_half(tiny: LoadedModel, untied: LoadedModel) -> None:
    """Layers 2 and 3 of four; the last of three."""
    for model, wanted in ((tiny, {2, 3}), (untied, {2})):
        learner = learner_of(model)
        names = [name for name, _ in learner.named_parameters() if "lora_" in name]
        assert {int(name.split(".layers.")[1].split(".")[0]) for name in names} == wanted


def test_a_bfloat16_base_has_float32_to_learn(tiny_folder: Path) -> None:
    """Everything trained is float32, the base stays as loaded, and the loss and its gradients are finite."""
    model = load_plain(tiny_folder, ModelConfig(dtype="bfloat16", device="cpu", threads=1))
    learner = learner_of(model)
    parameters = trained_parameters(learner, READ)
    assert {parameter.dtype for parameter in parameters} == {torch.float32}
    assert model.embeddings.weight.dtype == torch.bfloat16
    (batch,) = parts_of(some_samples(model, learner), 12, CPU)
    loss = Objective(learner, RECIPES, 2)(batch, bank_of(learner))["loss"]
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(p.grad).all() for p in parameters if p.grad is not None)


# --- losses ------------------------------------------------------------------------------------------------------


def test_infonce_is_cross_entropy_with_a_null_class() -> None:
    """Every other key is wrong, and so is the null class, which is right where nothing is meant."""
    keys = nn.functional.normalize(torch.randn(5, 8, generator=torch.Generator().manual_seed(0)), dim=-1)
    query = nn.functional.normalize(keys[[2, 3]] + 0.3, dim=-1)
    recipe = msgspec.structs.replace(ASK, temperature=0.05, pull=0.5)
    loss, hits = infonce_loss(query, keys, torch.tensor([2, NOTHING]), recipe)
    classes = torch.cat([query @ keys.T, torch.full((2, 1), NULL_COSINE)], 1) / 0.05
    expected = -classes.log_softmax(1)[0, 2] - classes.log_softmax(1)[1, 5] + 0.5 * (1 - query[0] @ keys[2])
    torch.testing.assert_close(loss, expected)
    assert float(hits) == 1.0


def test_a_memory_told_twice_is_not_its_own_negative(tiny: LoadedModel) -> None:
    """The loss is that of the bank without the copy, and either of the two is a hit."""
    learner, writer = learner_of(tiny), writer_of(tiny)
    bank = bank_of(learner)
    copy = msgspec.structs.replace(
        bank,
        raw=torch.cat([bank.raw, bank.raw[1:2]]),
        values=torch.cat([bank.values, bank.values[1:2]]),
        refined=torch.cat([bank.refined, bank.refined[1:2]]),
    )
    batch = collate([writer.ask(lessons()[1].contexts[0], 1)], CPU)
    with torch.no_grad():
        hidden = learner.run(batch, bank)
        once = learner.asking_loss(hidden, batch, bank, ASK)
        twice = learner.asking_loss(hidden, batch, copy, ASK)
    torch.testing.assert_close(twice[0], once[0])
    assert float(twice[1]) == float(once[1])


def test_the_classic_loss_leaves_out_what_asks_for_nothing() -> None:
    """Squared differences to the right keys alone."""
    keys, query = torch.eye(3), torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.6, 0.8]])
    loss, hits = mse_loss(query, keys, torch.tensor([0, NOTHING]))
    assert (float(loss), float(hits)) == (0.0, 1.0)
    loss, hits = mse_loss(query, keys, torch.tensor([NOTHING, 1]))
    assert float(loss) == pytest.approx(0.4**2 + 0.8**2)
    assert float(hits) == 0.0


def test_the_reading_loss_counts_the_labelled_tokens_alone(tiny: LoadedModel) -> None:
    """Each predicted from the position before it; kept chat has no part in it."""
    learner, writer = learner_of(tiny), writer_of(tiny)
    bank = bank_of(learner)
    read = writer.read(lessons()[3], 3, rng(), answer=True, phrased=True)
    batch = collate([read, writer.chat(talks()[0])], CPU)
    with torch.no_grad():
        hidden = learner.run(batch, bank)
        scores = learner.logits(hidden[0]).log_softmax(-1)
        at = [place for place, label in enumerate(read.labels) if label]
        expected = -sum(scores[place - 1, read.ids[place]] for place in at) / len(at)
        actual = learner.reading_loss(hidden, batch)
    torch.testing.assert_close(actual, torch.as_tensor(expected))


def test_how_an_answer_begins_is_decided_where_it_begins(tiny: LoadedModel) -> None:
    """`<recall>` is to be a likely first token where a memory is called for, and an unlikely one in ordinary chat."""
    learner, writer = learner_of(tiny), writer_of(tiny)
    samples = [writer.ask(lessons()[0].contexts[0], 0), writer.chat(talks()[0]), writer.ask_with(TEXTS[1], 1)]
    batch = collate(samples, CPU)
    with torch.no_grad():
        hidden = learner.run(batch, bank_of(learner))
        places = [len(samples[0].ids) - 2, samples[1].labels.index(True) - 1]
        likely = learner.logits(hidden[[0, 1], places]).softmax(-1)[:, learner.memory_ids[0]]
        expected = -(likely[0].log() + (1 - likely[1]).log()) / 2
        torch.testing.assert_close(learner.deciding_loss(hidden, batch), expected, atol=1e-4, rtol=1e-4)


def test_keeping_costs_nothing_until_something_moved(tiny: LoadedModel) -> None:
    """No divergence from itself but for the memory tokens, which the base is not to write; then it costs."""
    learner, writer = learner_of(tiny, moved=False), writer_of(tiny)
    batch = collate([writer.chat(talk) for talk in talks()], CPU)
    with torch.no_grad():
        still = learner.keeping_loss(learner.run(batch, bank_of(learner)), batch)
        moved = learner_of(load_tiny(Path(tiny.network.config._name_or_path)))
        far = moved.keeping_loss(moved.run(batch, bank_of(moved)), batch)
    assert 0 <= float(still) < 1e-3
    assert float(far) > float(still) + 1e-3


def test_looking_at_the_base_lets_nothing_else_learn(tiny: LoadedModel) -> None:
    """Stage 1's LoRA is that of q and v before and after, and on while the base is not looked at."""
    learner = learner_of(tiny)
    trained_parameters(learner, ASK)
    before = {name for name, value in learner.named_parameters() if value.requires_grad}
    ids = torch.tensor([[5, 6, 7]])
    with torch.no_grad():
        on = learner.states(learner.embed(ids), torch.ones_like(ids))
        with learner.base():
            off = learner.states(learner.embed(ids), torch.ones_like(ids))
        again = learner.states(learner.embed(ids), torch.ones_like(ids))
    assert {name for name, value in learner.named_parameters() if value.requires_grad} == before
    assert {name.split(".")[-4] for name in before if "lora_" in name} == {"q_proj", "v_proj"}
    assert torch.equal(on, again)
    assert not torch.allclose(on, off)


def test_calibrating_centres_and_evens_out(tiny: LoadedModel) -> None:
    """Keys are unit vectors around nothing; one text alone, or keys of another model's width, give no NaN."""
    learner = learner_of(tiny, moved=False)
    raw = learner.embed_texts(list(TEXTS))
    learner.calibrate(raw)
    keys = learner.heads.key(raw)
    torch.testing.assert_close(keys.norm(dim=-1), torch.ones(len(TEXTS)))
    assert (keys @ keys.T).fill_diagonal_(0).mean() < 0
    even = ((raw - learner.heads.key.centre) / learner.heads.key.spread).norm(dim=-1).mean()
    assert float(even) == pytest.approx(1, rel=0.1)
    again = learner_of(load_tiny(Path(tiny.network.config._name_or_path)), moved=False)
    again.calibrate(raw)
    assert torch.equal(again.heads.key(raw), keys)
    single = learner_of(load_tiny(Path(tiny.network.config._name_or_path)), moved=False)
    single.calibrate(raw[:1])
    assert torch.isfinite(single.heads.key(raw[:1])).all()


# --- on the disk -------------------------------------------------------------------------------------------------


def saved(learner: Learner, folder: Path) -> Path:
    """The learner's adapter, whole."""
    learner.save(folder)
    write_meta(folder, learner.model.fingerprint, 0.4, RECIPES, name="made")
    return folder


@pytest.mark.parametrize("kind", ["tiny_folder", "untied_folder"])
def test_what_serves_is_what_learned(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """A saved adapter, merged into the model, gives the learner's logits to 1e-4, its queries, keys and values."""
    folder: Path = request.getfixturevalue(kind)
    learner = learner_of(load_tiny(folder))
    adapter = saved(learner, tmp_path / "adapter")
    learner.load(adapter)  # the rounding of the file
    served = Generator(load_tiny(folder, adapter))
    ids = torch.tensor([[1, *served.model.renderer.encode_text("Ann has"), *served.model.renderer.memory_ids, 9]])
    with torch.no_grad():
        hidden = learner.states(learner.embed(ids), torch.ones_like(ids))[0]
        out = served.model.network(input_ids=ids, output_hidden_states=True)
        torch.testing.assert_close(out.logits[0], learner.logits(hidden), atol=1e-4, rtol=1e-4)
        query = served.model.heads.query(out.hidden_states[-1][0])
        torch.testing.assert_close(query, learner.heads.query(hidden), atol=1e-4, rtol=1e-4)
        raw = learner.embed_texts(list(TEXTS))
        torch.testing.assert_close(torch.from_numpy(served.embed(list(TEXTS))), raw, atol=1e-5, rtol=1e-4)
        assert torch.equal(served.model.heads.key(raw), learner.heads.key(raw))
        assert torch.equal(served.model.heads.projector(raw), learner.heads.projector(raw))
    assert (served.model.heads.name, served.model.heads.floor, served.trained_recall) == ("made", 0.4, True)


def test_an_adapter_file_names_no_path(tiny: LoadedModel, tmp_path: Path) -> None:
    """It is shipped to other machines."""
    adapter = saved(learner_of(tiny), tmp_path / "adapter")
    assert str(tmp_path.parent) not in (adapter / "adapter_config.json").read_text(encoding="utf-8")


def test_a_learner_goes_on_from_what_was_saved(tiny_folder: Path, tmp_path: Path) -> None:
    """All that was learned, to the file's precision."""
    first, second = learner_of(load_tiny(tiny_folder)), learner_of(load_tiny(tiny_folder), moved=False)
    second.load(saved(first, tmp_path / "adapter"))
    named = dict(second.named_parameters())
    for name, value in first.named_parameters():
        torch.testing.assert_close(named[name], value, atol=5e-3, rtol=1e-2)


def test_another_recipes_adapter_is_refused(tiny_folder: Path, tmp_path: Path) -> None:
    """Another rank, other layers, a truncated file: each names the folder."""
    adapter = saved(learner_of(load_tiny(tiny_folder)), tmp_path / "adapter")
    rank: Stage2 = msgspec.structs.replace(READ, rank=8)
    for recipe, modules in ((rank, READ.modules), (READ, ("q_proj", "v_proj"))):
        with pytest.raises(ModelError, match=str(adapter)):
            Learner(load_tiny(tiny_folder), recipe, modules).load(adapter)
    for name in (WEIGHTS, HEADS):
        whole = (adapter / name).read_bytes()
        (adapter / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(ModelError, match=str(adapter)):
            learner_of(load_tiny(tiny_folder)).load(adapter)
        (adapter / name).write_bytes(whole)


def test_the_width_of_the_bank_is_the_models(tiny: LoadedModel) -> None:
    """Three states a key, values as wide as the model."""
    bank = bank_of(learner_of(tiny))
    assert bank.raw.shape == (len(TEXTS), 3 * HIDDEN)
    assert bank.values.shape == (len(TEXTS), 2, HIDDEN)
