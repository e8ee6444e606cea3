"""Many answers in one forward on a tiny model, exact in float32: beside each alone, fed whole and without a cache."""

import itertools
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
import transformers
from answering import TOKENS, ask, by_hand, finish, talk, values_of, written
from tiny import VOCABULARY, load_tiny, make_tiny

from onebot_bot.engine.answer import Sequence as Answer
from onebot_bot.engine.forward import Forwards
from onebot_bot.engine.generate import Generator
from onebot_bot.engine.model import LoadedModel
from onebot_bot.engine.request import (
    Conversation,
    FinishReason,
    GenerationRequest,
    GenerationResult,
    RecallHit,
    RecallPolicy,
    SamplingParams,
    Vector,
)
from onebot_bot.engine.room import PREFILL_BESIDE, PREFILL_CHUNK, SMALLEST_CHUNK
from onebot_bot.engine.worker import EngineWorker
from onebot_bot.errors import ModelError

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, trial_folder: Path) -> Path:
    """A tiny Llama's."""
    return make_tiny(tmp_path_factory.mktemp("decode"), trial_folder)


@pytest.fixture(scope="module")
def model(folder: Path) -> LoadedModel:
    """The weights, which nothing here changes."""
    return load_tiny(folder)


@pytest.fixture
def generator(model: LoadedModel) -> Generator:
    """With an empty cache."""
    return Generator(model)


def alone(model: LoadedModel, conversation: Conversation, tokens: int = TOKENS) -> list[int]:
    """The same by transformers' generate."""
    ids = torch.tensor([model.renderer.render_conversation(conversation).ids])
    out = model.network.generate(ids, do_sample=False, max_new_tokens=tokens, attention_mask=torch.ones_like(ids))
    found: list[int] = out[0, ids.shape[1] :].tolist()
    return [token for token in found if token not in model.renderer.eos]


def recalled(model: LoadedModel, conversation: Conversation, values: Vector, tokens: int = TOKENS) -> list[int]:
    """The answer that begins with a memory, without its end of turn."""
    found = by_hand(model, conversation, values, tokens)
    return found[:-1] if found[-1] in model.renderer.eos else found


def finding(values: Vector, **more: Any) -> RecallPolicy:
    """Whatever is asked, this comes to mind."""
    return RecallPolicy(lambda _: RecallHit(1, 0.9, "a fact", values), 0.0, 1, **more)


TALKS = (
    talk("Hi!"),
    talk("What is the capital of France, and why is it not Lyon?"),
    talk("Tell me a story.", "Once upon a time there was a cat.", "Go on, please, and make it long!"),
    talk("你好😀"),
    talk("a b c d e f g " * 12),
)


# --- one forward for all ------------------------------------------------------------------------------------------


async def test_a_ragged_batch_equals_generate(generator: Generator, model: LoadedModel) -> None:
    """Five lengths side by side, token for token."""
    answers = [ask(generator, one) for one in TALKS]
    assert finish(generator, *answers) == [alone(model, one) for one in TALKS]
    assert generator.counters.mean_batch > 4


async def test_joins_and_leaves_change_nothing_for_the_others(generator: Generator, model: LoadedModel) -> None:
    """Chats come one by one and end at different times; rows move about."""
    lengths = (4, 30, 9, 17, 12)
    answers = [ask(generator, one, tokens) for one, tokens in zip(TALKS, lengths, strict=True)]
    joined: list[Answer] = []
    for answer in answers:
        joined.append(answer)
        for _ in range(3):
            generator.step([one for one in joined if one.outcome is None])
    expected = [alone(model, one, tokens) for one, tokens in zip(TALKS, lengths, strict=True)]
    assert finish(generator, *answers) == expected


async def test_an_interrupt_keeps_what_was_written_and_frees_the_row(generator: Generator, model: LoadedModel) -> None:
    """It takes effect before the next forward; the others go on as if nothing had happened."""
    answers = [ask(generator, one, 20) for one in TALKS[:3]]
    for _ in range(6):
        generator.step(answers)
    answers[1].generation.interrupt()
    finish(generator, *answers)
    result = answers[1].outcome
    assert isinstance(result, GenerationResult)
    assert result.finish_reason is FinishReason.INTERRUPTED
    assert written(answers[1]) == alone(model, TALKS[1], 20)[:6]
    assert [written(answers[0]), written(answers[2])] == [alone(model, one, 20) for one in (TALKS[0], TALKS[2])]


async def test_an_answer_that_is_given_up_loses_its_row(generator: Generator, model: LoadedModel) -> None:
    """Who is not stepped any more holds nothing; the row serves the next."""
    given_up = ask(generator, TALKS[0], 100)
    generator.step([given_up])
    assert finish(generator, ask(generator, TALKS[1])) == [alone(model, TALKS[1])]
    assert len(generator.loop.slots._filled()) == 2
    assert given_up.slot is not None
    assert not given_up.slot.busy


async def test_seeds_repeat_whoever_is_beside(generator: Generator) -> None:
    """A hot answer is the same alone and among others."""
    hot = SamplingParams(temperature=1.0, top_k=40, top_p=0.9, repetition_penalty=1.1, seed=7, max_new_tokens=12)
    single = finish(generator, ask(generator, TALKS[0], sampling=hot))
    beside = [ask(generator, one, 20) for one in TALKS[1:]]
    assert finish(generator, *beside, ask(generator, TALKS[0], sampling=hot))[-1:] == single


# --- prompts ------------------------------------------------------------------------------------------------------


async def test_a_long_prompt_does_not_stall_running_chats(generator: Generator, model: LoadedModel) -> None:
    """It is fed in small chunks, and with each of them the chat beside it writes a token; both are right."""
    running, long = ask(generator, TALKS[0], 40), talk("the cat sat " * 200)
    generator.step([running])
    joining = ask(generator, long)
    before, steps = len(written(running)), 0
    while not written(joining):
        generator.step([running, joining])
        steps += 1
    assert steps == -(-(len(joining.prompt) - joining.reused) // PREFILL_BESIDE)
    assert len(written(running)) == before + steps
    assert finish(generator, running, joining) == [alone(model, TALKS[0], 40), alone(model, long)]


async def test_a_short_prompt_does_not_wait_for_a_long_one(generator: Generator) -> None:
    """Prompts take turns."""
    long, short = ask(generator, talk("the cat sat " * 600)), ask(generator, talk("hi"))
    generator.step([long, short])
    assert not written(short)
    generator.step([long, short])
    assert len(written(short)) == 1
    assert long.positions < len(long.prompt)


async def test_an_interrupt_is_seen_between_chunks(generator: Generator) -> None:
    """A long prompt ends at the chunk in progress, and its part of the cache is kept."""
    answer = ask(generator, talk("the cat sat " * 400))
    generator.step([answer])
    answer.generation.interrupt()
    generator.step([answer])
    assert isinstance(answer.outcome, GenerationResult)
    assert answer.positions == PREFILL_CHUNK
    again = ask(generator, talk("the cat sat " * 400))
    generator.step([again])
    assert again.reused == PREFILL_CHUNK


async def test_on_a_slow_machine_prompts_are_read_in_smaller_parts(
    generator: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A forward that takes a second for 512 tokens is followed by such of a quarter, so that interrupts are seen."""
    seconds = itertools.count()
    # Its own clock: the process' would also go on for whoever else looks at it meanwhile.
    clock = SimpleNamespace(perf_counter=lambda: float(next(seconds)))
    monkeypatch.setattr("onebot_bot.engine.forward.time", clock)
    fed: list[int] = []
    feed = Forwards.feed_prompt

    def noting(self: Any, slot: Any, embeddings: Any, *rest: Any) -> Any:
        fed.append(embeddings.shape[1])
        return feed(self, slot, embeddings, *rest)

    monkeypatch.setattr(Forwards, "feed_prompt", noting)
    answer = ask(generator, talk("the cat sat " * 400))
    generator.step([answer])
    generator.step([answer])
    assert fed[:3] == [PREFILL_CHUNK, PREFILL_CHUNK // 4, SMALLEST_CHUNK]
    assert answer.positions == 2 * PREFILL_CHUNK


# --- what is kept between turns -----------------------------------------------------------------------------------


async def test_the_next_turn_reads_only_what_is_new(generator: Generator, model: LoadedModel) -> None:
    """Persona, history and the answer itself are still there."""
    first = ask(generator, TALKS[0])
    finish(generator, first)
    said = model.renderer.special.decode(written(first)[:4])
    conversation = talk("Hi!", said, "And then?")
    answer = ask(generator, conversation)
    assert finish(generator, answer) == [alone(model, conversation)]
    assert answer.reused >= len(first.prompt)
    assert generator.counters.reused_tokens == answer.reused
    assert len(generator.loop.slots._filled()) == 1


async def test_an_edited_history_is_read_again_from_the_edit(generator: Generator, model: LoadedModel) -> None:
    """A message that was recalled in the middle takes everything behind it along."""
    finish(generator, ask(generator, talk("Hi!", "Hello there.", "I live in Rome.", "Nice.", "Bye.")))
    edited = talk("Hi!", "Hello there.", "I live in Oslo.", "Nice.", "Bye.")
    answer = ask(generator, edited)
    assert finish(generator, answer) == [alone(model, edited)]
    assert 0 < answer.reused < len(answer.prompt) - 5


async def test_a_sliding_window_keeps_the_persona(model: LoadedModel) -> None:
    """When old turns fall out of the window, what is left is right."""
    small = Generator(msgspec.structs.replace(model, context=128))
    lines: list[str] = []
    for number in range(8):
        lines += [f"line {number} of many more", f"I see {number}"]
        answer = ask(small, talk(*lines, "so?"))
        ids = torch.tensor([answer.rendered.ids])
        out = model.network.generate(ids, do_sample=False, max_new_tokens=TOKENS, attention_mask=torch.ones_like(ids))
        assert finish(small, answer) == [out[0, ids.shape[1] :].tolist()]
        assert answer.reused > 0 or number == 0
    assert isinstance(answer.outcome, GenerationResult)
    assert answer.outcome.usage.dropped_turns > 0


async def test_another_model_starts_from_nothing(
    model: LoadedModel, tmp_path_factory: pytest.TempPathFactory, trial_folder: Path
) -> None:
    """What the one before left in the cache would be wrong."""
    other = load_tiny(make_tiny(tmp_path_factory.mktemp("other"), trial_folder, layers=2))
    generator = Generator(model, lambda adapter: other if adapter else model)
    finish(generator, ask(generator, TALKS[2]))
    generator.serve(Path("other"))
    answer = ask(generator, TALKS[2])
    assert finish(generator, answer) == [alone(other, TALKS[2])]
    assert answer.reused == 0


async def test_who_finds_no_room_waits_her_turn(generator: Generator, model: LoadedModel) -> None:
    """With a budget for two, four answers are right all the same, first come first served."""
    generator.loop.slots.budget = 2 * 128
    answers = [ask(generator, one, 50) for one in TALKS[:4]]
    generator.step(answers)
    assert [answer.slot is not None for answer in answers] == [True, True, False, False]
    assert finish(generator, *answers) == [alone(model, one, 50) for one in TALKS[:4]]
    assert generator.loop.slots.kv.rows * generator.loop.slots.kv.length <= 2 * 128


# --- recalls ------------------------------------------------------------------------------------------------------


async def test_recalls_side_by_side_equal_each_alone(generator: Generator, model: LoadedModel) -> None:
    """Memories of one and of two vectors beside a chat without any."""
    asking = [talk(f"What of {name}?", opening=True) for name in ("Ann", "Bob, who lives far away")]
    values = [values_of(model, 1000, 1), values_of(model, 2000, 2)]
    answers = [ask(generator, one, recall=finding(each)) for one, each in zip(asking, values, strict=True)]
    plain = ask(generator, TALKS[2])
    expected = [recalled(model, one, each) for one, each in zip(asking, values, strict=True)]
    assert finish(generator, *answers, plain) == [*expected, alone(model, TALKS[2])]
    assert generator.counters.recalls == 2


async def test_a_recall_delays_nobody_else(generator: Generator, model: LoadedModel) -> None:
    """In every step the chat beside it writes a token."""
    plain = ask(generator, TALKS[0], 30)
    generator.step([plain])
    asking = ask(generator, talk("What?", opening=True), recall=finding(values_of(model, 1000, 2)))
    for step in range(2, 8):
        generator.step([plain, asking])
        assert len(written(plain)) == step


async def test_a_memory_is_not_taken_for_the_history(generator: Generator, model: LoadedModel) -> None:
    """The next turn has the same beginning without the memory, so reuse ends before it."""
    asking = talk("What of Ann?", opening=True)
    first = ask(generator, asking, recall=finding(values_of(model, 1000)))
    finish(generator, first)
    again = ask(generator, asking, recall=finding(values_of(model, 3000)))
    assert finish(generator, again) == [recalled(model, asking, values_of(model, 3000))]
    assert again.reused == len(again.prompt) - 1


async def test_a_memory_can_be_hidden_once_it_was_read(
    generator: Generator, model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `drop_injected` what follows `</recall>` attends to the words, not to the vectors."""
    _, end, _ = model.renderer.memory_ids
    conversation = talk("What of Ann?", opening=True)
    seen: dict[bool, torch.Tensor] = {}
    for drop in (False, True):
        policy = finding(values_of(model, 1000), close=True, drop_injected=drop)
        answer = ask(generator, conversation, recall=policy)
        while len(written(answer)) < 4:
            generator.step([answer])
        start = len(answer.prompt)
        assert answer.ids[start + 2] == end
        assert answer.slot is not None
        seen[drop] = generator.loop.slots.kv.visible[answer.slot.row, start : start + 3].clone()
        finish(generator, answer)
    assert seen[False].tolist() == [True, True, True]
    assert seen[True].tolist() == [False, False, True]


async def test_nothing_remembers_what_was_hidden(generator: Generator, model: LoadedModel) -> None:
    """The row's next prompt sees all of itself."""
    policy = finding(values_of(model, 1000), close=True, drop_injected=True)
    finish(generator, ask(generator, talk("What of Ann?", opening=True), recall=policy))
    conversation = talk("What of Ann?", "She is well, she is in Rome.", "Good.")
    assert finish(generator, ask(generator, conversation)) == [alone(model, conversation)]


# --- failures -----------------------------------------------------------------------------------------------------


def breaking(
    model: LoadedModel,
    patch: pytest.MonkeyPatch,
    guilty: Callable[[Any], bool],
    error: Exception = ZeroDivisionError("broken"),  # noqa: B008 - the same one every time
) -> None:
    """Let forwards fail that `guilty` says so of, by their inputs `[B, T, d]`."""
    body, forward = model.network.model, model.network.model.forward

    def fail(*args: Any, **kwargs: Any) -> Any:
        if guilty(kwargs["inputs_embeds"]):
            raise type(error)(*error.args)  # its own: a traceback holds all that was there
        return forward(*args, **kwargs)

    patch.setattr(body, "forward", fail)


async def test_one_rows_failure_ends_that_row_alone(generator: Generator, model: LoadedModel) -> None:
    """When the shared forward fails, each is fed alone, and it shows whose failure it is."""
    answers = [ask(generator, one) for one in TALKS[1:4]]
    generator.step(answers)
    poison = model.embeddings.weight[written(answers[1])[-1]]
    expected = [alone(model, TALKS[1]), alone(model, TALKS[3])]
    with pytest.MonkeyPatch.context() as patch:
        breaking(model, patch, lambda fed: fed.shape[1] == 1 and bool((fed == poison).all(-1).any()))
        generator.step(answers)
    assert isinstance(answers[1].outcome, ModelError)
    assert "broken" in str(answers[1].outcome)
    assert finish(generator, answers[0], answers[2]) == expected


async def test_a_prompt_that_fails_ends_alone(generator: Generator, model: LoadedModel) -> None:
    """The chat beside it goes on, and the row is used again."""
    running = ask(generator, TALKS[0])
    generator.step([running])
    bad = ask(generator, TALKS[4])
    with pytest.MonkeyPatch.context() as patch:
        breaking(model, patch, lambda fed: bool(fed.shape[1] > 1))
        generator.step([running, bad])
    assert isinstance(bad.outcome, ModelError)
    assert finish(generator, running, ask(generator, TALKS[4])) == [alone(model, TALKS[0]), alone(model, TALKS[4])]


async def test_a_search_that_fails_ends_alone(generator: Generator, model: LoadedModel) -> None:
    """A broken memory store is this answer's failure."""

    def search(_: Vector) -> RecallHit:
        raise OSError("the disk is gone")

    bad = ask(generator, talk("What?", opening=True), recall=RecallPolicy(search, 0.0, 1))
    good = ask(generator, TALKS[1])
    while bad.outcome is None:
        generator.step([bad, good])
    assert "the disk is gone" in str(bad.outcome)
    assert finish(generator, good) == [alone(model, TALKS[1])]


async def test_nan_in_one_row_reaches_no_other(generator: Generator, model: LoadedModel) -> None:
    """Not the chat beside it, and not who gets the row afterwards."""
    bad = ask(generator, talk("What?", opening=True), recall=finding(np.full((1, 64), np.nan, np.float32)))
    good = ask(generator, TALKS[1], 20)
    while bad.outcome is None:
        generator.step([bad, good])
    assert "model.dtype" in str(bad.outcome)
    assert finish(generator, good, ask(generator, TALKS[4])) == [alone(model, TALKS[1], 20), alone(model, TALKS[4])]


async def test_a_memory_of_many_vectors_gets_their_room(generator: Generator, model: LoadedModel) -> None:
    """More than was set aside for one; the answer behind it is as long as any."""
    many, asking = values_of(model, 1000, 200), talk("What?", opening=True)
    answer = ask(generator, asking, 30, recall=finding(many))
    plain = ask(generator, TALKS[1], 30)
    assert finish(generator, answer, plain) == [recalled(model, asking, many, 30), alone(model, TALKS[1], 30)]


async def test_without_room_for_its_vectors_an_answer_ends_at_its_length(generator: Generator) -> None:
    """Nothing is written beyond the room that was set aside."""
    generator.loop.slots.budget = 128
    answer = ask(generator, talk("What?", opening=True), recall=finding(np.zeros((200, 64), np.float32)))
    finish(generator, answer)
    assert isinstance(answer.outcome, GenerationResult)
    assert answer.outcome.finish_reason is FinishReason.LENGTH


# --- no memory ----------------------------------------------------------------------------------------------------

FULL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


async def test_a_prompt_is_read_in_smaller_parts_where_memory_runs_out(
    generator: Generator, model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Idle chats make room, and nobody's answer is another."""
    monkeypatch.setattr("onebot_bot.engine.forward.CHUNK_SECONDS", 1e6)  # busy machines read in small parts anyway
    expected = [alone(model, TALKS[0], 20), alone(model, talk("the cat sat " * 250))]
    finish(generator, ask(generator, TALKS[2]))
    running = ask(generator, TALKS[0], 20)
    generator.step([running])
    breaking(model, monkeypatch, lambda fed: bool(fed.shape[1] > 100), FULL)
    long = ask(generator, talk("the cat sat " * 250))
    assert finish(generator, running, long) == expected
    assert len(generator.loop.slots._filled()) == 2


async def test_what_one_step_read_is_fed_once(
    generator: Generator, model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where memory runs out when it was fed, as a memory's vectors are hidden: nobody loses a token by it."""
    conversation = talk("What of Ann?", opening=True)
    policy = finding(values_of(model, 1000), close=True, drop_injected=True)
    recalling = ask(generator, conversation, recall=policy)
    expected = [finish(generator, recalling)[0], alone(model, TALKS[1], 20)]
    hide, failures = generator.loop.slots.hide, iter([FULL])

    def full(slot: Any, positions: Any) -> None:
        if (error := next(failures, None)) is not None:
            raise type(error)(*error.args)
        hide(slot, positions)

    monkeypatch.setattr(generator.loop.slots, "hide", full)
    beside = ask(generator, TALKS[1], 20)
    assert finish(generator, ask(generator, conversation, recall=policy), beside) == expected
    assert next(failures, None) is None


async def test_a_cpu_says_in_words_that_memory_ran_out(
    generator: Generator, model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its allocator has no exception of its own."""
    expected, error = alone(model, talk("the cat sat " * 250)), RuntimeError("DefaultCPUAllocator: not enough memory")
    breaking(model, monkeypatch, lambda fed: bool(fed.shape[1] > 200), error)
    assert finish(generator, ask(generator, talk("the cat sat " * 250))) == [expected]


# --- layers that see only so far back -----------------------------------------------------------------------------


async def test_layers_with_a_sliding_window_equal_generate(tmp_path: Path, trial_folder: Path) -> None:
    """Qwen2's and Qwen3's upper layers may look back a few tokens only, in chunks and in a batch too."""
    make_tiny(tmp_path, trial_folder, layers=1)
    torch.manual_seed(1)
    config = transformers.Qwen3Config(
        vocab_size=VOCABULARY, hidden_size=64, intermediate_size=128, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16, max_position_embeddings=2048, initializer_range=0.1, eos_token_id=2,
        use_sliding_window=True, sliding_window=8, max_window_layers=2, tie_word_embeddings=True,
    )  # fmt: skip
    transformers.Qwen3ForCausalLM(config).save_pretrained(tmp_path)
    model = load_tiny(tmp_path)
    generator = Generator(model)
    talks = [TALKS[1], TALKS[4], talk("the cat sat " * 200)]
    assert finish(generator, *(ask(generator, one) for one in talks)) == [alone(model, one) for one in talks]


# --- by the worker ------------------------------------------------------------------------------------------------


async def test_the_worker_runs_them_together_and_counts(model: LoadedModel) -> None:
    """What is submitted at once shares forwards, and the status tells so."""
    generator = Generator(model)
    async with EngineWorker("tiny", lambda: generator) as worker:
        generations = [worker.submit(_request(one)) for one in TALKS]
        texts = [(await generation.result()).text for generation in generations]
        status = worker.status
    expected = [alone(model, one) for one in TALKS]
    assert texts == [model.renderer.special.decode(ids, skip_special_tokens=True) for ids in expected]
    assert status.counters.mean_batch > 2
    assert 0 < status.counters.kv_bytes <= status.counters.kv_budget
    assert 0 < status.first_token_p50 <= status.first_token_p95
    assert status.interrupts == 0


def _request(conversation: Conversation) -> GenerationRequest:
    sampling = SamplingParams(temperature=0, max_new_tokens=TOKENS)
    return GenerationRequest(conversation=conversation, sampling=sampling)
