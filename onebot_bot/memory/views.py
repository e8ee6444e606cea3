"""What is known of each model that made keys: their width, how they are compared, and which model serves."""

import sqlite3

import numpy as np

from onebot_bot.errors import StoreError
from onebot_bot.memory.vectors import Floats, Ids, View


def active(connection: sqlite3.Connection, fingerprint: str) -> int:
    """How many active memories that model made the keys of."""
    sql = "SELECT count(*) FROM memories WHERE status = 'active' AND fingerprint = ?"
    return int(connection.execute(sql, (fingerprint,)).fetchone()[0])


def keys(connection: sqlite3.Connection, fingerprint: str) -> tuple[Ids, Floats]:
    """Ids [n] and raw keys [n, d] of the active memories made by that model."""
    count = active(connection, fingerprint)
    ids = np.empty(count, np.int64)
    vectors = np.empty((count, dimension(connection, fingerprint) or 0), np.float32)
    sql = "SELECT id, key FROM memories WHERE status = 'active' AND fingerprint = ? ORDER BY id"
    for at, (number, blob) in enumerate(connection.execute(sql, (fingerprint,))):
        ids[at], vectors[at] = number, np.frombuffer(blob, np.float32)
    return ids, vectors


def dimension(connection: sqlite3.Connection, fingerprint: str) -> int | None:
    """How wide that model's keys are; None while it has made none."""
    sql = "SELECT length(centre) / 4 FROM centres WHERE fingerprint = ?"  # 4 bytes a number
    row = connection.execute(sql, (fingerprint,)).fetchone()
    return None if row is None else int(row[0])


def require_dimension(connection: sqlite3.Connection, fingerprint: str, given: int) -> None:
    """Check that a key of `given` numbers fits; a model's first one sets the width, and a centre of zero.

    Raises:
        StoreError: it does not.
    """
    known = dimension(connection, fingerprint)
    if known is None:
        zero = np.zeros(given, np.float32).tobytes()
        connection.execute("INSERT INTO centres VALUES (?, ?, NULL, 0)", (fingerprint, zero))
    elif known != given:
        raise StoreError(f"The keys made by {fingerprint} have {known} numbers; one of {given} does not fit.")


def set_view(connection: sqlite3.Connection, view: View) -> None:
    """Search that model's keys from now on, seen like that.

    Raises:
        StoreError: its keys have another width.
    """
    require_dimension(connection, view.fingerprint, view.centre.size)
    head = None if view.head is None else view.head.tobytes()
    sql = "UPDATE centres SET centre = ?, head = ? WHERE fingerprint = ?"
    connection.execute(sql, (view.centre.tobytes(), head, view.fingerprint))
    connection.execute("UPDATE centres SET serving = (fingerprint = ?)", (view.fingerprint,))


def serving(connection: sqlite3.Connection) -> View | None:
    """The view that is searched; None before the first."""
    row = connection.execute("SELECT fingerprint, centre, head FROM centres WHERE serving").fetchone()
    if row is None:
        return None
    centre = np.frombuffer(row[1], np.float32)
    return View(row[0], centre, None if row[2] is None else np.frombuffer(row[2], np.float32).reshape(-1, centre.size))
