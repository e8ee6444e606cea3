"""Which texts say the same, which say more, and which only look alike."""

import pytest

from onebot_bot.memory.similar import Relation, relation


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("Ann has a grey cat.", "ann has a grey cat", "covered"),
        ("小明的生日是三月十四日。", "小明的生日是三月十四日", "covered"),
        ("Ａｎｎ has a grey cat", "Ann has a grey cat!", "covered"),
        ("Ann has a very grey cat", "Ann has a grey cat", "covered"),
        ("Ann has a grey cat", "Ann has a big grey cat", "extended"),
        ("小红在上海当老师", "小红现在在上海当老师", "extended"),
        ("Ann has a cat", "Ann has a grey cat called Fog", None),
        ("Ann has a grey cat", "Ann has a grey dog", None),
        ("Ann told Bob that her sister has a grey cat", "Ann told Bill that her sister has a grey cat", None),
        ("Bob loves Ann", "Ann loves Bob", None),
        ("The meeting of the chess club is on May 6", "The meeting of the chess club is on May 7", None),
        ("Ann likes all cats and dogs", "Ann likes not all cats and dogs", None),
        ("Ann isn't fond of the cats", "Ann is fond of the cats", None),
        ("我们群里的小明喜欢吃辣火锅", "我们群里的小明不喜欢吃辣火锅", None),
        ("小明不喜欢吃辣火锅和烧烤", "小明喜欢吃辣火锅和烧烤", None),
        ("Ann has cats in the house", "Ann has 3 cats in the house", None),
        ("...", "!!!", None),
    ],
)
def test_only_what_says_the_same_is_the_same(old: str, new: str, expected: Relation | None) -> None:
    """Words may be added that tell nothing apart; none may be exchanged."""
    assert expected == relation(old, new)
