"""`onebot-bot console`: chat with the running bot from a terminal, without QQ.

It connects where NapCat would and answers as NapCat does, so the bot cannot tell the two apart.
"""

import argparse
import asyncio
import io
import os
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack, aclosing, suppress
from pathlib import Path
from typing import TextIO

import msgspec
from prompt_toolkit import PromptSession
from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.patch_stdout import patch_stdout
from prompt_toolkit.shortcuts import CompleteStyle

from onebot_bot.cli.console_commands import COMMAND_NAMES
from onebot_bot.cli.console_talk import SOMEBODY, Console, Lines, Options
from onebot_bot.cli.console_texts import tell
from onebot_bot.cli.console_view import Screen
from onebot_bot.config import Config, load_config
from onebot_bot.errors import BotError, NotConnected
from onebot_bot.sections.server import ServerConfig
from onebot_bot.transport.client import OneBotClient
from onebot_bot.transport.handshake import SUGGESTED_PATH
from onebot_bot.transport.token import read_token

# --- the command line ---------------------------------------------------------------------------------------------


def add_console_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `onebot-bot console` takes."""
    parser.add_argument("--config", type=Path, default=Path("config.toml"), help="the bot's configuration file")
    parser.add_argument("--url", help="where the bot listens (default: as config.toml says)")
    parser.add_argument("--token", help="the access token (default: as config.toml says; none with --url)")
    parser.add_argument(
        "--as",
        dest="user_id",
        type=_number,
        metavar="QQ",
        help=f"who you are (default: the first of bot.owners, else {SOMEBODY})",
    )
    parser.add_argument("--name", default="小明", help="your nickname (default: %(default)s)")
    parser.add_argument(
        "--group", dest="group_id", type=_number, default=0, metavar="NUMBER", help="speak in a group, not in private"
    )
    parser.add_argument(
        "--self-id", type=_number, default=10000, metavar="QQ", help="the bot's account (default: %(default)s)"
    )
    parser.add_argument(
        "--linger",
        type=float,
        default=20.0,
        metavar="SECONDS",
        help="how long to wait for an answer at the end of piped input (default: %(default)g)",
    )


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 2**63):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number such as {SOMEBODY}")
    return int(text)


async def main_console(args: argparse.Namespace, stdin: TextIO | None = None, stdout: TextIO | None = None) -> int:
    """Run `onebot-bot console`; the exit code. Without streams of a caller's own, the process's are used."""
    out = stdout or sys.stdout
    interactive = stdin is None and sys.stdin.isatty() and out.isatty()
    if isinstance(out, io.TextIOWrapper):
        out.reconfigure(errors="replace")  # an emoji must not end the console where the terminal has none
    # At the prompt sys.stdout is looked up anew for each line: prompt_toolkit puts its own in its place.
    screen = Screen(lambda text: print(text, file=None if interactive else out, flush=True), colour=_is_coloured(out))
    try:
        options = msgspec.structs.replace(read_options(args), echo=not interactive)
        lines = None if interactive else piped_lines(stdin or _unshared(sys.stdin))
        await run_console(options, screen, lines)
    except BotError as error:
        screen.error(error)
        return 1
    return 0


def _is_coloured(out: TextIO) -> bool:
    return out.isatty() and not os.environ.get("NO_COLOR")


def _unshared(stream: TextIO) -> TextIO:
    """The same input with a buffer of its own: Python dies at exit if a thread still reads the shared one."""
    return open(stream.fileno(), encoding=stream.encoding, errors="replace", closefd=False)


def read_options(args: argparse.Namespace) -> Options:
    """What was typed, completed from config.toml; with `--url` there need not be one.

    Raises:
        ConfigError: config.toml or the token cannot be had.
    """
    config = Config() if args.url and not args.config.exists() else load_config(args.config)
    folder = args.config.absolute().parent
    token = args.token or ("" if args.url else read_token(config.server, folder, create=False))
    bot = config.bot
    return Options(
        url=args.url or _url(config.server),
        token=token,
        self_id=args.self_id,
        user_id=args.user_id or next(iter(bot.owners), SOMEBODY),
        name=args.name,
        group_id=args.group_id,
        bot_name=next(iter(bot.names), "bot"),
        language=bot.language,
        prefix=next(iter(config.commands.prefixes), "/"),
        owned=bool(bot.owners) or bool(args.url),
        refused=tell(bot.language, "refused.url" if args.url else "refused", error="{error}", config=args.config),
        linger=args.linger,
        quiet=config.chat.max_delay + 0.5,
        settle=config.chat.max_delay + 0.5,
    )


def _url(server: ServerConfig) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(server.host, server.host)  # noqa: S104 - recognised, not bound
    return f"ws://{f'[{host}]' if ':' in host else host}:{server.port}{SUGGESTED_PATH}"


# --- the input ----------------------------------------------------------------------------------------------------


async def piped_lines(stream: Iterable[str]) -> Lines:
    """The lines of a pipe or a file, as they come.

    A thread reads them: the event loop cannot wait for files, nor on Windows for pipes. It is a daemon, since
    nothing wakes a thread that waits for input.
    """
    loop = asyncio.get_running_loop()
    arrived: asyncio.Queue[str | None] = asyncio.Queue()

    def read() -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody listens any more
            try:
                for line in stream:
                    loop.call_soon_threadsafe(arrived.put_nowait, line)
            finally:
                loop.call_soon_threadsafe(arrived.put_nowait, None)

    threading.Thread(target=read, name="console-input", daemon=True).start()
    while (line := await arrived.get()) is not None:
        yield line.rstrip("\r\n")


async def prompted_lines(prompt: Callable[[], str]) -> Lines:
    """The lines typed at a prompt; what arrives meanwhile is shown above it. Ctrl-C and Ctrl-D are `:quit`."""
    names = WordCompleter(list(COMMAND_NAMES), sentence=True)
    session: PromptSession[str] = PromptSession(
        prompt, completer=names, complete_style=CompleteStyle.READLINE_LIKE, complete_while_typing=False
    )
    with patch_stdout(raw=True):
        while True:
            try:
                yield await session.prompt_async()
            except (EOFError, KeyboardInterrupt):
                yield ":quit"


# --- the connection -----------------------------------------------------------------------------------------------


async def run_console(options: Options, screen: Screen, lines: Lines | None = None) -> None:
    """Connect, and obey `lines` until they end; without any, those typed at a prompt.

    Raises:
        NotConnected: the bot is not running, or refuses.
    """
    client = OneBotClient(options.url, options.self_id, options.token, on_call=lambda _: None, heartbeat=30)
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(client)
        except NotConnected as error:
            raise NotConnected(_reason(error, options)) from error
        console = Console(options, screen, client)
        typed = await stack.enter_async_context(aclosing(lines or prompted_lines(console.prompt)))
        await console.run(typed)


def _reason(error: NotConnected, options: Options) -> str:
    if isinstance(error.__cause__, OSError):
        return tell(options.language, "down", url=options.url)
    return options.refused.replace("{error}", str(error)) if "refused with 401" in str(error) else str(error)
