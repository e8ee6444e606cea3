"""What a person may type in the console: from a line to an order."""

import base64
import difflib
import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeAlias

from msgspec import Struct

from onebot_bot.cli.console_texts import tell
from onebot_bot.errors import CommandError
from onebot_bot.protocol.segments import Image
from onebot_bot.texts import Language

LARGEST_PICTURE = 10 * 2**20
"""Bytes; QQ's own clients shrink larger ones before they send them."""

_COMMAND = re.compile(r"[:：]([a-z]+)(?:\s+(.*))?", re.DOTALL)  # not `:)`, which people say
_QUOTED = re.compile(r"""(["'])(.+?)\1(?:\s+(.*))?""", re.DOTALL)
_NUMBER = re.compile(r"[1-9][0-9]{0,18}")
_SIGNATURES = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpg", b"GIF8": "gif", b"BM": "bmp"}


class Say(Struct, frozen=True):
    """Send a chat message."""

    text: str


class Help(Struct, frozen=True):
    """List the commands."""


class Become(Struct, frozen=True):
    """Speak as somebody else; without a name, under their number."""

    user_id: int
    name: str


class Enter(Struct, frozen=True):
    """Speak in a group; 0 is the private chat."""

    group_id: int


class Mention(Struct, frozen=True):
    """Send a message with an @ of the bot."""

    text: str


class Quote(Struct, frozen=True):
    """Answer one of the bot's messages; what is typed may start with its id."""

    typed: str


class Show(Struct, frozen=True):
    """Send a picture, and words after it."""

    path: Path
    text: str


class Prod(Struct, frozen=True):
    """Poke the bot."""


class Switch(Struct, frozen=True):
    """Turn something on or off; None turns it over."""

    name: Literal["trace", "raw"]
    on: bool | None


class Quit(Struct, frozen=True):
    """Leave."""


Order: TypeAlias = Say | Help | Become | Enter | Mention | Quote | Show | Prod | Switch | Quit


def parse_line(line: str, language: Language) -> Order | None:
    """The order that a line is; None for a blank one.

    Raises:
        CommandError: no such command, or not what it takes.
    """
    match = _COMMAND.fullmatch(line.rstrip())
    if match is None:
        return Say(line.strip()) if line.strip() else None
    name, rest = match[1], match[2] or ""
    if name not in _PARSERS:
        near = difflib.get_close_matches(name, _PARSERS, n=1, cutoff=0.4)
        hint = tell(language, "near", name=near[0]) if near else ""
        raise CommandError(tell(language, "unknown", name=name, hint=hint))
    order = _PARSERS[name](rest)
    if order is None:
        raise CommandError(tell(language, "usage", usage=tell(language, f"usage.{name}")))
    return order


def help_lines(language: Language, prefix: str) -> list[str]:
    """One line a command; `prefix` is what the bot's own commands start with."""
    return [f"{tell(language, f'usage.{name}')}  {tell(language, f'about.{name}', prefix=prefix)}" for name in _PARSERS]


def _as(rest: str) -> Order | None:
    number, _, name = rest.partition(" ")
    return Become(int(number), name.strip() or number) if _NUMBER.fullmatch(number) else None


def _group(rest: str) -> Order | None:
    return Enter(int(rest)) if _NUMBER.fullmatch(rest) else None


def _reply(rest: str) -> Order | None:
    return Quote(rest) if rest else None


def _image(rest: str) -> Order | None:
    if quoted := _QUOTED.fullmatch(rest):
        return Show(Path(quoted[2]), quoted[3] or "")
    name, _, text = rest.partition(" ")
    return Show(Path(name), text.strip()) if name else None


def _switch(name: Literal["trace", "raw"]) -> Callable[[str], Order | None]:
    states = {"on": True, "off": False, "": None}
    return lambda rest: Switch(name, states[rest]) if rest in states else None


# What each takes; None stands for what it does not.
_PARSERS: dict[str, Callable[[str], Order | None]] = {
    "help": lambda _: Help(),
    "as": _as,
    "group": _group,
    "private": lambda _: Enter(0),
    "at": Mention,
    "reply": _reply,
    "image": _image,
    "poke": lambda _: Prod(),
    "trace": _switch("trace"),
    "raw": _switch("raw"),
    "quit": lambda _: Quit(),
}
COMMAND_NAMES = tuple(f":{name}" for name in _PARSERS)


def read_picture(path: Path, language: Language) -> Image:
    """The file as a picture such as NapCat reports, its bytes in the address.

    Raises:
        CommandError: there is no such file, or it is too large, or no picture.
    """
    data = _read(path, language)
    kind = _picture_kind(data)
    if not kind:
        raise CommandError(tell(language, "image.kind", path=path))
    return Image(
        file=f"{hashlib.md5(data, usedforsecurity=False).hexdigest().upper()}.{kind}",
        url=f"base64://{base64.b64encode(data).decode()}",
        file_size=str(len(data)),
    )


def _read(path: Path, language: Language) -> bytes:
    try:
        path = path.expanduser()
        size = path.stat().st_size
        if size > LARGEST_PICTURE:
            limit = shown_size(LARGEST_PICTURE)
            raise CommandError(tell(language, "image.large", path=path, size=shown_size(size), limit=limit))
        return path.read_bytes()
    except (OSError, RuntimeError) as error:  # RuntimeError: `~nobody`
        raise CommandError(tell(language, "image.none", path=path)) from error


def _picture_kind(data: bytes) -> str:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    return next((kind for start, kind in _SIGNATURES.items() if data.startswith(start)), "")


def shown_size(count: int) -> str:
    """Bytes for people: `12 KiB`, `1.5 MiB`."""
    if count < 1024:
        return f"{count} B"
    return f"{count / 2**10:.0f} KiB" if count < 2**20 else f"{count / 2**20:.1f} MiB"
