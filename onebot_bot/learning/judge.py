"""How good a learner is: what it finds, what it reads out, when it asks, and how far it moved from the base model."""

import itertools
from collections.abc import Iterator, Sequence

import torch
from msgspec import Struct
from torch import Tensor, nn

from onebot_bot.engine.request import Conversation
from onebot_bot.learning.learner import Learner, collate
from onebot_bot.learning.lessons import Sample, Talk, Writer

BATCH = 32


class Asked(Struct, frozen=True):
    """Queries `[n, d]` at `<recall>`, and whether the model would have begun its answer with `<recall>` by itself."""

    queries: Tensor
    asks: list[bool]


@torch.no_grad()
def ask_all(learner: Learner, contexts: Sequence[Conversation], writer: Writer) -> Asked:
    """Put each situation to the model; the next token is `<recall>` by its own choice or by ours."""
    queries = [learner.rows.new_zeros(0, learner.heads.query.linear.out_features)]
    asks: list[bool] = []
    for before, at in _states(learner, contexts, writer):
        queries.append(learner.heads.query(at))
        asks += (learner.logits(before).argmax(-1) == learner.memory_ids[0]).tolist()
    return Asked(torch.cat(queries), asks)


def _states(learner: Learner, contexts: Sequence[Conversation], writer: Writer) -> Iterator[tuple[Tensor, Tensor]]:
    """Last hidden states `[n, d]` where the answers begin, and at a `<recall>` there."""
    learner.eval()
    for start in range(0, len(contexts), BATCH):
        samples = [writer.ask(context, 0) for context in contexts[start : start + BATCH]]
        batch = collate(samples, learner.model.device)
        hidden = learner.states(learner.embed(batch.ids), batch.mask)
        rows = torch.arange(len(samples), device=hidden.device)
        yield hidden[rows, batch.recall - 1], hidden[rows, batch.recall]


@torch.no_grad()
def calibrate_asking(learner: Learner, contexts: Sequence[Conversation], writer: Writer) -> float:
    """Make the model as ready to recall as `FALSE_RECALLS` allows, on situations that call for nothing.

    The row of `<recall>` moves along the mean hidden state where answers begin: there its logit rises or falls by
    nearly the same everywhere, and nothing else changes.

    Returns:
        By how much (nats).
    """
    states = torch.cat([before.float() for before, _ in _states(learner, contexts, writer)])
    logits = learner.logits(states.to(learner.rows.dtype)).float()
    mine = logits[:, learner.memory_ids[0]].clone()
    logits[:, learner.memory_ids] = -torch.inf
    over = mine - logits.max(-1).values
    rise = float((-over.quantile(1 - FALSE_RECALLS) - SPARE).clamp(-MOST_RISE, MOST_RISE))
    mean = states.mean(0)
    learner.own_rows.data[0] += (rise * mean / (mean @ mean)).to(learner.own_rows.dtype)
    return rise


def ranks(queries: Tensor, keys: Tensor, targets: Sequence[int]) -> list[int]:
    """How many keys `[N, d]` are nearer to each query `[n, d]` than its own (0: found first)."""
    cosines = queries @ keys.T
    right = cosines[torch.arange(len(targets)), torch.tensor(targets, device=cosines.device)]
    nearer: list[int] = (cosines > right.unsqueeze(1)).sum(1).tolist()
    return nearer


def share(ranks_: Sequence[int], k: int) -> float:
    """hit@k."""
    return sum(rank < k for rank in ranks_) / max(1, len(ranks_))


FALSE_RECALLS = 0.005
"""Share of ordinary turns that may begin with a recall."""
SPARE = 0.25
"""Nats that are left between them and a recall, since other turns come than those at hand."""
MOST_RISE = 2.0
"""Nats; what needs more was not learned."""
MOST_LOST = 0.03
"""Share of the memories that were meant which a floor may keep from coming to mind."""


def best_floor(right: Sequence[float], wrong: Sequence[float]) -> float:
    """The cosine that parts the scores of memories that were meant from those found where nothing was meant.

    The least sum of both error shares; in the middle of the gap where there is one. Without examples of either kind,
    a little below the others.
    """
    edges = sorted({*right, *wrong})
    if not right or not wrong:
        return min(right, default=0.3) - 0.05
    cuts = [(a + b) / 2 for a, b in itertools.pairwise(edges)] or edges
    costs = [sum(s < cut for s in right) / len(right) + sum(s >= cut for s in wrong) / len(wrong) for cut in cuts]
    least = min(costs)
    good = [cut for cut, cost in zip(cuts, costs, strict=True) if cost <= least + 1e-9]
    return good[len(good) // 2]


def sparing_floor(right: Sequence[float], wrong: Sequence[float]) -> float:
    """`best_floor`, but never above all but `MOST_LOST` of the right ones.

    What does not come to mind is missed more than what comes up in vain.
    """
    floor = best_floor(right, wrong)
    return min(floor, sorted(right)[int(MOST_LOST * len(right))]) if right else floor


@torch.no_grad()
def chat_loss(learner: Learner, talks: Sequence[Talk], writer: Writer) -> float:
    """Mean loss (nats a token) on the replies."""
    learner.eval()
    total, count = 0.0, 0
    for start in range(0, len(talks), BATCH):
        samples: list[Sample] = [writer.chat(talk) for talk in talks[start : start + BATCH]]
        batch = collate(samples, learner.model.device)
        hidden = learner.states(learner.embed(batch.ids), batch.mask)
        rows, at = batch.labels[:, 1:].nonzero(as_tuple=True)
        loss = nn.functional.cross_entropy(learner.logits(hidden[rows, at]), batch.ids[rows, at + 1], reduction="sum")
        total, count = total + float(loss), count + len(rows)
    return total / max(1, count)
