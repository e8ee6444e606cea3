"""The loader of MADial-Bench, on files of its shape that are made here."""

import json
from pathlib import Path

import pytest

from bench.madial import VARIABLE, Recalled, find_data, load_madial, main, measure_bm25

MEMORIES = [
    {"time": "2023-01-01", "scene": "s", "emotion": "e", "event": "小明在海边放风筝。", "user-id": 1, "id": "7"},
    {"time": "2023-01-02", "scene": "s", "emotion": "e", "event": "小明学会了骑自行车。", "user-id": 1, "id": "3"},
]
DIALOGUE = {
    "dialogue": [
        "<BOD>\n",
        '<小明>:"我想再去骑自行车"\n',
        '<Assistant>: "好呀"\n',
        '<小明>:"放风筝"\n',
        '<Assistant>:"嗯"\n',
        "<EOD>\n",
    ],
    "test-turn": [2, 4],
    "relevant-id": [3],
    "user-id": 1,
    "id": 0,
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder that holds one dialogue and two memories."""
    folder = tmp_path / "madial-zh"
    folder.mkdir()
    (folder / "memory.jsonl").write_text("\n".join(map(json.dumps, MEMORIES)), encoding="utf-8")
    (folder / "dialogue.jsonl").write_text(json.dumps(DIALOGUE), encoding="utf-8")
    return tmp_path


def test_dialogue_ends_before_the_turn_that_recalls(data: Path) -> None:
    """What the bot says at the first turn to test, and all after it, is no part of the query."""
    found = load_madial(data / "madial-zh")
    assert found.memories == ("小明在海边放风筝。", "小明学会了骑自行车。")
    assert [each.turns for each in found.dialogues] == [(("小明", "我想再去骑自行车"),)]
    assert [each.right for each in found.dialogues] == [(1,)]


def test_turns_have_roles() -> None:
    """A model takes the child's turns as the user's and the bot's as its own."""
    turns = (("小明", "我想再去骑自行车"), ("Assistant", "好呀"))
    assert (("user", turns[0][1]), ("assistant", turns[1][1])) == Recalled(turns, (0,)).roles


def test_bm25_finds_what_shares_its_bigrams(data: Path) -> None:
    """The memory that has the words of the dialogue comes first."""
    found = measure_bm25(load_madial(data / "madial-zh"))
    assert (found.hit1, found.asked) == (1.0, 1)


def test_folder_comes_from_the_argument_or_the_variable(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Either the folder itself or the one above it may be named; without either there is none."""
    monkeypatch.delenv(VARIABLE, raising=False)
    assert find_data(None) is None
    assert data / "madial-zh" == find_data(data)
    monkeypatch.setenv(VARIABLE, str(data / "madial-zh"))
    assert data / "madial-zh" == find_data(None)


def test_absent_data_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the data the row says so, and nothing fails."""
    monkeypatch.delenv(VARIABLE, raising=False)
    main([])
    assert "not present" in capsys.readouterr().out
