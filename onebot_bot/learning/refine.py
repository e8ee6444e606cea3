"""Refining a memory's vectors until the model reads its text out of them word for word; the model stays as it is.

Adam on the vectors alone, over several beginnings, so that they are read after any (design: memory.md).
"""

from collections.abc import Callable, Sequence
from random import Random

import torch
from msgspec import Struct
from torch import Tensor, nn

from onebot_bot.learning.reading import Beginning, Reader, begin, begin_each, never
from onebot_bot.learning.recipes import Refinement

STREAK = 3
"""Steps in a row, each after another beginning, that a text must be right in before it is checked."""
CHECKS = 4
"""Beginnings kept back from the refinement, that a value is checked after."""
OWN_SHARE = 0.5
"""Share of the steps that are taken after the memories' own situations, where these are given."""
MARGIN = 1.5
"""Nats by which each token must be ahead of the next best to count as right: what wins by a hair after one beginning
loses after another."""

Stop = Callable[[], bool]


class Refined(Struct, frozen=True):
    """Values `[n, v, d]` float32, and for each whether greedy decoding gives its text after every checked beginning."""

    values: Tensor
    exact: list[bool]
    steps: int
    """Taken, over all batches."""


class _Rows(Struct):
    """Texts to be read, padded: ids `[n, T]` that end with `</recall>`, and which of them count."""

    ids: Tensor
    real: Tensor


def refine(  # noqa: PLR0913, PLR0917 - the memories, what to read them with and how
    reader: Reader,
    beginnings: Sequence[Sequence[int]],
    texts: Sequence[str],
    values: Tensor,
    recipe: Refinement,
    stop: Stop = never,
    seed: int = 0,
    own: Sequence[Sequence[Sequence[int]]] = (),
) -> Refined:
    """Refine values `[n, v, d]` of `texts`; the last `CHECKS` of the beginnings (ids up to `<recall>`) only check.

    `own` are for each memory equally many beginnings that call for it, the last of which only checks: a question names
    people and things that those about others do not.
    Ends early when all are exact or `stop()` says so; what is not exact then is as far as it came.
    """
    if not texts:
        return Refined(values, [], 0)
    runs = []
    for ids in beginnings:
        if stop():
            return Refined(values, [False] * len(texts), 0)
        runs.append(begin(reader, ids))
    train, check = runs[:-CHECKS] or runs, runs[-CHECKS:]
    out, exact, steps = [], [], 0
    for start in range(0, len(texts), recipe.batch):
        chosen = slice(start, start + recipe.batch)
        rng = Random(seed + start)  # noqa: S311 - which beginning comes next is no secret
        sets = []
        for ids in zip(*own[chosen], strict=True):
            if stop():
                break
            sets.append(begin_each(reader, ids))
        drawn = _Runs(train, sets[:-1], [*check, *sets[-1:]])
        part = _refine_batch(reader, drawn, texts[chosen], values[chosen], recipe, stop, rng)
        out.append(part.values)
        exact += part.exact
        steps += part.steps
    return Refined(torch.cat(out), exact, steps)


class _Runs(Struct, frozen=True):
    """Beginnings to refine after, for all memories and each memory's own, and those that check."""

    train: Sequence[Beginning]
    own: Sequence[Beginning]
    check: Sequence[Beginning]

    def draw(self, rng: Random) -> Beginning:
        """The next to refine after."""
        return rng.choice(self.own if self.own and rng.random() < OWN_SHARE else self.train)


def _refine_batch(  # noqa: PLR0913, PLR0917 - see refine
    reader: Reader,
    runs: _Runs,
    texts: Sequence[str],
    values: Tensor,
    recipe: Refinement,
    stop: Stop,
    rng: Random,
) -> Refined:
    device = reader.model.device
    vectors = values.detach().to(device, torch.float32).clone()
    exact = torch.tensor(checked(reader, runs.check, texts, vectors, stop), device=device)
    rows = _rows(reader, texts)
    moments = torch.zeros_like(vectors), torch.zeros_like(vectors)
    streak = torch.zeros(len(texts), dtype=torch.long, device=device)
    steps = 0
    while steps < recipe.steps and not exact.all() and not stop():
        steps += 1
        open_rows = (~exact).nonzero().flatten()
        gradient, right = _gradient(reader, runs.draw(rng), rows, vectors, open_rows)
        streak[open_rows] = torch.where(right, streak[open_rows] + 1, 0)
        ready = open_rows[streak[open_rows] >= STREAK]
        if len(ready):
            passed = checked(reader, runs.check, [texts[i] for i in ready.tolist()], vectors[ready], stop, ready)
            exact[ready] = torch.tensor(passed, device=device)
            streak[ready] = 0
        # A value that has passed is not touched again, whatever the gradient says.
        moving = open_rows[~exact[open_rows]]
        kept = gradient[~exact[open_rows]]
        _adam(vectors, moments, moving, kept, steps, recipe.lr * (1 - 0.7 * steps / recipe.steps))
    # What the last steps made right has not been looked at yet.
    late = (~exact & (streak > 0)).nonzero().flatten()
    passed = checked(reader, runs.check, [texts[i] for i in late.tolist()], vectors[late], stop, late)
    exact[late] = torch.tensor(passed, dtype=torch.bool, device=device)
    return Refined(vectors, exact.tolist(), steps)


def _rows(reader: Reader, texts: Sequence[str]) -> _Rows:
    renderer = reader.model.renderer
    ids = [[*renderer.encode_text(text), renderer.memory_ids[1]] for text in texts]
    width = max(len(row) for row in ids)
    padded = torch.tensor([row + [0] * (width - len(row)) for row in ids], device=reader.model.device)
    real = torch.tensor([[True] * len(row) + [False] * (width - len(row)) for row in ids], device=reader.model.device)
    return _Rows(padded, real)


def _gradient(
    reader: Reader, beginning: Beginning, rows: _Rows, vectors: Tensor, which: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradient `[n, v, d]` of the reading loss after one beginning, and which texts were right `[n]`."""
    found = vectors[which].clone()
    found.requires_grad = True
    chosen = _Rows(rows.ids[which], rows.real[which])
    with torch.enable_grad():
        logits = _reading(reader, beginning, chosen, found, which)
        loss = nn.functional.cross_entropy(logits.float(), chosen.ids[chosen.real], reduction="sum")
        gradient = torch.autograd.grad(loss, found)[0]
    ahead = _lead(logits.detach().float(), chosen.ids[chosen.real])
    return gradient, _whole(chosen, ahead >= MARGIN)


def _reading(reader: Reader, beginning: Beginning, rows: _Rows, values: Tensor, which: Tensor) -> Tensor:
    """Logits `[tokens that count, V]` for each next token of the texts, `which` of whose beginnings they follow."""
    told = reader.embed(rows.ids[:, :-1]).detach()
    embeddings = torch.cat([values.to(told), told], dim=1)
    cache, lead = beginning.rows(which)
    mask = torch.cat([lead, lead.new_ones(len(which), values.shape[1]), rows.real[:, :-1].long()], dim=1)
    hidden = reader.states(embeddings, mask, past_key_values=cache)
    return reader.logits(hidden[:, values.shape[1] - 1 :][rows.real])


def _whole(rows: _Rows, right: Tensor) -> Tensor:
    """Which texts `[n]` have every token right; `right` is for the tokens that count."""
    wrong = torch.zeros_like(rows.real)
    wrong[rows.real] = ~right
    return ~wrong.any(1)


def _lead(logits: Tensor, wanted: Tensor) -> Tensor:
    """How far the wanted tokens `[n]` are ahead of all others in `[n, V]`."""
    own = logits.gather(1, wanted.unsqueeze(1))
    return (own - logits.scatter(1, wanted.unsqueeze(1), float("-inf")).max(1, keepdim=True).values).squeeze(1)


@torch.no_grad()
def _adam(  # noqa: PLR0913, PLR0917 - one optimizer step spelled out
    vectors: Tensor, moments: tuple[Tensor, Tensor], which: Tensor, gradient: Tensor, step: int, lr: float
) -> None:
    """Adam (Kingma & Ba 2014) on the rows `which` alone: torch's own would step rows without a gradient too."""
    first, second = moments
    first[which] = 0.9 * first[which] + 0.1 * gradient
    second[which] = 0.99 * second[which] + 0.01 * gradient**2
    mean, spread = first[which] / (1 - 0.9**step), second[which] / (1 - 0.99**step)
    vectors[which] -= lr * mean / (spread.sqrt() + 1e-8)


def checked(  # noqa: PLR0913, PLR0917 - what is read, and after what
    reader: Reader,
    check: Sequence[Beginning],
    texts: Sequence[str],
    values: Tensor,
    stop: Stop = never,
    which: Tensor | None = None,
) -> list[bool]:
    """Which values `[n, v, d]` greedy decoding turns into their text and `</recall>`, after every one of `check`.

    One forward a beginning tells: greedy decoding gives a text exactly if each of its tokens is the likeliest after
    those before it. Once `stop()` says so, none is known to. `which` as for `tell`.
    """
    if not texts:
        return []
    rows = _rows(reader, texts)
    places = torch.arange(len(texts), device=rows.ids.device) if which is None else which
    left = torch.arange(len(texts), device=rows.ids.device)
    for beginning in check:
        if stop():
            return [False] * len(texts)
        if not len(left):
            break
        chosen = _Rows(rows.ids[left], rows.real[left])
        left = left[_greedy(reader, beginning, chosen, values[left].to(left.device), places[left])]
    exact = torch.zeros(len(texts), dtype=torch.bool)
    exact[left.cpu()] = True
    return exact.tolist()


@torch.no_grad()
def _greedy(reader: Reader, beginning: Beginning, rows: _Rows, values: Tensor, which: Tensor) -> Tensor:
    """Which texts `[n]` greedy decoding would give."""
    logits = _reading(reader, beginning, rows, values, which)
    logits[:, reader.model.renderer.memory_ids[2]] = -torch.inf  # as in the decode loop
    return _whole(rows, logits.argmax(-1) == rows.ids[rows.real])
