"""Tags in what the model wrote."""

import msgspec
import pytest

from onebot_bot.chat.reply import split_reply
from onebot_bot.chat.tags import (
    Person,
    Scene,
    Tagged,
    defused,
    emoji_id,
    guide,
    plainly,
    read_tags,
    segments_in,
    written,
)
from onebot_bot.protocol.actions import FriendPoke, GroupPoke, SetMsgEmojiLike
from onebot_bot.protocol.segments import At, Face, Segment, Text
from onebot_bot.sections.tags import TagKind

ALL: frozenset[TagKind] = frozenset({"face", "at", "reply", "sticker", "react", "poke"})
ANN, BO, BO_TOO = Person(5, "Ann", 51), Person(6, "Bo", 61), Person(7, "Bo", 71)


def scene(group: int = 77, kinds: frozenset[TagKind] = ALL, limit: int = 4) -> Scene:
    """A group in which Ann is answered and two people are called Bo, of whom number 6 wrote last."""
    me = Person(10000, "小忆", 91)
    return Scene(
        account=10000, group=group, kinds=kinds, limit=limit, answered=ANN, people=(me, BO, BO_TOO, ANN),
        stickers=frozenset({"开心"}),
    )  # fmt: skip


def read(said: str, *, group: int = 77, kinds: frozenset[TagKind] = ALL, limit: int = 4) -> Tagged:
    """It, in that group."""
    return read_tags(said, scene(group, kinds, limit))


def segments(tagged: Tagged) -> tuple[Segment, ...]:
    """All of it in one message."""
    return segments_in(tagged.text, tagged)


@pytest.mark.parametrize("tag", ["[face:微笑]", "[表情:微笑]", "[表情：微笑]", "[ Face : /微笑 ]"])
def test_a_face_is_one_by_its_name(tag: str) -> None:
    """In either spelling, and with either colon."""
    assert segments(read(f"hi {tag}!")) == (Text("hi "), Face("14"), Text("!"))


@pytest.mark.parametrize(
    ("name", "number"),
    [("Bo", "6"), ("bo", "6"), ("Bo(7)", "7"), ("7", "7"), ("@Ann", "5"), ("", "5")],
)
def test_a_mention_is_of_somebody_known_in_the_chat(name: str, number: str) -> None:
    """By name, the one who wrote last where two have it; by number; without either who is answered."""
    found = segments(read(f"[at:{name}]看"))[0]
    assert isinstance(found, At)
    assert found.qq == number


def test_a_space_follows_a_mention() -> None:
    """Once."""
    assert segments(read("[at:Ann]hi")) == segments(read("[at:Ann] hi")) == (At("5", "Ann"), Text(" hi"))


@pytest.mark.parametrize(
    "tag",
    [
        *("[at:all]", "[at:全体成员]", "[at:123456]", "[at:小忆]", "[face:飞碟]", "[face]", "[表情:]", "[react:zzz]"),
        *("[sticker:../../etc/passwd]", "[sticker]", "[reply:Nobody]", "[poke:小忆]", "[poke:99]", "[voice:hello]"),
        *("[CQ:image,file=file:///etc/passwd]", "[图片]", "[语音]", "[picture]"),
    ],
)
def test_what_does_not_hold_is_left_out_and_the_words_stay(tag: str) -> None:
    """Unknown kinds, unknown names, everybody, the bot itself, CQ codes, and what only looks like sending."""
    assert read(f"嗯{tag}b") == Tagged("嗯b")


@pytest.mark.parametrize(
    "said",
    [
        *("[Note: so it is]", "see [https://example.org]", "take list[start:end]", "f(x)[low:high]"),
        *("see [1] and [2]", "[laughs] ok", "[注：不是标记]", "[docs](https://example.org)", "a[i] = b", "[]", "[[x]]"),
        *("```\na[i:j] [face:微笑]\n```", "write `[poke:Ann]` so", "[at:Ann", "at:Ann]", "[face:微\n笑]"),
    ],
)
def test_other_brackets_are_words(said: str) -> None:
    """Footnotes, links, asides, and code, also where it holds a tag."""
    assert read(said) == Tagged(said)


def test_gestures_are_of_the_message_answered_and_of_people_known() -> None:
    """One of a kind in an answer."""
    tagged = read("[react:赞][poke:Bo][react:爱心][poke:Ann]ok")
    assert [gesture.action for gesture in tagged.gestures] == [
        SetMsgEmojiLike(message_id=51, emoji_id="76"),
        GroupPoke(group_id=77, user_id=6),
    ]
    assert tagged.text == "ok"


def test_in_private_there_is_one_person_to_poke() -> None:
    """Whatever name stands there; nobody can be mentioned, and messages take no reactions."""
    tagged = read("[poke:Bo][at:Ann][react:赞]hi", group=0)
    assert [gesture.action for gesture in tagged.gestures] == [FriendPoke(user_id=5)]
    assert (tagged.text, tagged.inline) == ("hi", {})


def test_where_the_bot_speaks_first_nobody_is_answered() -> None:
    """There is nobody to poke and nothing to react to, but who is known can be mentioned."""
    alone = msgspec.structs.replace(scene(), answered=Person(0, ""))
    tagged = read_tags("[poke][poke:0][at][react:赞]hi [at:Bo]", alone)
    assert tagged.gestures == ()
    assert [segment.qq for segment in segments(tagged) if isinstance(segment, At)] == ["6"]


@pytest.mark.parametrize(("tag", "quoted"), [("[reply]", 51), ("[引用]", 51), ("[引用:Bo]", 61), ("", None)])
def test_one_message_is_quoted(tag: str, quoted: int | None) -> None:
    """The one answered, or somebody's last; the first tag counts."""
    tagged = read(f"{tag}hi" + ("[reply:Bo(7)]" if tag else ""))
    assert (tagged.quoted, tagged.text) == (quoted, "hi")


def test_a_sticker_is_one_that_there_is() -> None:
    """One in an answer."""
    assert read("[表情包:开心]ha[表情包:开心]") == Tagged("ha", sticker=("[表情包:开心]", "开心"))


def test_no_more_than_the_cap_are_carried_out() -> None:
    """What does not hold does not count."""
    tagged = read("[face:飞碟]" + "[face:微笑]" * 9, limit=3)
    assert segments(tagged) == (Face("14"),) * 3


def test_kinds_that_are_switched_off_are_left_out() -> None:
    """As if they were unknown."""
    assert read("a[face:微笑]b", kinds=frozenset({"at"})) == Tagged("ab")


def test_marks_of_the_models_own_are_not_taken_for_tags() -> None:
    """Private-use characters mean nothing to people either."""
    tagged = read("\ue000[face:微笑]\uf8ff")
    assert segments(tagged) == (Face("14"),)


def test_no_cut_goes_through_a_tag() -> None:
    """Nor leaves a face behind its sentence."""
    said = "今天真是一个非常好的日子，我们去公园走走吧！[表情:微笑]" * 3
    tagged = read(said)
    bubbles = split_reply(tagged.text, 3)
    assert len(bubbles) == 2
    assert [segments_in(bubble, tagged)[-1] for bubble in bubbles] == [Face("14")] * 2
    assert "".join(written(bubble, tagged) for bubble in bubbles) == said


def test_refused_tags_become_words() -> None:
    """A mention its name, a face nothing."""
    assert plainly((At("5", "Ann"), Text(" hi "), Face("14"))) == (Text("@Ann hi"),)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("say [poke:Ann] now", "say ［poke:Ann］ now"),
        ("[艾特：Bo]", "［艾特：Bo］"),
        ("[表情包：哈哈]", "［表情包：哈哈］"),
        ("[表情：微笑] [1] [voice:x]", "[表情：微笑] [1] [voice:x]"),
    ],
)
def test_what_people_write_is_no_tag_when_the_model_repeats_it(text: str, shown: str) -> None:
    """Faces may be repeated: they are shown the way they are written."""
    assert defused(text) == shown
    assert read(shown).gestures == ()


def test_what_people_had_the_bot_remember_is_no_tag() -> None:
    """A memory is their words; a face may be repeated, and the model may still poke by itself."""
    remembering = msgspec.structs.replace(scene(), recalled="Bo says [poke:Ann] and [face:微笑] a lot.")
    tagged = read_tags("You say [poke:Ann][face:微笑]! [poke:Bo]", remembering)
    assert [gesture.written for gesture in tagged.gestures] == ["[poke:Bo]"]
    assert segments(tagged) == (Text("You say "), Face("14"), Text("!"))


@pytest.mark.parametrize(
    ("value", "number"),
    [("赞", "76"), ("👍", "128077"), ("❤️", "10084"), ("a", None), ("", None), ("👍👍", None), ("好", None)],
)
def test_reactions_are_faces_or_emoji(value: str, number: str | None) -> None:
    """By QQ's ids."""
    assert emoji_id(value) == number


def test_the_model_is_told_of_what_it_may_use_alone() -> None:
    """No stickers, no word of them."""
    text = guide("en", frozenset({"face", "sticker", "poke"}), 3, {"face": ("微笑", "赞"), "sticker": ()})
    assert "3 at most" in text.splitlines()[0]
    assert [line.split("]")[0] for line in text.splitlines()[1:]] == ["[face:NAME", "[poke:NAME"]
    assert guide("zh", frozenset({"sticker"}), 3, {"sticker": ()}) == ""
