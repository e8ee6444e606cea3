"""Choosing the next token: transformers' own logits processors, put together per request."""

from typing import cast

import torch
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList
from transformers.generation.logits_process import (
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from onebot_bot.engine.request import SamplingParams
from onebot_bot.errors import ModelError


class PresencePenalty(LogitsProcessor):
    """Subtract a constant from every token already written in this answer (OpenAI's presence_penalty).

    `prompt` is the number of prompt tokens, which do not count.
    """

    def __init__(self, penalty: float, prompt: int) -> None:
        self._penalty = penalty
        self._prompt = prompt

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """`input_ids` `[1, T]`, `scores` `[1, V]`."""
        seen = input_ids[:, self._prompt :]
        return scores.scatter(1, seen, scores.gather(1, seen) - self._penalty)


class Sampler:
    """Picks tokens for one answer; holds its own random stream, so a seed repeats it whatever else runs."""

    def __init__(self, params: SamplingParams, prompt: int, device: torch.device) -> None:
        self._greedy = params.temperature == 0
        self._penalties = LogitsProcessorList()
        if params.repetition_penalty != 1:
            self._penalties.append(RepetitionPenaltyLogitsProcessor(params.repetition_penalty))
        if params.presence_penalty:
            self._penalties.append(PresencePenalty(params.presence_penalty, prompt))
        self._warpers = LogitsProcessorList() if self._greedy else _warpers(params)
        self._random = torch.Generator(device)
        if params.seed is None:
            self._random.seed()
        else:
            self._random.manual_seed(params.seed)

    def pick(self, logits: Tensor, ids: Tensor, banned: Tensor) -> int:
        """The next token from raw `logits` `[V]`, given all `ids` `[T]` so far; `banned` `[n]` ids cannot come.

        Raises:
            ModelError: the logits are not finite.
        """
        scores = _allowed(logits, banned).unsqueeze(0)
        seen = cast("torch.LongTensor", ids.unsqueeze(0))
        scores = self._penalties(seen, cast("torch.FloatTensor", scores))
        if self._greedy:
            return int(scores.argmax())
        probabilities = self._warpers(seen, cast("torch.FloatTensor", scores)).softmax(-1)
        return int(torch.multinomial(probabilities[0], 1, generator=self._random))


def greedy(logits: Tensor, banned: Tensor) -> int:
    """The likeliest token of raw `logits` `[V]` but for `banned` `[n]`; raises as `Sampler.pick`."""
    return int(_allowed(logits, banned).argmax())


def _allowed(logits: Tensor, banned: Tensor) -> Tensor:
    scores = logits.float()
    if not bool(torch.isfinite(scores).all()):
        raise ModelError(
            "the model produced NaN or infinite logits: set model.dtype to float32 or bfloat16, "
            "or check the model's files with `onebot-bot doctor`"
        )
    return scores.index_fill(0, banned, float("-inf"))


def _warpers(params: SamplingParams) -> LogitsProcessorList:
    """In the order transformers' generate applies them."""
    warpers = LogitsProcessorList([TemperatureLogitsWarper(params.temperature)])
    if params.top_k:
        warpers.append(TopKLogitsWarper(params.top_k))
    if params.top_p < 1:
        warpers.append(TopPLogitsWarper(params.top_p))
    if params.min_p:
        warpers.append(MinPLogitsWarper(params.min_p))
    return warpers
