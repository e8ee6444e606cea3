"""What the memory is measured against, and how: BM25, ranks, exact match, character F1, percentiles."""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Scores = NDArray[np.float64]

_WORDS = re.compile(r"[^\W_]+(?:'\w+)?")
_RUNS = re.compile(r"[\u3400-\u9fff]+|[^\W_\u3400-\u9fff]+")


def split_words(text: str) -> list[str]:
    """The words in lower case, a possessive apart from its owner: for English."""
    return [word.removesuffix("'s") for word in _WORDS.findall(text.lower().replace("\u2019", "'"))]


def split_bigrams(text: str) -> list[str]:
    """Every two neighbouring Chinese characters, a lone one as it is; other words whole: for Chinese."""
    return [gram for run in _RUNS.findall(text.lower()) for gram in _grams(run)]


def _grams(run: str) -> list[str]:
    if not "\u3400" <= run[0] <= "\u9fff" or len(run) == 1:
        return [run]
    return [run[at : at + 2] for at in range(len(run) - 1)]


class BM25:
    """Okapi BM25 over texts that are split already (Robertson et al. 1994; idf as Lucene has it, never negative).

    Args:
        texts: the split texts, in the order that scores come in.
        k1: how soon more of the same word counts no more.
        b: how much long texts are held back, 0 to 1.
    """

    def __init__(self, texts: Sequence[Sequence[str]], k1: float = 1.5, b: float = 0.75) -> None:
        self._count = len(texts)
        lengths = np.array([len(text) for text in texts], dtype=np.float64)
        damping = k1 * (1 - b + b * lengths / max(float(lengths.mean()), 1.0))
        found: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for at, text in enumerate(texts):
            for word, times in Counter(text).items():
                found[word].append((at, times))
        self._weights = {word: _weigh(np.array(places), damping, k1, self._count) for word, places in found.items()}

    def score(self, query: Sequence[str]) -> Scores:
        """One score for each text, [n]; a word asked for twice counts twice."""
        scores = np.zeros(self._count)
        for word, times in Counter(query).items():
            if word in self._weights:
                places, weights = self._weights[word]
                scores[places] += times * weights
        return scores


def _weigh(places: NDArray[np.int64], damping: Scores, k1: float, count: int) -> tuple[NDArray[np.int64], Scores]:
    """Where a word stands, and what it adds there."""
    texts, times = places[:, 0], places[:, 1]
    idf = np.log(1 + (count - len(texts) + 0.5) / (len(texts) + 0.5))
    return texts, idf * times * (k1 + 1) / (times + damping[texts])


def find_rank(scores: Scores, right: Collection[int]) -> int:
    """The rank of the best of the right ones, from 1; what scores the same and is wrong stands before it.

    So nothing is gained by giving all the same score.
    """
    wanted = list(right)
    wrong = np.delete(scores, wanted)
    return 1 + int((wrong >= scores[wanted].max()).sum())


class Retrieval(Struct, frozen=True):
    """How well the right ones were found, shares from 0 to 1."""

    hit1: float
    hit5: float
    hit10: float
    mrr: float
    asked: int


def judge_ranks(ranks: Sequence[int]) -> Retrieval:
    """The figures of these ranks, each from 1.

    Raises:
        ValueError: nothing was asked.
    """
    if not ranks:
        raise ValueError("no rank to judge: nothing was asked")
    hit1, hit5, hit10 = (sum(rank <= k for rank in ranks) / len(ranks) for k in (1, 5, 10))
    return Retrieval(hit1, hit5, hit10, sum(1 / rank for rank in ranks) / len(ranks), len(ranks))


def character_f1(found: str, wanted: str) -> float:
    """The harmonic mean of precision and recall over characters as a multiset, 0 to 1; order does not count."""
    if not found or not wanted:
        return float(found == wanted)
    shared = (Counter(found) & Counter(wanted)).total()
    return 2 * shared / (len(found) + len(wanted))


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0 to 1) of the values do not exceed.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("no values to take a percentile of")
    ordered = sorted(values)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]
