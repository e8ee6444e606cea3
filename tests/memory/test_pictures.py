"""Pictures of messages: stored once, bounded, private, and gone with the last message that shows them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from facts import fact

from onebot_bot.memory.database import Database
from onebot_bot.memory.history import Entry, History
from onebot_bot.memory.pictures import PictureStore, Still
from onebot_bot.memory.store import MemoryStore
from onebot_bot.protocol.chat_id import ChatId

ALICE = ChatId(10000, "private", 1)
ROOM = 1000
RED, GREEN, BLUE = Still(b"red" * 100, 9), Still(b"green" * 60, 8), Still(b"blue" * 75, 7)
"""300 bytes each: the room is for three."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the pictures go."""
    return tmp_path / "pictures"


@pytest.fixture
def pictures(database: Database, folder: Path) -> PictureStore:
    """An empty store with room for three."""
    return PictureStore(database, folder, lambda: ROOM)


@pytest.fixture
def history(database: Database) -> History:
    """The record beside it."""
    return History(database)


async def said(history: History, message_id: int) -> int:
    """A message on record; its row."""
    entry = Entry(role="user", text="[图片]", time=message_id, user_id=1, message_id=message_id)
    row = await history.append(ALICE, entry)
    assert row is not None
    return row


async def seen(pictures: PictureStore, *rows: int) -> list[bytes]:
    """What is to be seen of these messages."""
    places = await pictures.places(rows)
    data = await pictures.read({place.digest for place in places})
    return [data[place.digest] for place in places]


def files(folder: Path) -> int:
    """How many there are."""
    return len(list(folder.iterdir()))


def modes(folder: Path) -> list[int]:
    """Who may do what with the folder and its files."""
    return [path.stat().st_mode & 0o777 for path in (folder, *folder.iterdir())]


async def test_what_was_put_is_read(pictures: PictureStore, history: History) -> None:
    """By message, segment and frame, with its size."""
    first, second = await said(history, 1), await said(history, 2)
    await pictures.put(second, 0, [BLUE])
    await pictures.put(first, 3, [GREEN])
    await pictures.put(first, 1, [RED, BLUE])
    places = await pictures.places([first, second])
    assert [(place.message, place.segment, place.pixels) for place in places] == [
        (first, 1, 9), (first, 1, 7), (first, 3, 8), (second, 0, 7),
    ]  # fmt: skip
    assert await seen(pictures, first) == [RED.data, BLUE.data, GREEN.data]


async def test_the_same_picture_is_stored_once(pictures: PictureStore, history: History, folder: Path) -> None:
    """However often it is sent; it goes with the last message that shows it."""
    rows = [await said(history, number) for number in (1, 2)]
    for row in rows:
        await pictures.put(row, 0, [RED])
    assert files(folder) == 1
    await history.withdraw(ALICE, 1)
    await pictures.sweep()
    assert await seen(pictures, *rows) == [RED.data]
    await history.withdraw(ALICE, 2)
    await pictures.sweep()
    assert files(folder) == 0


async def test_only_its_user_can_read_them(pictures: PictureStore, history: History, folder: Path) -> None:
    """They are from private chats."""
    await pictures.put(await said(history, 1), 0, [RED])
    assert modes(folder) == [0o700, 0o600]


async def test_the_oldest_make_way(pictures: PictureStore, history: History, folder: Path) -> None:
    """One that is sent again counts as new."""
    rows = [await said(history, number) for number in range(1, 6)]
    for row, still in zip(rows, (RED, GREEN, BLUE, RED, Still(b"grey" * 75, 6)), strict=True):
        await pictures.put(row, 0, [still])
    assert files(folder) == 3
    assert await seen(pictures, *rows) == [RED.data, BLUE.data, RED.data, b"grey" * 75]


async def test_what_is_taken_back_takes_its_pictures_along(
    pictures: PictureStore, history: History, folder: Path
) -> None:
    """By /undo, as by a recall in QQ."""
    row = await said(history, 1)
    await pictures.put(row, 0, [RED])
    await history.answered(ALICE, [row], [Entry(role="assistant", text="nice", time=2)])
    await history.undo(ALICE, 1)
    await pictures.sweep()
    assert await pictures.places([row]) == []
    assert files(folder) == 0


async def test_a_forgotten_memory_takes_the_pictures_of_its_messages_along(
    pictures: PictureStore, history: History, database: Database, folder: Path
) -> None:
    """What it was made of is not to be seen any more either."""
    row = await said(history, 1)
    await pictures.put(row, 0, [RED])
    async with MemoryStore(database, folder.with_name("memory.faiss")) as memories:
        await memories.set_view("embedder-1", np.zeros(8, np.float32))
        memory = await memories.add(fact(0, ALICE, source_ids=(row,)))
        await memories.forget(memory.id)
    await pictures.sweep()
    assert await pictures.places([row]) == []
    assert files(folder) == 0


async def test_a_forgotten_person_takes_their_pictures_along(
    pictures: PictureStore, history: History, database: Database, folder: Path
) -> None:
    """Those that nobody else sent, too."""
    group = ChatId(ALICE.account, "group", 77)
    mine = await history.append(group, Entry(role="user", text="look", time=1, user_id=ALICE.peer, message_id=1))
    others = await history.append(group, Entry(role="user", text="this", time=1, user_id=5, message_id=2))
    for row, stills in ((mine, [RED, GREEN]), (others, [GREEN])):
        await pictures.put(row or 0, 0, stills)
    private = await said(history, 3)
    await pictures.put(private, 0, [BLUE])
    async with MemoryStore(database, folder.with_name("memory.faiss")) as memories:
        await memories.forget_person(ALICE.peer)
    await pictures.sweep()
    assert await seen(pictures, others or 0) == [GREEN.data]
    assert files(folder) == 1


async def test_of_what_was_recalled_meanwhile_nothing_is_kept(
    pictures: PictureStore, history: History, folder: Path
) -> None:
    """Its picture was still on the way."""
    row = await said(history, 1)
    await history.withdraw(ALICE, 1)
    await pictures.put(row, 0, [RED])
    assert await pictures.places([row]) == []
    assert files(folder) == 0


async def test_a_start_sets_right_what_a_kill_left(pictures: PictureStore, history: History, folder: Path) -> None:
    """Files that no message shows go, and a message whose file is lost has no picture."""
    rows = [await said(history, number) for number in (1, 2)]
    for row, still in zip(rows, (RED, GREEN), strict=True):
        await pictures.put(row, 0, [still])
    lost = (await pictures.places([rows[0]]))[0].digest
    (folder / f"{lost}.jpg").unlink()
    (folder / "stray.jpg").write_bytes(b"x")
    (folder / "half.part").write_bytes(b"x")
    await pictures.restore()
    assert await pictures.places([rows[0]]) == []
    assert await seen(pictures, rows[1]) == [GREEN.data]
    assert files(folder) == 1


def cut_short(folder: Path) -> None:
    """As a power cut may leave a file."""
    for file in folder.iterdir():
        file.write_bytes(b"re")


def remove(folder: Path) -> None:
    """As somebody may who tidies up."""
    for file in folder.iterdir():
        file.unlink()


@pytest.mark.parametrize("harm", [cut_short, remove])
async def test_a_damaged_file_is_left_out(
    pictures: PictureStore, history: History, folder: Path, harm: Callable[[Path], object]
) -> None:
    """And so is a lost one: nothing fails for it."""
    row = await said(history, 1)
    await pictures.put(row, 0, [RED])
    harm(folder)
    assert await pictures.read({place.digest for place in await pictures.places([row])}) == {}
