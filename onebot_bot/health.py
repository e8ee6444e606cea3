"""What is done about the troubles of the model's thread: the owner is told, and a hang restarts the process whole."""

import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from onebot_bot.chat.reports import Reports
from onebot_bot.chat.rest import Rest
from onebot_bot.engine.request import Engine
from onebot_bot.engine.worker import EngineWorker
from onebot_bot.errors import BotError, ModelError, ModelExchanged, ModelStalled
from onebot_bot.memories import Memories
from onebot_bot.nights import prepare
from onebot_bot.restarting import Restarted


class Restarts(NamedTuple):
    """How the process may be started anew."""

    restart: Callable[[ModelStalled], bool]
    """Asked to do so; False: it will not be."""
    last: Restarted | None = None
    """Why this process was."""


NEVER = Restarts(lambda _: False)
"""For a bot that is part of another process."""


async def prepare_memories(engine: Engine, memories: Memories, reports: Reports) -> None:
    """Once the model is loaded, make the memories its own; when it fails to load, tell the owner."""
    if not isinstance(engine, EngineWorker):
        return
    try:
        await prepare(engine, memories)
    except BotError as error:
        reports.report("report.model", None, error)


async def watch_engine(
    engine: Engine,
    reports: Reports,
    restart: Callable[[ModelStalled], bool],
    exchanged: Callable[[], Awaitable[None]],
) -> None:
    """Tell the owners of every trouble, for as long as the bot runs; `exchanged` has the memories follow the model."""
    while isinstance(engine, EngineWorker):
        trouble = await engine.troubles.get()
        reports.report("report.exchanged" if isinstance(trouble, ModelExchanged) else "report.engine", None, trouble)
        if isinstance(trouble, ModelStalled) and not restart(trouble):
            engine.give_up(trouble)
        elif isinstance(trouble, ModelExchanged):
            await exchanged()


def tell_restart(restarted: Restarted, rest: Rest, reports: Reports) -> None:
    """The process before this one restarted itself: the owners hear why, and what came since then is answered."""
    rest.remember(restarted.since, time.time())
    reports.report("report.restarted", None, ModelError(restarted.reason, code="OB-1221"))
