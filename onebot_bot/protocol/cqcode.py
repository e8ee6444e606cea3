r"""CQ codes: a message written as one string, `[CQ:at,qq=10001] 你好`.

NapCat sends this form in `raw_message`, and in `message` when `messagePostFormat` is `string`.
It is only read and shown here, never sent: words that a person wrote would be taken for codes.

The grammar is that of NapCat's decoder: names are `\w+`, no spaces, a parameter splits at its first `=`. A value has no
`[`, which every encoder escapes: so each code is read once, whatever a string is made of.
"""

import re
import sys
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

_CODE = re.compile(r"\[CQ:(\w++)((?:,\w++=[^,\[\]]*+)*+)\]")


def escape(text: str) -> str:
    """Escape words that stand outside a code."""
    return text.replace("&", "&amp;").replace("[", "&#91;").replace("]", "&#93;")


def escape_value(text: str) -> str:
    """Escape the value of a code's parameter."""
    return escape(text).replace(",", "&#44;")


def unescape(text: str) -> str:
    """Undo `escape` and `escape_value`."""
    if "&" not in text:
        return text
    text = text.replace("&#44;", ",").replace("&#91;", "[").replace("&#93;", "]")
    # `&amp;` comes last: a literal "&#91;" was written "&amp;#91;" and must not become "[".
    return text.replace("&amp;", "&")


def parse_cq(text: str, most: int = sys.maxsize) -> list[dict[str, Any]]:
    """Split a CQ string into `{"type", "data"}` objects; every value is a string.

    What is not a well-formed code stays text, as it does in NapCat; what is behind `most` codes is one text.
    """
    found: list[dict[str, Any]] = []
    end = 0
    for code in islice(_CODE.finditer(text), most):
        _append_text(found, text[end : code.start()])
        found.append({"type": code[1], "data": _parameters(code[2])})
        end = code.end()
    _append_text(found, text[end:])
    return found


def format_cq(segments: Iterable[Mapping[str, Any]]) -> str:
    """Write `{"type", "data"}` objects as one CQ string.

    Objects and lists inside `data` are left out: the notation has no place for them.
    """
    return "".join(_format_one(segment["type"], segment["data"]) for segment in segments)


def _append_text(found: list[dict[str, Any]], text: str) -> None:
    if text:
        found.append({"type": "text", "data": {"text": unescape(text)}})


def _parameters(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(",") if part)
    return {key: unescape(value) for key, _, value in pairs}


def _format_one(kind: str, data: Mapping[str, Any]) -> str:
    if kind == "text":
        return escape(str(data.get("text", "")))
    values = (f",{key}={escape_value(_scalar(value))}" for key, value in data.items() if _is_scalar(value))
    return f"[CQ:{kind}{''.join(values)}]"


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _scalar(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
