"""From a chat's history to what the model sees: pure functions."""

from collections.abc import Mapping, Sequence

from onebot_bot.chat.guards import clean_name, label, unforged
from onebot_bot.chat.reply import NO_REPLY
from onebot_bot.chat.settings import Settings
from onebot_bot.chat.tags import defused
from onebot_bot.engine.request import RECALL, Control, Conversation, Part, Role, Text, Turn
from onebot_bot.memory.history import Entry
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.sections.bot import BotConfig
from onebot_bot.texts import Language, language_of, say

NOTHING: Mapping[int, tuple[Part, ...]] = {}


def build_conversation(  # noqa: PLR0913 - where, what was said and asked, how it is shown, and whether it must answer
    chat: ChatId,
    said: Sequence[Entry],
    asked: Sequence[Entry],
    settings: Settings,
    seen: Mapping[int, tuple[Part, ...]] = NOTHING,
    *,
    optional: bool = False,
) -> Conversation:
    """The conversation to answer: persona, what was said (oldest first), and last the turn to answer.

    Every message is a part of its own, so that it can be left out alone; of the last turn, `asked` must stay.
    Messages with pictures are several parts: `seen`, by row. Where an answer is `optional`, the model is told how to
    say nothing.
    """
    entries = [*said, *asked]
    lines = [_line(entry, seen.get(entry.id, (Text(entry.text),)), group=chat.kind == "group") for entry in entries]
    turns = _merged([entry.role for entry in entries], lines)
    keep = len(asked) + sum(len(line) - 1 for line in lines[len(said) :])
    always = settings.memory.recall == "always" and settings.memory.max_recalls > 0
    opening: tuple[Part, ...] = (Control(RECALL),) if always else ()
    return Conversation(
        (*_system(chat, settings.bot, _partner(entries), optional=optional), *turns),
        opening,
        settings.generation.thinking,
        keep,
    )


def _partner(entries: Sequence[Entry]) -> str:
    """The name that the last person who wrote goes by, on one line."""
    names = [entry.name for entry in entries if entry.role == "user" and entry.name]
    return clean_name(names[-1]) if names else ""


def _system(chat: ChatId, bot: BotConfig, partner: str, *, optional: bool) -> list[Turn]:
    lines = [bot.persona] if bot.persona else []
    if chat.kind == "private" and partner:
        # Memories say who by name: without it "my birthday" would be nobody's.
        lines.append(say(tongue(bot), "see.private", name=defused(partner)))
    if chat.kind == "group":
        lines.append(say(tongue(bot), "see.group", names="、".join([*bot.names, str(chat.account)])))
    if optional:
        lines.append(say(tongue(bot), "see.optional", no_reply=NO_REPLY))
    return [Turn("system", (Text("\n".join(lines)),))] if lines else []


def tongue(bot: BotConfig) -> Language:
    """The persona's language: who wrote it in English has a model that knows English best."""
    if not bot.persona:
        return bot.language
    return language_of(bot.persona)


def _merged(roles: Sequence[str], lines: Sequence[tuple[Part, ...]]) -> list[Turn]:
    """Neighbours of one role become one turn: chat templates want people and assistant to alternate."""
    blocks: list[tuple[Role, list[Part]]] = []
    for entry_role, line in zip(roles, lines, strict=True):
        role: Role = "assistant" if entry_role == "assistant" else "user"
        if blocks and blocks[-1][0] == role:
            blocks[-1][1].extend(_led(line, "\n"))
        else:
            blocks.append((role, list(line)))
    return [Turn(role, tuple(parts)) for role, parts in blocks]


def _line(entry: Entry, parts: tuple[Part, ...], *, group: bool) -> tuple[Part, ...]:
    """In a group every line of a person says who speaks: name and number, since names are not unique."""
    if not group or entry.role != "user":
        return parts
    own = tuple(Text(unforged(part.text)) if isinstance(part, Text) else part for part in parts)
    return _led(own, f"[{label(entry.name) or entry.user_id}({entry.user_id})] ")


def _led(parts: tuple[Part, ...], words: str) -> tuple[Part, ...]:
    """The parts with words before them."""
    first, *others = parts
    return (Text(words + first.text), *others) if isinstance(first, Text) else (Text(words), *parts)
