"""The command line: `onebot-bot run`, `console`, `import`, `fetch`, `prime`, `plan`, `doctor`, `backup`, `restore`."""

import argparse
import asyncio
import gc
import importlib
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from onebot_bot import __version__
from onebot_bot.errors import BotError, named
from onebot_bot.freeing import not_collecting, share_arenas
from onebot_bot.restarting import STATUS, start_again

T = TypeVar("T")

COLLECTING = 10_000
"""Objects made until those in circles are looked for: Python's own 700 cost some twentieth of a message's time."""

COMMANDS = {
    "run": ("running", "start the bot"),
    "console": ("console", "chat with the running bot, without QQ"),
    "import": ("importing", "take a chat export into the record"),
    "fetch": ("fetch", "download a model"),
    "prime": ("priming", "teach a model to use its memory"),
    "plan": ("plan", "show which weights and how many chats fit into memory"),
    "backup": ("backup", "write everything that matters into one file"),
    "restore": ("backup", "put a backup back, or list them"),
    "doctor": ("doctor", "check the installation"),
}
"""The module in `onebot_bot.cli` that has `add_NAME_arguments` and `main_NAME`, and what the command is for.

Only the chosen one is imported: NapCat finds the bot listening half a second after its start.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status. Errors a person can act on are one line, not a traceback."""
    given = sys.argv[1:] if arguments is None else arguments
    args = _parser(next((each for each in given if not each.startswith("-")), "")).parse_args(given)
    work: Coroutine[Any, Any, int] = args.main(args)
    try:
        status = run_loop(work)
    except BotError as error:
        print(f"onebot-bot: {named(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if status == STATUS:
        start_again()
    return status


def _parser(chosen: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="onebot-bot", description="A QQ companion bot with memory.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", required=True)
    for name, (module, about) in COMMANDS.items():
        command = commands.add_parser(name, help=about, description=about)
        if name == chosen:
            with not_collecting():
                found = importlib.import_module(f"onebot_bot.cli.{module}")
            getattr(found, f"add_{name}_arguments")(command)
            command.set_defaults(main=getattr(found, f"main_{name}"))
    return parser


def run_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end, on uvloop where there is one: it takes about a quarter off the time of a message."""
    # A message makes hundreds of objects, and next to none of them in circles.
    gc.set_threshold(COLLECTING)
    share_arenas()
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
