"""From the command line to a running bot: it serves until a signal ends it, and says first how it is reached.

NapCat finds it listening before anything but the server is imported; the rest is imported on a thread.
"""

import asyncio
import contextlib
import importlib
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from onebot_bot import __version__
from onebot_bot.config import load_config
from onebot_bot.door import open_door
from onebot_bot.engine.libraries import load_ahead
from onebot_bot.errors import DatabaseDamaged, ModelStalled
from onebot_bot.freeing import not_collecting
from onebot_bot.restarting import Restarted, may_restart, note, start_again, take
from onebot_bot.sections.model import ECHO
from onebot_bot.texts import say
from onebot_bot.transport.server import OneBotServer
from onebot_bot.transport.token import TOKEN_FILE

if TYPE_CHECKING:
    from onebot_bot.app import App

LEAVING_SECONDS = 30.0
"""What an orderly end may take before a process whose model hangs is started anew all the same."""


async def serve(path: Path, *, stop: asyncio.Event | None = None) -> bool:
    """Run the bot of `path` until a signal (or `stop`) ends it, or its model hangs.

    Returns:
        Whether the process is to be started anew, because of a hang.

    Raises:
        ConfigError, StoreError: it cannot start; the text names the fix.
    """
    ended = stop or asyncio.Event()
    hang = Hang(ended.set)
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows: KeyboardInterrupt ends the runner instead
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with contextlib.AsyncExitStack() as stack:
        config = load_config(path)
        if config.model.path != ECHO and (libraries := load_ahead()) is not None:
            stack.callback(libraries.join)
        server = await open_door(stack, config, _folder(path))
        await asyncio.to_thread(_import_the_rest)
        if ended.is_set():
            return False  # told to end meanwhile: no database is opened and no model begun for nothing
        app = await stack.enter_async_context(_app(path, server, hang))
        sys.stdout.write(banner(app, to_a_person=sys.stdout.isatty()))
        sys.stdout.flush()
        await ended.wait()
    return hang.noted


def _folder(path: Path) -> Path:
    return path.absolute().parent


def _import_the_rest() -> None:
    with not_collecting():
        importlib.import_module("onebot_bot.app")


@contextlib.asynccontextmanager
async def _app(path: Path, server: OneBotServer, hang: "Hang") -> AsyncIterator["App"]:
    """The bot; where its database is damaged, the error names the way back."""
    from onebot_bot.app import App  # noqa: PLC0415 - this and the rest: the server listens before
    from onebot_bot.backups.shelf import with_way_back  # noqa: PLC0415
    from onebot_bot.health import Restarts  # noqa: PLC0415

    async with contextlib.AsyncExitStack() as stack:
        try:
            app = await stack.enter_async_context(App(path, server=server, restarts=Restarts(hang.restart, take())))
        except DatabaseDamaged as error:
            raise await asyncio.to_thread(with_way_back, error) from error
        yield app


class Hang:
    """Ends the process for another one when the model hangs; `end` begins an orderly end."""

    def __init__(self, end: Callable[[], None]) -> None:
        self._end = end
        self.noted = False

    def restart(self, error: ModelStalled) -> bool:
        """Whether it will be started anew: not when that was done too often lately."""
        now = time.time()
        if not may_restart(now):
            return False
        note(now, Restarted(str(error), now - error.seconds))
        self.noted = True
        timer = threading.Timer(LEAVING_SECONDS, start_again)  # whatever else hangs by now cannot hold it up
        timer.daemon = True
        timer.start()
        self._end()
        return True


def banner(app: "App", *, to_a_person: bool) -> str:
    """What to paste into NapCat, and what to do without QQ; the token only where a person reads it off a terminal.

    What is not a terminal is a file or a log, as `docker logs` and systemd's journal are.
    """
    language, config = app.config.bot.language, app.config
    return say(
        language,
        "start.body",
        name="onebot-bot",
        version=__version__,
        url=app.url,
        token=_token(app, shown=to_a_person),
        console=_console_command(),
        config=app.path,
        owner="" if config.bot.owners else say(language, "start.no_owner"),
    )


def _token(app: "App", *, shown: bool) -> str:
    language = app.config.bot.language
    if not app.token:
        return say(language, "start.no_token")
    if shown:
        return app.token
    made = app.config.server.token == "auto"  # noqa: S105 - the setting's value, not a token
    return say(language, "start.token_in", file=app.folder / TOKEN_FILE if made else f"{app.path} server.token")


def _console_command() -> str:
    """The console as this installation calls it: the script beside the interpreter is seldom on the PATH."""
    script = Path(sys.executable).with_name("onebot-bot")
    if not script.exists():
        return f"{Path(sys.executable).name} -m onebot_bot console"
    here = Path.cwd()
    return f"{script.relative_to(here) if script.is_relative_to(here) else script} console"
