"""Backups while the bot runs: every day at an hour, and whenever the owner asks."""

import asyncio
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

import structlog

from onebot_bot.backups.contents import Place
from onebot_bot.backups.making import Made, make
from onebot_bot.backups.shelf import Shelf
from onebot_bot.commands.backup_control import KeptBackup, MadeBackup
from onebot_bot.errors import StoreError
from onebot_bot.hours import minute_of, parse_time
from onebot_bot.memory.copying import Stopped, off_loop
from onebot_bot.memory.database import Database
from onebot_bot.protocol.chat_id import ChatId

log = structlog.get_logger(__name__)

SETTLED: Final = 300.0
"""Seconds after the start before the first look: what was missed while the bot was down comes first."""
LOOK_EVERY: Final = 60.0
"""Seconds between two looks at the clock: it may be set, and the machine may sleep."""
AGAIN: Final = 60
"""Looks after a failure before the next try."""

Report = Callable[[str, ChatId | None, BaseException], str]


class Clock(Protocol):
    """Waiting, so that tests need not."""

    async def sleep(self, seconds: float) -> object:
        """Wait."""


class Backups:
    """Makes them, one at a time. `local` is now, where the people live."""

    def __init__(
        self,
        database: Database,
        place: Callable[[], Place],
        report: Report,
        clock: Clock,
        local: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._place = place
        self._report = report
        self._clock = clock
        self._local = local
        self._shelf = Shelf(database.path.parent)
        self._making = asyncio.Lock()
        self._writing = asyncio.Lock()
        """Held by who writes into the folder, or sweeps it: what is half made is like what a kill left."""

    async def run(self) -> None:
        """Make one a day, until cancelled."""
        async with self._writing:
            await asyncio.to_thread(self._shelf.sweep)
        await self._wonder()
        await self._clock.sleep(SETTLED)
        waits = 0
        while True:
            waits = max(0, waits - 1)
            if not waits and await self._is_due() and not await self._try():
                waits = AGAIN
            await self._clock.sleep(LOOK_EVERY)

    async def make(self) -> MadeBackup:
        """Make one now; the oldest of too many go.

        Raises:
            StoreError: it cannot be made, or one is being made; those that are there stay.
        """
        if self._making.locked():
            raise StoreError("A backup is being made already.", code="OB-1311")
        async with self._making, self._writing:
            made = await self._make()
        about = made.about
        log.info("Backup made.", file=str(made.path), bytes=made.bytes, messages=about.messages)
        return MadeBackup(
            path=made.path,
            bytes=made.bytes,
            messages=about.messages,
            memories=about.memories,
            pictures=about.pictures,
            adapter=about.adapter,
        )

    async def kept(self) -> list[KeptBackup]:
        """Every backup, newest first."""
        zone = self._local().tzinfo
        backups = await asyncio.to_thread(self._shelf.all)
        return [KeptBackup(one.path.name, one.made.astimezone(zone), one.bytes) for one in backups]

    async def _make(self) -> Made:
        place, loop = self._place(), asyncio.get_running_loop()
        target = self._shelf.free_path(self._local().timestamp())

        def work(stopped: Stopped) -> Made:
            def copy(to: Path) -> None:
                asyncio.run_coroutine_threadsafe(self._database.backup(to, stopped), loop).result()

            made = make(place, target, copy, stopped)
            self._shelf.prune(place.config.backup.keep, made.path)
            return made

        return await off_loop(work)

    async def _try(self) -> bool:
        """Whether one was made; the owner hears why not."""
        try:
            await self.make()
        except (StoreError, OSError) as error:
            self._report("report.backup", None, error)
            return False
        return True

    async def _is_due(self) -> bool:
        config, now = self._place().config.backup, self._local()
        if not config.enabled:
            return False
        last = await asyncio.to_thread(self._shelf.last, now.astimezone(UTC))
        # What holds nothing pushes nothing out.
        return is_due(last, now, config.time) and not await self._is_empty()

    async def _wonder(self) -> None:
        """Tell the owner when there are backups and nobody's words: the database was lost, or moved away on purpose."""
        if (kept := await self.kept()) and await self._is_empty():
            fix = "If it was lost: stop the bot, and `onebot-bot restore` puts the newest good backup back."
            text = f"{self._database.path} holds no messages, but there are backups, the newest {kept[0].name}. {fix}"
            self._report("report.empty", None, StoreError(text, code="OB-1317"))

    async def _is_empty(self) -> bool:
        return not await self._database.read(_any_message)


def _any_message(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM messages LIMIT 1").fetchone() is not None


def is_due(last: datetime | None, now: datetime, time: str) -> bool:
    """Whether there was no backup since the clock last showed `time`; `now` is where the people live."""
    minute = parse_time(time)
    moment = now.replace(hour=minute // 60, minute=minute % 60, second=0, microsecond=0)
    if minute_of(now) < minute:
        moment -= timedelta(days=1)
    return last is None or last < moment
