"""What every reader of chat exports gives, and how the bytes of an export become text."""

import codecs
from pathlib import Path
from typing import Literal, TextIO

from msgspec import Struct

from onebot_bot.errors import CommandError

Reason = Literal["damaged", "shape", "time", "sender", "id", "empty", "system", "recalled", "characters"]
"""Why an entry is left out: its JSON is broken; it is no message; it has no time, or one that cannot be; nobody said
it; there is nothing in it; QQ said it; it was taken back. `characters`: kept, but bytes of it are no text."""

SAMPLE = 4 << 20
"""Bytes from which the encoding is told: a chat in Chinese shows it long before."""


UNFIT = "OB-1701"
"""The id of an export that cannot be used."""

FAULTS = 0.01
"""Share of characters that may be damaged in what is still UTF-8; GB18030 read as UTF-8 has far more."""


class Said(Struct, frozen=True, kw_only=True):
    """One message of an export."""

    where: str
    """`line 12`, `entry 7`: for whoever looks for it in the file."""
    time: int
    """Unix seconds."""
    text: str
    name: str = ""
    qq: int = 0
    """The speaker's QQ number; 0 when the export does not give it."""
    id: str = ""
    """QQ's own id of it, the same in every export by one account; empty when the export does not give it."""
    quotes: str = ""
    """The id of the message that it quotes."""


class Left(Struct, frozen=True):
    """An entry that is no message we can keep."""

    where: str
    reason: Reason


class Chat(Struct, frozen=True, kw_only=True):
    """What an export says of the chat that the messages after it are from."""

    name: str = ""
    kind: str = ""
    """`group`, `private`, or empty."""
    peer: int = 0
    """The group's number or the other person's; 0 when not given."""
    peer_uid: str = ""
    """QQ's inner name of the other side, which its message ids are made with."""
    owner: int = 0
    """The account that made the export; 0 when not given."""


Item = Said | Left | Chat


def open_text(path: Path) -> TextIO:
    """Open `path` as text, in whichever of UTF-8, UTF-16 and GB18030 it is; what is no text in it becomes U+FFFD.

    Raises:
        CommandError: there is no such file, or it cannot be read.
    """
    try:
        with path.open("rb") as file:
            encoding = encoding_of(file.read(SAMPLE))
        return path.open(encoding=encoding, errors="replace")
    except IsADirectoryError as error:
        raise CommandError(
            f"{path} is a folder. Name the file in it, or manifest.json of a chunked export.", code=UNFIT
        ) from error
    except OSError as error:
        raise CommandError(
            f"{path} cannot be read: {error.strerror}. Check the name and its mode.", code=UNFIT
        ) from error


def encoding_of(sample: bytes) -> str:
    """The encoding that the beginning of a file is in."""
    if sample.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if b"\x00" in sample:  # neither UTF-8 nor GB18030 text has one; ASCII's empty half tells the order
        return "utf-16-le" if sample.count(0, 1) and sample[1::2].count(0) >= sample[::2].count(0) else "utf-16-be"
    # GB18030 takes almost any bytes for text, and its own text is hardly ever UTF-8: so a few faults do not decide.
    return "utf-8" if _faults(sample, "utf-8") <= FAULTS else "gb18030"


def _faults(sample: bytes, encoding: str) -> float:
    """The share of characters that are none; one cut by the sample's end does not count."""
    text = codecs.getincrementaldecoder(encoding)("replace").decode(sample)
    return text.count("\ufffd") / max(len(text), 1)
