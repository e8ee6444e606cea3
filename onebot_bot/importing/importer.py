"""A chat export becomes history: looked through first, then written batch by batch.

The imported rows have larger ids than everything the nightly extraction has read, so their memories come from it.
"""

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import tzinfo
from hashlib import md5
from pathlib import Path

from msgspec import Struct

from onebot_bot.errors import CommandError
from onebot_bot.importing.json_export import AGAIN, read_json, read_jsonl
from onebot_bot.importing.plain_text import CLASSIC, EXPORTER, read_classic, read_exporter
from onebot_bot.importing.source import UNFIT, Chat, Item, Left, Reason, Said, open_text
from onebot_bot.marks import legible
from onebot_bot.memory.history import LONGEST, Entry, History
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.texts import Language

BATCH = 1000
"""Messages in one transaction."""

SHOWN = 3
"""First and last messages of a preview, and examples of what was left out."""

LONGEST_NAME = 200

LOOKED_AT = 1 << 20
"""Characters by which the kind of a file is told."""


class Job(Struct, frozen=True, kw_only=True):
    """What is to be imported, and how."""

    file: Path
    chat: ChatId
    me: frozenset[str]
    """Who speaks as the bot: QQ numbers and, for exports without numbers, names."""
    zone: tzinfo
    """Of the times in the file that name none."""
    language: Language = "zh"
    only: str = ""
    """The heading (消息对象) to take, from a file with several chats."""


@dataclass
class Person:
    """Somebody who speaks in the export."""

    name: str
    qq: int
    bot: bool
    messages: int = 0


@dataclass
class Preview:
    """What an import would do."""

    name: str = ""
    messages: int = 0
    new: int = 0
    people: dict[tuple[int, str], Person] = field(default_factory=dict)
    left: Counter[Reason] = field(default_factory=Counter)
    examples: list[Left] = field(default_factory=list)
    first: list[Entry] = field(default_factory=list)
    last: list[Entry] = field(default_factory=list)
    headings: Counter[str] = field(default_factory=Counter)
    """Chats of the file, by name, and their messages."""

    @property
    def known(self) -> int:
        """How many are on record already."""
        return self.messages - self.new


async def look_through(job: Job, history: History, progress: Callable[[int], None] | None = None) -> Preview:
    """Read the whole export and say what importing it would do; writes nothing.

    Raises:
        CommandError: it cannot be read, is no export, or is of another chat; the text names the file and the fix.
        StoreError: the record cannot be read.
    """
    preview = Preview()
    async for batch in _batches(_chosen(job, preview)):
        preview.new += len(await history.unknown(job.chat, batch))
        if progress:
            progress(preview.messages)
    _check_headings(job, preview)
    _check_people(job, preview)
    return preview


async def bring_in(job: Job, history: History, progress: Callable[[int], None] | None = None) -> int:
    """Write what is not on record yet; how many that were. Stopped anywhere, it may be run again.

    Raises:
        CommandError: as `look_through`.
        StoreError: the record cannot be written; what was written before stays.
    """
    written = 0
    async for batch in _batches(_chosen(job, Preview())):
        new = await history.unknown(job.chat, batch)
        rows = await asyncio.gather(*(history.append_nowait(job.chat, entry) for entry in new))
        written += sum(row is not None for row in rows)
        if progress:
            progress(written)
    return written


async def _batches(entries: Iterator[Entry]) -> AsyncIterator[list[Entry]]:
    """Read on another thread: a bot that imports answers meanwhile."""
    while batch := await asyncio.to_thread(lambda: list(itertools.islice(entries, BATCH))):
        yield batch


def _chosen(job: Job, preview: Preview) -> Iterator[Entry]:
    """The entries of the chat that is asked for, counted into `preview`."""
    chat, wanted = Chat(), True
    for item in read_export(job.file, job.language, job.zone):
        if isinstance(item, Chat):
            _check_chat(job, item)
            chat, wanted = item, job.only in ("", item.name)
            preview.name = item.name if wanted else preview.name
        elif isinstance(item, Said):
            preview.headings[chat.name] += 1
            if wanted:
                yield _counted(job, chat, item, preview)
        elif wanted:
            _leave(preview, item)


def _counted(job: Job, chat: Chat, said: Said, preview: Preview) -> Entry:
    entry = _entry(job, chat, said)
    key = (said.qq, "" if said.qq else said.name)
    person = preview.people.setdefault(key, Person(said.name, said.qq, entry.role == "assistant"))
    person.name, person.messages = said.name or person.name, person.messages + 1
    preview.messages += 1
    if "\ufffd" in said.text:
        _leave(preview, Left(said.where, "characters"))
    if len(preview.first) < SHOWN or entry.time < preview.first[-1].time:
        preview.first = sorted([*preview.first, entry], key=_when)[:SHOWN]
    if len(preview.last) < SHOWN or entry.time >= preview.last[0].time:
        preview.last = sorted([*preview.last, entry], key=_when)[-SHOWN:]
    return entry


def _when(entry: Entry) -> int:
    return entry.time


def _leave(preview: Preview, left: Left) -> None:
    preview.left[left.reason] += 1
    if preview.left[left.reason] <= SHOWN:
        preview.examples.append(left)


# --- who, and where -----------------------------------------------------------------------------------------------


def _entry(job: Job, chat: Chat, said: Said) -> Entry:
    bot = _is_bot(job, chat, said)
    return Entry(
        role="assistant" if bot else "user",
        text=legible(said.text[:LONGEST]),
        time=said.time,
        user_id=job.chat.account if bot else _number(job, said),
        name=legible(said.name[:LONGEST_NAME]),
        message_id=_message_id(job.chat, chat, said.id),
        reply_to=_message_id(job.chat, chat, said.quotes),
    )


def _is_bot(job: Job, chat: Chat, said: Said) -> bool:
    if said.qq or said.name in job.me:  # a nickname is anybody's to choose: it counts only where there is no number
        return str(said.qq) in job.me or not said.qq
    # Private txt exports have no numbers, and are headed with the other person's name.
    unnamed = all(who.isdigit() for who in job.me)
    return bool(job.chat.kind == "private" and chat.name and unnamed and said.name != chat.name)


def _number(job: Job, said: Said) -> int:
    return said.qq or (job.chat.peer if job.chat.kind == "private" else 0)


def _message_id(chat: ChatId, export: Chat, inner: str) -> int | None:
    """The id that NapCat gives to the message with QQ's `inner` id, when this account made the export.

    Another account's inner ids are its own, so they say nothing here.
    """
    peer = str(chat.peer) if chat.kind == "group" else export.peer_uid
    if not inner.isdigit() or not peer or export.owner != chat.account:
        return None
    kind = {"private": 1, "group": 2}[chat.kind]
    digest = md5(f"{inner}|{kind}|{peer}".encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:4], "big") & 0x7FFFFFFF


def _check_chat(job: Job, chat: Chat) -> None:
    """Refuse what is plainly the export of another chat: nothing is worse than one chat's words in another."""
    told = f"{chat.kind}/{chat.peer}" if chat.peer else chat.kind
    asked = f"{job.chat.kind}/{job.chat.peer}"
    if chat.kind and (chat.kind != job.chat.kind or not _same_sides(job.chat, chat)):
        raise CommandError(
            f"{job.file} is the export of {told} ({chat.name}), and --chat says {asked}. Correct --chat, or the file.",
            code=UNFIT,
        )


def _same_sides(chat: ChatId, export: Chat) -> bool:
    """Whether the other side is who `chat` says; a private chat may have been exported from that side."""
    turned = chat.kind == "private" and (export.peer, export.owner) == (chat.account, chat.peer)
    return turned or export.peer in (0, chat.peer)


def _check_headings(job: Job, preview: Preview) -> None:
    if job.only and job.only not in preview.headings:
        raise CommandError(f"{job.file} has no chat “{job.only}”. It has: {_listed(preview.headings)}.", code=UNFIT)
    if not job.only and len(preview.headings) > 1:
        raise CommandError(
            f"{job.file} holds {len(preview.headings)} chats: {_listed(preview.headings)}. "
            "Choose one with --only NAME, and run this once for each.",
            code=UNFIT,
        )
    if not preview.messages:
        why = "".join(f" {left.where}: {left.reason}." for left in preview.examples[:1])
        raise CommandError(f"{job.file} holds no message that can be read.{why} {AGAIN}", code=UNFIT)


def _check_people(job: Job, preview: Preview) -> None:
    people = preview.people.values()
    if job.chat.kind == "private" and all(person.bot for person in people):
        names = _listed(Counter({person.name: person.messages for person in people}))
        raise CommandError(
            f"{job.file} does not tell who of {names} is the bot. Add --me NAME, the name the bot's side has there.",
            code=UNFIT,
        )


def _listed(headings: Counter[str]) -> str:
    return ", ".join(f"“{name}” ({count})" for name, count in headings.most_common(20)) or "none"


# --- which reader -------------------------------------------------------------------------------------------------


def read_export(path: Path, language: Language, zone: tzinfo) -> Iterator[Item]:
    """What an export holds, in its order, whichever kind it is.

    Raises:
        CommandError: it cannot be read, or is of no known kind.
    """
    path = path / "manifest.json" if path.is_dir() else path
    with open_text(path) as file:
        lines = file.read(LOOKED_AT).lstrip("\ufeff\n\r\t ").split("\n")
    start = lines[0]
    if start.startswith("{"):
        yield from (read_jsonl if _is_message(start) else read_json)(path, language, zone)
        return
    reader = next((read for mark, read in _TEXTS if any(map(mark.match, lines))), None)
    if reader is None:
        raise CommandError(f"{path}: neither a JSON nor a txt export of a QQ chat. {AGAIN}", code=UNFIT)
    with open_text(path) as file:
        yield from reader(file, path.name, language, zone)


_TEXTS = ((EXPORTER, read_exporter), (CLASSIC, read_classic))


def _is_message(line: str) -> bool:
    try:
        return "sender" in json.loads(line)
    except (ValueError, RecursionError):
        return False
