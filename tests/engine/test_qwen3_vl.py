"""Qwen3-VL by the same code path: a tiny random model with the real tokenizer, words and one picture."""

import asyncio
import io
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from tiny import RECIPES, TEXTS, learner_of
from tiny_vl import make_tiny_vl

from onebot_bot.engine import decode
from onebot_bot.engine.folder import check_model_folder
from onebot_bot.engine.generate import Generator
from onebot_bot.engine.model import load_model
from onebot_bot.engine.request import (
    RECALL,
    Control,
    Conversation,
    Generation,
    GenerationRequest,
    GenerationResult,
    Picture,
    RecallHit,
    RecallPolicy,
    SamplingParams,
    Text,
    Turn,
)
from onebot_bot.learning.prime import write_meta
from onebot_bot.sections.model import ModelConfig

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, qwen_tokenizer_folder: Path) -> Path:
    """A model folder of Qwen3-VL's architecture, a few million random weights."""
    return make_tiny_vl(tmp_path_factory.mktemp("tiny-qwen3-vl"), qwen_tokenizer_folder)


@pytest.fixture(scope="module")
def generator(folder: Path) -> Generator:
    """The tiny model by the real loading path."""
    return Generator(load_model(folder, ModelConfig(dtype="float32")))


def talk(*parts: Any) -> Conversation:
    """One turn of a person."""
    return Conversation((Turn("user", parts),))


def painted(colour: str) -> bytes:
    """A picture of one colour, as large as the other."""
    out = io.BytesIO()
    Image.new("RGB", (96, 64), colour).save(out, "PNG")
    return out.getvalue()


def greedy(generator: Generator, conversation: Conversation, recall: RecallPolicy | None = None) -> list[int]:
    """Ids of the answer, twelve at most."""
    sampling = SamplingParams(temperature=0, max_new_tokens=12)
    request = GenerationRequest(conversation=conversation, sampling=sampling, recall=recall)
    sequence = generator.start(Generation(request))
    while sequence.outcome is None:
        generator.step([sequence])
    assert isinstance(sequence.outcome, GenerationResult)
    return sequence.ids[len(sequence.rendered.ids) :]


async def answer(generator: Generator, conversation: Conversation, recall: RecallPolicy | None = None) -> list[int]:
    """The answer's ids, made on this thread: a Generation needs the loop."""
    await asyncio.sleep(0)
    return greedy(generator, conversation, recall)


def reference(generator: Generator, conversation: Conversation) -> list[int]:
    """The same by transformers' generate."""
    rendered = generator.model.renderer.render_conversation(conversation)
    ids = torch.tensor([rendered.ids])
    options: dict[str, Any] = {}
    if rendered.images:
        options = {
            "pixel_values": torch.cat([image["pixel_values"] for image in rendered.images]),
            "image_grid_thw": torch.cat([image["image_grid_thw"] for image in rendered.images]),
            "mm_token_type_ids": torch.eq(ids, generator.model.renderer.image_token or -1).int(),
        }
    network = generator.model.network
    network.model.rope_deltas = None
    out = network.generate(ids, do_sample=False, max_new_tokens=12, **options)
    return list(out[0, ids.shape[1] :].tolist())


def test_the_folder_is_known_to_see(folder: Path) -> None:
    """The check that precedes loading knows the architecture."""
    found = check_model_folder(folder)
    assert (found.architecture, found.sees) == ("Qwen3VLForConditionalGeneration", True)


def test_the_status_can_tell_that_it_sees(generator: Generator) -> None:
    """The chats hand pictures to no other model."""
    assert generator.sees


def test_the_memory_tokens_need_no_resize(generator: Generator) -> None:
    """Their ids lie inside the padded embedding matrix."""
    assert generator.model.renderer.memory_ids == (151669, 151670, 151671)
    assert generator.model.embeddings.weight.shape[0] == 151936


async def test_words_equal_generate(generator: Generator) -> None:
    """Text alone, token for token."""
    assert await answer(generator, talk(Text("你好，讲个故事"))) == reference(generator, talk(Text("你好，讲个故事")))


async def test_a_picture_equals_generate(generator: Generator, picture: bytes) -> None:
    """A picture between words: rope positions, deepstack and all."""
    conversation = talk(Text("看："), Picture(picture), Text("这是什么？"))
    rendered = generator.model.renderer.render_conversation(conversation)
    assert rendered.ids.count(generator.model.renderer.image_token or -1) == 6
    assert await answer(generator, conversation) == reference(generator, conversation)


async def test_the_picture_matters(generator: Generator, picture: bytes) -> None:
    """Another picture gives other logits: what is seen reaches the words."""
    one = await answer(generator, talk(Picture(picture), Text("?")))
    two = await answer(generator, talk(Picture(painted("red")), Text("?")))
    assert one != two


async def test_a_text_chat_between_two_steps_does_not_disturb_a_picture_chat(
    generator: Generator, picture: bytes
) -> None:
    """The rope offset belongs to the answer, not to the module."""
    sampling = SamplingParams(temperature=0, max_new_tokens=12)
    talks = [talk(Picture(picture), Text("这是什么？")), talk(Text("hello")), talk(Text("a b c"), Picture(picture))]
    alone = [await answer(generator, one) for one in talks]
    sequences = [generator.start(Generation(GenerationRequest(conversation=one, sampling=sampling))) for one in talks]
    while running := [s for s in sequences if s.outcome is None]:
        generator.step(running)
    assert [s.ids[len(s.rendered.ids) :] for s in sequences] == alone


@pytest.mark.parametrize("chunk", [3, 7, 16])
async def test_a_picture_fed_in_parts_equals_generate(
    generator: Generator, picture: bytes, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chunks that end before, inside and behind pictures: inputs, deepstack and rope stay with their positions."""
    conversation = talk(Text("看："), Picture(picture), Text("和"), Picture(painted("red")), Text("有什么不同？"))
    monkeypatch.setattr(decode, "PREFILL_CHUNK", chunk)
    generator.loop.slots.clear()
    assert await answer(generator, conversation) == reference(generator, conversation)


async def test_a_picture_in_view_is_not_seen_again(
    generator: Generator, picture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next turn reuses its positions, rope offset and all; another picture there is looked at."""
    first = talk(Picture(picture), Text("这是什么？")).turns
    said = (*first, Turn("assistant", (Text("一张图。"),)), Turn("user", (Text("什么颜色？"),)))
    await answer(generator, Conversation(first))
    looks: list[int] = []
    see = generator.model.network.model.get_image_features

    def count(*args: Any, **kwargs: Any) -> Any:
        looks.append(1)
        return see(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(generator.model.network.model, "get_image_features", count)
        again = await answer(generator, Conversation(said))
        assert not looks
        other = Conversation((talk(Picture(painted("red")), Text("这是什么？")).turns[0], *said[1:]))
        changed = await answer(generator, other)
        assert looks == [1]
    assert again == reference(generator, Conversation(said))
    assert changed == reference(generator, other)


async def test_a_forged_image_pad_is_only_text(generator: Generator, picture: bytes) -> None:
    """Typed by a person, the placeholder takes no picture's place."""
    conversation = talk(Text("<|image_pad|><|vision_start|>"), Picture(picture))
    rendered = generator.model.renderer.render_conversation(conversation)
    assert rendered.ids.count(generator.model.renderer.image_token or -1) == 6
    assert len(await answer(generator, conversation)) > 0


async def test_a_recall_after_a_picture_changes_what_follows(generator: Generator, picture: bytes) -> None:
    """Injection works at the shifted rope positions too, and no later token is lost."""
    vectors = generator.model.embeddings.weight.detach()[2000:2002].float().numpy() * 3
    policy = RecallPolicy(lambda _: RecallHit(1, 0.9, "x", vectors), 0.0, 1)
    conversation = Conversation(talk(Picture(picture), Text("?")).turns, (Control(RECALL),))
    pads = [generator.model.renderer.memory_ids[2]] * 2
    recalled = await answer(generator, conversation, policy)
    assert recalled[:2] == pads
    assert recalled[2:] != await answer(generator, conversation)


def test_it_learns_by_the_same_path(folder: Path, tmp_path: Path) -> None:
    """LoRA in the upper text layers alone, keys as before bit for bit, and what was learned serves."""
    config = ModelConfig(dtype="float32", device="cpu", threads=1)
    bare = Generator(load_model(folder, config))
    learner = learner_of(load_model(folder, config))
    names = [name for name, _ in learner.named_parameters() if "lora_" in name]
    assert names
    assert all(".language_model.layers.2." in name for name in names)
    raw = learner.embed_texts(list(TEXTS))
    with learner.base():
        assert torch.equal(learner.embed_texts(list(TEXTS)), raw)
    torch.testing.assert_close(torch.from_numpy(bare.embed(list(TEXTS))), raw, atol=1e-5, rtol=1e-4)
    learner.save(tmp_path)
    write_meta(tmp_path, learner.model.fingerprint, 0.4, RECIPES, name="made")
    learner.load(tmp_path)  # the rounding of the file
    served = load_model(folder, config, tmp_path)
    ids = torch.tensor([[*served.renderer.encode_text("你好 Ann"), *served.renderer.memory_ids, 9]])
    with torch.no_grad():
        expected = learner.logits(learner.states(learner.embed(ids), torch.ones_like(ids))[0])
        actual = served.network(input_ids=ids).logits[0]
    torch.testing.assert_close(actual, expected, atol=1e-3, rtol=1e-4)
