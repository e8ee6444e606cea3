"""What of the model's text is sent, and how it is cut."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onebot_bot.chat.reply import LONGEST, form_of, split_bundle, split_reply, spoken
from onebot_bot.sections.sending import RenderConfig


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("hello", "hello"),
        ("<think>\nwell...\n</think>\n\nhello", "hello"),
        ("well...\n</think>\nhello", "hello"),
        ("<think>\ncut off in the middle of", ""),
        ("hello <think>second thoughts", "hello"),
        ("<think>a</think>b<think>c</think>d", "d"),
        ("<recall>Ann has a cat</recall>She has a cat!", "She has a cat!"),
        ("Well, <recall>Ann has a c", "Well,"),
        ("<think>hm <recall>x</recall> so</think>ok", "ok"),
        ("<no_reply>", ""),
        ("<think>boring</think> <no_reply>", ""),
        ("Ann has a cat.</recall> She has a cat!", "She has a cat!"),
        ("<recall>a</recall>b</recall>c <recall>d</recall>e", "c e"),
        ("a <|memory_pad|>b</think>c<|memory_pad|>", "c"),
        ("a <|memory_pad|>b", "a b"),
        ("   ", ""),
    ],
)
def test_only_what_is_meant_for_people_is_spoken(written: str, said: str) -> None:
    """No thinking, no recalls, no silence spelled out."""
    assert spoken(written) == said


def test_a_short_answer_is_one_message() -> None:
    """Two short sentences are no reason for two bubbles."""
    assert split_reply("好呀。那就明天见！", 3) == ["好呀。那就明天见！"]


def test_a_longer_answer_is_cut_at_sentence_ends() -> None:
    """At most three bubbles of similar length."""
    text = (
        "今天去了动物园，看到了大熊猫，它们真的好可爱。后来又去吃了火锅，辣得我直流眼泪！"
        "最后在河边散步，风很舒服。你呢，今天过得怎么样？我好想听听你的故事，快告诉我吧。"
    )
    bubbles = split_reply(text, 3)
    assert len(bubbles) == 2
    assert all(bubble[-1] in "。！？" for bubble in bubbles)


@pytest.mark.parametrize(
    "whole",
    [
        "```python\nprint('a. b! c?')\n\nx = 1.\n```",
        "https://example.org/a.b?c=d!e",
        "(｡･ω･｡)",
        "（≧▽≦！！）",
        "`a! b? c.`",
    ],
)
def test_code_addresses_and_kaomoji_stay_whole(whole: str) -> None:
    """Wherever the cuts fall, not inside these."""
    text = f"先说一句比较长的话，让它需要分成几段来发。{whole} 再说一句比较长的话，凑够长度。最后还有一句话要说。"
    assert any(whole in bubble for bubble in split_reply(text, 3))


def test_nothing_is_dropped_when_it_is_longer_than_qq_takes() -> None:
    """Then there are more messages than usual, each within the limit."""
    text = "长" * (LONGEST * 2 + 5)
    bubbles = split_reply(text, 1)
    assert "".join(bubbles) == text
    assert max(map(len, bubbles)) == LONGEST


@given(st.text(alphabet="ab。！？.! \n`(）https://", max_size=200), st.integers(1, 5))
def test_cutting_loses_only_white_space(text: str, most: int) -> None:
    """Joined, the bubbles are what was spoken; there are never more than asked for."""
    bubbles = split_reply(text, most)
    assert re.sub(r"\s", "", "".join(bubbles)) == re.sub(r"\s", "", spoken(text))
    assert len(bubbles) <= most
    assert all(bubble.strip() for bubble in bubbles)


CODE = "Here it is:\n```python\nx = 1\n```"
TABLE = "| a | b |\n|---|---|\n| 1 | 2 |"


@pytest.mark.parametrize(
    ("said", "form"),
    [
        ("hello", "bubbles"),
        (TABLE, "picture"),
        ("see:\n\na | b\n:-: | -:\n1 | 2", "picture"),
        (f"```\n{TABLE}\n```", "bubbles"),
        ("a | b\n---\nc", "bubbles"),
        (CODE, "bubbles"),
        (CODE + " and words" * 20, "picture"),
        ("# Head\n" + "words " * 30, "picture"),
        ("$$x^2$$" + "words " * 30, "picture"),
        ("\\[x\\] " + "words " * 30, "picture"),
        ("it is $\\frac{1}{2}$ " + "words " * 30, "picture"),
        ("it costs $5 or $6, **really** " + "words " * 30, "bubbles"),
        ("#hashtag " + "words " * 30, "bubbles"),
        ("words " * 500, "bundle"),
        (TABLE + "\n| 3 | 4 |" * 300, "bundle"),
    ],
)
def test_the_form_follows_what_is_written(said: str, form: str) -> None:
    """Tables are drawn, other structures when they are long, and what is longer than a picture is bundled."""
    assert form == form_of(said, RenderConfig())


def test_without_pictures_only_bundles_are_left() -> None:
    """As the key says."""
    off = RenderConfig(enabled=False)
    assert (form_of(TABLE, off), form_of("words " * 500, off)) == ("bubbles", "bundle")


def test_a_bundle_has_all_of_it_in_messages_of_fair_length() -> None:
    """They end where sentences end; a sentence longer than a message of QQ is cut."""
    said = "一句话。" * 1000 + "长" * 5000
    parts = split_bundle(said)
    assert "".join(parts) == said
    assert [len(part) for part in parts] == [1500, 1500, 1000, 4000, 1000]
