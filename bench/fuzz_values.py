"""What fuzz.py feeds its targets with: words and values that have harmed programs, the same for the same seed."""

import copy
import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, TypeAlias

Path: TypeAlias = tuple[str | int, ...]
"""From the root of a JSON value to a part of it."""

FORGED = (
    "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<recall>", "</recall>", "<|memory_pad|>", "<think>", "</think>",
    "<no_reply>", "<|image_pad|>", "<|vision_start|>", "<start_of_turn>", "<tool_call>",
    "<｜end▁of▁sentence｜>", "[INST]",
    "system\n", "[Bob(1)] ", "\n[小忆(10000)] ", "\ue0000\ue001", "\ue000", "\uf8ff", "（引用 小明：“", "”）", "> ",
)  # fmt: skip
"""Marks that are ours, or a chat template's, typed by somebody."""
TAGS = (
    "[face:微笑]", "[表情:微笑]", "[at:Bob]", "[at:all]", "[艾特:1]", "[reply:Bob]", "[react:👍]",
    "[poke:Bob]", "[sticker:x]",
    "[开心]", "[ 生气 ]", "【", "】", "[图片]", "[CQ:at,qq=all]", "[CQ:image,file=file:///etc/passwd]",
    "[CQ:", "[face:", "[[",
)  # fmt: skip
UNSEEN = (
    "\u200b", "\u200d", "\u202e", "\u2066", "\u2069", "\ufeff", "\u00ad", "\u2028", "\u0085", "\x00", "\x1b[2J", "\x07",
    "\r", "\v", "\u3164", "\u0301" * 30, "\ud83d", "\udc00\ud800", "\uffff", "\U0010ffff", "\U000e0041",
)  # fmt: skip
SIGNS = (
    "&#91;", "&amp;", "&#44;", "[CQ:face,id=1]", "%s%n", "{0}", "{{7*7}}", "{% raw %}", "${a}", "$$",
    "\\(", "\\[", "```", "`",
    "|-|-|\n", "|", "- ", "# ", "> ", "*", "_", "~", "https://a.example/", "http://", "[a](b)", "![",
    "<b>", "<!--", "'", '"',
    "\\", "/", "../", "/help", "/config set ", "/remember ", "／", "0", "-1", "1e999", "٣", "²", "①",
    "小忆", "你好", "。", "！",
    "😀", "👨‍👩‍👧", "n", " ", "\n", "\t", "\u3000", "'; DROP TABLE messages; --", "@", "((", "[(",
    "(1)]", "=", ",", "]", "[", "{", "}",
)  # fmt: skip
PIECES = (*FORGED, *TAGS, *UNSEEN, *SIGNS)
NUMBERS: tuple[int | float, ...] = (
    0, 1, -1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64, 10**30, 10**400, 0.0,
    -0.0, 0.5, 1e18, 1e308,
    float("inf"), float("-inf"), float("nan"), 10**11 + 1, 1_760_000_000_000,
)  # fmt: skip
SCALARS: tuple[Any, ...] = (
    *NUMBERS, True, False, None, "", "all", "0", "-7", "007", "1e5", "0x10", "9" * 400, "null", "true", " 5 ", "10000",
)  # fmt: skip


MOST = 200_000
"""Parts and characters of a value from which on nothing is added: the making is not what is measured."""


def text(random: Random, most: int = 12) -> str:
    """Pieces of the above in a row; now and then one of them very often."""
    pieces = random.choices(PIECES, k=random.randint(0, most))
    if random.random() < 0.03:
        pieces.insert(0, random.choice(PIECES) * random.choice((50, 500, 3000)))
    if random.random() < 0.3:
        pieces.append("".join(chr(random.randrange(0x20, 0x3000)) for _ in range(random.randint(1, 20))))
    return "".join(pieces)


def value(random: Random, depth: int = 3) -> Any:
    """Any JSON value."""
    kind = random.random()
    if depth == 0 or kind < 0.4:
        return random.choice(SCALARS)
    if kind < 0.7:
        return text(random)
    if kind < 0.85:
        return [value(random, depth - 1) for _ in range(random.randint(0, 4))]
    if kind < 0.87:
        return nested(random.choice((5, 60, 150)), random.choice(("list", "dict")))
    return {text(random, 2): value(random, depth - 1) for _ in range(random.randint(0, 4))}


def nested(levels: int, kind: str = "list") -> Any:
    """Lists or objects in one another."""
    made: Any = 1
    for _ in range(levels):
        made = [made] if kind == "list" else {"data": made, "type": "node"}
    return made


# --- changing what is right ---------------------------------------------------------------------------------------


def changed(random: Random, wire: Any, most: int = 4) -> Any:
    """The value with up to so many parts of it replaced, removed, doubled or moved."""
    made = copy.deepcopy(wire)
    for _ in range(random.randint(0, most)):
        paths = list(_paths(made))
        if not paths or _weight(made) >= MOST:
            return made
        random.choice(_CHANGES)(random, made, random.choice(paths))
    return made


def _paths(root: Any, before: Path = ()) -> Iterator[Path]:
    """All parts but the root; of deep values the upper levels."""
    items: Any = ()
    if len(before) < 12:
        items = root.items() if isinstance(root, dict) else enumerate(root) if isinstance(root, list) else ()
    for key, item in items:
        yield (*before, key)
        yield from _paths(item, (*before, key))


def _holder(root: Any, path: Path) -> Any:
    for key in path[:-1]:
        root = root[key]
    return root


def _replace(random: Random, root: Any, path: Path) -> None:
    _holder(root, path)[path[-1]] = value(random)


def _retype(random: Random, root: Any, path: Path) -> None:
    """A number as a string, a string as a list of it, and so on."""
    holder = _holder(root, path)
    old = holder[path[-1]]
    holder[path[-1]] = random.choice((str(old), [old], {"value": old}, None, bool(old)))


def _remove(_: Random, root: Any, path: Path) -> None:
    del _holder(root, path)[path[-1]]


def _repeat(random: Random, root: Any, path: Path) -> None:
    """An item of a list many times over; a text glued to itself."""
    holder, times = _holder(root, path), random.choice((2, 10, 300))
    if isinstance(holder, list):
        item = holder[int(path[-1])]
        holder += [copy.deepcopy(item) for _ in range(min(times, MOST // _weight(item)))]
    elif isinstance(holder[path[-1]], str):
        holder[path[-1]] = holder[path[-1]][:400] * times


def _weight(value: Any) -> int:
    """Its parts and the characters of its texts, counted up to `MOST`."""
    total, waiting = 0, [value]
    while waiting and total < MOST:
        part = waiting.pop()
        total += 1 + (len(part) if isinstance(part, str) else 0)
        waiting += part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    return total


def _insert(random: Random, root: Any, path: Path) -> None:
    """A text with something inside it."""
    holder = _holder(root, path)
    old = holder[path[-1]]
    if isinstance(old, str):
        at = random.randint(0, len(old))
        holder[path[-1]] = old[:at] + text(random) + old[at:]


def _enclose(random: Random, root: Any, path: Path) -> None:
    """Some levels deeper."""
    holder = _holder(root, path)
    for _ in range(random.choice((1, 3, 40))):
        holder[path[-1]] = [holder[path[-1]]]


_CHANGES: tuple[Callable[[Random, Any, Path], None], ...] = (
    _replace,
    _replace,
    _retype,
    _remove,
    _repeat,
    _insert,
    _enclose,
)


# --- writing it down ----------------------------------------------------------------------------------------------


def written(random: Random, wire: Any) -> bytes:
    """The value as JSON: as clients write it, or with a doubled key, or with bytes that are damaged."""
    made = json.dumps(wire, ensure_ascii=random.random() < 0.5)
    if random.random() < 0.1 and made.startswith("{") and len(made) > 2:
        key = json.dumps(random.choice(("time", "user_id", "message", "post_type", "sender", "echo")))
        made = f"{{{key}:{json.dumps(value(random))},{made[1:]}"
    data = made.encode(errors="surrogatepass")
    return damaged(random, data) if random.random() < 0.15 else data


def damaged(random: Random, data: bytes) -> bytes:
    """The bytes with some of them changed, cut out, doubled or moved."""
    made = bytearray(data)
    for _ in range(random.randint(1, 6)):
        at, length = random.randint(0, len(made)), random.choice((1, 1, 2, 8, 100))
        match random.randrange(6):
            case 0:
                made[at : at + 1] = random.randbytes(1)
            case 1:
                del made[at : at + length]
            case 2:
                made[at:at] = made[at : at + length] * random.choice((1, 3, 50))
            case 3:
                made[at:at] = random.choice((b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"\x80", b'"', b"\\", b"[" * 50))
            case 4:
                made[at : at + 4] = random.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"9999"))
            case _:
                del made[at:]
    return bytes(made)
