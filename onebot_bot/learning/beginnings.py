"""Beginnings that memories are refined after: what people say, and the model about to recall. No torch."""

from collections.abc import Sequence
from random import Random

from onebot_bot.engine.render import Renderer
from onebot_bot.engine.request import Conversation
from onebot_bot.learning.lessons import situated
from onebot_bot.texts import Language
from onebot_bot.worlds.world import Context, context, make_world

TURNS: tuple[str, ...] = (
    "What do you remember about this?",
    "你还记得这件事吗？",
    "[Ann(20001)] Do you happen to know?",
    "I was wondering, what was that again?",
    "[小明(20002)] 那个来着？",
    "Who was it that told you, and what?",
)
ASKED: Sequence[tuple[Language, int]] = (("en", 10), ("zh", 2))
"""Questions about made-up people besides, in all forms that chats have: values are mostly read after a question."""
PARTNER = "Lin"
OWN = 4
"""Of the situations that call for a memory, as many are refined after."""
WORLD = 7
"""Any: its people are nobody's."""


def beginnings(renderer: Renderer, persona: str) -> list[list[int]]:
    """Ids of each beginning, up to `<recall>`; every other under the bot's persona, the others without.

    In an order that mixes the kinds; `refine` keeps back the last few to check with.
    """
    recall = renderer.memory_ids[0]
    return [
        [*renderer.render_conversation(situated(said, persona if at % 2 == 0 else "")).ids, recall]
        for at, said in enumerate(_said())
    ]


def own_beginnings(renderer: Renderer, situations: Sequence[Conversation]) -> list[list[int]]:
    """Ids of `OWN` situations that call for a memory, up to `<recall>`; from fewer, some come twice."""
    every = [[*renderer.render_conversation(each).ids, renderer.memory_ids[0]] for each in situations[:OWN]]
    return [every[at % len(every)] for at in range(OWN)]


def _said() -> list[Context]:
    rng = Random(WORLD)  # noqa: S311 - the same beginnings every time
    found = [Context("bare", (("user", turn),), "" if turn.startswith("[") else PARTNER) for turn in TURNS]
    for lang, count in ASKED:
        found += [context(fact, rng) for fact in make_world(WORLD, count, lang).facts]
    rng.shuffle(found)
    return found
