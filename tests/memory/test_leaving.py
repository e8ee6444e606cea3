"""What is being sent is known after a kill, without a transaction."""

import errno
import os
from pathlib import Path

import pytest

from onebot_bot.memory.database import Database
from onebot_bot.memory.history import Entry, History
from onebot_bot.memory.leaving import LEAVING, SLOTS, Leaving
from onebot_bot.private import open_to_others
from onebot_bot.protocol.chat_id import ChatId

CHAT = ChatId(10000, "private", 1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file's."""
    return tmp_path / LEAVING


def left_in(path: Path) -> list[int]:
    """What another process finds."""
    with Leaving(path) as found:
        return sorted(found.left)


def test_what_leaves_is_found_by_the_next_process(path: Path) -> None:
    """At any moment, without anything being closed or written out first."""
    with Leaving(path) as leaving:
        assert not leaving.add([1])  # what was left has to be taken over first
        leaving.begin()
        assert leaving.add([7, 8])
        assert left_in(path) == [7, 8]
        leaving.discard([7, 9])
        assert (left_in(path), 7 in leaving, 8 in leaving) == ([8], False, True)
        leaving.discard([8])
        assert left_in(path) == []


def test_there_is_room_for_so_many(path: Path) -> None:
    """What finds none is noted elsewhere; room that is given back is used again."""
    with Leaving(path) as leaving:
        leaving.begin()
        assert leaving.add(range(1, SLOTS + 1))
        assert not leaving.add([SLOTS + 1])
        leaving.discard([5])
        assert leaving.add([SLOTS + 1])
    assert len(left_in(path)) == SLOTS


@pytest.mark.parametrize("data", [b"", b"\0" * 9, b"\xff" * (8 * SLOTS)])
def test_a_ruined_file_has_nothing(path: Path, data: bytes) -> None:
    """Cut short, or full of what are no rows."""
    path.write_bytes(data)
    assert left_in(path) == []


def test_a_file_that_cannot_be_had_leaves_no_room(tmp_path: Path) -> None:
    """The bot goes on, and the database notes it."""
    (tmp_path / LEAVING).mkdir()
    with Leaving(tmp_path / LEAVING) as leaving:
        leaving.begin()
        assert not leaving.add([1])


def test_a_file_with_holes_is_filled_or_not_used(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk, for to touch a hole that is mapped would end the process."""

    def full(_file: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    path.touch()
    os.truncate(path, 8 * SLOTS)
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with Leaving(path) as leaving:
            leaving.begin()
            assert not leaving.add([1])
    with Leaving(path) as leaving:
        leaving.begin()
        assert leaving.add([1])


def test_it_is_the_bots_own(path: Path) -> None:
    """Nobody else may read who is being answered."""
    with Leaving(path):
        assert not open_to_others(path)


def test_what_ends_after_it_was_closed_stays_noted(path: Path) -> None:
    """Nothing is raised: the next start asks the record."""
    with Leaving(path) as leaving:
        leaving.begin()
        leaving.add([7])
    leaving.discard([7])
    assert (left_in(path), leaving.add([8])) == ([7], False)


async def test_the_record_follows_what_was_left(tmp_path: Path, path: Path) -> None:
    """After a kill what was being sent counts as that; what was answered meanwhile, or waits, is as it was."""
    async with Database(tmp_path / "memory.sqlite3") as database:
        history = History(database)
        rows = [await history.append(CHAT, _asked(number)) for number in range(4)]
        sent, waiting, answered, refused = (row for row in rows if row is not None)
        with Leaving(path) as leaving:
            await history.resume(leaving)
            await history.mark([sent, answered, refused], "sending")
            assert await _states(history) == ["sending", "pending", "sending", "sending"]
            await history.answered(CHAT, [answered], [])
            await history.mark([refused], "pending")
            assert await _states(history) == ["sending", "pending", "pending"]
        again = History(database)
        assert await _states(again) == ["pending", "pending", "pending"]
        with Leaving(path) as leaving:
            await again.resume(leaving)
            assert await _states(again) == ["sending", "pending", "pending"]
        assert left_in(path) == []
        assert waiting == rows[1]


def _asked(number: int) -> Entry:
    return Entry(role="user", text="well?", time=100, user_id=1, message_id=number, state="pending")


async def _states(history: History) -> list[str]:
    return [entry.state for _, entry in await history.pending(10000, 0)]
