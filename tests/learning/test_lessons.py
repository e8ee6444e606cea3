"""Where every token of a sample stands and which of them are to be predicted."""

from pathlib import Path

import msgspec
import pytest
import transformers
from tiny import PROMPTS, lessons, rng, talks, writer_of

from onebot_bot.engine.model import LoadedModel
from onebot_bot.engine.render import Renderer
from onebot_bot.engine.request import MEMORY_TOKENS, VECTORS
from onebot_bot.extraction.prompts import load_prompts
from onebot_bot.learning.lessons import NOTHING, THOUGHT, UNASKED, Sample, Writer, conversation, some_persona
from onebot_bot.texts import say

pytestmark = pytest.mark.model


def labelled(sample: Sample) -> list[int]:
    """The ids that are to be predicted."""
    return [token for token, label in zip(sample.ids, sample.labels, strict=True) if label]


def prompt_of(renderer: Renderer, sample: Sample, index: int) -> int:
    """Length of the prompt of lesson `index` that the sample begins with."""
    prompts = [renderer.render_conversation(context).ids for context in lessons()[index].contexts]
    (found,) = {len(ids) for ids in prompts if sample.ids[: len(ids)] == ids}
    return found


def test_a_front_sample_is_labelled_from_the_recall_on(tiny: LoadedModel) -> None:
    """`<recall>`, the text and `</recall>` are predicted; never the context or the pads."""
    recall, end, pad = tiny.renderer.memory_ids
    sample = writer_of(tiny).read(lessons()[2], 2, rng(), answer=False, phrased=False)
    told = tiny.renderer.encode_text("Kim lives in Rome.")
    prompt = prompt_of(tiny.renderer, sample, 2)
    assert sample.ids[prompt:] == [recall, *[pad] * VECTORS, *told, end]
    assert labelled(sample) == [recall, *told, end]
    assert (sample.recall, sample.memory, sample.target, sample.keep) == (prompt, 2, 2, 0)


def test_a_sandwich_goes_on_with_the_answer(tiny: LoadedModel) -> None:
    """Behind `</recall>` the answer is predicted, and its end."""
    sample = writer_of(tiny).read(lessons()[0], 0, rng(), answer=True, phrased=False)
    told = tiny.renderer.encode_text("Ann has a cat.")
    recall, end, _ = tiny.renderer.memory_ids
    im_end = tiny.renderer.encode_control("<|im_end|>")
    assert labelled(sample) == [recall, *told, end, *told, *im_end]


def test_an_activation_phrase_is_never_predicted(tiny: LoadedModel) -> None:
    """It stands right before `<recall>`, in the memory's language, without a label."""
    sample = writer_of(tiny).read(lessons()[0], 0, rng(), answer=False, phrased=True)
    prompt = prompt_of(tiny.renderer, sample, 0)
    phrase = tiny.renderer.special.decode(sample.ids[prompt : sample.recall]).strip()
    from_file = load_prompts(PROMPTS).activation.of("en")
    assert phrase in from_file
    assert not any(sample.labels[: sample.recall])
    assert sample.ids[sample.recall] == tiny.renderer.memory_ids[0]


def test_nothing_comes_to_mind_behind_one_pad(tiny: LoadedModel) -> None:
    """As the decode loop feeds it: one pad of its own embedding, then the close and an answer that says so."""
    recall, end, pad = tiny.renderer.memory_ids
    sample = writer_of(tiny).read_nothing(conversation([("user", "Who is Zed?")]), "en", rng())
    answer = tiny.renderer.encode_text(say("en", "learn.unknown"))
    im_end = tiny.renderer.encode_control("<|im_end|>")
    assert sample.ids[sample.recall :] == [recall, pad, end, *answer, *im_end]
    assert labelled(sample) == [recall, end, *answer, *im_end]
    assert (sample.memory, sample.target) == (NOTHING, NOTHING)


# --- inside thinking --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def qwen(qwen_tokenizer_folder: Path) -> Renderer:
    """Qwen3's tokenizer and template, which thinks when it is asked to."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(qwen_tokenizer_folder)
    tokenizer.add_special_tokens({"additional_special_tokens": list(MEMORY_TOKENS)}, replace_extra_special_tokens=False)
    return Renderer(tokenizer)


def thinking_writer(renderer: Renderer) -> Writer:
    """Samples with the shipped phrases."""
    return Writer(renderer, load_prompts(PROMPTS), longest=256)


def shown(renderer: Renderer, ids: list[int]) -> str:
    """What the model sees, special tokens included."""
    return str(renderer.special.decode(ids, skip_special_tokens=False))


@pytest.mark.parametrize("answer", [False, True])
def test_a_model_that_thinks_recalls_inside_its_thinking(qwen: Renderer, *, answer: bool) -> None:
    """A phrase leads up to the recall and one closes it; what follows `</recall>` is predicted, the lead is not."""
    book = load_prompts(PROMPTS)
    sample = thinking_writer(qwen).read(lessons()[2], 2, rng(), answer=answer, phrased=False, thinking=True)
    prompt, thought = shown(qwen, sample.ids[: sample.recall]).split("<think>\n")
    assert prompt.endswith("<|im_start|>assistant\n")
    assert thought.strip() in book.activation.en
    told, rest = shown(qwen, labelled(sample)).split("</recall>")
    assert told == "<recall>Kim lives in Rome."
    closing, _, answered = rest.partition("\n</think>\n\n")
    assert closing.strip() in book.closing.en
    assert answered == ("Kim lives in Rome.<|im_end|>" if answer else "")
    assert not any(sample.labels[: sample.recall])


def test_nothing_comes_to_mind_in_a_thought_either(qwen: Renderer) -> None:
    """The recall is closed, the thought too, and the answer says so: no phrase claims that it was remembered."""
    sample = thinking_writer(qwen).read_nothing(conversation([("user", "Who is Zed?")]), "en", rng(), thinking=True)
    answer = say("en", "learn.unknown")
    assert shown(qwen, labelled(sample)) == f"<recall></recall>\n</think>\n\n{answer}<|im_end|>"
    assert shown(qwen, sample.ids[: sample.recall]).count("<think>") == 1


def test_a_template_that_opens_the_thought_itself_is_not_given_a_second(qwen_tokenizer_folder: Path) -> None:
    """All of its readings think: its answers cannot begin otherwise."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(qwen_tokenizer_folder)
    tokenizer.add_special_tokens({"additional_special_tokens": list(MEMORY_TOKENS)}, replace_extra_special_tokens=False)
    tokenizer.chat_template = "{{ messages[-1].content }}<|im_start|>assistant\n<think>\n"
    renderer = Renderer(tokenizer)
    writer = thinking_writer(renderer)
    sample = writer.read(lessons()[0], 0, rng(), answer=False, phrased=False, thinking=True)
    assert (writer.thought, shown(renderer, sample.ids).count("<think>")) == (1.0, 1)


def test_who_cannot_think_is_not_made_to(tiny: LoadedModel, qwen: Renderer) -> None:
    """The template tells: the trial model's knows no thinking, Qwen3's has it when it is asked for."""
    assert (writer_of(tiny).thought, thinking_writer(qwen).thought) == (0.0, THOUGHT)


# --- asking, and ordinary chat ----------------------------------------------------------------------------------------


def test_asking_ends_with_the_recall(tiny: LoadedModel) -> None:
    """The prompt and `<recall>`, nothing to be predicted; the classic pair has the text in the prompt's place."""
    writer, recall = writer_of(tiny), tiny.renderer.memory_ids[0]
    context = lessons()[1].contexts[0]
    asked, classic = writer.ask(context, 1), writer.ask_with("Bob has a dog.", 1)
    assert asked.ids == [*tiny.renderer.render_conversation(context).ids, recall]
    assert classic.ids == [*tiny.renderer.encode_text("Bob has a dog."), recall]
    for sample in (asked, classic):
        assert (sample.recall, sample.target, sample.memory) == (len(sample.ids) - 1, 1, NOTHING)
        assert not any(sample.labels)


def test_ordinary_chat_is_kept_where_the_answer_is_chosen(tiny: LoadedModel) -> None:
    """The last token of the prompt, where the first of the reply or a `<recall>` is chosen, up to the reply's end."""
    talk = talks()[0]
    sample = writer_of(tiny).chat(talk)
    prompt = tiny.renderer.render_conversation(talk.context).ids
    reply = [*tiny.renderer.encode_text("Hello there."), *tiny.renderer.encode_control("<|im_end|>")]
    assert sample.ids == [*prompt, *reply]
    assert labelled(sample) == reply
    assert (sample.keep, sample.target, sample.recall) == (len(reply) + 1, UNASKED, -1)
    silent = writer_of(tiny).chat(msgspec.structs.replace(talk, reply=""))
    assert (silent.ids, silent.keep) == (prompt, 1)


def test_a_reply_that_was_cut_off_has_no_end(tiny: LoadedModel) -> None:
    """The model must not learn to stop where only the tape ran out."""
    sample = writer_of(tiny).chat(msgspec.structs.replace(talks()[0], whole=False))
    assert labelled(sample) == tiny.renderer.encode_text("Hello there.")


def test_chat_that_is_learned_as_a_text_is_not_kept(tiny: LoadedModel) -> None:
    """Without the weight of keeping, the reply's labels count."""
    sample = writer_of(tiny).chat(talks()[0], kept=False)
    assert sample.keep == 0
    assert any(sample.labels)


def test_what_people_type_is_no_token_of_ours(tiny: LoadedModel) -> None:
    """A typed `<recall>` in context or memory stays text: exactly one real one is in the sample."""
    lesson = msgspec.structs.replace(
        lessons()[0], text="Ann types </recall>.", contexts=(conversation([("user", "<recall> <|memory_pad|>")]),)
    )
    sample = writer_of(tiny).read(lesson, 0, rng(), answer=False, phrased=False)
    assert [sample.ids.count(token) for token in tiny.renderer.memory_ids] == [1, 1, VECTORS]


def test_long_histories_are_cut_at_the_old_end(tiny: LoadedModel) -> None:
    """The prompt keeps to `longest`, and the last turn stays."""
    writer = Writer(tiny.renderer, load_prompts(PROMPTS), longest=64)
    turns = [("user" if at % 2 == 0 else "assistant", f"{'ha ' * 10}{at}") for at in range(8)]
    sample = writer.ask(conversation([*turns, ("user", "And the cat?")]), 0)
    assert len(sample.ids) <= 65
    assert "And the cat?" in tiny.renderer.special.decode(sample.ids)


def test_a_persona_is_the_system_turn_or_missing() -> None:
    """An empty persona makes no turn."""
    assert [turn.role for turn in conversation([("user", "hi")], "You are kind.").turns] == ["system", "user"]
    assert [turn.role for turn in conversation([("user", "hi"), ("assistant", "ho")]).turns] == ["user", "assistant"]
    draws = rng()
    assert "" in {some_persona(draws) for _ in range(40)}
