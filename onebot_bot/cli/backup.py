"""`onebot-bot backup` and `onebot-bot restore`: everything that matters as one file, and back."""

import argparse
import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from zipfile import is_zipfile

from onebot_bot.backups.archive import About, check_archive
from onebot_bot.backups.contents import CONFIG, Place
from onebot_bot.backups.making import make
from onebot_bot.backups.restoring import restore
from onebot_bot.backups.shelf import Shelf
from onebot_bot.config import load_config
from onebot_bot.errors import CommandError, StoreError
from onebot_bot.private import private_files


def add_backup_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `backup`."""
    parser.add_argument(
        "file", type=Path, nargs="?", help="where to (default: a new file in memory_store/backups, the oldest go)"
    )
    parser.add_argument("--config", type=Path, default=Path(CONFIG), help="configuration file")


def add_restore_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `restore`."""
    parser.add_argument("file", type=Path, nargs="?", help="the backup, or its name; none: list those that there are")
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--into", type=Path, metavar="FOLDER", help="put it into this folder instead")
    target.add_argument("--config", type=Path, default=Path(CONFIG), help="configuration file to be replaced")


async def main_backup(args: argparse.Namespace) -> int:
    """Make a backup; the bot may run.

    Raises:
        BotError: it cannot be made; the text names the file and the fix.
    """
    place = Place(args.config, load_config(args.config))
    shelf = Shelf(place.folder / "memory_store")
    target = args.file.absolute() if args.file else shelf.free_path(time.time())
    if target.is_dir():
        raise CommandError(f"{args.file} is a folder. Name a file in it, such as {args.file / 'bot.zip'}.")
    if args.file and target.exists() and not is_zipfile(target):
        raise CommandError(f"{args.file} is there already and is no backup. Name another file, or move it away.")
    with private_files():
        made = await asyncio.to_thread(make, place, target)
    if not args.file:
        await asyncio.to_thread(shelf.prune, place.config.backup.keep, made.path)
    print(f"{made.path}  {_size(made.bytes)}\n{describe(made.about)}")
    print("It holds private chats and the access token in plain text: keep it where nobody else can read it.")
    return 0


async def main_restore(args: argparse.Namespace) -> int:
    """Put a backup back, or list those that there are.

    Raises:
        BotError: it cannot be put back; the text names the file and the fix.
    """
    config = args.into / CONFIG if args.into else args.config
    shelf = Shelf(args.config.absolute().parent / "memory_store")
    if args.file is None:
        print("\n".join(await asyncio.to_thread(lambda: list(listed(shelf)))))
        return 0
    with private_files():
        done = await asyncio.to_thread(restore, _found(args.file, shelf), config)
    print(f"{config.absolute().parent} is as it was. {describe(done.about)}")
    if done.replaced is not None:
        print(f"What was there lies in {done.replaced}; delete that folder when nothing is missing.")
    print(f"Start the bot: onebot-bot run --config {config}")
    return 0


def listed(shelf: Shelf) -> Iterator[str]:
    """The backups line by line, newest first, each read to its end."""
    backups = shelf.all()
    if not backups:
        yield f"{shelf.folder} holds no backups. Make one: onebot-bot backup"
        return
    for backup in backups:
        try:
            state = describe(check_archive(backup.path).about)
        except (StoreError, OSError) as error:
            state = str(error)
        yield f"{backup.path}  {backup.made.astimezone():%Y-%m-%d %H:%M}  {_size(backup.bytes)}  {state}"
    yield "Stop the bot, then: onebot-bot restore FILE"


def describe(about: About) -> str:
    """What a backup holds."""
    made = time.strftime("%Y-%m-%d %H:%M", time.localtime(about.made))
    counts = f"{about.messages:,} messages, {about.memories:,} memories, {about.pictures:,} pictures"
    return f"Made {made}: {counts}, {f'adapter {about.adapter}' if about.adapter else 'no adapter'}."


def _found(file: Path, shelf: Shelf) -> Path:
    """The file itself, or the one of that name among the backups."""
    named = shelf.folder / file.name
    return named if not file.exists() and file.name == str(file) and named.exists() else file


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"
