"""What of a message can be read, and how its words are put before the model: pure functions."""

import re
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from onebot_bot.chat.keeping import held_in
from onebot_bot.chat.sights import Line
from onebot_bot.engine.request import Part, Text
from onebot_bot.memory.history import Entry
from onebot_bot.memory.readings import Reading, ReadKey, ReadKind
from onebot_bot.protocol.segments import File, Image, Json, Segment, decode_message
from onebot_bot.protocol.segments import Text as Words
from onebot_bot.reading.links import MOST, links_in, links_of_card
from onebot_bot.texts import Language, say

QUOTE = "> "
"""Before every line of what was read: no line of it can pass for anything else."""
_QUOTE_END = re.compile("”[）)]")
"""As the catalogue's `see.quote` ends."""
_QUOTED = str.maketrans("“”[]", "‘’［］")
"""A name stands in quotation marks, and these in brackets."""
LONGEST_NAME = 100
LEAST_ROOM = 100
"""Characters below which a text is not begun."""


class Source(Struct, frozen=True):
    """A file, a link or a picture of the message `entry`, as shown with the line of the message `line`."""

    line: int
    """A row, as `entry.id` is: a message is read in its own line, or in the line of one that quotes it."""
    entry: Entry
    kind: ReadKind
    place: int
    thing: File | Image | str

    @property
    def key(self) -> ReadKey:
        """Names it for good."""
        return self.entry.id, self.kind, self.place

    @property
    def name(self) -> str:
        """What people call it, on one line."""
        match self.thing:
            case str(link):
                return link[:LONGEST_NAME]
            case File(file=file, name=name):
                return "".join(char for char in file or name if char.isprintable())[:LONGEST_NAME]
            case _:
                return ""


def sources_of(lines: Sequence[Line]) -> list[Source]:
    """All there is to be read, in the order of showing, each where it comes last."""
    found: dict[object, Source] = {}
    for line in lines:
        for entry in (line.quoted, line.entry):
            for source in sources_in(entry, line.entry.id) if entry is not None else ():
                name = source.thing if isinstance(source.thing, str) else source.key
                found.pop(name, None)
                found[name] = source
    return list(found.values())


def sources_in(entry: Entry, line: int) -> list[Source]:
    """What of one person's message can be read; stickers cannot, nor what the bot itself said."""
    if entry.role != "user":
        return []
    if not entry.segments:  # plain words, as nearly all are
        return [Source(line, entry, "link", place, link) for place, link in enumerate(_links_in_words(entry))]
    segments = decode_message(entry.segments)
    everything = [*enumerate(segments), *held_in(segments)]
    things = [_thing(entry, line, place, segment) for place, segment in everything]
    links = _links([segment for _, segment in everything]) if segments else _links_in_words(entry)
    pages = [Source(line, entry, "link", place, link) for place, link in enumerate(links)]
    return [*(thing for thing in things if thing is not None), *pages]


def _thing(entry: Entry, line: int, place: int, segment: Segment) -> Source | None:
    match segment:
        case File():
            return Source(line, entry, "file", place, segment)
        case Image() if not segment.is_sticker:
            return Source(line, entry, "picture", place, segment)
        case _:
            return None


def _links_in_words(entry: Entry) -> list[str]:
    """Plain words are on record as text alone; that begins with what is quoted, cut off at some length."""
    quote = _QUOTE_END.search(entry.text) if entry.reply_to is not None else None
    return links_in(entry.text[quote.end() if quote else 0 :])


def _links(segments: Sequence[Segment]) -> list[str]:
    found = [
        link
        for segment in segments
        for link in (
            links_in(segment.text)
            if isinstance(segment, Words)
            else links_of_card(segment.data)
            if isinstance(segment, Json)
            else ()
        )
    ]
    return list(dict.fromkeys(found))[:MOST]


# --- showing -------------------------------------------------------------------------------------------------------


def shown(
    sources: Sequence[Source],
    readings: Mapping[ReadKey, Reading],
    why_unread: Callable[[ReadKey], str],
    room: int,
    language: Language,
) -> dict[int, Part]:
    """What the model is told of them, by the line that it stands before.

    Args:
        sources: in the order of showing; the last are given room first.
        readings: the words of those that were read.
        why_unread: why another was not, as `ReadingError.reason`.
        room: characters for all words together.
        language: of the words around them.
    """
    told: dict[int, list[str]] = {}
    for source in reversed(sources):
        reading = readings.get(source.key)
        if reading is not None and room >= LEAST_ROOM:
            words = quoted(source, reading, room, language)
            room -= min(room, len(reading.text))
        else:
            reason = "room" if reading is not None else why_unread(source.key)
            words = excuse(source, reason, language)
        told.setdefault(source.line, []).append(words)
    return {line: Text("\n".join(filter(None, reversed(words)))) for line, words in told.items() if any(words)}


def quoted(source: Source, reading: Reading, room: int, language: Language) -> str:
    """The words of something, as far as there is room, so that they cannot be taken for anybody's own."""
    text = reading.text[:room]
    extent = ""
    if reading.pages:
        key = "read.pages" if reading.read == reading.pages else "read.some_pages"
        extent = say(language, key, pages=reading.pages, read=reading.read)
    if len(text) < len(reading.text) or (reading.cut and reading.read == reading.pages):
        extent += say(language, "read.cut", shown=len(text))
    title = f"{reading.title}\n" if source.kind == "link" and reading.title else ""
    head = say(language, "read.begins", what=_called(source, language), extent=extent)
    return "\n".join([head, *(QUOTE + line for line in f"{title}{text}".splitlines())])


def excuse(source: Source, reason: str, language: Language) -> str:
    """Why something was not read; a picture without words in it needs no excuse."""
    if source.kind == "picture" and reason == "empty":
        return ""
    why = say(language, f"read.why_{reason}")
    return say(language, "read.failed", what=_called(source, language), why=why)


def _called(source: Source, language: Language) -> str:
    return say(language, f"read.{source.kind}", name=source.name.translate(_QUOTED))
