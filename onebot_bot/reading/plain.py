"""Plain text: which encoding it is in, and its words."""

import codecs

from onebot_bot.errors import ReadingError
from onebot_bot.reading.extract import Extract, Limits, bounded

SAMPLE = 20_000
"""Characters by which encodings are compared."""
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_EAST_ASIAN = ("gb18030", "big5hkscs", "cp932")
"""Nearly any bytes are valid in the first, so the words decide; general detectors take short GBK for Korean."""
_COMMON = frozenset(
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成方多经么"
    "去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日月名目今明新高第件文件数据表号电话时间地址"
    "這個們來為國說時會對過發後裡經麼學沒動還進樣開從實與於數據號電話時間"
    "のにをはがでとたしてれるいますこらっなかもよりあそ，。、：；？！（）“”「」"
)


def read_plain(data: bytes, limits: Limits, charset: str = "") -> Extract:
    """The words of a text file.

    Raises:
        ReadingError: it is no text (`kind`), or has no words (`empty`).
    """
    text = decode(data, charset)
    if "\0" in text:
        raise ReadingError("kind", "it is no text")
    return bounded(text, limits)


def decode(data: bytes, charset: str = "") -> str:
    """The text of bytes in whatever encoding; `charset` is what a server says of it, which may be wrong."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    for encoding in ("utf-8", charset):
        if (text := _decoded(data, encoding)) is not None:
            return text
    found = [text for encoding in _EAST_ASIAN if (text := _decoded(data, encoding)) is not None]
    return max(found, key=_likeness, default=None) or data.decode("cp1252", "replace")


def _decoded(data: bytes, encoding: str) -> str | None:
    """None where it is not in that encoding, or there is none of that name."""
    try:
        return data.decode(encoding) if encoding else None
    except (LookupError, ValueError):
        return None


def _likeness(text: str) -> float:
    """The share of everyday characters among those that are not ASCII."""
    foreign = [char for char in text[:SAMPLE] if not char.isascii()]
    return sum(char in _COMMON for char in foreign) / len(foreign) if foreign else 0.0
