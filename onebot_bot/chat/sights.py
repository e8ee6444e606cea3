"""What of a message can be seen, and where in its text that belongs: pure functions."""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import TypeGuard

from msgspec import Struct

from onebot_bot.chat.keeping import INSIDE, held_in
from onebot_bot.chat.readable import NameOf, pieces
from onebot_bot.engine.request import Part, Text
from onebot_bot.memory.history import Entry
from onebot_bot.protocol.segments import Image, Segment, Video, decode_message
from onebot_bot.texts import Language

At = tuple[int, int, int]
"""A row that is shown, the row that is seen in it, and the segment of that one."""
Parts = tuple[Part, ...]


class Line(Struct, frozen=True):
    """A message as the model is shown it, and the one that it quotes."""

    entry: Entry
    quoted: Entry | None = None


class Sight(Struct, frozen=True):
    """A picture or a video, at a segment of the message `entry`, as shown in the line of the message `line`."""

    line: int
    """A row, as `entry.id` is: a message is seen in its own line, and again in the line of one that quotes it."""
    entry: Entry
    segment: int
    thing: Image | Video

    @property
    def at(self) -> At:
        """Names it in one prompt."""
        return self.line, self.entry.id, self.segment


def holds_things(entry: Entry) -> bool:
    """Whether there may be anything to be seen or read in a message, or in one that it quotes."""
    return bool(entry.segments) or entry.reply_to is not None or "://" in entry.text


def sights_of(lines: Sequence[Line]) -> list[Sight]:
    """All there is to be seen, in the order of showing: what a line quotes stands before what it says itself."""
    return [
        Sight(line.entry.id, entry, segment, thing)
        for line in lines
        for entry in (line.quoted, line.entry)
        if entry is not None
        for segment, thing in things_in(entry)
    ]


def things_in(entry: Entry) -> list[tuple[int, Image | Video]]:
    """A message's pictures and videos with their places; those in bundles come first, as they are shown."""
    if not entry.segments:  # plain words, as nearly all are
        return []
    segments = decode_message(entry.segments)
    return [(number, thing) for number, thing in (*held_in(segments), *enumerate(segments)) if _is_thing(thing)]


def _is_thing(segment: Segment) -> TypeGuard[Image | Video]:
    return isinstance(segment, Video) or (isinstance(segment, Image) and not segment.is_sticker)


def line_parts(line: Line, seen: Mapping[At, Parts], language: Language, name_of: NameOf) -> Parts:
    """A message's text with what is seen in place of the words for it; what it quotes comes before."""
    quoted = _seen_of(line.quoted, line, seen) if line.quoted is not None else {}
    before = [part for parts in quoted.values() for part in parts]
    return (*before, *_filled_in(line.entry, _seen_of(line.entry, line, seen), language, name_of))


def _seen_of(entry: Entry, line: Line, seen: Mapping[At, Parts]) -> dict[int, Parts]:
    """What is seen of a message, in order, by its segments."""
    places = ((number, (line.entry.id, entry.id, number)) for number, _ in things_in(entry))
    return {number: seen[at] for number, at in places if at in seen}


def _filled_in(entry: Entry, seen: Mapping[int, Parts], language: Language, name_of: NameOf) -> Parts:
    """The text, cut where those segments' words stand; behind it, where it was made of other words in its day.

    What bundles hold has no place there, and stands before it.
    """
    before = [part for number, parts in seen.items() if number >= INSIDE for part in parts]
    seen = {number: parts for number, parts in seen.items() if number < INSIDE}
    words = pieces(decode_message(entry.segments or []), language, name_of)
    whole = "".join(words)
    bare = whole.strip()
    if not entry.text.endswith(bare):
        return (*before, Text(entry.text), *(part for parts in seen.values() for part in parts))
    begin = len(entry.text) - len(bare) - whole.index(bare)
    starts = [begin + start for start in accumulate(map(len, words), initial=0)]
    parts: list[Part] = [*before]
    done = 0
    for number, shown in seen.items():
        parts += [Text(entry.text[done : starts[number]]), *shown]
        done = starts[number + 1]
    parts.append(Text(entry.text[done:]))
    return tuple(part for part in parts if part != Text(""))
