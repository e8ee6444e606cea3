"""BM25, ranks and the figures made of them."""

import math
from random import Random

import numpy as np
import pytest

from bench.baselines import (
    BM25,
    character_f1,
    find_rank,
    judge_ranks,
    percentile,
    split_bigrams,
    split_words,
)
from onebot_bot.worlds.world import make_world


def test_words_leave_the_possessive() -> None:
    """A name in a question and in a memory is the same word, with or without its 's."""
    assert split_words("Nora Lund's birthday is May 3.") == ["nora", "lund", "birthday", "is", "may", "3"]
    assert split_words("Nora\u2019s cat") == split_words("nora cat")


def test_bigrams_of_chinese_and_words_of_the_rest() -> None:
    """Chinese runs split into neighbours, also lone characters count, and other words stay whole."""
    assert split_bigrams("小明的iPhone 15，好") == ["小明", "明的", "iphone", "15", "好"]


def test_bm25_scores_as_its_formula_says() -> None:
    """One rare word: idf times its damped count, with k1 = 1.5 and b = 0.75."""
    scores = BM25([["a", "b"], ["a", "c", "c", "d"]]).score(["c"])
    idf = math.log(1 + (2 - 1 + 0.5) / (1 + 0.5))
    damping = 1.5 * (1 - 0.75 + 0.75 * 4 / 3)
    assert [0.0, pytest.approx(idf * 2 * 2.5 / (2 + damping))] == scores.tolist()


def test_bm25_prefers_the_rare_word() -> None:
    """A word that is in every text weighs less than one that is in few."""
    scores = BM25([["cat", "nora"], ["cat", "igor"], ["cat", "dog"]]).score(["cat", "igor"])
    assert int(scores.argmax()) == 1


def test_bm25_knows_no_word() -> None:
    """A query of unknown words scores nothing, and nothing at all is an answer too."""
    index = BM25([["a"], ["b"]])
    assert index.score(["z"]).tolist() == [0.0, 0.0]
    assert index.score([]).tolist() == [0.0, 0.0]


def test_bm25_finds_facts_of_a_world() -> None:
    """Asked with its own text every fact of a confusable world comes first."""
    texts = [split_words(fact.text) for fact in make_world(1, 64, "en").facts]
    index = BM25(texts)
    assert [find_rank(index.score(text), [at]) for at, text in enumerate(texts)] == [1] * 64


def test_ties_stand_before_the_right_one() -> None:
    """Who gives all the same score is at the end, not at the top."""
    assert find_rank(np.zeros(4), [2]) == 4


def test_best_of_several_right_ones_counts() -> None:
    """Other right ones do not push the best of them down."""
    assert find_rank(np.array([0.9, 0.5, 0.5, 0.1]), [1, 2, 3]) == 2


def test_ranks_make_figures() -> None:
    """Shares of ranks within 1, 5 and 10, and the mean of their inverses."""
    found = judge_ranks([1, 4, 10, 20])
    assert (found.hit1, found.hit5, found.hit10, found.asked) == (0.25, 0.5, 0.75, 4)
    assert pytest.approx((1 + 1 / 4 + 1 / 10 + 1 / 20) / 4) == found.mrr


def test_nothing_asked_is_no_figure() -> None:
    """Figures of nothing are refused, so that no empty run looks measured."""
    with pytest.raises(ValueError, match="nothing was asked"):
        judge_ranks([])
    with pytest.raises(ValueError, match="percentile"):
        percentile([], 0.5)


@pytest.mark.parametrize(
    ("found", "wanted", "f1"),
    [
        ("abc", "abc", 1.0),
        ("cba", "abc", 1.0),
        ("aab", "abb", 2 / 3),
        ("xyz", "abc", 0.0),
        ("", "abc", 0.0),
        ("ab", "abcd", 2 / 3),
    ],
)
def test_character_f1_is_over_a_multiset(found: str, wanted: str, f1: float) -> None:
    """Every character counts as often as it is in both; order does not."""
    assert pytest.approx(f1) == character_f1(found, wanted)


def test_percentile_is_one_of_the_values() -> None:
    """The nearest rank: the median of three is the second, and the ends are the ends."""
    assert [percentile([3, 1, 2], share) for share in (0.0, 0.5, 1.0)] == [1, 2, 3]
    values = [float(value) for value in range(1, 101)]
    Random(1).shuffle(values)  # noqa: S311 - an order that repeats
    assert [percentile(values, share) for share in (0.95, 0.99)] == [95.0, 99.0]


def test_character_f1_counts_characters() -> None:
    """1 for the same text, 0 for nothing in common, and between."""
    assert character_f1("abc", "abc") == 1.0
    assert character_f1("", "") == 1.0
    assert character_f1("xyz", "abc") == 0.0
    assert character_f1("ab", "abcd") == pytest.approx(2 * 2 / 6)
