"""Self-replay: the base model's own replies to ordinary turns, so that learning does not move it away from itself.

Replies of the model's own need no licence and halve forgetting against foreign data in the published ablations (design:
memory.md).
"""

from collections.abc import Sequence

import msgspec
import torch

from onebot_bot.learning.lessons import Talk
from onebot_bot.learning.reading import Reader

NEW_TOKENS = 48
BATCH = 16
LONGEST = 1024
"""Tokens of a prompt; older turns are cut."""


def weighed(replied: Sequence[Talk], turns: Sequence[Talk]) -> list[Talk]:
    """Talks with a reply and turns without one, the former repeated until each kind is drawn about as often."""
    return [*(list(replied) * max(1, len(turns) // max(1, len(replied)))), *turns]


@torch.no_grad()
def replay(reader: Reader, talks: Sequence[Talk], tokens: int = NEW_TOKENS, seed: int = 0) -> list[Talk]:
    """The talks with the model's own reply, sampled at temperature 0.7; the reader's adapter must be off.

    They come back in another order: like lengths together.

    Raises:
        RequestError: a talk's last turn alone is longer than `LONGEST`.
    """
    torch.manual_seed(seed)
    out: list[Talk] = []
    order = sorted(talks, key=lambda talk: sum(len(str(turn)) for turn in talk.context.turns))
    for start in range(0, len(order), BATCH):
        out += _replied(reader, order[start : start + BATCH], tokens)
    return out


def _replied(reader: Reader, talks: Sequence[Talk], tokens: int) -> list[Talk]:
    renderer, model = reader.model.renderer, reader.model
    prompts = [renderer.fit_conversation(talk.context, LONGEST)[0].ids for talk in talks]
    width = max(len(prompt) for prompt in prompts)
    rows = [[0] * (width - len(prompt)) + prompt for prompt in prompts]
    masks = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    banned = [[token] for token in renderer.memory_ids]
    found = model.network.generate(
        input_ids=torch.tensor(rows, device=model.device),
        attention_mask=torch.tensor(masks, device=model.device),
        max_new_tokens=tokens,
        do_sample=True,
        temperature=0.7,
        top_k=40,
        bad_words_ids=banned,
        eos_token_id=sorted(renderer.eos),
        pad_token_id=min(renderer.eos),
    )
    replies = found[:, width:].tolist()
    texts = renderer.special.decode_batch(replies, skip_special_tokens=True)
    return [
        msgspec.structs.replace(talk, reply=text.strip(), whole=not renderer.eos.isdisjoint(reply))
        for talk, reply, text in zip(talks, replies, texts, strict=True)
    ]
