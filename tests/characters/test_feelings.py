"""Emotions in answers, and moods that come and go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onebot_bot.characters.feelings import Feeling, faded, in_words, moved, take_emotion
from onebot_bot.memory.moods import Mood

KNOWN = ("平静", "开心", "生气")
HOUR = 3600.0


@pytest.mark.parametrize(
    ("said", "emotion", "words"),
    [
        ("[开心]你好", "开心", "你好"),
        (" [ 开心 ] 你好", "开心", "你好"),
        ("【生气】哼", "生气", "哼"),
        ("你好", "", "你好"),
        ("你好[开心]", "开心", "你好"),
        ("[开心]你好[生气]！", "开心", "你好！"),
        ("[得意]你好", "", "你好"),
        ("[开心][得意]你好", "开心", "[得意]你好"),
        ("列表 [得意] 在这", "", "列表 [得意] 在这"),
        ("[1] 第一条", "", "[1] 第一条"),
        ("[开心](https://a.example) 是首歌", "", "[开心](https://a.example) 是首歌"),
        ("[a, b] = c", "", "[a, b] = c"),
        ("[开心]", "开心", ""),
        ("[开", "", ""),
        ("你好[", "", "你好"),
        ("你好[x", "", "你好[x"),
        ("", "", ""),
    ],
)
def test_an_emotion_is_taken_out_of_an_answer(said: str, emotion: str, words: str) -> None:
    """The first known tag counts, none is shown; brackets that mean something else stay."""
    assert take_emotion(said, KNOWN) == (emotion, words)


def test_tags_of_another_kind_are_spared() -> None:
    """Where the emotion is missing, one of those may come first."""
    assert take_emotion("[引用]好", KNOWN, ("引用",)) == ("", "[引用]好")
    assert take_emotion("[开心][引用]好", KNOWN, ("引用",)) == ("开心", "[引用]好")


def test_without_emotions_nothing_is_taken() -> None:
    """A persona that has none may write what it likes."""
    assert take_emotion(" [开心]你好", ()) == ("", " [开心]你好")


@given(st.text("[]【】开心你好 (\n", max_size=30))
def test_no_known_tag_is_ever_left(said: str) -> None:
    """Whatever the model writes, unless it is a link."""
    emotion, words = take_emotion(said, KNOWN)
    assert emotion in (*KNOWN, "")
    assert "[开心]" not in words.replace("[开心](", "")


def test_a_mood_fades_back_to_neutral() -> None:
    """By half in each half-life; a clock that was set back changes nothing."""
    mood = Mood(0.8, -0.4, 1000.0, "开心")
    assert faded(mood, 1000 + HOUR, HOUR) == Mood(0.4, -0.2, 1000 + HOUR, "开心")
    assert faded(mood, 1000 + 2 * HOUR, HOUR).pleasure == pytest.approx(0.2)
    assert faded(mood, 0.0, HOUR).pleasure == 0.8
    assert in_words(faded(mood, 1000 + 10 * HOUR, HOUR), "zh") == ""


def test_feelings_move_the_mood_step_by_step() -> None:
    """One of them a little, many of them all the way, and never beyond."""
    mood = Mood()
    strengths = []
    for _ in range(50):
        mood = moved(mood, "生气", Feeling(-0.7, 0.7))
        strengths.append(mood.energy)
    assert strengths == sorted(strengths)
    assert strengths[0] == pytest.approx(0.245)
    assert [mood.pleasure, mood.energy] == pytest.approx([-0.7, 0.7])
    assert mood.emotion == "生气"


@pytest.mark.parametrize(
    ("mood", "words"),
    [
        (Mood(0.05, 0.05), ""),
        (Mood(0.3, 0.0), "有点开心"),
        (Mood(0.5, 0.5), "非常兴奋"),
        (Mood(0.0, 0.5), "很精神"),
        (Mood(-0.5, 0.5), "非常烦躁"),
        (Mood(-0.5, 0.0), "很不高兴"),
        (Mood(-0.2, -0.2), "有点低落"),
        (Mood(0.0, -0.9), "非常困倦"),
        (Mood(0.3, -0.3), "很放松"),
        (Mood(-0.5, -0.01), "很不高兴"),
    ],
)
def test_a_mood_has_words(mood: Mood, words: str) -> None:
    """All around the circle, three degrees."""
    assert in_words(mood, "zh") == words
