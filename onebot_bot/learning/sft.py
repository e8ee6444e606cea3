"""training/sft.jsonl: ordinary conversations of the operator's own, learned from in place of self-replay. No torch.

One JSON object a line: `{"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from onebot_bot.config import read_text
from onebot_bot.engine.request import Conversation, Text, Turn
from onebot_bot.errors import LearningError
from onebot_bot.learning.lessons import Talk

FILE = "sft.jsonl"


class _Message(Struct, forbid_unknown_fields=True):
    role: Literal["system", "user", "assistant"]
    content: str


class _Line(Struct):
    messages: Annotated[list[_Message], Meta(min_length=2)]


def read_sft(path: Path) -> list[Talk]:
    """The conversations of a file, each up to its last reply; empty when there is no such file.

    Raises:
        LearningError: a line is not JSON of that shape, or does not end with a reply; the text names the line.
    """
    if not path.exists():
        return []
    lines = enumerate(read_text(path).splitlines(), start=1)
    return [_talk(path, number, line) for number, line in lines if line.strip()]


def _talk(path: Path, number: int, line: str) -> Talk:
    try:
        messages = msgspec.json.decode(line, type=_Line).messages
    except msgspec.DecodeError as error:
        raise LearningError(f"{path}, line {number}: {error}. Mend or delete that line.") from error
    if messages[-1].role != "assistant" or messages[-2].role != "user":
        raise LearningError(f"{path}, line {number}: it must end with a user's message and the assistant's reply.")
    return Talk(context=Conversation(_turns(messages[:-1])), reply=messages[-1].content)


def _turns(messages: Sequence[_Message]) -> tuple[Turn, ...]:
    return tuple(Turn(message.role, (Text(message.content),)) for message in messages)
