"""From the command line to a running bot: it serves until a signal ends it, and says first how it is reached."""

import asyncio
import contextlib
import signal
import sys
from pathlib import Path

from onebot_bot import __version__
from onebot_bot.app import App
from onebot_bot.texts import say


async def serve(path: Path, *, stop: asyncio.Event | None = None) -> None:
    """Run the bot of `path` until a signal (or `stop`) ends it.

    Raises:
        ConfigError, StoreError: it cannot start; the text names the fix.
    """
    ended = stop or asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows: KeyboardInterrupt ends the runner instead
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with App(path) as app:
        sys.stdout.write(banner(app))
        sys.stdout.flush()
        await ended.wait()


def banner(app: App) -> str:
    """What to paste into NapCat, and what to do without QQ."""
    language, config = app.config.bot.language, app.config
    return say(
        language,
        "start.body",
        name="onebot-bot",
        version=__version__,
        url=app.url,
        token=app.token or say(language, "start.no_token"),
        console=_console_command(),
        config=app.path,
        owner="" if config.bot.owners else say(language, "start.no_owner"),
    )


def _console_command() -> str:
    """The console as this installation calls it: the script beside the interpreter is seldom on the PATH."""
    script = Path(sys.executable).with_name("onebot-bot")
    if not script.exists():
        return f"{Path(sys.executable).name} -m onebot_bot console"
    here = Path.cwd()
    return f"{script.relative_to(here) if script.is_relative_to(here) else script} console"
