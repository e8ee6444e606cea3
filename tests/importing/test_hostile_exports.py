"""Chat exports that mean harm, or were broken on the way: what is whole in them is read, in one pass."""

import json
from datetime import UTC
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hostile import soon

from bench import fuzz_files
from onebot_bot.errors import CommandError
from onebot_bot.importing.importer import read_export
from onebot_bot.importing.json_export import readable
from onebot_bot.importing.source import Left, Said

ENTRY = {"id": "1", "timestamp": 1_700_000_000, "sender": {"uin": "30003", "name": "A"}, "content": {"text": "hi"}}
HEAD = '{"chatInfo":{"name":"G","type":"group","peerUin":"20002"},"messages":['
LONG = 100_000


def read(path: Path, text: str) -> list[Any]:
    """What an export of that text holds, its chats left out."""
    file = path / "export.json"
    file.write_text(text, encoding="utf-8")
    return [item for item in read_export(file, "zh", UTC) if isinstance(item, Said | Left)]


@pytest.mark.parametrize(
    "junk",
    [
        "{" * LONG + "]" * LONG,
        "[" * LONG + "}" * LONG,
        "{[" * LONG,
        "{" * LONG + "}" * (LONG - 1),
        '"' + '\\"' * LONG,
        '{"a":' + '"\\"' * LONG,
        "\\" * LONG,
        "," * LONG + "x",
        "9" * LONG,
    ],
    ids=[
        "crossed",
        "crossed the other way",
        "open",
        "one short",
        "quotes",
        "more quotes",
        "slashes",
        "commas",
        "digits",
    ],
)
def test_brackets_and_quotes_that_never_end_are_passed_once(tmp_path: Path, junk: str) -> None:
    """And what stands before them is read; found by bench/fuzz.py."""
    with soon():
        found = read(tmp_path, f"{HEAD}{json.dumps(ENTRY)},{junk}")
    assert found[0].text == "hi"
    assert all(isinstance(item, Left) for item in found[1:])


def test_a_stray_quote_costs_its_own_entry_alone(tmp_path: Path) -> None:
    """Whatever is taken for a string behind it: the line's end is the harm's."""
    broken = '{"id":"5, "content":{"text":"x"}}'
    found = read(tmp_path, f"{HEAD}{json.dumps(ENTRY)},\n{broken},\n{json.dumps(ENTRY)}]}}")
    assert [found[0].text, found[-1].text] == ["hi", "hi"]
    assert all(isinstance(item, Left) for item in found[1:-1])


@pytest.mark.parametrize("text", ["[图片:" * 50_000, "[图片: " + "[" * 200_000, "[回复 " * 50_000, "[" * 200_000])
def test_things_that_never_end_are_words(text: str) -> None:
    """As nobody's file has a name so long."""
    with soon():
        assert readable(text, {}, "zh").startswith("[")


@pytest.mark.parametrize(
    "line",
    [
        "2023-01-02 12:34:56 <" + "@" * 100_000,
        "2023-01-02 12:34:56 " + "a@b<" * 50_000,
        "2023-01-02 12:34:56 " + "(12345" * 50_000,
        "2023-01-02 12:34:56 【" + "【" * 100_000,
        "2023-01-02" + " " * 200_000 + "x",
        "=" * 200_000 + "x",
    ],
    ids=lambda line: line[20:26],
)
def test_headers_that_never_end_are_read_once(tmp_path: Path, line: str) -> None:
    """A name may have anything in it."""
    with soon():
        found = read(tmp_path, f"消息对象:G\n\n2023-01-01 00:00:00 A(10001)\nhi\n\n{line}\nx\n")
    assert found[0].text.startswith("hi")


@pytest.mark.parametrize(
    "stamp", ["²", "٣", "9" * 30, "1e999", "0001-01-01", "9999-12-31T23:59:59+14:00", -1, 1e308, True, None, [], {}]
)
def test_a_time_that_is_none_is_no_time(tmp_path: Path, stamp: Any) -> None:
    """Of any spelling."""
    found = read(tmp_path, f"{HEAD}{json.dumps({**ENTRY, 'timestamp': stamp})}]}}")
    assert [item.reason for item in found] == ["time"]


def test_a_manifest_of_any_shape_reads_nothing_else(tmp_path: Path) -> None:
    """It names chunks that are not there, or are no names."""
    for chunks in (
        [{"relativePath": 5}],
        [5],
        {"a": 1},
        [{"relativePath": "../../../etc/passwd"}],
        [{"relativePath": "/"}],
    ):
        try:
            assert read(tmp_path, json.dumps({"chatInfo": {}, "chunked": {"chunks": chunks}})) == []
        except CommandError as error:
            assert str(tmp_path) in str(error)  # noqa: PT017 - either will do


def test_a_slice_of_the_fuzzing_finds_nothing() -> None:
    """The bench's own cases, other ones."""
    for number in range(150):
        with soon():
            fuzz_files.read_exports(Random(f"test/{number}"))  # noqa: S311 - a game
