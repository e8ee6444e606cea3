"""Finding the right memory: every row of the retrieval tables of bench/memory.py."""

from collections.abc import Sequence
from random import Random

import numpy as np
import torch
from msgspec import Struct
from torch import Tensor, nn

from bench.baselines import BM25, Scores, find_rank, judge_ranks, split_bigrams, split_words
from bench.madial import Madial
from bench.memory_setup import Bench, Question, bare_questions, chat_questions
from onebot_bot.learning.judge import ask_all
from onebot_bot.learning.learner import Learner
from onebot_bot.learning.lessons import PERSONAS, Writer, conversation
from onebot_bot.worlds.world import Fact


class Found(Struct, frozen=True):
    """Hit@1, hit@5, hit@10 and MRR, and how often `<recall>` was the likeliest beginning of the answer."""

    hit1: float
    hit5: float
    hit10: float
    mrr: float
    asks: float = 0.0


def judge(scores: Scores, targets: Sequence[Sequence[int]], asks: float = 0.0) -> Found:
    """The figures of scores `[n, N]`."""
    found = judge_ranks([find_rank(row, right) for row, right in zip(scores, targets, strict=True)])
    return Found(found.hit1, found.hit5, found.hit10, found.mrr, asks)


def chance(count: int) -> Found:
    """What comes of choosing blindly among `count`."""
    return Found(1 / count, 5 / count, min(1.0, 10 / count), float((1 / np.arange(1, count + 1)).mean()))


def by_recall(learner: Learner, writer: Writer, questions: Sequence[Question], keys: Tensor) -> Found:
    """The query at `<recall>` against keys `[N, d]`."""
    asked = ask_all(learner, [question.context for question in questions], writer)
    scores = (asked.queries @ keys.T).double().cpu().numpy()
    return judge(scores, [[question.target] for question in questions], sum(asked.asks) / len(asked.asks))


def by_words(questions: Sequence[Question], facts: Sequence[Fact]) -> Found:
    """BM25 on the words of the last turn."""
    index = BM25([split_words(fact.text) for fact in facts])
    scores = np.stack([index.score(split_words(question.last)) for question in questions])
    return judge(scores, [[question.target] for question in questions])


def by_embedding(learner: Learner, questions: Sequence[Question], raw: Tensor) -> Found:
    """The key of the last turn against raw keys `[N, D]`, made alike and centred on them."""
    asked = learner.embed_texts([question.last for question in questions])
    return judge(_cosines(asked, raw), [[question.target] for question in questions])


def _cosines(asked: Tensor, raw: Tensor) -> Scores:
    spread = even(raw)
    mine, theirs = ((found - raw.mean(0)) / spread for found in (asked, raw))
    cosines = nn.functional.normalize(mine, dim=-1) @ nn.functional.normalize(theirs, dim=-1).T
    return cosines.double().cpu().numpy()


def even(raw: Tensor) -> Tensor:
    """What makes the three depths of raw keys `[N, D]` count alike, `[D]`: the best that nobody trained."""
    width = raw.shape[1] // 3
    norms = (raw - raw.mean(0)).view(len(raw), 3, width).norm(dim=-1).mean(0)
    spread: Tensor = norms.repeat_interleave(width)
    return spread


def raw_of(learner: Learner, facts: Sequence[Fact]) -> Tensor:
    """Raw keys `[N, D]`."""
    return learner.embed_texts([fact.text for fact in facts])


def ask_twice(bench: Bench, learner: Learner, facts: Sequence[Fact], seed: int, *, heads: bool = True) -> list[Found]:
    """The facts asked for in bare questions, and as chats have them; without heads, keys as nobody trained them."""
    writer, raw = bench.writer(learner.model), raw_of(learner, facts)
    if not heads:
        learner.heads.key.centre.copy_(raw.mean(0))
    keys = learner.heads.key(raw).detach()
    return [by_recall(learner, writer, questions, keys) for questions in both(bench, facts, seed)]


def both(bench: Bench, facts: Sequence[Fact], seed: int) -> tuple[list[Question], list[Question]]:
    """Bare questions, and questions as chats have them."""
    return bare_questions(facts), chat_questions(facts, Random(f"chats {seed}"), bench.sizes.chats)


def baselines(bench: Bench, facts: Sequence[Fact], seed: int) -> dict[str, list[Found]]:
    """What needs no training, bare and as chats have it."""
    learner = bench.learner()
    raw, asked = raw_of(learner, facts), both(bench, facts, seed)
    return {
        "nothing (chance)": [chance(len(facts))] * 2,
        "BM25": [by_words(questions, facts) for questions in asked],
        "embedding of the last turn": [by_embedding(learner, questions, raw) for questions in asked],
        "untrained <recall>": ask_twice(bench, learner, facts, seed, heads=False),
    }


def in_banks(
    bench: Bench, learner: Learner, facts: Sequence[Fact], others: Sequence[Fact]
) -> dict[int, dict[str, Found]]:
    """Bare questions about `facts`, among so many memories: these first, then `others`."""
    writer, questions = bench.writer(learner.model), bare_questions(facts)
    everything = [*facts, *others]
    raw = raw_of(learner, everything)
    keys = learner.heads.key(raw).detach()
    asked = ask_all(learner, [question.context for question in questions], writer).queries
    mine = learner.embed_texts([question.last for question in questions])
    targets = [[question.target] for question in questions]
    return {
        bank: {
            "BM25": by_words(questions, everything[:bank]),
            "embedding of the last turn": judge(_cosines(mine, raw[:bank]), targets),
            "default": judge((asked @ keys[:bank].T).double().cpu().numpy(), targets),
        }
        for bank in bench.sizes.banks
    }


@torch.no_grad()
def ask_madial(bench: Bench, data: Madial) -> dict[str, Found]:
    """MADial-zh with the primed adapter, which no night has touched."""
    learner = bench.learner(bench.primed)
    dialogues = data.dialogues[: bench.sizes.dialogues]
    right = [each.right for each in dialogues]
    raw = learner.embed_texts(list(data.memories))
    situations = [conversation(each.roles, PERSONAS[3]) for each in dialogues]
    queries = torch.cat([ask_all(learner, [each], bench.writer(learner.model)).queries for each in situations])
    last = learner.embed_texts([each.turns[-1][1] for each in dialogues])
    index = BM25([split_bigrams(memory) for memory in data.memories])
    words = np.stack([index.score(split_bigrams(each.text)) for each in dialogues])
    return {
        "BM25 on character bigrams": judge(words, right),
        "embedding of the last turn": judge(_cosines(last, raw), right),
        "default, primed only": judge((queries @ learner.heads.key(raw).T).double().cpu().numpy(), right),
    }
