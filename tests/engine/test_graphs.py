"""Recorded decode steps beside eager ones: the same tokens whatever happens, and no trust in what differs.

There is no card here. What a CUDA graph is to the device, `Tape` is to a CPU: the operations of one run, done again
on the very same places, whatever Python would compute by now.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest
import torch
import transformers
from answering import ask, finish, talk, values_of
from tiny import VOCABULARY, load_tiny, make_tiny
from tiny_vl import make_tiny_vl
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from onebot_bot.engine import graphs
from onebot_bot.engine.answer import Sequence as Answer
from onebot_bot.engine.decode import DecodeLoop
from onebot_bot.engine.generate import Generator
from onebot_bot.engine.graphs import Graphs, Stepped
from onebot_bot.engine.kv import KvBuffers, KvShape
from onebot_bot.engine.model import LoadedModel, load_model
from onebot_bot.engine.request import (
    Conversation,
    Picture,
    RecallHit,
    RecallPolicy,
    SamplingParams,
)
from onebot_bot.engine.slots import Slot
from onebot_bot.sections.model import ModelConfig

pytestmark = pytest.mark.model

T = TypeVar("T")
HOST = ("aten._local_scalar_dense", "aten.nonzero", "aten.equal", "aten.lift_fresh", "aten.unique")
"""What no card can record: the host would have to see a value, or to give one."""


class _Taping(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it so
    """Notes every operation with the very tensors that it took and gave."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it so
        self.done: list[tuple[Callable[..., Any], Any, Any, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert not str(func).startswith(HOST), f"{func} cannot be recorded"
        made = func(*args, **(kwargs or {}))
        self.done.append((func, args, kwargs or {}, made))
        return made

    def play(self) -> None:
        """Do it all again, into the same places."""
        for func, args, kwargs, made in self.done:
            again = func(*args, **kwargs)
            for old, new in zip(tree_leaves(made), tree_leaves(again), strict=True):
                if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():
                    old.copy_(new)


class Tape:
    """A recorder; `spoil` makes of what was recorded what the graph gives."""

    def __init__(self, spoil: Callable[[Any], None] = lambda _: None) -> None:
        self.spoil = spoil
        self.recorded = 0
        self.played = 0

    def record(self, work: Callable[[], T]) -> tuple[T, Callable[[], None]]:
        """As `Recorder` says."""
        self.recorded += 1
        with _Taping() as taping:
            made = work()

        def play() -> None:
            self.played += 1
            taping.play()
            self.spoil(made)

        return made, play


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, trial_folder: Path) -> LoadedModel:
    """A tiny Llama, exact."""
    return load_tiny(make_tiny(tmp_path_factory.mktemp("graphs"), trial_folder, layers=2))


def recording(model: LoadedModel, tape: Any = None) -> Generator:
    """An engine that records."""
    generator = Generator(model)
    generator.loop = DecodeLoop(model, recorder=tape or Tape())
    return generator


TALKS = tuple(map(talk, ("Hi!", "What is the capital of France?", "Tell me a story.", "a b c d e f g " * 12, "你好😀")))


def each_alone(model: LoadedModel, talks: Sequence[Conversation], tokens: int = 10) -> list[list[int]]:
    """The same without recording, one at a time."""
    return [finish(Generator(model), ask(Generator(model), one, tokens))[0] for one in talks]


# --- the same tokens ----------------------------------------------------------------------------------------------


async def test_a_ragged_batch_equals_eager(model: LoadedModel) -> None:
    """Five answers of different lengths in the graph of eight rows; few recordings serve many steps."""
    generator, tape = Generator(model), Tape()
    generator.loop = DecodeLoop(model, recorder=tape)
    assert finish(generator, *(ask(generator, one, 20) for one in TALKS)) == each_alone(model, TALKS, 20)
    assert generator.counters.graphs == "on"
    assert 1 <= tape.recorded <= 4
    assert tape.played > 10


async def test_joins_and_leaves_equal_eager(model: LoadedModel) -> None:
    """Rows move to the front, batches grow and shrink, the cache is laid out anew."""
    generator, lengths = recording(model), (4, 30, 9, 17, 12)
    answers = [ask(generator, one, tokens) for one, tokens in zip(TALKS, lengths, strict=True)]
    for count in range(1, 6):
        for _ in range(3):
            generator.step([one for one in answers[:count] if one.outcome is None])
    expected = [each_alone(model, [one], tokens)[0] for one, tokens in zip(TALKS, lengths, strict=True)]
    assert finish(generator, *answers) == expected
    assert generator.counters.graphs == "on"


async def test_recalls_and_drawn_tokens_equal_eager(model: LoadedModel) -> None:
    """A memory's vectors take one row's input, and each row is drawn from by its own settings."""
    vectors = values_of(model, 1000)
    policy = RecallPolicy(lambda _: RecallHit(1, 0.9, "a fact", vectors), 0.0, 1)
    drawn = SamplingParams(temperature=1.0, top_k=40, repetition_penalty=1.1, seed=7, max_new_tokens=12)

    def answers(generator: Generator) -> list[Answer]:
        return [
            ask(generator, talk("What of Ann?", opening=True), recall=policy),
            ask(generator, TALKS[1], sampling=drawn),
            ask(generator, TALKS[2]),
        ]

    eager, generator = Generator(model), recording(model)
    assert finish(generator, *answers(generator)) == finish(eager, *answers(eager))
    assert (generator.counters.recalls, generator.counters.graphs) == (1, "on")


async def test_without_a_policy_no_recall_is_drawn_from_a_graph(
    model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What may come is known to the graph by its inputs, row by row."""
    recall, _, pad = model.renderer.memory_ids
    logits = torch.zeros(model.embeddings.weight.shape[0])
    logits[recall], logits[pad], logits[100] = 10.0, 9.0, 5.0
    monkeypatch.setattr(model.network.lm_head, "forward", lambda hidden: logits.expand(len(hidden), -1).clone())
    generator = recording(model)
    nothing = RecallPolicy(lambda _: None, 0.0, 1)
    plain, asking = finish(generator, ask(generator, TALKS[0]), ask(generator, TALKS[2], recall=nothing))
    assert plain == [100] * 10
    assert asking.count(recall) == 1
    assert generator.counters.graphs == "on"


async def test_layers_with_a_sliding_window_equal_eager(tmp_path: Path, trial_folder: Path) -> None:
    """Both masks are made on the device."""
    make_tiny(tmp_path, trial_folder, layers=1)
    config = transformers.Qwen3Config(
        vocab_size=VOCABULARY, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16, max_position_embeddings=2048, initializer_range=0.1, eos_token_id=2,
        use_sliding_window=True, sliding_window=8, max_window_layers=1, tie_word_embeddings=True,
    )  # fmt: skip
    transformers.Qwen3ForCausalLM(config).save_pretrained(tmp_path)
    model = load_tiny(tmp_path)
    generator = recording(model)
    assert finish(generator, *(ask(generator, one) for one in TALKS[:3])) == each_alone(model, TALKS[:3])
    assert generator.counters.graphs == "on"


async def test_a_model_that_sees_equals_eager(tmp_path: Path, qwen_tokenizer_folder: Path, picture: bytes) -> None:
    """Behind a picture the rope positions are others than the cache's."""
    model = load_model(make_tiny_vl(tmp_path, qwen_tokenizer_folder), ModelConfig(dtype="float32", threads=1))
    talks = [talk("这是什么？", parts=[Picture(picture)]), talk("hello")]
    generator = recording(model)
    assert finish(generator, *(ask(generator, one) for one in talks)) == each_alone(model, talks)
    assert generator.counters.graphs == "on"


# --- the cache ----------------------------------------------------------------------------------------------------


def contents(generator: Generator, slot: Slot) -> list[torch.Tensor]:
    """All that stands in a slot's row."""
    layers, count = generator.loop.slots.kv.layers, len(slot.contents)
    return [buffer[slot.row, :, :count].clone() for layer in layers for buffer in (layer.keys, layer.values)]


async def test_rows_that_fill_up_a_batch_write_nothing_that_is_read(model: LoadedModel) -> None:
    """Five answers take the graph of eight; what idle chats left in the other three rows stays bit for bit."""
    generator = recording(model)
    chats = [ask(generator, talk(f"{at} is my number"), 2) for at in range(8)]
    finish(generator, *chats)
    idle = [chat.slot for chat in chats[5:] if chat.slot is not None]
    before = [contents(generator, slot) for slot in idle]
    answers = [ask(generator, talk(f"{at} is my number"), 30) for at in range(5)]
    for _ in range(4):
        generator.step(answers)
    assert {rows for rows, _ in generator.loop.slots.kv.recorded} == {8}
    assert [slot.busy for slot in idle] == [False] * 3
    for slot, were in zip(idle, before, strict=True):
        assert all(map(torch.equal, were, contents(generator, slot)))


async def test_new_buffers_are_recorded_anew(model: LoadedModel) -> None:
    """A recording knows the old ones' places; none survives them."""
    generator = recording(model)
    generator.loop.slots._at_once = False  # as on a card, where the cache grows
    short = ask(generator, TALKS[0], 60)
    for _ in range(4):
        generator.step([short])
    first = dict(generator.loop.slots.kv.recorded)
    long = ask(generator, talk("the cat sat " * 100))
    assert finish(generator, short, long) == [
        *each_alone(model, TALKS[:1], 60),
        *each_alone(model, [talk("the cat sat " * 100)]),
    ]
    assert first
    assert not set(map(id, first.values())) & set(map(id, generator.loop.slots.kv.recorded.values()))
    generator.loop.slots.clear()
    assert not generator.loop.slots.kv.recorded


@pytest.mark.parametrize(
    ("count", "positions", "expected"),
    [(1, 1, (1, 256)), (3, 256, (4, 256)), (5, 257, (6, 512)), (2, 900, (2, 960)), (6, 1, (6, 256)), (17, 1, None)],
)
def test_shapes_are_few(count: int, positions: int, expected: tuple[int, int] | None) -> None:
    """Powers of two, as far as the cache goes; too many answers are fed without a graph."""
    kv = KvBuffers(KvShape(1, 1, 4, torch.float32, torch.device("cpu")), spare=1)
    kv.lay_out(32 if count > 16 else 6, 960, [])
    assert Graphs(Tape()).find_shape(count, positions, kv) == expected


# --- no trust -----------------------------------------------------------------------------------------------------


async def test_what_cannot_be_recorded_is_fed_eagerly_for_good(model: LoadedModel) -> None:
    """Once, and the status says why; the answers are the same."""

    class Broken(Tape):
        def record(self, work: Callable[[], T]) -> tuple[T, Callable[[], None]]:
            self.recorded += 1
            raise RuntimeError("operation not permitted when stream is capturing\nand a long trace")

    broken = Broken()
    generator = recording(model, broken)
    assert finish(generator, *(ask(generator, one) for one in TALKS[:3])) == each_alone(model, TALKS[:3])
    assert broken.recorded == 1
    assert generator.counters.graphs == "off: RuntimeError: operation not permitted when stream is capturing"


@pytest.mark.parametrize("ending", [False, True], ids=["recording", "its end"])
async def test_a_recording_without_memory_is_tried_again(
    model: LoadedModel, monkeypatch: pytest.MonkeyPatch, *, ending: bool
) -> None:
    """Until then steps are fed one by one, also where the end of the broken recording fails with words of its own."""

    class Cramped(Tape):
        def record(self, work: Callable[[], T]) -> tuple[T, Callable[[], None]]:
            if not self.recorded:
                self.recorded += 1
                try:
                    raise torch.OutOfMemoryError
                finally:
                    if ending:
                        raise RuntimeError("operation failed due to a previous error during capture")
            return super().record(work)

    monkeypatch.setattr(graphs, "PAUSE", 4)
    tape = Cramped()
    generator = recording(model, tape)
    assert finish(generator, ask(generator, TALKS[0], 12)) == each_alone(model, TALKS[:1], 12)
    assert (tape.recorded, generator.counters.graphs) == (2, "on")
    assert tape.played == 12 - 1 - (1 + 4)  # the prompt gives one, memory was short for one, and the pause


@pytest.mark.parametrize("wrong", [0.5, float("nan")])
async def test_a_graph_that_differs_is_never_used(model: LoadedModel, wrong: float) -> None:
    """It is compared with the model's own forward before the first token is taken from it."""

    def spoil(made: Stepped) -> None:
        made.hidden[0, 3] += wrong

    tape = Tape(spoil)
    generator = recording(model, tape)
    assert finish(generator, *(ask(generator, one) for one in TALKS[:3])) == each_alone(model, TALKS[:3])
    assert (tape.recorded, tape.played) == (1, 1)
    assert generator.counters.graphs.startswith("off: a graph's hidden states differ")


async def test_a_row_that_is_not_finite_says_nothing_about_a_graph(model: LoadedModel) -> None:
    """A memory of NaN ends its answer, and the others keep their graphs."""
    vectors = torch.full((1, 64), torch.nan).numpy()
    generator = recording(model)
    asking = talk("What?", opening=True)
    bad = ask(generator, asking, recall=RecallPolicy(lambda _: RecallHit(1, 0.9, "", vectors), 0.0, 1))
    good = ask(generator, TALKS[1], 20)
    while bad.outcome is None:
        generator.step([bad, good])
    assert finish(generator, good) == each_alone(model, TALKS[1:2], 20)
    assert "model.dtype" in str(bad.outcome)
    assert generator.counters.graphs == "on"


async def test_a_cpu_has_no_graphs(model: LoadedModel) -> None:
    """And its rows stay where they are."""
    generator = Generator(model)
    finish(generator, ask(generator, TALKS[0]))
    assert generator.counters.graphs == ""
    assert not generator.loop.slots.kv.recorded
