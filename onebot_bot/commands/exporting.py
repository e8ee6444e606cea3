"""What is kept of a person as zip files: JSON for programs, text for people. Pure functions."""

import io
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from onebot_bot.memory import personal
from onebot_bot.memory.branches import Branches
from onebot_bot.memory.personal import Link
from onebot_bot.memory.rows import Memory
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.texts import Language, say

LARGEST = 650_000
"""Bytes of what goes into one zip, unpacked: packed it is no more, and NapCat is slow with frames over 1 MiB."""
MOST_FILES = 20
"""Zips that are sent at once, of the latest messages."""


class Kept(Struct, frozen=True):
    """All that is kept of a person."""

    user: int
    messages: Sequence[personal.Kept]
    memories: Sequence[Memory]
    branches: Mapping[ChatId, Branches]
    personas: Mapping[ChatId, str]
    links: Sequence[Link]
    opted_out: bool

    @property
    def empty(self) -> bool:
        """Whether nothing is."""
        return not (self.messages or self.memories or self.branches or self.personas or self.links or self.opted_out)


def parts(kept: Kept, language: Language) -> list[tuple[str, bytes]]:
    """Zip files by name: the first one holds memories and settings, all of them messages, the latest in the last."""
    chunks = list(_chunks(kept.messages))[-MOST_FILES:]
    stem = f"onebot-bot-{kept.user}"
    named = [f"{stem}.zip"] if len(chunks) == 1 else [f"{stem}-{number}.zip" for number in range(1, len(chunks) + 1)]
    about = {
        "memories.json": _json([_memory(one) for one in kept.memories]),
        "memories.txt": _text(_memory_line(one) for one in kept.memories),
        "settings.json": _json(_settings(kept)),
    }
    return [
        (name, _zipped({**_said(chunk, language), **(about if number == 0 else {})}))
        for number, (name, chunk) in enumerate(zip(named, chunks, strict=True))
    ]


def _chunks(messages: Sequence[personal.Kept]) -> Iterator[list[personal.Kept]]:
    """Messages that fit into one file together; at least one chunk, if an empty one."""
    chunk: list[personal.Kept] = []
    size = 0
    for one in messages:
        weight = len(_json(_message(one))) + 4 * len(one.entry.text)
        if chunk and size + weight > LARGEST:
            yield chunk
            chunk, size = [], 0
        chunk.append(one)
        size += weight
    yield chunk


def _said(chunk: Sequence[personal.Kept], language: Language) -> dict[str, bytes]:
    return {
        "messages.json": _json([_message(one) for one in chunk]),
        "messages.txt": _text(_message_line(one, language) for one in chunk),
    }


def _message(one: personal.Kept) -> dict[str, Any]:
    entry = one.entry
    fields = {name: getattr(entry, name) for name in entry.__struct_fields__ if name not in ("id", "state")}
    return {**fields, "chat": str(one.chat), "branch": one.branch, "taken_back": one.hidden}


def _message_line(one: personal.Kept, language: Language) -> str:
    entry = one.entry
    who = say(language, "see.you") if entry.role == "assistant" else entry.name or str(entry.user_id)
    return f"{_moment(entry.time)} [{one.chat}] {who}: {entry.text}"


def _memory(one: Memory) -> dict[str, Any]:
    names = ("id", "text", "speaker", "subjects", "importance", "pinned", "shared", "status", "superseded_by")
    times = {"told": _moment(one.created), "happened": _moment(one.event_time) if one.event_time else None}
    return {**{name: getattr(one, name) for name in names}, **times, "chat": str(one.chat)}


def _memory_line(one: Memory) -> str:
    return f"{_moment(one.created)} [{one.chat}] #{one.id} ({one.status}) {one.text}"


def _settings(kept: Kept) -> dict[str, Any]:
    return {
        "user": kept.user,
        "opted_out": kept.opted_out,
        "branches": {str(chat): msgspec.to_builtins(known) for chat, known in kept.branches.items()},
        "personas": {str(chat): persona for chat, persona in kept.personas.items()},
        "references": msgspec.to_builtins(list(kept.links)),
    }


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _json(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=1)


def _text(lines: Iterator[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _zipped(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()
