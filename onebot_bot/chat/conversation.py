"""From a chat's history to what the model sees: pure functions."""

from collections.abc import Mapping, Sequence

from onebot_bot.characters.cast import Part as Played
from onebot_bot.characters.feelings import tagged
from onebot_bot.chat.guards import label
from onebot_bot.chat.lines import shown_lines
from onebot_bot.chat.reply import NO_REPLY
from onebot_bot.chat.settings import Settings
from onebot_bot.engine.request import RECALL, Control, Conversation, Part, Role, Text, Turn
from onebot_bot.memory.history import Entry
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.sections.bot import BotConfig
from onebot_bot.texts import Language, language_of, say

NOTHING: Mapping[int, tuple[Part, ...]] = {}
UNREAD: Mapping[int, Part] = {}


def build_conversation(  # noqa: PLR0913 - where, what was said and asked, how it is shown, and whether it must answer
    chat: ChatId,
    said: Sequence[Entry],
    asked: Sequence[Entry],
    settings: Settings,
    seen: Mapping[int, tuple[Part, ...]] = NOTHING,
    *,
    part: Played | None = None,
    read: Mapping[int, Part] = UNREAD,
    optional: bool = False,
) -> Conversation:
    """The conversation to answer: persona, what was said (oldest first), and last the turn to answer.

    Every message is a part of its own, so that it can be left out alone; of the last turn, `asked` must stay.
    Messages with pictures are several parts: `seen`, by row. What was `read` of messages, by row too, stands before
    them, and may be left out when the window is cut.

    What changes from answer to answer stands right before the messages to answer: the note of the `part`, with the
    time and the mood, and how to say nothing where an answer is `optional`. All before it is as it was in the last
    prompt, so the model need not read it again (engine/prefix.py).
    """
    played = part or Played(settings.bot)
    entries = [*said, *asked]
    group = chat.kind == "group"
    lines = [_line(entry, seen.get(entry.id, (Text(entry.text),)), group=group) for entry in entries]
    if played.feelings:
        lines = [_felt(entry, line, played) for entry, line in zip(entries, lines, strict=True)]
    roles = [entry.role for entry in entries]
    if note := _note(played, optional=optional):
        lines.insert(len(said), (Text(note),))
        roles.insert(len(said), "user")
    keep = sum(len(line) for line in lines[len(said) :])
    turns = _merged(roles, _behind_what_was_read(entries, lines, read, len(said)) if read else lines)
    always = settings.memory.recall == "always" and settings.memory.max_recalls > 0
    opening: tuple[Part, ...] = (Control(RECALL),) if always else ()
    return Conversation(
        (*_system(chat, played, _partner(entries)), *turns),
        opening,
        settings.generation.thinking,
        keep,
    )


def _behind_what_was_read(
    entries: Sequence[Entry], lines: Sequence[tuple[Part, ...]], read: Mapping[int, Part], asked: int
) -> list[tuple[Part, ...]]:
    """The lines with what was read before them; what belongs to those from `asked` on all before the first of these."""
    before: list[list[Part]] = [[] for _ in lines]
    for index, entry in enumerate(entries):
        if entry.id in read:
            before[min(index, asked)].append(read[entry.id])
    return [
        tuple(part for index, text in enumerate(parts) for part in _led((text,), "\n" if index else ""))
        + (_led(line, "\n") if parts else line)
        for parts, line in zip(before, lines, strict=True)
    ]


def _partner(entries: Sequence[Entry]) -> str:
    """The name that the last person who wrote goes by, on one line."""
    for entry in reversed(entries):
        if entry.role != "assistant" and entry.name:
            return label(entry.name)
    return ""


def _note(played: Played, *, optional: bool) -> str:
    """What holds for this answer alone; perhaps empty."""
    notes = [played.note] if played.note else []
    if optional:
        notes.append(say(tongue(played.bot), "see.optional", no_reply=NO_REPLY))
    return say(tongue(played.bot), "see.now", note="\n".join(notes)) if notes else ""


def _system(chat: ChatId, played: Played, partner: str) -> list[Turn]:
    bot = played.bot
    lines = [bot.persona] if bot.persona else []
    if chat.kind == "private" and partner:
        # Memories say who by name: without it "my birthday" would be nobody's.
        lines.append(say(tongue(bot), "see.private", name=partner))
    if chat.kind == "group":
        lines.append(say(tongue(bot), "see.group", names="、".join([*bot.names, str(chat.account)])))
    if played.demand:
        lines.append(played.demand)
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
    shown = shown_lines(entry, parts, group=group)
    if not group or entry.role != "user":
        return shown
    return _led(shown, f"[{label(entry.name) or entry.user_id}({entry.user_id})] ")


def _felt(entry: Entry, line: tuple[Part, ...], played: Played) -> tuple[Part, ...]:
    """An answer of the bot's behind the emotion that it had: as the model wrote it, and as it is to write the next."""
    return _led(line, tagged(entry.emotion, "")) if entry.emotion in played.feelings else line


def _led(parts: tuple[Part, ...], words: str) -> tuple[Part, ...]:
    """The parts with words before them."""
    first, *others = parts
    return (Text(words + first.text), *others) if isinstance(first, Text) else (Text(words), *parts)
