"""Chat exports that were sent to the bot: fetched again when they are wanted, read, and brought into the record."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

from onebot_bot.chat.files import Files, check_file_size
from onebot_bot.commands.import_control import Choice, Export, Speaker
from onebot_bot.config import Config
from onebot_bot.errors import CommandError
from onebot_bot.importing.importer import Job, Preview, bring_in, look_through
from onebot_bot.memory.history import History
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.segments import File, decode_message
from onebot_bot.texts import say

MOST_MIB = 64.0
"""Larger exports are for `onebot-bot import`, which reads them from the disk."""
SECONDS = 120.0
NAME = "export"
"""Of the file while it is read: the one that came along is a stranger's to choose."""


class Imports:
    """Those of one chat."""

    def __init__(self, chat: ChatId, history: History, files: Files, config: Callable[[], Config]) -> None:
        self._chat = chat
        self._history = history
        self._files = files
        self._config = config

    async def look(self, message: int, choice: Choice) -> Export:
        """What importing the file of that message would do."""
        async with self._job(message, choice) as job:
            return _export(await look_through(job, self._history))

    async def bring_in(self, message: int, choice: Choice) -> int:
        """Import it; how many messages were new."""
        async with self._job(message, choice) as job:
            await look_through(job, self._history)  # refuses what the preview would
            return await bring_in(job, self._history)

    @asynccontextmanager
    async def _job(self, message: int, choice: Choice) -> AsyncIterator[Job]:
        file = await self._file(message)
        check_file_size(file, MOST_MIB)
        data = await self._files.fetch(self._chat, file, MOST_MIB, SECONDS)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / NAME
            await asyncio.to_thread(path.write_bytes, data)
            config = self._config()
            job = Job(
                file=path,
                chat=self._chat,
                me=frozenset([choice.me or str(self._chat.account)]),
                zone=ZoneInfo(config.learning.timezone),
                language=config.bot.language,
                only=choice.only,
            )
            try:
                yield job
            except CommandError as error:  # nobody in a chat has use for the place of a copy
                raise CommandError(str(error).replace(str(path), NAME), code=error.id) from error

    async def _file(self, message: int) -> File:
        found = await self._history.find(self._chat, message)
        segments = decode_message(found.segments or []) if found is not None else ()
        file = next((segment for segment in segments if isinstance(segment, File)), None)
        if file is None:
            raise CommandError(say(self._config().bot.language, "import.no_file"))
        return file


def _export(preview: Preview) -> Export:
    people = sorted(preview.people.values(), key=lambda person: -person.messages)
    return Export(
        name=preview.name,
        messages=preview.messages,
        new=preview.new,
        left_out=sum(preview.left.values()),
        begins=preview.first[0].time,
        ends=preview.last[-1].time,
        speakers=[Speaker(person.name, person.qq, person.messages, person.bot) for person in people],
    )
