"""`onebot-bot doctor` finds each fault that is planted in a bot's folder, with id and next step, and no other."""

import argparse
import asyncio
import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from nights import make_adapter

from onebot_bot.backups.shelf import Shelf
from onebot_bot.cli import doctor
from onebot_bot.cli.backup import main_backup
from onebot_bot.cli.doctor import DISK_FAIL, diagnose, main_doctor
from onebot_bot.cli.doctor_kept import check_clock
from onebot_bot.cli.finding import Finding
from onebot_bot.config_file import set_key
from onebot_bot.learning.files import write_whole
from onebot_bot.learning.journal import open_run
from onebot_bot.learning.state import STATE
from onebot_bot.learning.versions import Versions
from onebot_bot.memory.database import Database
from onebot_bot.memory.history import Entry, History
from onebot_bot.memory.index import VectorIndex
from onebot_bot.memory.schema import STEPS
from onebot_bot.memory.snapshot import Stamp, write_snapshot
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.sections.server import ServerConfig
from onebot_bot.texts import FAILURES
from onebot_bot.transport.token import read_token

ROOT = Path(__file__).parents[2]
VERSION = "20261120T020000Z"
ADAPTER = f"models/adapters/{VERSION}"
Plant = Callable[[Path], object]


@pytest.fixture(scope="session")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a bot that has run: database, index, adapter, backup, log."""
    folder = tmp_path_factory.mktemp("healthy")
    asyncio.run(make_home(folder))
    return folder


@pytest.fixture
def home(healthy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, to plant faults in. What takes torch or looks through all fonts has tests of its own."""
    for name in ("check_torch", "check_packages", "check_fonts", "check_ocr", "check_container"):
        monkeypatch.setattr(doctor, name, lambda *_: Finding("ok", "not looked at here"))
    return shutil.copytree(healthy, tmp_path / "home")


async def make_home(folder: Path) -> None:
    shutil.copy(ROOT / "config.toml", folder)
    shutil.copytree(ROOT / "training", folder / "training", ignore=shutil.ignore_patterns("primed", "runs"))
    for key, value in {"model.path": '"echo"', "server.port": str(await free_port()), "bot.owners": "[1]"}.items():
        set_key(folder / "config.toml", key, value)
    (folder / "memory_store").mkdir(0o700)
    read_token(ServerConfig(), folder, create=True)
    async with Database(folder / "memory_store" / "memory.sqlite3") as database:
        history = History(database)
        await history.append(ChatId(10000, "private", 1), Entry(role="user", text="hi", time=int(time.time())))
    write_index(folder)
    Versions(folder / "models", lambda: "model-1").promote(make_adapter(folder / "made", "weights"), VERSION)
    shutil.rmtree(folder / "made")
    await main_backup(argparse.Namespace(config=folder / "config.toml", file=None))
    (folder / "training" / "runs").mkdir()
    write_whole(folder / "training" / "runs" / STATE, "{}")
    (folder / "logs").mkdir(0o700)
    log_errors(folder, 1)


async def free_port() -> int:
    """One that nothing listens on."""
    async with await asyncio.start_server(lambda *_: None, "127.0.0.1", 0) as server:
        return int(server.sockets[0].getsockname()[1])


def write_index(home: Path) -> None:
    index = VectorIndex(8)
    index.add(np.arange(2), np.eye(8, dtype=np.float32)[:2])
    write_snapshot(home / "memory_store" / "memory.faiss", index.serialized(), Stamp(2, "model-1", 0))


def log_errors(home: Path, count: int) -> None:
    line = f"{datetime.now().astimezone():%m-%d %H:%M:%S} [ERROR] engine.worker | a step failed [OB-1220]\n"
    (home / "logs" / "bot.log").write_text(line * count, encoding="utf-8")


async def found(home: Path) -> list[Finding]:
    """Everything that is not as it should be; that there is no model is wanted here."""
    findings = [finding async for finding in diagnose(home / "config.toml")]
    return [finding for finding in findings if finding.status != "ok" and finding.code != "OB-1807"]


def files_of(home: Path) -> dict[Path, int]:
    """When each was last changed."""
    return {path: path.stat().st_mtime_ns for path in home.rglob("*") if path.is_file()}


async def test_nothing_is_found_on_a_healthy_installation(home: Path) -> None:
    """Nor is anything changed by looking."""
    before = files_of(home)
    assert await found(home) == []
    assert files_of(home) == before


# --- what is planted -------------------------------------------------------------------------------------------------


def write(name: str, text: str | bytes) -> Plant:
    """A file with this in it."""

    def plant(home: Path) -> None:
        file = home / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)

    return plant


def setting(key: str, value: str) -> Plant:
    return lambda home: set_key(home / "config.toml", key, value)


def spoilt(name: str, at: int = 100) -> Plant:
    """A file with some other bytes in it."""

    def plant(home: Path) -> None:
        with (home / name).open("r+b") as file:
            file.seek(at)
            file.write(b"\x00spoilt\xff" * 20)

    return plant


def cut(name: str) -> Plant:
    return lambda home: os.truncate(home / name, 40)


def exposed(home: Path) -> None:
    setting("server.host", '"0.0.0.0"')(home)
    setting("server.token", '""')(home)


def weak_token(home: Path) -> None:
    setting("server.host", '"0.0.0.0"')(home)
    setting("server.token", '"abc"')(home)
    (home / "config.toml").chmod(0o600)


def listed_words(home: Path) -> None:
    setting("guard.words_in", '"words.txt"')(home)
    write("words.txt", "bad\n/(/\n")(home)


def profile(home: Path) -> None:
    with (home / "config.toml").open("a", encoding="utf-8") as file:
        file.write('\n[profiles.small]\npath = "models/small"\n')


def store_as_file(home: Path) -> None:
    shutil.rmtree(home / "memory_store")
    (home / "memory_store").touch()


def opened(name: str, mode: int) -> Plant:
    return lambda home: (home / name).chmod(mode)


def open_logs(home: Path) -> None:
    (home / "logs").chmod(0o755)
    (home / "logs" / "bot.log").chmod(0o644)


def newer_database(home: Path) -> None:
    with closing(database_of(home)) as connection, connection:
        connection.execute(f"PRAGMA user_version = {len(STEPS) + 1}")


def message_of_tomorrow(home: Path) -> None:
    with closing(database_of(home)) as connection, connection:
        connection.execute("UPDATE messages SET time = time + 86400")


def no_backup_for_days(home: Path) -> None:
    (backup,) = Shelf(home / "memory_store").all()
    backup.path.rename(backup.path.with_name("backup-20260901T000000Z.zip"))


def broken_backup(home: Path) -> None:
    (backup,) = Shelf(home / "memory_store").all()
    os.truncate(backup.path, backup.bytes // 2)


def half_a_night(home: Path) -> None:
    journal = open_run(home / "training" / "runs", time.time() - 600)
    journal.begin("stage1", time.time())


def checkpoint(home: Path) -> None:
    journal = open_run(home / "training" / "runs", time.time() - 600)
    journal.close("failed", "", time.time())
    (journal.folder / "checkpoint").mkdir()
    (journal.folder / "checkpoint" / "weights.safetensors").write_bytes(bytes(3 * 2**20))


def lost_journal(home: Path) -> None:
    write(f"training/runs/{VERSION}/journal.json", "{")(home)


def half_a_version(home: Path) -> None:
    (home / "models" / "adapters" / ".20261121T020000Z.new").mkdir()


def database_of(home: Path) -> sqlite3.Connection:
    return sqlite3.connect(home / "memory_store" / "memory.sqlite3")


def truncated_model(home: Path) -> None:
    setting("model.path", '"models/cut"')(home)
    shutil.copytree(ROOT / "tests" / "data", home / "models" / "cut", ignore=shutil.ignore_patterns("*.xz"))


PLANTED: dict[str, tuple[Plant, str, str, str, str]] = {
    # what it is: how it is planted, how bad it is, its id, what is said of it, and of the next step
    "wrong key": (write("config.toml", "[chat]\nmax_bubles = 2\n"), "fail", "OB-1001", "`max_bubbles`", "改好 config"),
    "token": (setting("server.token", '"env:NO_SUCH"'), "fail", "OB-1004", "NO_SUCH", "[server]"),
    "exposed": (exposed, "fail", "OB-1005", "0.0.0.0", "[server]"),
    "weak token": (weak_token, "warn", "OB-1007", "can be guessed", "auto"),
    "no owner": (setting("bot.owners", "[]"), "warn", "OB-1008", "bot.owners is empty", "owners = ["),
    "persona": (write("personas/cat.md", "{{ nobody }}"), "warn", "OB-1006", "cat.md, line 1", "保存"),
    "word list": (listed_words, "fail", "OB-1002", "words.txt, line 2", "词表"),
    "prompts": (write("training/prompts.toml", "[extraction"), "fail", "OB-1003", "prompts.toml", "training"),
    "no model": (setting("model.path", '"models/gone"'), "fail", "OB-1202", "models/gone", "path"),
    "damaged model": (truncated_model, "fail", "OB-1203", "models/cut", "path"),
    "no profile": (profile, "warn", "OB-1210", "profiles.small", "[profiles.small]"),
    "not a folder": (store_as_file, "fail", "OB-1305", "memory_store", "权限"),
    "open store": (opened("memory_store", 0o755), "warn", "OB-1310", "memory_store", "chmod 700"),
    "open token": (opened("memory_store/token", 0o644), "warn", "OB-1310", "memory_store/token", "chmod 600"),
    "open logs": (open_logs, "warn", "OB-1310", "logs/bot.log", "chmod go-rwx"),
    "damaged database": (spoilt("memory_store/memory.sqlite3"), "fail", "OB-1303", "memory.sqlite3", "restore"),
    "no database": (
        write("memory_store/memory.sqlite3", "hello " * 99),
        "fail",
        "OB-1303",
        "memory.sqlite3",
        "restore",
    ),
    "newer database": (newer_database, "fail", "OB-1304", "newer than this program", "git pull"),
    "half restored": (
        write("memory_store/restoring", "onebot-bot restore x"),
        "fail",
        "OB-1314",
        "interrupted",
        "restore x",
    ),
    "damaged index": (spoilt("memory_store/memory.faiss"), "warn", "OB-1309", "memory.faiss", "重建"),
    "cut index": (cut("memory_store/memory.faiss"), "warn", "OB-1309", "memory.faiss", "重建"),
    "clock": (message_of_tomorrow, "warn", "OB-1804", "before the newest message", "NTP"),
    "old backup": (no_backup_for_days, "warn", "OB-1315", "days old", "/backup"),
    "broken backup": (broken_backup, "warn", "OB-1313", "backup-", "/backup"),
    "damaged adapter": (spoilt(f"{ADAPTER}/adapter.safetensors", 0), "warn", "OB-1205", VERSION, "/learn rollback"),
    "no adapter": (lambda home: shutil.rmtree(home / ADAPTER), "warn", "OB-1205", VERSION, "/learn rollback"),
    "half a night": (half_a_night, "warn", "OB-1412", "step stage1", "启动机器人"),
    "lost journal": (lost_journal, "warn", "OB-1412", "cannot be read", "丢弃"),
    "checkpoint": (checkpoint, "warn", "OB-1413", "checkpoint: 3 MiB", "rm -r"),
    "half a version": (half_a_version, "warn", "OB-1413", ".20261121T020000Z.new", "rm -r"),
    "errors": (lambda home: log_errors(home, 7), "warn", "OB-1806", "[OB-1220] stands 7 times", "OB-1220"),
}


@pytest.mark.parametrize("fault", PLANTED)
async def test_each_planted_fault_is_found(home: Path, fault: str) -> None:
    """That one and no other, with its id, what it is about and the next step."""
    plant, status, code, what, fix = PLANTED[fault]
    plant(home)
    (finding,) = await found(home)
    assert (finding.status, finding.code) == (status, code)
    assert what in finding.what
    assert fix in finding.fix


async def test_what_is_found_is_printed_with_its_id(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And the exit status is 1 for what keeps the bot from working, 0 for what is only worth knowing."""
    arguments = argparse.Namespace(config=home / "config.toml")
    spoilt("memory_store/memory.faiss")(home)
    assert await main_doctor(arguments) == 0
    assert "it is damaged [OB-1309]\n    → 不用做什么" in capsys.readouterr().out
    newer_database(home)
    assert await main_doctor(arguments) == 1
    assert "[OB-1304]\n    → 升级程序" in capsys.readouterr().out


async def test_a_disk_that_is_nearly_full_is_found(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the system tells it."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: argparse.Namespace(free=DISK_FAIL - 1))
    (finding,) = await found(home)
    assert (finding.status, finding.code) == ("fail", "OB-1312")


def test_a_clock_that_was_never_set_is_found(tmp_path: Path) -> None:
    """It is older than the program."""
    found = check_clock(tmp_path, 86400.0)
    assert (found.code, "before this program was made" in found.what) == ("OB-1804", True)


async def test_another_bot_that_holds_the_folder_is_found(home: Path) -> None:
    """By its process, when it does not serve on this port."""
    async with Database(home / "memory_store" / "memory.sqlite3"):
        (finding,) = await found(home)
    assert (finding.status, finding.code) == ("fail", "OB-1302")
    assert f"process {os.getpid()}" in finding.what


def test_every_id_that_is_planted_is_explained() -> None:
    """In docs/errors.md."""
    assert [code for _, _, code, _, _ in PLANTED.values() if code not in FAILURES] == []
