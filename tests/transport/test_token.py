"""Where the access token comes from."""

import os
import stat
from pathlib import Path

import pytest

from onebot_bot.errors import ConfigError
from onebot_bot.sections.server import ServerConfig
from onebot_bot.transport.token import TOKEN_FILE, read_token


def test_a_token_of_ones_own_is_taken_as_it_is(tmp_path: Path) -> None:
    """Also the empty one, which asks for none."""
    assert read_token(ServerConfig(token="mine"), tmp_path, create=False) == "mine"
    assert read_token(ServerConfig(token=""), tmp_path, create=True) == ""
    assert list(tmp_path.iterdir()) == []


def test_auto_makes_one_once(tmp_path: Path) -> None:
    """The next start finds the same one, and so does whoever only reads."""
    first = read_token(ServerConfig(), tmp_path, create=True)
    assert len(first) >= 32
    assert read_token(ServerConfig(), tmp_path, create=True) == first
    assert read_token(ServerConfig(), tmp_path, create=False) == first


def test_two_installations_differ(tmp_path: Path) -> None:
    """It is random."""
    tokens = {read_token(ServerConfig(), tmp_path / name, create=True) for name in "ab"}
    assert len(tokens) == 2


@pytest.mark.skipif(os.name == "nt", reason="Windows has no mode bits")
def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    """And nothing else is left in the folder."""
    read_token(ServerConfig(), tmp_path, create=True)
    path = tmp_path / TOKEN_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_white_space_around_it_does_not_count(tmp_path: Path) -> None:
    """An editor ends the file with a new line."""
    path = tmp_path / TOKEN_FILE
    path.parent.mkdir()
    path.write_text("  typed\r\n", encoding="utf-8")
    assert read_token(ServerConfig(), tmp_path, create=True) == "typed"


def test_an_empty_file_is_none(tmp_path: Path) -> None:
    """It must not switch the check off."""
    path = tmp_path / TOKEN_FILE
    path.parent.mkdir()
    path.write_text("\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="onebot-bot run"):
        read_token(ServerConfig(), tmp_path, create=False)
    assert read_token(ServerConfig(), tmp_path, create=True) == path.read_text(encoding="utf-8").strip() != ""


def test_auto_before_the_first_start_says_so(tmp_path: Path) -> None:
    """Key, file and fix are named, and nothing is made."""
    with pytest.raises(ConfigError, match=r"server\.token.*memory_store.token.*onebot-bot run"):
        read_token(ServerConfig(), tmp_path, create=False)
    assert list(tmp_path.iterdir()) == []


def test_it_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """White space around it is no part of it."""
    monkeypatch.setenv("MY_TOKEN", " word\n")
    assert read_token(ServerConfig(token="env:MY_TOKEN"), tmp_path, create=True) == "word"


@pytest.mark.parametrize("value", [None, " "])
def test_a_missing_variable_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    """An empty one is missing: it must not switch the check off."""
    monkeypatch.delenv("MY_TOKEN", raising=False)
    if value is not None:
        monkeypatch.setenv("MY_TOKEN", value)
    with pytest.raises(ConfigError, match=r"server\.token.*variable MY_TOKEN is not set"):
        read_token(ServerConfig(token="env:MY_TOKEN"), tmp_path, create=True)


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """Here a folder lies in its place."""
    (tmp_path / TOKEN_FILE).mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"token cannot be read"):
        read_token(ServerConfig(), tmp_path, create=True)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """Here a file lies in its place."""
    place = tmp_path / "file"
    place.write_text("", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"server\.token.*cannot be: .*file is no folder\. Move it away"):
        read_token(ServerConfig(), place, create=True)
