"""What a new adapter is tried with before it counts: it answers, and reads memories out to their end. No torch."""

import msgspec
from msgspec import Struct

from onebot_bot.engine.request import (
    RECALL,
    RECALL_END,
    Control,
    Engine,
    GenerationRequest,
    RecallHit,
    RecallPolicy,
    SamplingParams,
    Vector,
)
from onebot_bot.learning.lessons import conversation

GREETED = 32
"""Tokens of the answer to a greeting."""
SPARE = 32
"""Tokens beyond those of the memory that a reading may take."""
PER_CHARACTER = 3
"""Tokens that a character may take: a Chinese one, in bytes."""


class Canary(Struct, frozen=True):
    """A memory that was read exactly before: value `[v, d]`."""

    id: int
    text: str
    value: Vector


async def greet(engine: Engine, text: str, persona: str) -> str:
    """What is wrong with the answer to a greeting; empty: nothing."""
    sampling = SamplingParams(temperature=0.0, max_new_tokens=GREETED)
    request = GenerationRequest(conversation=conversation([("user", text)], persona), sampling=sampling)
    result = await engine.submit(request).result()
    return "" if result.text.strip() else f"no answer to {text!r}"


async def read_out(engine: Engine, canary: Canary, persona: str) -> str:
    """What is wrong when the memory comes to mind; empty: it is read out and closed."""
    hit = RecallHit(canary.id, 1.0, canary.text, canary.value)
    asked = conversation([("user", canary.text)], persona)
    request = GenerationRequest(
        conversation=msgspec.structs.replace(asked, opening=(Control(RECALL),)),
        sampling=SamplingParams(temperature=0.0, max_new_tokens=SPARE + PER_CHARACTER * len(canary.text)),
        recall=RecallPolicy(lambda _: hit, -1.0, 1),
    )
    result = await engine.submit(request).result()
    return "" if RECALL_END in result.text else f"memory {canary.id} is never read out to its end"
