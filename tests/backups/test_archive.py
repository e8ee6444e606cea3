"""onebot_bot.backups.archive."""

import zipfile
from pathlib import Path

import msgspec
import pytest
from backups.conftest import damage

from onebot_bot.backups import archive as archive_module
from onebot_bot.backups.archive import (
    MANIFEST,
    About,
    Manifest,
    Member,
    check_archive,
    extract,
    write_archive,
)
from onebot_bot.errors import StoreError
from onebot_bot.learning.files import FileSum

ABOUT = About(made=1, program="0.1", messages=2, memories=3, pictures=0, adapter="")
EMPTY = FileSum(0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Two files."""
    source = tmp_path / "source.bin"
    source.write_bytes(bytes(range(256)) * 9000)
    members = [Member("memory_store/memory.sqlite3", source), Member("pictures/1.jpg", b"as it is" * 50)]
    write_archive(path := tmp_path / "b.zip", members, ABOUT)
    return path


def test_what_was_written_comes_out(archive: Path, tmp_path: Path) -> None:
    """Bytes and what is said of them, readable by nobody else; nothing half written lies beside it."""
    (tmp_path / "out").mkdir()
    manifest = extract(archive, tmp_path / "out")
    assert manifest.about == ABOUT
    assert (tmp_path / "out" / "memory_store" / "memory.sqlite3").read_bytes() == bytes(range(256)) * 9000
    assert (tmp_path / "out" / "pictures" / "1.jpg").read_bytes() == b"as it is" * 50
    files = [archive, tmp_path / "out" / "pictures" / "1.jpg", tmp_path / "out" / "pictures"]
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600, 0o600, 0o700]
    assert {path.name for path in tmp_path.iterdir()} == {"source.bin", "b.zip", "out"}


@pytest.mark.parametrize("at", [0.0, 0.3, 0.95])
def test_damage_anywhere_is_found_and_named(archive: Path, at: float) -> None:
    """In a file's bytes, in the manifest, in the directory at the end."""
    damage(archive, at)
    with pytest.raises(StoreError, match=r"b\.zip is damaged or no backup"):
        check_archive(archive)


def test_half_a_file_is_damaged(archive: Path) -> None:
    """As a full disk or a broken download leaves it."""
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    with pytest.raises(StoreError, match="damaged"):
        check_archive(archive)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """With the command that lists the others."""
    with pytest.raises(StoreError, match=r"none\.zip does not exist.*onebot-bot restore"):
        check_archive(tmp_path / "none.zip")


def forged(path: Path, files: dict[str, FileSum], number: int = 1) -> Path:
    """An archive as nobody of us writes it."""
    manifest = Manifest(format=number, about=ABOUT, files=files)
    with zipfile.ZipFile(path, "w") as archive:
        for name in files:
            archive.writestr(name, b"")
        archive.writestr(MANIFEST, msgspec.json.encode(manifest))
    return path


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "C:x", "a\\b", ".ssh/x", "a//b"])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    """Nor to a hidden file; nothing is written."""
    (tmp_path / "out").mkdir()
    with pytest.raises(StoreError, match="would lie outside"):
        extract(forged(tmp_path / "f.zip", {name: EMPTY}), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a file that is larger than the manifest says little more is read; a huge manifest is not read at all."""
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.toml", bytes(8 * 2**20))
        archive.writestr(MANIFEST, msgspec.json.encode(Manifest(format=1, about=ABOUT, files={"config.toml": EMPTY})))
    (tmp_path / "out").mkdir()
    with pytest.raises(StoreError, match=r"config\.toml in it does not match"):
        extract(tmp_path / "bomb.zip", tmp_path / "out")
    assert (tmp_path / "out" / "config.toml").stat().st_size <= 2**20
    with zipfile.ZipFile(tmp_path / "huge.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MANIFEST, b" " * 1001)
    monkeypatch.setattr(archive_module, "LARGEST_MANIFEST", 1000)
    with pytest.raises(StoreError, match="too large"):
        check_archive(tmp_path / "huge.zip")


def test_a_newer_format_asks_for_an_update(tmp_path: Path) -> None:
    """Rather than guess."""
    with pytest.raises(StoreError, match=r"format 2 is newer.*Update the program"):
        check_archive(forged(tmp_path / "f.zip", {}, 2))


def test_stopped_it_leaves_nothing(archive: Path, tmp_path: Path) -> None:
    """What was there before stays."""
    before = archive.read_bytes()
    with pytest.raises(StoreError, match="ended"):
        write_archive(archive, [Member("a", b"b")], ABOUT, lambda: True)
    assert before == archive.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"source.bin", "b.zip"}
