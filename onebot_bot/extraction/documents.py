"""What is remembered of files and web pages that were read in a chat: that they came, from whom, and how they begin.

No fact of a document is taken for one: nobody of the chat has said it.
"""

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence

from onebot_bot.extraction.days import in_words
from onebot_bot.extraction.sources import Chunk, Source, instructs, is_chinese
from onebot_bot.memory.history import Entry
from onebot_bot.memory.readings import Reading, ReadKey
from onebot_bot.memory.rows import Extracted
from onebot_bot.protocol.segments import File, decode_message
from onebot_bot.texts import Language, say

Readings = Callable[[Collection[int]], Awaitable[Mapping[ReadKey, Reading]]]
"""What was read of the messages in these rows."""

LONGEST_NAME = 60
BEGINNING = 80
"""Characters of a document: what it is about, not what it says."""
IMPORTANCE = 0.3


async def nothing_read(_: Collection[int]) -> Mapping[ReadKey, Reading]:
    """Where nothing is read, nothing is remembered of it."""
    return {}


def extract_documents(
    chunk: Chunk, entries: Sequence[Entry], readings: Mapping[ReadKey, Reading]
) -> Iterator[Extracted]:
    """A memory for each file and each page with a title, in the order they came; `entries`: the chunk's messages."""
    messages = {entry.id: entry for entry in entries}
    for source in chunk.sources:
        for key in sorted(key for key in readings if key[0] == source.id and not source.bot):
            name = _name(messages[source.id], readings[key])
            if name and not instructs(name):
                yield _entry(chunk, source, name, readings[key])


def _name(entry: Entry, reading: Reading) -> str:
    """What people call it, on one short line; empty where that cannot be told."""
    if reading.kind == "link":
        return _line(reading.title, LONGEST_NAME)
    segments = decode_message(entry.segments or []) if reading.kind == "file" else ()
    thing = segments[reading.place] if reading.place < len(segments) else None
    return _line(thing.file or thing.name, LONGEST_NAME) if isinstance(thing, File) else ""


def _line(text: str, longest: int) -> str:
    seen = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(seen.translate(_QUOTES).split())[:longest].strip()


_QUOTES = str.maketrans("“”", "‘’")
"""What is quoted cannot end the quote."""


def _entry(chunk: Chunk, source: Source, name: str, reading: Reading) -> Extracted:
    words = _line(reading.text, BEGINNING)
    words = "" if instructs(words) else words
    language: Language = "zh" if is_chinese(source.name + name + words) else "en"
    day = in_words(source.day, chinese=language == "zh")
    key = f"read.memory_{reading.kind}"
    return Extracted(
        text=say(language, key, who=source.name, day=day, name=name)
        + (say(language, "read.memory_words", words=words) if words else ""),
        chat=chunk.chat,
        speaker=source.user_id,
        subjects=(source.user_id,),
        source_ids=(source.id,),
        event_time=int(source.time.timestamp()),
        importance=IMPORTANCE,
    )
