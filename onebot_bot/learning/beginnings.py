"""Beginnings that memories are refined after: a person's words, and the model about to recall. No torch."""

from onebot_bot.engine.render import Renderer
from onebot_bot.learning.lessons import conversation

TURNS = (
    "What do you remember about this?",
    "你还记得这件事吗？",
    "[Ann(20001)] Do you happen to know?",
    "I was wondering, what was that again?",
    "Please remind me.\nIt was something we talked about.",
    "[小明(20002)] 那个来着？",
    "Who was it that told you, and what?",
    "说说看。",
)
"""The last two only check."""


def beginnings(renderer: Renderer, persona: str) -> list[list[int]]:
    """Ids of each beginning, up to `<recall>`; every other under the bot's persona, the others without."""
    recall = renderer.memory_ids[0]
    return [
        [*renderer.render_conversation(conversation([("user", turn)], persona if at % 2 == 0 else "")).ids, recall]
        for at, turn in enumerate(TURNS)
    ]
