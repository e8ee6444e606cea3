"""From a chat's history to what the model sees: pure functions."""

from collections.abc import Sequence

from onebot_bot.chat.settings import Settings
from onebot_bot.config import BotConfig
from onebot_bot.engine.request import RECALL, Control, Conversation, Part, Role, Text, Turn
from onebot_bot.memory.history import Entry
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.texts import Language, language_of, say

LONGEST_NAME = 40
"""Characters of a name that the model is told."""


def build_conversation(chat: ChatId, said: Sequence[Entry], asked: Sequence[Entry], settings: Settings) -> Conversation:
    """The conversation to answer: persona, what was said (oldest first), and last the turn to answer.

    Every message is a part of its own, so that it can be left out alone; of the last turn, `asked` must stay.
    """
    entries = [*said, *asked]
    turns = _merged(entries, group=chat.kind == "group")
    always = settings.memory.recall == "always" and settings.memory.max_recalls > 0
    opening: tuple[Part, ...] = (Control(RECALL),) if always else ()
    return Conversation(
        (*_system(chat, settings.bot, _partner(entries)), *turns), opening, settings.generation.thinking, len(asked)
    )


def _partner(entries: Sequence[Entry]) -> str:
    """The name that the last person who wrote goes by, on one line."""
    names = [entry.name for entry in entries if entry.role == "user" and entry.name]
    return " ".join(names[-1].split())[:LONGEST_NAME] if names else ""


def _system(chat: ChatId, bot: BotConfig, partner: str) -> list[Turn]:
    lines = [bot.persona] if bot.persona else []
    if chat.kind == "private" and partner:
        # Memories say who by name: without it "my birthday" would be nobody's.
        lines.append(say(_tongue(bot), "see.private", name=partner))
    if chat.kind == "group":
        lines.append(say(_tongue(bot), "see.group", names="、".join([*bot.names, str(chat.account)])))
    return [Turn("system", (Text("\n".join(lines)),))] if lines else []


def _tongue(bot: BotConfig) -> Language:
    """The persona's language: who wrote it in English has a model that knows English best."""
    if not bot.persona:
        return bot.language
    return language_of(bot.persona)


def _merged(entries: Sequence[Entry], *, group: bool) -> list[Turn]:
    """Neighbours of one role become one turn: chat templates want people and assistant to alternate."""
    blocks: list[tuple[Role, list[str]]] = []
    for entry in entries:
        role: Role = "assistant" if entry.role == "assistant" else "user"
        if not blocks or blocks[-1][0] != role:
            blocks.append((role, []))
        blocks[-1][1].append(_line(entry, group=group))
    return [Turn(role, _parts(lines)) for role, lines in blocks]


def _parts(lines: Sequence[str]) -> tuple[Part, ...]:
    return (Text(lines[0]), *(Text(f"\n{line}") for line in lines[1:]))


def _line(entry: Entry, *, group: bool) -> str:
    """In a group every line of a person says who speaks: name and number, since names are not unique."""
    if not group or entry.role != "user":
        return entry.text
    return f"[{entry.name or entry.user_id}({entry.user_id})] {entry.text}"
