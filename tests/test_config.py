"""config.toml: what is accepted, how errors read, how it is edited, migrated and watched."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from onebot_bot.config import (
    VERSION,
    Config,
    changed_keys,
    config_keys,
    get_key,
    load_config,
    parse_config,
    shown_value,
)
from onebot_bot.config_file import migrate_config, set_key, watch_config
from onebot_bot.errors import ConfigError

FILE = Path("config.toml")


def test_an_empty_file_is_all_defaults() -> None:
    """Every key may be left out."""
    assert parse_config("", FILE) == Config()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[chat]\nmerge_windw = 1", "config.toml: chat.merge_windw: unknown key; did you mean `merge_window`?"),
        ("[sever]\nport = 1", "config.toml: sever: unknown key; did you mean `server`?"),
        ("[server]\nzzzzz = 1", "known keys here: host, port"),
        ("[server]\nport = 99999", "config.toml: server.port: Expected `int` <= 65535"),
        ("[generation]\ntop_p = 0", "generation.top_p: Expected `float` > 0.0"),
        ('[bot]\nowners = ["x"]', "bot.owners[0]: Expected `int`, got `str`"),
        ('[bot]\nlanguage = "fr"', "bot.language: Invalid enum value 'fr'"),
        ('[proactive]\nhours = "day"', "proactive: hours: 'day' is no time of day; write it like 23:00-07:00"),
        ("a = ", "config.toml: not valid TOML"),
        (f"version = {VERSION + 1}", "Update the program"),
        ("[profiles.Big]", "profiles.Big: a profile's name is 1 to 32 of a-z, 0-9, _ and -."),
        ("[profiles.chat]", "profiles.chat: this is the main model's own name. Change [model] and [generation]"),
        ("[profiles.a]\ntemperatur = 1", "profiles.a.temperatur: unknown key; did you mean `temperature`?"),
        ("[profiles.a]\ntop_p = 2.0", "profiles.a.top_p: Expected `float` <= 1.0"),
        ("[profiles]\na = 3", "profiles.a: Expected `object`, got `int`"),
        ("profiles = 3", "profiles: Expected `object`, got `int`"),
        ('[chat]\nprofile = "b"\n[profiles.a]', "chat.profile: there is no profile 'b'; known: chat, a."),
        ("".join(f"[profiles.p{i}]\n" for i in range(33)), "profiles: there are 33, and at most 32 may be."),
    ],
)
def test_errors_name_the_file_the_key_and_the_fix(text: str, message: str) -> None:
    """A person can act on them."""
    with pytest.raises(ConfigError) as caught:
        parse_config(text, FILE)
    assert message in str(caught.value)


def test_a_missing_file_says_where_to_start(tmp_path: Path) -> None:
    """Started in the wrong folder, most likely."""
    with pytest.raises(ConfigError, match="--config"):
        load_config(tmp_path / "config.toml")


def test_a_file_saved_by_notepad_is_read(tmp_path: Path) -> None:
    """Windows editors put a byte-order mark in front."""
    path = tmp_path / "config.toml"
    path.write_text("[server]\nport = 1234\n", encoding="utf-8-sig")
    assert load_config(path).server.port == 1234


def test_every_key_has_a_description_and_a_range() -> None:
    """The reference in docs/ is made from them."""
    keys = list(config_keys())
    assert len(keys) > 40
    assert [key.path for key in keys if not key.description] == []
    assert {key.path for key in keys if not key.live} >= {"server.port", "model.path"}


def test_setting_a_key_keeps_the_comments(tmp_path: Path) -> None:
    """The file stays the person's own."""
    path = tmp_path / "config.toml"
    path.write_text("# mine\n[chat]\n# how many\nmax_bubbles = 3  # three\n", encoding="utf-8")
    assert set_key(path, "chat.max_bubbles", "1").chat.max_bubbles == 1
    text = path.read_text(encoding="utf-8")
    assert [line for line in ("# mine", "# how many", "# three") if line not in text] == []
    assert load_config(path).chat.max_bubbles == 1


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("bot.persona", "你是小忆，说话简短", "你是小忆，说话简短"),
        ("bot.owners", "[1, 2]", [1, 2]),
        ("generation.thinking", "true", True),
        ("bot.names", '["a", "b"]', ["a", "b"]),
        ("generation.temperature", "0.5", 0.5),
        ("profiles.new-one.max_thinking", "64", 64),
    ],
)
def test_values_are_toml_or_else_text(tmp_path: Path, key: str, value: str, expected: Any) -> None:
    """What is typed in a chat needs no quotes."""
    path = tmp_path / "config.toml"
    path.write_text("", encoding="utf-8")
    assert get_key(set_key(path, key, value), key) == expected
    assert get_key(load_config(path), key) == expected


def test_setting_a_key_keeps_the_mode(tmp_path: Path) -> None:
    """A config that only its owner may read stays so."""
    path = tmp_path / "config.toml"
    path.write_text("", encoding="utf-8")
    path.chmod(0o600)
    set_key(path, "chat.max_bubbles", "1")
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_mounted_file_is_written_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container config.toml is a mount of its own, which cannot be replaced."""
    path = tmp_path / "config.toml"
    path.write_text("", encoding="utf-8")

    def busy(self: Path, target: Path) -> Path:
        raise OSError(16, "Device or resource busy", str(target))

    monkeypatch.setattr(Path, "replace", busy)
    assert set_key(path, "chat.max_bubbles", "1").chat.max_bubbles == 1
    assert load_config(path).chat.max_bubbles == 1
    assert [file.name for file in tmp_path.iterdir()] == ["config.toml"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("chat.max_bubbles", "99"),
        ("chat.nothing", "1"),
        ("bot", "1"),
        ("profiles.A b.seed", "1"),
        ("profiles.a.seed", "-2"),
        ("profiles.a", "1"),
    ],
)
def test_a_bad_value_leaves_the_file_as_it_was(tmp_path: Path, key: str, value: str) -> None:
    """Nothing is written before it is checked."""
    path = tmp_path / "config.toml"
    path.write_text("[chat]\nmax_bubbles = 2\n", encoding="utf-8")
    with pytest.raises(ConfigError):
        set_key(path, key, value)
    assert path.read_text(encoding="utf-8") == "[chat]\nmax_bubbles = 2\n"


def test_the_keys_of_profiles_are_keys() -> None:
    """Typed, live but for `resident`, with the default of what is left out; a wrong one is named with the nearest."""
    keys = {key.path: key for key in config_keys(["a"])}
    assert (keys["profiles.a.top_k"].type, keys["profiles.a.top_k"].default) == ("int, ≥ 0", None)
    assert keys["profiles.a.weights"].type == "full / int8 / int4"
    assert (keys["profiles.a.resident"].live, keys["profiles.a.path"].live) == (False, True)
    config = parse_config("[profiles.a]\ntop_k = 3", FILE)
    assert [get_key(config, f"profiles.a.{name}") for name in ("top_k", "path")] == [3, ""]
    with pytest.raises(ConfigError, match=r"profiles\.a\.top_k"):
        get_key(config, "profiles.a.topk")


def test_changes_of_profiles_are_told() -> None:
    """One that is new or gone as well, though it may say nothing."""
    old, new = (
        parse_config("[profiles.a]\nseed = 1\n[profiles.b]", FILE),
        parse_config("[profiles.a]\n[profiles.c]", FILE),
    )
    assert [key.path for key in changed_keys(old, new)] == ["profiles.a.seed", "profiles.b", "profiles.c"]


def test_a_profile_decides_what_it_names() -> None:
    """The rest of [generation] is as for everybody."""
    config = parse_config("[profiles.a]\ntemperature = 0.1\nthinking = true", FILE)
    assert config.profiles["a"].overrides == {"temperature": 0.1, "thinking": True}


def test_changes_are_told_by_key() -> None:
    """Which apply now and which need a restart."""
    new = parse_config("[server]\nport = 7000\n[chat]\nmax_bubbles = 1", FILE)
    assert [(key.path, key.live) for key in changed_keys(Config(), new)] == [
        ("server.port", False),
        ("chat.max_bubbles", True),
    ]


def test_secrets_are_masked() -> None:
    """A token is never shown; that it is `auto` is no secret."""
    assert shown_value("server.token", "hunter2") == "***"
    assert shown_value("server.token", "auto") == "'auto'"


def test_an_older_file_is_migrated_and_kept(tmp_path: Path) -> None:
    """Step by step, comments kept, the old file beside it."""
    path = tmp_path / "config.toml"
    old = "version = 1\n# mine\n[bot]\nnick = 'x'\n"
    path.write_text(old, encoding="utf-8")

    def rename(document: dict[str, Any]) -> None:
        document["bot"]["names"] = [document["bot"].pop("nick")]

    assert migrate_config(path, {1: rename, 2: lambda _: None}, target=3) == [1, 2]
    text = path.read_text(encoding="utf-8")
    assert "version = 3" in text
    assert "# mine" in text
    assert "names = ['x']" in text
    assert (tmp_path / "config.toml.v1.bak").read_text(encoding="utf-8") == old


def test_a_current_file_is_left_alone(tmp_path: Path) -> None:
    """Not even rewritten."""
    path = tmp_path / "config.toml"
    path.write_text("version = 1\n", encoding="utf-8")
    before = path.stat().st_mtime_ns
    assert migrate_config(path) == []
    assert path.stat().st_mtime_ns == before


@pytest.mark.parametrize("version", ["99", '"x"'])
def test_a_newer_file_is_refused(tmp_path: Path, version: str) -> None:
    """It may hold what this program would lose."""
    path = tmp_path / "config.toml"
    path.write_text(f"version = {version}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="Update the program"):
        migrate_config(path)


async def test_saved_changes_and_broken_files_are_seen(tmp_path: Path) -> None:
    """Each save yields a configuration or the error; the file may vanish for a moment."""
    path = tmp_path / "config.toml"
    path.write_text("", encoding="utf-8")
    changes = watch_config(path, interval=0.01)
    coming = asyncio.ensure_future(anext(changes))
    await asyncio.sleep(0)
    path.write_text("[server]\nport = 7000\n", encoding="utf-8")
    first = await asyncio.wait_for(coming, 5)
    assert isinstance(first, Config)
    assert first.server.port == 7000
    path.write_text("[server\n", encoding="utf-8")
    assert isinstance(await asyncio.wait_for(anext(changes), 5), ConfigError)


async def test_a_file_caught_in_the_middle_of_a_save_is_not_applied(tmp_path: Path) -> None:
    """Editors empty a file and then write it: the empty one, valid as it is, never comes into force."""
    path = tmp_path / "config.toml"
    path.write_text("[server]\nport = 7000\n", encoding="utf-8")
    saves = iter(["", "[server]\nport = 7001\n"])

    async def poll(_: float) -> None:
        if (text := next(saves, None)) is not None:
            path.write_text(text, encoding="utf-8")

    config = await asyncio.wait_for(anext(watch_config(path, sleep=poll)), 5)
    assert isinstance(config, Config)
    assert config.server.port == 7001


def test_an_unknown_time_zone_is_named(tmp_path: Path) -> None:
    """The error names the key and gives an example."""
    with pytest.raises(ConfigError, match=r"learning: timezone: 'Mars/Base' is not known; use a name such as"):
        parse_config('[learning]\ntimezone = "Mars/Base"\n', tmp_path / "config.toml")
