"""Conversations, answers stepped to their end, and the same answers by a model that has neither cache nor batch."""

from collections.abc import Sequence
from typing import Any

import torch

from onebot_bot.engine.answer import Sequence as Answer
from onebot_bot.engine.generate import Generator
from onebot_bot.engine.model import LoadedModel
from onebot_bot.engine.recall import inject
from onebot_bot.engine.request import (
    RECALL,
    Control,
    Conversation,
    Generation,
    GenerationRequest,
    SamplingParams,
    Text,
    Turn,
    Vector,
)
from onebot_bot.errors import BotError

TOKENS = 10


def talk(*words: str, persona: str = "Be kind.", parts: Sequence[Any] = (), opening: bool = False) -> Conversation:
    """A conversation, people first; `parts` stand before the first words; `opening`: the answer begins by recalling."""
    turns = [Turn("user" if i % 2 == 0 else "assistant", (Text(w),)) for i, w in enumerate(words)]
    if parts:
        turns[0] = Turn("user", (*parts, *turns[0].parts))
    system = [Turn("system", (Text(persona),))] if persona else []
    return Conversation((*system, *turns), (Control(RECALL),) if opening else ())


def ask(generator: Generator, conversation: Conversation, tokens: int = TOKENS, **more: Any) -> Answer:
    """A greedy answer, about to be written."""
    sampling = more.pop("sampling", SamplingParams(temperature=0, max_new_tokens=tokens))
    request = GenerationRequest(conversation=conversation, sampling=sampling, **more)
    return generator.start(Generation(request))


def finish(generator: Generator, *answers: Answer) -> list[list[int]]:
    """Step until all have ended; the ids of each."""
    while running := [answer for answer in answers if answer.outcome is None]:
        generator.step(running)
    return [written(answer) for answer in answers]


def written(answer: Answer) -> list[int]:
    """Ids of the answer so far, placeholders included."""
    assert not isinstance(answer.outcome, BotError), answer.outcome
    return answer.ids[len(answer.rendered.ids) :]


def values_of(model: LoadedModel, first: int, count: int = 2) -> Vector:
    """Hand-made values: token embeddings, scaled up so that they matter."""
    rows = model.embeddings.weight.detach()[first : first + count]
    return (rows.float() * 1.5).numpy()


@torch.inference_mode()
def hidden_states(model: LoadedModel, ids: Sequence[int], values: Vector | None = None) -> torch.Tensor:
    """Of all `ids` in one forward `[T, d]`; `values` [n, d] stand in the place of the first pads."""
    embeddings = model.embed_ids(list(ids))
    if values is not None:
        first, count = list(ids).index(model.renderer.memory_ids[2]), len(values)
        at = torch.arange(first, first + count)
        embeddings = inject(embeddings, torch.zeros(count, dtype=torch.long), at, torch.from_numpy(values))
    found: torch.Tensor = model.network.model(inputs_embeds=embeddings, use_cache=False).last_hidden_state[0]
    return found


@torch.inference_mode()
def by_hand(
    model: LoadedModel, conversation: Conversation, values: Vector | None = None, tokens: int = TOKENS
) -> list[int]:
    """The greedy answer, pads of a memory first, its end of turn last; every token from a forward over all before."""
    prompt, (recall, _, pad) = model.renderer.render_conversation(conversation).ids, model.renderer.memory_ids
    pads = [pad] * (0 if values is None else len(values))
    found: list[int] = []
    while len(found) < tokens and not (found and found[-1] in model.renderer.eos):
        logits = model.logits(hidden_states(model, [*prompt, *pads, *found], values)[-1])
        logits[[recall, pad]] = -torch.inf
        found.append(int(logits.argmax()))
    return [*pads, *found]
