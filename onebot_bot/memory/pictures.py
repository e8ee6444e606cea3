"""Pictures of messages: files named by their content, and a row for each place where one is to be seen.

A picture goes with the last message that shows it: the database's triggers see to the rows, `sweep` to the files.
"""

import asyncio
import hashlib
import os
import sqlite3
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from onebot_bot.errors import StoreError
from onebot_bot.memory.database import Database, listed

SUFFIX = ".jpg"
PART = ".part"


class Still(Struct, frozen=True):
    """An encoded picture, fit to be shown to the model."""

    data: bytes
    pixels: int


class Place(Struct, frozen=True):
    """A picture at a segment of the message in row `message`; of a video there are several, in order."""

    message: int
    segment: int
    digest: str
    pixels: int


_KEEP = """INSERT INTO pictures SELECT ?, ?, ?, coalesce(max(stored), 0) + 1 FROM pictures WHERE true
    ON CONFLICT DO UPDATE SET stored = excluded.stored"""

# Not of what was recalled, or forgotten, while its picture was on the way.
_SHOW = """INSERT OR REPLACE INTO message_pictures SELECT id, ?, ?, ? FROM messages
    WHERE id = ? AND hidden = 0 AND id NOT IN (SELECT source_id FROM barred_sources)"""

_DROP_UNUSED = """DELETE FROM pictures WHERE digest NOT IN (SELECT digest FROM message_pictures)
    RETURNING digest"""

_EVICT = """DELETE FROM pictures WHERE digest IN (SELECT digest FROM
    (SELECT digest, sum(bytes) OVER (ORDER BY stored DESC) AS total FROM pictures) WHERE total > ?)
    RETURNING digest"""

_DROP_LOST = "DELETE FROM pictures WHERE digest NOT IN (SELECT value FROM json_each(?))"

_PLACES = """SELECT message, segment, digest, pixels FROM message_pictures JOIN pictures USING (digest)
    WHERE message IN (SELECT value FROM json_each(?)) ORDER BY message, segment, frame"""


class PictureStore:
    """The pictures of all chats, in one folder that only the bot's user can read."""

    def __init__(self, database: Database, folder: Path, room: Callable[[], int]) -> None:
        self._database = database
        self._folder = folder
        self._room = room
        """Bytes that the files may take together; read anew each time."""
        self._changing = asyncio.Lock()

    async def restore(self) -> None:
        """Set right what a kill left half done: call once, at the start.

        Raises:
            StoreError: the folder or the database cannot be used.
        """
        files = await asyncio.to_thread(_listed, self._folder)
        kept = await self._database.write(lambda connection: _restore(connection, files))
        await asyncio.to_thread(_remove, self._folder, files - kept)

    async def put(self, message: int, segment: int, stills: Sequence[Still]) -> None:
        """Keep what is to be seen at a segment of the message in row `message`, unless that was recalled meanwhile.

        What was stored first makes way when the room is used up.

        Raises:
            StoreError: a file or a row cannot be written.
        """
        named = [(_digest(still.data), still) for still in stills]
        async with self._changing:
            await asyncio.to_thread(_write, self._folder, named)
            room = self._room()
            gone = await self._database.write(lambda connection: _put(connection, message, segment, named, room))
            await asyncio.to_thread(_remove, self._folder, gone)

    async def places(self, messages: Collection[int]) -> list[Place]:
        """What is stored of the messages in these rows, by message, segment and, in a video, time."""
        rows = await self._database.read(lambda c: c.execute(_PLACES, (listed(messages),)).fetchall())
        return [Place(*row) for row in rows]

    async def read(self, digests: Collection[str]) -> dict[str, bytes]:
        """The pictures of these names; one whose file is gone or damaged is left out."""
        return await asyncio.to_thread(_read, self._folder, tuple(digests))

    async def sweep(self) -> None:
        """Remove the files of pictures that no message shows any more."""
        async with self._changing:
            room = self._room()
            gone = await self._database.write(lambda connection: _trim(connection, room))
            await asyncio.to_thread(_remove, self._folder, gone)


# --- rows ---


def _restore(connection: sqlite3.Connection, files: Collection[str]) -> set[str]:
    connection.execute(_DROP_LOST, (msgspec.json.encode(list(files)).decode(),))
    connection.execute(_DROP_UNUSED).fetchall()
    return {row[0] for row in connection.execute("SELECT digest FROM pictures")}


def _put(
    connection: sqlite3.Connection, message: int, segment: int, named: Sequence[tuple[str, Still]], room: int
) -> set[str]:
    """The names of the files that go."""
    for frame, (digest, still) in enumerate(named):
        connection.execute(_KEEP, (digest, len(still.data), still.pixels))
        connection.execute(_SHOW, (segment, frame, digest, message))
    return _trim(connection, room)


def _trim(connection: sqlite3.Connection, room: int) -> set[str]:
    unused = connection.execute(_DROP_UNUSED).fetchall()
    return {row[0] for row in [*unused, *connection.execute(_EVICT, (room,)).fetchall()]}


# --- files ---


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _listed(folder: Path) -> set[str]:
    for part in folder.glob(f"*{PART}"):
        part.unlink()
    return {file.stem for file in folder.glob(f"*{SUFFIX}")}


def _write(folder: Path, named: Sequence[tuple[str, Still]]) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for digest, still in named:
            _write_one(folder / f"{digest}{SUFFIX}", still.data)
    except OSError as error:
        raise StoreError(
            f"{folder} cannot be written: {error.strerror}. Check its owner and the disk.", code="OB-1305"
        ) from error


def _write_one(path: Path, data: bytes) -> None:
    """With mode 600 from the first byte on, and whole: whoever reads it meets all of it or nothing."""
    part = path.with_suffix(PART)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
    part.replace(path)


def _read(folder: Path, digests: Collection[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for digest in digests:
        file = folder / f"{digest}{SUFFIX}"
        data = file.read_bytes() if file.exists() else b""
        if _digest(data) == digest:  # no fsync was spent on it: a power cut may have left less
            found[digest] = data
    return found


def _remove(folder: Path, digests: Collection[str]) -> None:
    for digest in digests:
        (folder / f"{digest}{SUFFIX}").unlink(missing_ok=True)
