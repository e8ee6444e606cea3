"""From the database to a bank that can be searched, and from the bank to its file; run in other threads."""

import sqlite3
from pathlib import Path
from typing import NamedTuple

import structlog

from onebot_bot.errors import StoreError
from onebot_bot.memory import rows, views
from onebot_bot.memory.bank import Bank, Recallable
from onebot_bot.memory.index import VectorIndex
from onebot_bot.memory.snapshot import Stamp, discard_snapshot, load_index, write_snapshot
from onebot_bot.memory.vectors import View
from onebot_bot.protocol.chat_id import ChatId

log = structlog.get_logger(__name__)


class Loaded(NamedTuple):
    """A bank as the database had it; None while no model serves."""

    bank: Bank | None
    revision: int
    """Changes it has seen."""
    from_file: bool


def load_bank(connection: sqlite3.Connection, path: Path, before: Bank | None) -> Loaded:
    """Read the bank, with its index from `path` when that is sound, else made anew; it shares what `before` has."""
    revision = connection.execute("SELECT revision FROM bank").fetchone()[0]
    view = views.serving(connection)
    if view is None:
        return Loaded(None, revision, from_file=False)
    stamp = Stamp(views.active(connection, view.fingerprint), view.fingerprint, revision)
    try:
        index, from_file = load_index(path, stamp, view.width), True
    except StoreError as error:
        index, from_file = _rebuilt(connection, path, view, stamp, str(error)), False
    bank = Bank(index, view)
    _introduce(connection, bank, before)
    return Loaded(bank, revision, from_file)


def save_bank(bank: Bank, revision: int, path: Path) -> None:
    """Write the index to `path`.

    Raises:
        StoreError: it cannot be written.
    """
    payload, count = bank.serialized()
    write_snapshot(path, payload, Stamp(count, bank.view.fingerprint, revision))


def _rebuilt(connection: sqlite3.Connection, path: Path, view: View, stamp: Stamp, reason: str) -> VectorIndex:
    # The old file goes at once: it may hold what has been forgotten since.
    discard_snapshot(path)
    index = VectorIndex(view.width)
    if stamp.count:
        ids, keys = views.keys(connection, stamp.fingerprint)
        index.add(ids, view.compared(keys))
        log.info("memory index rebuilt", memories=stamp.count, file=str(path), reason=reason)
    return index


def _introduce(connection: sqlite3.Connection, bank: Bank, before: Bank | None) -> None:
    sql = """SELECT id, account, kind, peer, shared, text, value_rows, value FROM memories
        WHERE status = 'active' AND fingerprint = ?"""
    for number, account, kind, peer, shared, text, height, value in connection.execute(sql, (bank.view.fingerprint,)):
        known = Recallable(text, ChatId(account, kind, peer), bool(shared), rows.matrix(value, height))
        bank.know(number, before.same(number, known) if before is not None else known)
