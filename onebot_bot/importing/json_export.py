"""QQChatExporter's JSON, in one file or in chunks of JSON Lines, read entry by entry.

Our own reader of the `messages` array, because a streaming parser such as ijson ends at the first fault, and one
broken entry must not cost the rest. The format: https://github.com/shuakami/qq-chat-exporter, versions 4 and 5.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, tzinfo
from json import JSONDecodeError
from pathlib import Path
from typing import Any, TextIO

from onebot_bot.errors import CommandError
from onebot_bot.importing.source import UNFIT, Chat, Item, Left, Reason, Said, open_text
from onebot_bot.memory.quoting import quote_of
from onebot_bot.texts import Language, say

PIECE = 1 << 20
"""Characters read at a time."""

YEARS = (915_148_800, 4_102_444_800)
"""Unix seconds between which a message can be: 1999, when QQ began, to 2100."""

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[\s,]*")
# No string of JSON goes over the end of a line, so a stray quote does harm to one line only. Version 5 begins each
# message on a line of its own, which ends the damage of a missing bracket.
_STEP = re.compile(r'"(?:[^"\\\n]|\\.)*+(?P<closed>")?|[{}\[\]]|\n[ \t]*(?=\{"id":)')
_BRACKET = re.compile(r"[{}\[\]]")
_OPENED_BY = {"}": "{", "]": "["}
_BROKEN = object()


class _Text:
    """A window on the text of a file: what is read is dropped."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._text = ""
        self._at = 0
        self._whole = False

    def more(self) -> bool:
        """Read on; False at the end of the file. Doubles, so that a long value is not tried again too often."""
        piece = self._file.read(max(PIECE, len(self._text) - self._at))
        self._whole = self._whole or not piece
        self._text, self._at = self._text[self._at :] + piece, 0
        return bool(piece)

    def peek(self) -> str:
        """The next character that is neither white space nor a comma; empty at the end."""
        while True:
            self._at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr] # it matches nothing, too
            if self._at < len(self._text):
                return self._text[self._at]
            if not self.more():
                return ""

    def skip(self, character: str) -> bool:
        """Go over `character`, if it comes next."""
        found = self.peek() == character
        self._at += found
        return found

    def value(self) -> Any:
        """The JSON value that comes next, or `_BROKEN`, and then the window is behind what looks like it."""
        self.peek()
        while True:
            try:
                value, self._at = _DECODER.raw_decode(self._text, self._at)
            except JSONDecodeError as error:
                if self._whole or not self._cut(error):
                    self._pass()
                    return _BROKEN
                self.more()
            except (RecursionError, ValueError):  # too deep, or a number of thousands of digits
                self._pass()
                return _BROKEN
            else:
                return value

    def _cut(self, error: JSONDecodeError) -> bool:
        """Whether the fault may only be that the window ends here."""
        if error.msg.startswith("Unterminated string"):
            return "\n" not in self._text[error.pos :]
        return error.pos >= len(self._text) - len("\\u0000\\u0000")

    def _pass(self) -> None:
        """Go behind the brackets that open here, whatever is between them."""
        brackets = _Brackets()
        while True:
            for step in self._steps():
                self._at = step.end()
                if brackets.ended_by(step[0]):
                    return
            self._at = max(self._at, self._text.rfind("\n", self._at))
            if not self.more():
                self._at = len(self._text)
                return

    def _steps(self) -> Iterator[re.Match[str]]:
        """What the value is made of; of a string that does not end on its line, the brackets in it."""
        for step in _STEP.finditer(self._text, self._at):
            if step[0][0] == '"' and step["closed"] is None:
                # No quote behind this one ends a string on the line either, so none is looked at again.
                yield from _BRACKET.finditer(self._text, step.start(), step.end())
            else:
                yield step


class _Brackets:
    """Those that are open."""

    def __init__(self) -> None:
        self._opened: list[str] = []
        self._counts = Counter[str]()

    def ended_by(self, step: str) -> bool:
        """Keep count of them; True when this step ends the value."""
        if step[0] in "{[":
            self._opened.append(step)
            self._counts[step] += 1
        elif step[0] in "}]" and self._counts[_OPENED_BY[step]]:
            self._close(_OPENED_BY[step])
        return not self._opened or step[0] == "\n"

    def _close(self, opening: str) -> None:
        """End the last of that kind, and what was opened in it."""
        last = ""
        while last != opening:
            last = self._opened.pop()
            self._counts[last] -= 1


def read_json(path: Path, language: Language, zone: tzinfo) -> Iterator[Item]:
    """What a QQChatExporter JSON file holds, in its order.

    Raises:
        CommandError: it has no `messages`, or its chunks are missing.
    """
    with open_text(path) as file:
        text = _Text(file)
        head: dict[str, Any] = {}
        text.skip("{")
        while (key := _key(text)) not in (None, "messages"):
            head[str(key)] = text.value()
            if key == "chunked":
                yield from _chunks(path, head, language, zone)
                return
        if key is None or not text.skip("["):
            raise CommandError(
                f"{path}: no QQChatExporter export: it has no `messages` ({_found(head)}). {AGAIN}", code=UNFIT
            )
        reader = _Reader(_chat(head), language, zone)
        yield reader.chat
        number = 0
        while text.peek() not in ("]", ""):
            number += 1
            yield reader.read(text.value(), f"{path.name}, entry {number}")
        if not text.skip("]"):
            yield Left(f"{path.name}, entry {number + 1}", "damaged")  # the file was cut


AGAIN = "Export the chat again as JSON (QQChatExporter) or txt (QQ)."


def read_jsonl(path: Path, language: Language, zone: tzinfo, chat: Chat | None = None) -> Iterator[Item]:
    """What one file of JSON Lines holds; its manifest, if it has one, says of which `chat`."""
    reader = _Reader(chat or Chat(), language, zone)
    if chat is None:
        yield reader.chat
    with open_text(path) as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield reader.read(_loads(line), f"{path.name}, line {number}")


def _chunks(path: Path, head: dict[str, Any], language: Language, zone: tzinfo) -> Iterator[Item]:
    chat = _chat(head)
    yield chat
    for chunk in _list(_dict(head["chunked"]).get("chunks")):
        # A manifest may come from anywhere: only files beside it are read.
        name = Path(str(_dict(chunk).get("relativePath") or "")).parts[-2:]
        file = path.parent.joinpath(*(part for part in name if part not in ("..", "/")))
        if not file.is_file():
            raise CommandError(
                f"{file} is missing, which {path} names. Copy the whole folder of the export.", code=UNFIT
            )
        yield from read_jsonl(file, language, zone, chat)


def _key(text: _Text) -> str | None:
    """The next key of an object, its colon passed."""
    if text.peek() != '"':
        return None
    key = text.value()
    return key if isinstance(key, str) and text.skip(":") else None


def _found(head: dict[str, Any]) -> str:
    return f"found: {', '.join(sorted(head))}" if head else "it is empty or no JSON object"


def _loads(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return _BROKEN


def _chat(head: dict[str, Any]) -> Chat:
    info = _dict(head.get("chatInfo"))
    kind = _str(info, "type").replace("temp", "private")
    uid = _str(info, "peerUid")
    return Chat(
        name=_str(info, "name"),
        kind=kind if kind in ("group", "private") else "",
        peer=_number(info.get("peerUin")) or (_number(uid) if kind == "group" else 0),
        peer_uid=uid,
        owner=_number(info.get("selfUin")),
    )


class _Reader:
    """Makes messages of entries."""

    def __init__(self, chat: Chat, language: Language, zone: tzinfo) -> None:
        self.chat = chat
        self._language = language
        self._zone = zone

    def read(self, entry: Any, where: str) -> Said | Left:
        if entry is _BROKEN:
            return Left(where, "damaged")
        if not isinstance(entry, dict) or not isinstance(entry.get("content"), dict | str):
            return Left(where, "shape")
        if reason := _unsaid(entry):
            return Left(where, reason)
        when = _time(entry.get("timestamp"), self._zone) or _time(entry.get("time"), self._zone)
        if when is None:
            return Left(where, "time")
        return self._said(entry, when, where)

    def _said(self, entry: dict[str, Any], when: int, where: str) -> Said | Left:
        sender = _dict(entry.get("sender"))
        name = next((_str(sender, key) for key in ("groupCard", "name", "nickname") if _str(sender, key)), "")
        qq = _number(sender.get("uin"))
        if not (qq or name or _str(sender, "uid")):
            return Left(where, "sender")
        quoted = _quoted(entry)
        text = readable(_content(entry), quoted, self._language)
        if not text:
            return Left(where, "empty")
        return Said(
            where=where,
            time=when,
            text=text,
            name=name or _str(sender, "uid"),
            qq=qq,
            id=_str(entry, "id") or _str(entry, "messageId"),
            quotes=_str(quoted, "referencedMessageId"),
        )


def _unsaid(entry: dict[str, Any]) -> Reason | None:
    if entry.get("system") is True:
        return "system"
    return "recalled" if entry.get("recalled") is True else None


def _time(value: Any, zone: tzinfo) -> int | None:
    """Unix seconds of milliseconds, seconds, or a date and time."""
    try:
        seconds = float(value) if isinstance(value, int | float) or str(value).isdigit() else _clock(str(value), zone)
    except (ValueError, OverflowError):
        return None
    seconds = seconds / 1000 if seconds > YEARS[1] else seconds
    return int(seconds) if YEARS[0] <= seconds < YEARS[1] else None


def _clock(text: str, zone: tzinfo) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()


# --- what was said ------------------------------------------------------------------------------------------------

_THING = re.compile(r"\[(图片|语音|视频|文件)[:： ] ?([^\]\n]{0,500})\]")
_THINGS = {"图片": "see.image", "语音": "see.record", "视频": "see.video", "文件": "see.file"}
_QUOTE = re.compile(r"^\[回复(?:消息|[ ][^\n]*)\]\s*")


def readable(text: str, quoted: dict[str, Any], language: Language) -> str:
    """The exporter's text with things that are no words named as the model knows them, and its quote as ours."""
    text = _THING.sub(lambda thing: say(language, _THINGS[thing[1]], name=thing[2].strip()), text)
    said = _QUOTE.sub("", text).strip() if quoted else text.strip()
    shown = _str(quoted, "content").strip()
    if not said or not shown or quoted.get("referencedMessageId"):
        return said
    return quote_of(language, _str(quoted, "senderName"), shown) + said


def _content(entry: dict[str, Any]) -> str:
    content = entry["content"]
    return _str(entry, "content") if isinstance(content, str) else _str(content, "text")


def _quoted(entry: dict[str, Any]) -> dict[str, Any]:
    elements = map(_dict, _list(_dict(entry["content"]).get("elements")))
    return next((_dict(element.get("data")) for element in elements if element.get("type") == "reply"), {})


# --- JSON of any shape --------------------------------------------------------------------------------------------


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


_HALF = re.compile("[\ud800-\udfff]")
"""Half of a character, which JSON can spell and no database stores."""


def _str(owner: dict[str, Any], key: str) -> str:
    value = owner.get(key)
    return _HALF.sub("\ufffd", str(value)) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _number(value: Any) -> int:
    text = str(value or "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else 0
