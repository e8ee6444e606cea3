"""Every table of the database says what becomes of it when a person is forgotten."""

import itertools
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from onebot_bot.chat.keeping import quoted_along, worth_keeping
from onebot_bot.memory.database import Database
from onebot_bot.memory.erasing import PERSONAL, forget_person
from onebot_bot.memory.history import Entry, History
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.segments import Text
from onebot_bot.texts import say

ME = 918_273_645
ABOUT_PEOPLE = ("user", "user_id", "peer", "speaker", "subjects", "reader", "owner", "by_whom")
"""Columns that may hold a person's number; `peer` does in private chats."""

ERASED_ELSEWHERE = {
    "messages": "emptied or deleted row by row, with what quotes them",
    "memories": "emptied; the rows stay, so that their ids are known to be forgotten",
}
KEPT = {
    "bans": "who is banned stays so: else `/forget me`, sent through a friend's account, would lift it",
    "barred_sources": "row numbers from which nothing may be learned",
    "bank": "a counter",
    "centres": "averages over all vectors of a model",
    "pictures": "goes with the last message that shows it, when the store is swept",
    "message_pictures": "goes with its message",
    "readings": "goes with its message",
}


def tables(connection: sqlite3.Connection) -> dict[str, list[tuple[str, str]]]:
    """Name and type of the columns of each table."""
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    found = {name: connection.execute(f"PRAGMA table_info({name})").fetchall() for name in names}
    return {name: [(row[1], row[2]) for row in rows] for name, rows in found.items() if not name.startswith("sqlite_")}


async def test_every_table_is_erased_or_has_a_reason_to_stay(tmp_path: Path) -> None:
    """Whoever adds a table about people adds a line to `erasing.PERSONAL`; one that stays is named here, with why."""
    async with Database(tmp_path / "memory.sqlite3") as database:
        found = await database.read(tables)
    named = {match[1] for line in PERSONAL if (match := re.match(r"(?:DELETE FROM|UPDATE) (\w+)", line))}
    assert len(named) > 10
    assert sorted(found.keys() - named - ERASED_ELSEWHERE.keys() - KEPT.keys()) == []
    assert sorted((named | ERASED_ELSEWHERE.keys() | KEPT.keys()) - found.keys()) == []


async def test_no_column_of_an_erased_table_keeps_a_persons_number(tmp_path: Path) -> None:
    """A row for each column that could hold it, in each table: none is left that does."""
    async with Database(tmp_path / "memory.sqlite3") as database:
        filled = await database.write(_fill)
        await database.write(lambda connection: forget_person(connection, ME).messages)
        left = await database.read(_naming)
    assert len(filled) > 15
    assert sorted(left) == [("bans", "by_whom"), ("bans", "user")]


async def test_what_quotes_a_message_of_no_record_loses_it_with_its_author(tmp_path: Path) -> None:
    """The words, who said them, and what was read and seen of it; quotes of others stay."""
    here = ChatId(10000, "group", 77)
    async with Database(tmp_path / "memory.sqlite3") as database:
        history = History(database)
        rows = [await history.append(here, _quoting(author, number)) for number, author in enumerate((ME, 5), 1)]
        await database.write(lambda connection: _read_and_seen(connection, rows[0]))
        await database.write(lambda connection: forget_person(connection, ME).messages)
        left, others = await history.recent(here, 10)
        kept = await database.read(lambda c: c.execute("SELECT * FROM readings").fetchall())
        kept += await database.read(lambda c: c.execute("SELECT * FROM message_pictures").fetchall())
    assert (left.text, left.segments, left.reply_to) == ("and?", [{"type": "text", "data": {"text": "and?"}}], None)
    assert (others.text, others.reply_to) == ("（回复 n5：“tea?”）and?", 9)
    assert kept == []


def _quoting(author: int, number: int) -> Entry:
    """A message that quotes one of theirs."""
    name = f"n{author}"
    quoted = Entry(role="user", text="tea?", time=1, user_id=author, name=name, message_id=9)
    return Entry(
        role="user",
        text=say("zh", "see.quote", name=name, text="tea?") + "and?",
        time=number,
        user_id=2,
        message_id=100 + number,
        segments=worth_keeping((Text("and?"), *quoted_along(quoted))),
        reply_to=9,
    )


def _read_and_seen(connection: sqlite3.Connection, row: int | None) -> None:
    connection.execute("INSERT INTO readings VALUES (1, ?, 'file', 10000, '', 0, 0, 0, 'words')", (row,))
    connection.execute("INSERT INTO pictures VALUES ('d', 1, 1, 1)")
    connection.execute("INSERT INTO message_pictures VALUES (?, 10001, 0, 'd')", (row,))


def _fill(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """Put a row with the person's number into every table, for each column that may hold it."""
    numbers = itertools.count(1000)
    filled = [
        (table, column)
        for table, columns in tables(connection).items()
        for column, _ in columns
        if column in ABOUT_PEOPLE
    ]
    for table, column in filled:
        columns = tables(connection)[table]
        values = [_value(name, kind, column, numbers) for name, kind in columns]
        marks = ", ".join("?" * len(values))
        connection.execute(f"INSERT INTO {table} VALUES ({marks})", values)  # noqa: S608 - the schema's own names
    return filled


def _value(name: str, kind: str, about: str, numbers: Iterator[int]) -> Any:
    if name in ("subjects", "source_ids"):
        return f"[{ME}]" if name == about else "[]"
    if name == about:
        return ME
    if name == "superseded_by":  # names another row
        return None
    if name == "kind":
        return "private" if about == "peer" else "group"
    texts = {"role": "user", "scope": "user", "status": "active"}
    return {"INTEGER": next(numbers), "REAL": 0.5, "TEXT": texts.get(name, "x")}.get(kind)


def _naming(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """Where the person's number still stands."""
    return [
        (table, column)
        for table, columns in tables(connection).items()
        for column, _ in columns
        if connection.execute(f"SELECT 1 FROM {table} WHERE instr({column}, ?)", (str(ME),)).fetchone()  # noqa: S608 - as above
    ]
