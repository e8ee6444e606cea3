"""`onebot-bot import`: a chat export becomes history, shown before anything is written."""

import argparse
import contextlib
import re
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from prompt_toolkit import PromptSession
from prompt_toolkit.utils import get_cwidth

from onebot_bot.cli.importing_texts import tell
from onebot_bot.config import load_config
from onebot_bot.errors import CommandError
from onebot_bot.importing.importer import Job, Person, Preview, bring_in, look_through
from onebot_bot.importing.source import UNFIT
from onebot_bot.memory.database import Database
from onebot_bot.memory.history import Entry, History
from onebot_bot.protocol.chat_id import parse_chat_id
from onebot_bot.texts import Language

PEOPLE = 12
"""Most people of a preview that are listed by name."""

WIDTH = 76
"""Columns of one message in the preview."""

# What steers a terminal: names and texts come from strangers.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


def add_import_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `import`."""
    parser.add_argument("file", type=Path, help="QQChatExporter JSON or txt, its chunked folder, or QQ's own txt")
    parser.add_argument("--account", required=True, metavar="QQ", help="QQ number of the bot")
    parser.add_argument("--chat", required=True, metavar="group/N|private/N", help="the chat that it is of")
    parser.add_argument(
        "--me",
        action="append",
        metavar="QQ",
        help="whose lines are the bot's own (default: --account); a name, where the export has no numbers; repeatable",
    )
    parser.add_argument("--only", default="", metavar="NAME", help="the chat to take, from a file with several")
    parser.add_argument("--timezone", default="Asia/Shanghai", help="of the times in a txt (default: %(default)s)")
    parser.add_argument("--yes", action="store_true", help="import without asking")
    parser.add_argument("--config", type=Path, default=Path("config.toml"), help="configuration file")


async def main_import(args: argparse.Namespace) -> int:
    """Show what the import would do, ask, then do it; 1 when it was declined.

    Raises:
        BotError: the bot is running, the file is none, or --chat is wrong; the text names the fix.
    """
    config = load_config(args.config)
    job = make_job(args, config.bot.language)
    path = args.config.absolute().parent / "memory_store" / "memory.sqlite3"
    async with Database(path) as database:  # held from here on, so what was shown stays true until it is written
        history = History(database)
        with _progress(job.language, "reading") as progress:
            preview = await look_through(job, history, progress)
        print("\n".join(shown(job, preview)))
        if not preview.new:
            print(tell(job.language, "nothing"))
            return 0
        if not args.yes and not await _agreed(job.language, preview):
            return 1
        await _write(job, history)
    return 0


async def _write(job: Job, history: History) -> None:
    began = time.monotonic()
    with _progress(job.language, "writing") as progress:
        count = await bring_in(job, history, progress)
    print(tell(job.language, "done", count=_number(count), seconds=f"{time.monotonic() - began:.1f}"))
    print(tell(job.language, "next"))


def make_job(args: argparse.Namespace, language: Language) -> Job:
    """What the arguments ask for.

    Raises:
        CommandError: one of them cannot be.
    """
    try:
        chat = parse_chat_id(f"{args.account}/{args.chat}")
    except ValueError as error:
        raise CommandError(
            f"--account {args.account} --chat {args.chat}: not a chat. Write --account 10001 --chat group/20002, "
            "or --chat private/30003, with QQ numbers.",
            code=UNFIT,
        ) from error
    me = frozenset(args.me or [str(chat.account)])
    return Job(file=args.file, chat=chat, me=me, zone=_zone(args.timezone), language=language, only=args.only.strip())


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise CommandError(
            f"--timezone {name}: no such time zone. Write one like Asia/Shanghai.", code=UNFIT
        ) from error


async def _agreed(language: Language, preview: Preview) -> bool:
    question = tell(language, "ask", new=_number(preview.new))
    if not sys.stdin.isatty():
        print(question, end="")
        answer = sys.stdin.readline()  # from a pipe: at hand or at its end
        print(answer.strip())
    else:
        try:
            answer = await PromptSession[str]().prompt_async(question)
        except EOFError:
            answer = "n"
    if answer.strip().lower() in ("y", "yes", "是"):
        return True
    print(tell(language, "no" if answer else "unasked"))
    return False


@contextlib.contextmanager
def _progress(language: Language, key: str) -> Iterator[Callable[[int], None] | None]:
    """One line that counts, on a terminal; it is gone afterwards."""
    if not sys.stderr.isatty():
        yield None
        return

    def show(text: str) -> None:
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()

    try:
        yield lambda count: show(tell(language, key, count=_number(count)))
    finally:
        show("")


# --- the preview --------------------------------------------------------------------------------------------------


def shown(job: Job, preview: Preview) -> Iterator[str]:
    """The preview, line by line."""
    yield from _table(_facts(job, preview))
    yield ""
    yield tell(job.language, "people")
    yield from _people(job, preview)
    if not any(person.bot for person in preview.people.values()):
        yield tell(job.language, "nobot")
    yield from _left(job.language, preview)
    last = preview.last[max(0, len(preview.first) + len(preview.last) - preview.messages) :]  # none twice
    names = max(get_cwidth(_clean(entry.name)) for entry in (*preview.first, *last))
    for key, entries in (("first", preview.first), ("last", last)):
        if entries:
            yield from ("", tell(job.language, key))
            yield from (_line(job, entry, min(names, 24)) for entry in entries)
    yield ""


def _facts(job: Job, preview: Preview) -> Iterator[tuple[str, str]]:
    language = job.language
    first, last = (_moment(job, entry)[:10] for entry in (preview.first[0], preview.last[-1]))
    yield tell(language, "file"), f"{job.file} ({_size(job.file)})"
    if preview.name:
        yield tell(language, "chat"), _clean(preview.name)
    yield tell(language, "into"), str(job.chat)
    yield (
        tell(language, "dates"),
        tell(language, "days", first=first, last=last) + tell(language, "zone", zone=job.zone),
    )
    counts = {"count": preview.messages, "new": preview.new, "known": preview.known}
    yield tell(language, "messages"), tell(language, "tally", **{key: _number(n) for key, n in counts.items()})


def _table(rows: Iterator[tuple[str, str]]) -> Iterator[str]:
    kept = list(rows)
    width = max(get_cwidth(key) for key, _ in kept)
    yield from (f"{_padded(key, width)}  {value}" for key, value in kept)


def _people(job: Job, preview: Preview) -> Iterator[str]:
    people = sorted(preview.people.values(), key=lambda person: -person.messages)
    listed = people[:PEOPLE]
    counts = max(len(_number(person.messages)) for person in listed)
    rows = [(_number(person.messages).rjust(counts), _named(person), person.bot) for person in listed]
    width = max(get_cwidth(name) for _, name, _ in rows)
    for count, name, bot in rows:
        yield f"  {count}  {_padded(name, width)}  {tell(job.language, 'bot') if bot else ''}".rstrip()
    if more := people[PEOPLE:]:
        rest = _number(sum(person.messages for person in more)).rjust(counts)
        yield f"  {rest}  {tell(job.language, 'others', count=_number(len(more)))}"


def _named(person: Person) -> str:
    name = _cut(_clean(person.name), 32)
    return f"{name} ({person.qq})" if person.qq and name != str(person.qq) else name


def _left(language: Language, preview: Preview) -> Iterator[str]:
    left = [(reason, count) for reason, count in preview.left.most_common() if reason != "characters"]
    if left:
        yield ""
        yield tell(language, "left", count=_number(sum(count for _, count in left)))
        widest = max(len(_number(count)) for _, count in left)
        for reason, count in left:
            places = _places(language, preview, reason, count)
            yield f"  {_number(count).rjust(widest)}  {tell(language, reason)}{places}"
    if count := preview.left["characters"]:
        yield tell(language, "characters", count=_number(count)) + _places(language, preview, "characters", count)


def _places(language: Language, preview: Preview, reason: str, count: int) -> str:
    found = [left.where for left in preview.examples if left.reason == reason]
    return tell(language, "at", places="; ".join(found) + ("; …" if count > len(found) else ""))


def _line(job: Job, entry: Entry, width: int) -> str:
    head = f"  {_moment(job, entry)}  {_padded(_cut(_clean(entry.name), width), width)}  "
    return head + _cut(_clean(entry.text), max(WIDTH - get_cwidth(head), 32))


def _moment(job: Job, entry: Entry) -> str:
    return datetime.fromtimestamp(entry.time, job.zone).strftime("%Y-%m-%d %H:%M")


def _clean(text: str) -> str:
    return _CONTROL.sub(" ", text).strip()


def _cut(text: str, width: int) -> str:
    if get_cwidth(text) <= width:
        return text
    while get_cwidth(text) > width - 1:
        text = text[: min(len(text) - 1, width)]
    return f"{text}…"


def _padded(text: str, width: int) -> str:
    return text + " " * (width - get_cwidth(text))


def _number(count: int) -> str:
    return f"{count:,}"


def _size(path: Path) -> str:
    size = path.stat().st_size if path.is_file() else sum(f.stat().st_size for f in path.rglob("*") if f.is_file())
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"
