"""Tests of onebot_bot/learning/sft.py."""

import json
from pathlib import Path

import pytest

from onebot_bot.engine.request import Text
from onebot_bot.errors import LearningError
from onebot_bot.learning.sft import read_sft


def line(*turns: tuple[str, str]) -> str:
    """One line of the file."""
    return json.dumps({"messages": [{"role": role, "content": content} for role, content in turns]})


def test_a_conversation_is_read_up_to_its_last_reply(tmp_path: Path) -> None:
    """What comes before the last reply is the context; blank lines count for nothing."""
    path = tmp_path / "sft.jsonl"
    path.write_text(line(("system", "Be kind."), ("user", "hi"), ("assistant", "hello")) + "\n\n", encoding="utf-8")
    (talk,) = read_sft(path)
    assert [(turn.role, turn.parts) for turn in talk.context.turns] == [
        ("system", (Text("Be kind."),)),
        ("user", (Text("hi"),)),
    ]
    assert talk.reply == "hello"


def test_no_file_is_no_conversation(tmp_path: Path) -> None:
    """Without a file the model's own replies are learned from."""
    assert read_sft(tmp_path / "sft.jsonl") == []


@pytest.mark.parametrize(
    "broken",
    ["{", "[]", '{"messages": []}', line(("user", "a"), ("user", "b")), line(("assistant", "a"), ("assistant", "b"))],
)
def test_a_broken_line_is_named(tmp_path: Path, broken: str) -> None:
    """The error names file and line."""
    path = tmp_path / "sft.jsonl"
    path.write_text(line(("user", "hi"), ("assistant", "hello")) + "\n" + broken, encoding="utf-8")
    with pytest.raises(LearningError, match=r"sft\.jsonl, line 2: "):
        read_sft(path)
