"""What doctor checks of what is kept: database, index, private files, and the clock they are dated by."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from onebot_bot.backups.archive import check_archive
from onebot_bot.backups.shelf import Shelf
from onebot_bot.cli.finding import Finding
from onebot_bot.config import Config
from onebot_bot.errors import StoreError, id_of
from onebot_bot.memory.lock import holder_of, refuse_half_restored
from onebot_bot.memory.schema import STEPS
from onebot_bot.memory.snapshot import damage_of
from onebot_bot.private import open_to_others

BACKUP_OLD = 3 * 86400.0
"""Seconds after which the last backup is old: one a day is made."""
AHEAD = 120.0
"""Seconds by which what is on record may lie in the future."""
BUILT = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
"""A clock that shows less was never set: the program is newer."""
_RESTORE = "停掉机器人，用最近一份好的备份恢复：onebot-bot restore（不带文件名会列出全部备份）。"


def check_database(folder: Path) -> Finding:
    """memory.sqlite3 is whole and of a version this program knows; nothing in it is changed."""
    path = folder / "memory_store" / "memory.sqlite3"
    try:
        refuse_half_restored(path.parent)
    except StoreError as error:
        return Finding("fail", str(error), str(error).partition(": ")[2], error.id)
    if not path.exists():
        return Finding("ok", "the database will be made at the first start")
    try:
        with closing(_opened(path)) as connection:
            version = int(connection.execute("PRAGMA user_version").fetchone()[0])
            verdict = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
            return _judged(path, version, verdict, _messages(connection) if verdict == "ok" else 0)
    except sqlite3.OperationalError as error:
        return Finding("fail", f"{path} cannot be read: {error}", "检查它的所有者、权限和磁盘。", "OB-1301")
    except sqlite3.DatabaseError as error:
        return _judged(path, 0, str(error), 0)


def _judged(path: Path, version: int, verdict: str, messages: int) -> Finding:
    if verdict != "ok":
        reason = " ".join(verdict.split())
        return Finding("fail", f"{path} is damaged or no database ({reason})", _RESTORE, "OB-1303")
    if version > len(STEPS):
        what = f"{path}: version {version} is newer than this program knows (up to {len(STEPS)})"
        return Finding("fail", what, "升级程序：git pull，然后 make run。", "OB-1304")
    return Finding("ok", f"the database is whole: {messages} messages")


def _messages(connection: sqlite3.Connection) -> int:
    try:
        return int(connection.execute("SELECT count(*) FROM messages").fetchone()[0])
    except sqlite3.OperationalError:  # made, and killed before it had tables
        return 0


def check_index(folder: Path) -> Finding:
    """The index of the memories is whole; without it a start only takes longer."""
    path = folder / "memory_store" / "memory.faiss"
    if not path.exists():
        return Finding("ok", "the index of the memories will be made when it is needed")
    if damage := damage_of(path):
        return Finding("warn", f"{path}: {damage}", "不用做什么：下次启动会从数据库重建它。", "OB-1309")
    return Finding("ok", "the index of the memories is whole")


def check_holder(folder: Path, *, serving: bool) -> Finding:
    """The folder is used by the bot that serves on the port, or by none."""
    holder = holder_of(folder / "memory_store" / "memory.lock")
    if holder is None or serving:
        return Finding("ok", "no other bot uses this folder")
    what = f"another bot{holder} uses {folder / 'memory_store'} and does not serve on this port"
    return Finding("fail", what, "停掉那个进程，再启动机器人；两个机器人要各用各的文件夹。", "OB-1302")


def check_private(config: Config, path: Path) -> Finding:
    """What others of this machine must not read is closed to them; memory_store has a check of its own."""
    found = [file for file in _private_files(config, path) if open_to_others(file)]
    if not found:
        return Finding("ok", "logs and settings are private")
    names = " ".join(f"'{file}'" for file in found)
    what = f"{', '.join(map(str, found))} can be read by other users of this machine"
    return Finding("warn", what, f"运行 chmod go-rwx {names}", "OB-1310")


def _private_files(config: Config, path: Path) -> Iterator[Path]:
    """Logs, unless nobody can enter their folder; the settings when a token is written in them."""
    folder = path.absolute().parent
    folders = {str(Path(config.log.file).parent) if config.log.file else "", config.log.turns}
    for logs in (folder / name for name in sorted(folders - {"", "."})):
        if open_to_others(logs):
            yield from sorted([*logs.glob("*.log*"), *logs.glob("turns-*.jsonl")])
    if config.server.token not in ("", "auto") and not config.server.token.startswith("env:"):
        yield path


def check_clock(folder: Path, now: float | None = None) -> Finding:
    """The clock is not behind what is on record already; `now` is in Unix seconds, read when None."""
    now = time.time() if now is None else now
    shown = f"{datetime.fromtimestamp(now).astimezone():%Y-%m-%d %H:%M %Z}"
    if now < BUILT:
        return _wrong_clock(f"the clock says {shown}, before this program was made")
    newest = _asked(folder / "memory_store" / "memory.sqlite3", "SELECT max(time) FROM messages")
    if newest - now > AHEAD:
        behind = (newest - now) / 60
        return _wrong_clock(f"the clock says {shown}, {behind:.0f} min before the newest message on record")
    return Finding("ok", f"the clock says {shown}")


def _wrong_clock(what: str) -> Finding:
    return Finding("warn", what, "打开系统的自动对时（NTP）：timedatectl set-ntp true。", "OB-1804")


def _asked(path: Path, sql: str) -> float:
    """The number that a query gives; 0 when there is none."""
    if not path.exists():
        return 0.0
    try:
        with closing(_opened(path)) as connection:
            row = connection.execute(sql).fetchone()
    except sqlite3.Error:
        return 0.0  # check_database has told
    return float(row[0] or 0) if row else 0.0


def _opened(path: Path) -> sqlite3.Connection:
    """For reading, and without side files of one's own: left by another user, they would lock the bot out."""
    used = path.with_name(f"{path.name}-wal").exists()
    return sqlite3.connect(f"{path.absolute().as_uri()}?{'mode=ro' if used else 'immutable=1'}", uri=True, timeout=5)


def check_backups(config: Config, folder: Path, now: float | None = None) -> Finding:
    """There is a whole backup that is not old; `now` is in Unix seconds, read when None."""
    now = time.time() if now is None else now
    if not config.backup.enabled:
        return Finding("ok", "no daily backups are made (backup.enabled is off)")
    last = next(iter(Shelf(folder / "memory_store").all()), None)
    since = last.made.timestamp() if last else _first_message(folder / "memory_store" / "memory.sqlite3", now)
    if now - since > BACKUP_OLD:
        what = f"the last backup is {(now - since) / 86400:.0f} days old" if last else "there is no backup yet"
        return Finding("warn", what, "看日志里备份失败的原因，再发送 /backup 或运行 onebot-bot backup。", "OB-1315")
    try:
        whole = f"{last.path.name} is whole" if last and check_archive(last.path) else "none is due yet"
    except (StoreError, OSError) as error:
        return Finding("warn", str(error), "再做一份：发送 /backup 或运行 onebot-bot backup。", id_of(error, "OB-1313"))
    return Finding("ok", f"backups: {whole}")


def _first_message(path: Path, now: float) -> float:
    """When the first message was put on record, in Unix seconds; `now` when there is none."""
    return _asked(path, "SELECT created FROM messages ORDER BY id LIMIT 1") or now
