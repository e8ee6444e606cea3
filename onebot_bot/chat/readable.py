"""A message as the model reads it: one line of text, whatever it was made of."""

from collections.abc import Callable, Iterable

from onebot_bot.chat.cards import card_line, other_card
from onebot_bot.chat.forwards import DEPTH, Room, messages_in
from onebot_bot.chat.guards import clean_name
from onebot_bot.marks import legible
from onebot_bot.memory.erasing import ALONG
from onebot_bot.protocol.faces import face_name
from onebot_bot.protocol.large import TOO_LARGE
from onebot_bot.protocol.segments import (
    At,
    Dice,
    Face,
    File,
    Forward,
    Image,
    Json,
    Markdown,
    Mface,
    Poke,
    Record,
    Reply,
    Rps,
    Segment,
    Text,
    UnknownSegment,
    Video,
)
from onebot_bot.sections.bot import BotConfig
from onebot_bot.texts import Language, say

NameOf = Callable[[str], str]
"""From a QQ number, as a string, to the name the chat knows it by."""

LONGEST_LABEL = 300
"""Characters of the name of a thing."""
FORWARDED = 3000
"""Characters of a bundle of forwarded messages."""


def readable(segments: Iterable[Segment], language: Language, name_of: NameOf) -> str:
    """The segments as one text; a quote is left out, since it is shown apart."""
    return "".join(pieces(segments, language, name_of)).strip()


def pieces(segments: Iterable[Segment], language: Language, name_of: NameOf) -> list[str]:
    """Each segment's share of the text."""
    room = Room()
    return [legible(_one(segment, language, name_of, DEPTH, room)) for segment in segments]


def names_in(account: int, bot: BotConfig) -> NameOf:
    """The bot by its own name; others by number, until the member list is asked for."""
    own = bot.names[0] if bot.names else str(account)
    return lambda number: own if number == str(account) else number


def _one(segment: Segment, language: Language, name_of: NameOf, depth: int, room: Room) -> str:
    match segment:
        case Text(text=text) | Markdown(content=text):
            return text
        case At(qq="all"):
            return say(language, "see.all") + " "
        case At(qq=number, name=name):
            return f"@{clean_name(name) or name_of(number)} "
        case Reply() | UnknownSegment() if _is_shown_apart(segment):
            return ""
        case Forward():
            return _bundle(segment, language, name_of, depth, room)
        case _:
            return _thing(segment, language)


def _is_shown_apart(segment: Segment) -> bool:
    """A quote, and what is kept of it."""
    return isinstance(segment, Reply) or (isinstance(segment, UnknownSegment) and segment.type == ALONG)


def _bundle(forward: Forward, language: Language, name_of: NameOf, depth: int, room: Room) -> str:
    """What was forwarded, each line behind a `>`: they are not the words of whoever forwarded it."""
    head = say(language, "see.forward")
    messages = messages_in(forward.content, room) if depth else []
    texts = (
        f"{message.name}: "
        + "".join(_one(part, language, name_of, depth - 1, room) for part in message.segments).strip()
        for message in messages
    )
    lines = [f"> {line}" for text in texts for line in text.splitlines()]
    inside = "\n".join(lines)
    if len(inside) > FORWARDED:
        inside = inside[:FORWARDED] + "…"
    return f"{head}\n{inside}\n" if inside else head


def _thing(segment: Segment, language: Language) -> str:
    """What is no words, by its kind and, where it has one, its name."""
    match segment:
        case Image() if segment.is_sticker:
            key, name = "see.sticker", _labelled(segment.summary)
        case Image():
            key, name = "see.image", ""
        case Mface(summary=summary):
            key, name = "see.sticker", _labelled(summary)
        case Face(id=number):
            key, name = "see.face", _labelled(segment.text or face_name(number))
        case File(file=file):
            key, name = "see.file", file
        case Json(data=data):
            key, name = "see.card", card_line(data)
        case UnknownSegment() if (line := other_card(segment)) is not None:
            key, name = "see.card", line
        case Dice(result=result):
            key, name = "see.dice", result
        case Rps(result=result):
            key, name = "see.rps", result
        case _:
            name = str(getattr(segment, "type", type(segment).__name__))
            key = _KINDS.get(type(segment)) or _NAMED.get(name, "see.other")
    return say(language, key, name=" ".join(name[: 2 * LONGEST_LABEL].split())[:LONGEST_LABEL])


_KINDS = {Record: "see.record", Video: "see.video", Poke: "see.poke"}
_NAMED = {TOO_LARGE: "see.too_large"}


def _labelled(name: str) -> str:
    """`[动画表情]` and `/微笑` as they come, to `：微笑`."""
    bare = name.strip("[]/ ")
    return f"：{bare}" if bare and bare != "动画表情" else ""
