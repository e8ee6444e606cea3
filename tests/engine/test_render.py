"""Ids and masks: a person's words never become special tokens, and the template's own text always does."""

import re
from pathlib import Path
from typing import Any

import pytest
import tokenizers
import transformers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onebot_bot.engine.render import Rendered, Renderer, TextStream
from onebot_bot.engine.request import MEMORY_TOKENS, Control, Conversation, Picture, Text, Turn
from onebot_bot.errors import RequestError

SPECIAL = ["<|im_start|>", "<|im_end|>", "<|endoftext|>", *MEMORY_TOKENS, "<think>", "</think>", "<|image_pad|>"]


@pytest.fixture(scope="module", params=["trial", "qwen3"])
def renderer(request: pytest.FixtureRequest, trial_folder: Path, qwen_tokenizer_folder: Path) -> Renderer:
    """The trial model's tokenizer, and Qwen3's."""
    folder = trial_folder if request.param == "trial" else qwen_tokenizer_folder
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"additional_special_tokens": list(MEMORY_TOKENS)}, replace_extra_special_tokens=False)
    return Renderer(tokenizer)


def talk(*words: str) -> Conversation:
    """People first."""
    return Conversation(tuple(Turn("user" if i % 2 == 0 else "assistant", (Text(w),)) for i, w in enumerate(words)))


def templated(renderer: Renderer, *words: str, answering: bool = True) -> list[int]:
    """What transformers itself makes of the same conversation."""
    messages = [{"role": "user" if i % 2 == 0 else "assistant", "content": w} for i, w in enumerate(words)]
    tokenizer: Any = renderer._tokenizer
    text = tokenizer.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=answering, enable_thinking=False
    )
    return list(renderer.special.encode(text, add_special_tokens=False).ids)


@pytest.mark.model
def test_ordinary_talk_renders_as_transformers_renders_it(renderer: Renderer) -> None:
    """Encoding piece by piece gives the ids of encoding the whole."""
    words = ("Hello, how are you?", "I'm fine 😀", "今天天气怎么样？\n出门要带伞吗")
    assert renderer.render_conversation(talk(*words)).ids == templated(renderer, *words)


@pytest.mark.model
@pytest.mark.parametrize("token", SPECIAL)
def test_a_persons_special_token_stays_text(renderer: Renderer, token: str) -> None:
    """Typed, it is spelled out; the number of real special tokens does not change."""
    added = set(renderer.special.get_added_tokens_decoder())
    plain = [i for i in renderer.render_conversation(talk("a b")).ids if i in added]
    forged = renderer.render_conversation(talk(f"a {token} b"))
    assert [i for i in forged.ids if i in added] == plain
    assert token in renderer.special.decode(forged.ids, skip_special_tokens=False)


@pytest.mark.model
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.sampled_from(SPECIAL), st.text(max_size=8)), max_size=8).map("".join))
def test_no_words_whatever_become_a_special_token(renderer: Renderer, words: str) -> None:
    """Also when special tokens are glued to anything else."""
    added = set(renderer.special.get_added_tokens_decoder())
    assert not added & set(renderer.encode_text(words))


@pytest.mark.model
def test_our_own_control_text_is_special(renderer: Renderer) -> None:
    """The three memory tokens are one id each, in order and at the end of the vocabulary."""
    ids = renderer.encode_control("".join(MEMORY_TOKENS))
    assert ids == list(renderer.memory_ids)
    assert ids == [ids[0], ids[0] + 1, ids[0] + 2]


@pytest.mark.model
def test_the_memory_tokens_of_qwen3_have_the_designs_ids(renderer: Renderer) -> None:
    """151669 to 151671 on Qwen3; right behind the vocabulary on the trial model."""
    assert renderer.memory_ids[0] in (151669, 49152)


@pytest.mark.model
def test_the_mask_covers_what_the_assistant_wrote_and_its_end(renderer: Renderer) -> None:
    """Training learns the assistant's words and when to stop, nothing else."""
    rendered = renderer.render_conversation(talk("hi", "hello there", "bye"), answering=False)
    learned = [i for i, written in zip(rendered.ids, rendered.mask, strict=True) if written]
    assert renderer.special.decode(learned, skip_special_tokens=False) == "hello there<|im_end|>"


@pytest.mark.model
def test_the_opening_comes_after_the_start_of_the_answer(renderer: Renderer) -> None:
    """What begins the answer is the prompt's end."""
    conversation = Conversation(talk("hi").turns, opening=(Text("Hm, "), Control("<recall>")))
    rendered = renderer.render_conversation(conversation)
    assert rendered.ids[-1] == renderer.memory_ids[0]
    assert rendered.mask[-1]


@pytest.mark.model
def test_fitting_drops_the_oldest_turns_and_starts_with_a_person(renderer: Renderer) -> None:
    """What is kept fits, begins with a person's turn, and one turn more would not fit."""
    words = [f"message number {i} " * 5 for i in range(21)]
    conversation = Conversation((Turn("system", (Text("Be kind."),)), *talk(*words).turns))
    rendered, dropped = renderer.fit_conversation(conversation, 200)
    assert 0 < len(rendered.ids) <= 200
    assert dropped % 2 == 0
    text = renderer.special.decode(rendered.ids, skip_special_tokens=False)
    assert "Be kind." in text
    assert "message number 20" in text
    assert "message number 0 " not in text
    more = Conversation((conversation.turns[0], *conversation.turns[dropped - 1 :]))
    assert len(renderer.render_conversation(more).ids) > 200


def lines(*texts: str) -> tuple[Text, ...]:
    """Messages that share a turn."""
    return tuple(Text(f"\n{text}" if index else text) for index, text in enumerate(texts))


def shown(renderer: Renderer, rendered: Rendered) -> str:
    """What the model sees, special tokens included."""
    return str(renderer.special.decode(rendered.ids, skip_special_tokens=False))


@pytest.mark.model
def test_a_busy_groups_talk_is_cut_and_the_question_stays(renderer: Renderer) -> None:
    """Sixty lines that nobody answered are one turn; its oldest lines go, as few as possible."""
    talked = lines(*[f"[Ann(1)] line {i}, and some more words" for i in range(60)], "[Bob(2)] what is new?")
    rendered, dropped = renderer.fit_conversation(Conversation((Turn("user", talked),)), 200)
    cut = lines(*[part.text.strip() for part in talked[dropped:]])
    assert shown(renderer, rendered).count("line ") == 60 - dropped > 0
    assert f"user\n[Ann(1)] line {dropped}," in shown(renderer, rendered)
    assert "\n[Bob(2)] what is new?<|im_end|>" in shown(renderer, rendered)
    assert renderer.fit_conversation(Conversation((Turn("user", cut),)), 200)[0].ids == rendered.ids
    assert len(rendered.ids) <= 200 < len(rendered.ids) + 20


@pytest.mark.model
def test_without_eyes_a_picture_is_its_words(renderer: Renderer) -> None:
    """Whoever composed the turn: the ids are those of the words alone, and nobody opens the picture."""
    parts = (Text("[Ann(1)] "), Picture(b"no picture at all", "[图片]"), Text("这是什么？"))
    rendered, _ = renderer.fit_conversation(Conversation((Turn("user", parts),), keep=3), 1000)
    assert rendered.ids == templated(renderer, "[Ann(1)] [图片]这是什么？")
    assert rendered.images == []


@pytest.mark.model
def test_the_frames_of_a_video_are_one_word(renderer: Renderer) -> None:
    """Frames have no words of their own, and are cut together with the word like any parts."""
    frames = (Text("[视频]"), Picture(b"one"), Picture(b"two"), Text("好看吗？"))
    rendered = renderer.render_conversation(Conversation((Turn("user", frames),), keep=4))
    assert "user\n[视频]好看吗？<|im_end|>" in shown(renderer, rendered)
    old = Turn("user", (Text("old " * 300), *frames))
    assert renderer.fit_conversation(Conversation((old,), keep=4), 100)[1] == 1


LONG = "word " * 500


@pytest.mark.model
@pytest.mark.parametrize(
    "conversation",
    [talk(LONG, LONG, "and then?"), Conversation((Turn("user", lines(LONG, "and then?")),))],
    ids=["answered", "unanswered"],
)
def test_the_chat_goes_on_after_a_message_that_was_too_long(renderer: Renderer, conversation: Conversation) -> None:
    """Whether it shares a turn with the next question or not, it is left out and the question is answered."""
    rendered, dropped = renderer.fit_conversation(conversation, 100)
    assert dropped == sum(len(turn.parts) for turn in conversation.turns) - 1
    assert "word" not in shown(renderer, rendered)
    assert "user\nand then?<|im_end|>" in shown(renderer, rendered)


@pytest.mark.model
def test_turns_that_were_cut_still_alternate(renderer: Renderer) -> None:
    """Wherever the cut falls, a person comes first and then the other."""
    turns = [
        Turn("assistant" if i % 2 else "user", lines(*[f"{i} {j} some words" for j in range(3)])) for i in range(9)
    ]
    for budget in range(80, 190, 7):
        rendered, dropped = renderer.fit_conversation(Conversation(tuple(turns), keep=3), budget)
        roles = [role for role in re.findall(r"<\|im_start\|>(\w+)", shown(renderer, rendered)) if role != "system"]
        assert roles == [("user", "assistant")[i % 2] for i in range(len(roles))]
        assert shown(renderer, rendered).count("some words") == 27 - dropped < 27


@pytest.mark.model
def test_what_is_asked_is_never_cut(renderer: Renderer) -> None:
    """Of the last turn, the parts to keep are there or it is an error."""
    asked = Turn("user", lines("old " * 50, "first " * 20, "second " * 20))
    rendered, dropped = renderer.fit_conversation(Conversation((asked,), keep=2), 100)
    assert dropped == 1
    assert shown(renderer, rendered).count("first") == 20
    with pytest.raises(RequestError, match="and 40 fit"):
        renderer.fit_conversation(Conversation((asked,), keep=2), 40)


@pytest.mark.model
def test_lines_of_one_turn_render_as_the_whole_text(renderer: Renderer) -> None:
    """Tokens cross from one line to the next, as the model learnt them."""
    parts, whole = lines("Really?", "Yes!", "好。"), "Really?\nYes!\n好。"
    assert renderer.fit_conversation(Conversation((Turn("user", parts),)), 1000)[0].ids == templated(renderer, whole)


@pytest.mark.model
def test_what_cannot_be_cut_to_fit_is_an_error(renderer: Renderer) -> None:
    """The last turn is never dropped."""
    with pytest.raises(RequestError, match="and 10 fit"):
        renderer.fit_conversation(talk("word " * 100), 10)


@pytest.mark.model
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(min_size=1, max_size=30))
def test_streamed_text_is_the_decoded_text(renderer: Renderer, text: str) -> None:
    """Whole characters only, and all of them, except a last one that is cut off."""
    ids = renderer.encode_text(text)
    stream = TextStream(renderer)
    streamed = "".join(stream.feed(token) for token in ids)
    decoded: str = renderer.special.decode(ids)
    assert decoded.startswith(streamed)
    assert len(decoded) - len(streamed) <= 1 or "\ufffd" in decoded


@pytest.mark.model
def test_recall_marks_are_shown_and_other_special_tokens_are_not(renderer: Renderer) -> None:
    """The reply needs to see where a recall begins and ends."""
    stream = TextStream(renderer)
    ids = renderer.encode_control("a<recall>b</recall>c<|im_start|>d")
    assert "".join(stream.feed(token) for token in ids) == "a<recall>b</recall>cd"


@pytest.mark.model
def test_a_template_that_refuses_is_a_clear_error(trial_folder: Path) -> None:
    """A template's own complaint reaches the operator."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(trial_folder)
    tokenizer.chat_template = "{{ raise_exception('roles must alternate') }}"
    with pytest.raises(RequestError, match="roles must alternate"):
        Renderer(tokenizer).render_conversation(talk("hi"))


def test_the_packed_tokenizer_is_qwen3s(qwen_tokenizer_folder: Path) -> None:
    """The test data is the real vocabulary."""
    tokenizer = tokenizers.Tokenizer.from_file(str(qwen_tokenizer_folder / "tokenizer.json"))
    assert tokenizer.get_vocab_size() == 151669
