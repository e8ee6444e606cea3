"""The command line: `onebot-bot run`, `console`, `import`, `fetch`, `prime`, `plan`, `doctor`, `backup`, `restore`."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from onebot_bot import __version__
from onebot_bot.cli.backup import add_backup_arguments, add_restore_arguments, main_backup, main_restore
from onebot_bot.cli.console import add_console_arguments, main_console
from onebot_bot.cli.doctor import add_doctor_arguments, main_doctor
from onebot_bot.cli.fetch import add_fetch_arguments, main_fetch
from onebot_bot.cli.importing import add_import_arguments, main_import
from onebot_bot.cli.plan import add_plan_arguments, main_plan
from onebot_bot.cli.priming import add_prime_arguments, main_prime
from onebot_bot.config import load_config
from onebot_bot.config_file import migrate_config
from onebot_bot.errors import BotError, named
from onebot_bot.logs import logging_to
from onebot_bot.restarting import STATUS, start_again

T = TypeVar("T")
Main = Callable[[argparse.Namespace], Coroutine[Any, Any, int]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status. Errors a person can act on are one line, not a traceback."""
    args = _parser().parse_args(arguments)
    chosen: Main = args.main
    try:
        status = run_loop(chosen(args))
    except BotError as error:
        print(f"onebot-bot: {named(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if status == STATUS:
        start_again()
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="onebot-bot", description="A QQ companion bot with memory.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", required=True)
    _add(commands, "run", "start the bot", add_run_arguments, main_run)
    _add(commands, "console", "chat with the running bot, without QQ", add_console_arguments, main_console)
    _add(commands, "import", "take a chat export into the record", add_import_arguments, main_import)
    _add(commands, "fetch", "download a model", add_fetch_arguments, main_fetch)
    _add(commands, "prime", "teach a model to use its memory", add_prime_arguments, main_prime)
    _add(commands, "plan", "show which weights and how many chats fit into memory", add_plan_arguments, main_plan)
    _add(commands, "backup", "write everything that matters into one file", add_backup_arguments, main_backup)
    _add(commands, "restore", "put a backup back, or list them", add_restore_arguments, main_restore)
    _add(commands, "doctor", "check the installation", add_doctor_arguments, main_doctor)
    return parser


def _add(
    commands: Any, name: str, about: str, add_arguments: Callable[[argparse.ArgumentParser], None], main: Main
) -> None:
    parser = commands.add_parser(name, help=about, description=about)
    add_arguments(parser)
    parser.set_defaults(main=main)


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `run`."""
    parser.add_argument("--config", type=Path, default=Path("config.toml"), help="configuration file")


async def main_run(args: argparse.Namespace) -> int:
    """Serve until a signal ends it; `STATUS`: the process is to be started anew."""
    from onebot_bot.start import serve  # noqa: PLC0415 - the other commands start without the whole bot

    if left := migrate_config(args.config):
        print(f"{args.config} was brought up from version {left[0]}; the old file is kept beside it.", file=sys.stderr)
    config = load_config(args.config)
    file = args.config.absolute().parent / config.log.file if config.log.file else None
    with logging_to(config.log.level, file):
        return STATUS if await serve(args.config) else 0


def run_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end, on uvloop where there is one: it takes about a quarter off the time of a message."""
    with asyncio.Runner(loop_factory=find_loop()) as runner:
        return runner.run(work)


def find_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes uvloop's loop; None, asyncio's own, where there is no uvloop."""
    try:
        import uvloop  # noqa: PLC0415 - not on Windows
    except ImportError:
        return None
    found: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return found


if __name__ == "__main__":
    sys.exit(main())
