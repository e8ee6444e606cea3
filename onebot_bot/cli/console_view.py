"""What the console shows: bubbles, quotes, and everything else in one dim line."""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from prompt_toolkit.utils import get_cwidth

from onebot_bot.chat.readable import readable
from onebot_bot.cli.console_actions import Desk, Said
from onebot_bot.cli.console_commands import shown_size
from onebot_bot.cli.console_texts import tell
from onebot_bot.errors import BotError, named
from onebot_bot.protocol.segments import At, Forward, Image, Reply, Segment, Text, decode_message
from onebot_bot.texts import Language
from onebot_bot.transport.client import Answer, Call

LONGEST_QUOTE = 40
LONGEST_VALUE = 60
LONGEST_RAW = 200
"""Characters of one string in a raw frame: a picture is millions."""

_DIM, _NAME, _ERROR, _END = "\x1b[2m", "\x1b[36m", "\x1b[31m", "\x1b[0m"
# What steers a terminal: the bot's words come from a model and from strangers.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Screen:
    """Where lines go.

    Args:
        write: takes one piece of output, one line or several.
        colour: whether it is a terminal.
    """

    def __init__(self, write: Callable[[str], None], *, colour: bool) -> None:
        self._write = write
        self._colour = colour

    def plain(self, text: str) -> None:
        """A line as it is."""
        self._write(_clean(text))

    def dim(self, text: str) -> None:
        """A line that is no part of the talk."""
        self._write(self._styled(_DIM, f"· {_clean(text)}"))

    def error(self, error: BotError) -> None:
        """What could not be done, and the fix, with its id."""
        self._write(self._styled(_ERROR, f"✗ {_clean(named(error))}"))

    def bubble(self, head: str, lines: Iterable[str]) -> None:
        """One message; further lines are set below the first."""
        head = f"{_clean(head)} "
        margin = " " * get_cwidth(head)
        first, *others = _clean("\n".join(lines)).split("\n")
        named = self._styled(_NAME, head)
        self._write("\n".join([f"{named}▏{first}", *(f"{margin}▏{line}" for line in others)]))

    def _styled(self, style: str, text: str) -> str:
        return f"{style}{text}{_END}" if self._colour else text


def _clean(text: str) -> str:
    return _CONTROL.sub("�", text.replace("\r\n", "\n"))


def message_lines(said: Said, desk: Desk, language: Language) -> list[str]:
    """A message as lines: what it quotes, its words, and what a forward holds."""
    quotes = [_quote(part.id, desk, language) for part in said.segments if isinstance(part, Reply)]
    forwards = [line for part in said.segments if isinstance(part, Forward) for line in _opened(part, desk, language)]
    text = _flat(said.segments, desk, language)
    return [*quotes, *([text] if text or not forwards else []), *forwards]


def _flat(segments: Iterable[Segment], desk: Desk, language: Language) -> str:
    text, after_at = "", False
    for segment in segments:
        piece = "" if isinstance(segment, Forward) else _one(segment, desk, language)
        text += f" {piece}" if after_at and not piece.startswith(" ") else piece
        after_at = isinstance(segment, At)
    return text.strip()


def _one(segment: Segment, desk: Desk, language: Language) -> str:
    match segment:
        case Text(text=text):
            return text
        case At(qq=number) if number.isdecimal() and int(number) in desk.names:
            return f"@{desk.names[int(number)]}"
        case Image() if not segment.is_sticker and (size := _picture_bytes(segment)):
            return tell(language, "picture", size=shown_size(size))
        case _:
            return readable([segment], language, lambda number: number)


def _picture_bytes(picture: Image) -> int:
    """0 when nobody knows."""
    if picture.file_size.isdecimal():
        return int(picture.file_size)
    source = picture.url or picture.file
    data = source.removeprefix("base64://")
    return 0 if data == source else len(data.rstrip("=")) * 3 // 4


def _quote(message_id: str, desk: Desk, language: Language) -> str:
    said = desk.said.get(int(message_id)) if message_id.lstrip("-").isdecimal() else None
    if said is None:
        return tell(language, "quote.lost")
    text = _short(_flat(said.segments, desk, language), LONGEST_QUOTE)
    return tell(language, "quote", name=desk.names.get(said.user_id, said.user_id), text=text)


def _opened(forward: Forward, desk: Desk, language: Language, depth: int = 1) -> list[str]:
    content = forward.content or []
    lines = [tell(language, "forward", count=len(content))]
    for message in content:
        lines += _inner(message, desk, language, depth)
    return lines


def _inner(message: dict[str, Any], desk: Desk, language: Language, depth: int) -> list[str]:
    segments = decode_message(message["message"])
    indent, name = "  " * depth, message["sender"]["nickname"]
    forwards = [part for part in segments if isinstance(part, Forward)]
    if not forwards:
        return [indent + tell(language, "forward.line", name=name, text=_flat(segments, desk, language))]
    head, *others = [line for part in forwards for line in _opened(part, desk, language, depth + 1)]
    return [indent + tell(language, "forward.line", name=name, text=head), *others]


def action_line(call: Call, answer: Answer, language: Language) -> str:
    """An action in one line; what a question names is left out, what a deed names is not."""
    told = {} if call.action.startswith("get_") else call.params
    words = [f"{key}={_short(_json(value), LONGEST_VALUE)}" for key, value in told.items()]
    return " ".join([call.action, *words, "→", _result(answer, language)])


def _result(answer: Answer, language: Language) -> str:
    if answer["status"] != "ok":
        return f"{answer['retcode']} {answer['wording']}"
    data = answer.get("data")
    if isinstance(data, dict) and len(data) == 1:
        data = next(iter(data.values()))
    if isinstance(data, list):
        return tell(language, "items", count=len(data)) if data else "[]"
    return "ok" if data is None else _short(_json(data), LONGEST_VALUE)


def raw_line(arrow: str, frame: Any) -> str:
    """A frame as JSON, its long strings cut."""
    return f"{arrow} {_json(_cut(frame))}"


def _cut(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _cut(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_cut(item) for item in value]
    return _short(value, LONGEST_RAW) if isinstance(value, str) else value


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
