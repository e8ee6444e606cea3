"""Choosing the next token of every row of a batch: each by its own parameters, all read from the device at once."""

from collections.abc import Mapping, Sequence

import torch
from msgspec import Struct
from torch import Tensor

from onebot_bot.engine.request import SamplingParams

BROKEN = -1
"""In place of a token: the row's logits were not finite."""


class Sampler:
    """Picks tokens for one answer; holds its own random stream, so a seed repeats it whatever else runs."""

    def __init__(self, params: SamplingParams, prompt: Sequence[int], vocabulary: int, device: torch.device) -> None:
        self._params = params
        self.greedy = params.temperature == 0 and params.repetition_penalty == 1 and not params.presence_penalty
        """Whether nothing but the likeliest token is asked for."""
        self._seen = torch.zeros(vocabulary, dtype=torch.bool, device=device)
        self._seen[torch.tensor(prompt, dtype=torch.long, device=device)] = True
        self._written = torch.zeros_like(self._seen)
        self._random = torch.Generator(device)
        if params.seed is None:
            self._random.seed()
        else:
            self._random.manual_seed(params.seed)

    def note(self, token: int) -> None:
        """Count a token of the answer among those already said."""
        if not self.greedy:
            self._seen[token] = True
            self._written[token] = True

    def pick(self, scores: Tensor) -> Tensor:
        """The next token `[]` from float32 `scores` `[V]`, finite but for what cannot come (-inf)."""
        scores = self._penalised(scores)
        if self._params.temperature == 0:
            return scores.argmax()
        probabilities, ids = narrowed(scores / self._params.temperature, self._params)
        # Dividing by draws from Exp(1) and taking the largest is torch.multinomial's own method, without its
        # check on the host, which would wait for the device in every row.
        best = (probabilities / torch.empty_like(probabilities).exponential_(generator=self._random)).argmax()
        # Not `ids[best]`: Python's index is a number, which the host would wait for.
        return best if ids is None else ids.take(best)

    def _penalised(self, scores: Tensor) -> Tensor:
        """Repetition penalty (Keskar et al. 2019) over prompt and answer, OpenAI's presence penalty over the answer."""
        if (penalty := self._params.repetition_penalty) != 1:
            weakened = torch.where(scores < 0, scores * penalty, scores / penalty)
            scores = torch.where(self._seen, weakened, scores)
        if self._params.presence_penalty:
            scores = scores - self._params.presence_penalty * self._written
        return scores


def narrowed(scores: Tensor, params: SamplingParams) -> tuple[Tensor, Tensor | None]:
    """Weights `[n]` of the tokens that top-k, nucleus and min-p leave, others 0, and their ids; None: all in order.

    Applied in the order of transformers' generate; only the top-k are sorted where there is a k.
    """
    ids: Tensor | None = None
    if params.top_k:
        scores, ids = scores.topk(min(params.top_k, scores.shape[0]))
    elif params.top_p < 1:
        scores, ids = scores.sort(descending=True)
    weights = scores.softmax(-1)
    if params.top_p < 1:
        weights = weights.masked_fill(weights.cumsum(-1) - weights >= params.top_p, 0)
    if params.min_p:
        weights = weights.masked_fill(weights < params.min_p * weights.max(), 0)
    return weights, ids


class Choice(Struct, frozen=True):
    """How one row's token is chosen."""

    sampler: Sampler | None
    """None: greedily."""
    asking: bool
    """Whether `<recall>` may come."""


class Scored(Struct, frozen=True):
    """What the tokens of a batch are drawn from, on the device."""

    scores: Tensor
    """`[n, V]` float32, finite but for what cannot come (-inf)."""
    greedy: Tensor
    """`[n]`: the likeliest tokens, `BROKEN` where the logits were not finite."""

    def first(self, count: int) -> "Scored":
        """Those of the first rows."""
        return Scored(self.scores[:count], self.greedy[:count])


def score(logits: Tensor, asking: Tensor, recall: int, pad: int) -> Scored:
    """Raw `logits` `[n, V]` without what cannot come: `pad`, and `recall` where it is not `asking` `[n]`.

    Nothing is read by the host and no shape depends on a value, so this may be recorded in a graph.
    """
    scores = logits.float()
    # What is not finite shows in the extremes; finding them takes a tenth of looking at every number.
    broken = ~torch.isfinite(torch.stack((scores.amax(-1), scores.amin(-1)))).all(0)
    scores = scores.masked_fill(broken.unsqueeze(1), 0)
    scores[:, pad].fill_(-torch.inf)
    scores[:, recall].masked_fill_(~asking, -torch.inf)
    return Scored(scores, scores.argmax(-1).masked_fill(broken, BROKEN))


def draw(scored: Scored, samplers: Mapping[int, Sampler]) -> list[int]:
    """The next token of each row: the likeliest, but where a sampler is given for the row."""
    tokens = scored.greedy.clone()
    for row, sampler in samplers.items():
        tokens[row] = sampler.pick(scored.scores[row])
    found: list[int] = tokens.masked_fill(scored.greedy == BROKEN, BROKEN).tolist()
    return found


def hot(choices: Mapping[int, Choice]) -> dict[int, Sampler]:
    """The samplers of the rows that take more than the likeliest token."""
    return {
        row: choice.sampler
        for row, choice in choices.items()
        if choice.sampler is not None and not choice.sampler.greedy
    }


def choose(logits: Tensor, choices: Sequence[Choice], recall: int, pad: int) -> list[int]:
    """The next token of each row of raw `logits` `[n, V]`, `BROKEN` where they are not finite; `pad` never comes."""
    asking = torch.tensor([choice.asking for choice in choices], device=logits.device)
    return draw(score(logits, asking, recall, pad), hot(dict(enumerate(choices))))
