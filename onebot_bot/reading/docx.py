"""Word's docx: a zip archive with the words in one XML file of it (ECMA-376, part 1, section 17)."""

import io
import zipfile
from typing import Any
from xml.parsers import expat

from onebot_bot.errors import ReadingError
from onebot_bot.reading.extract import Extract, Limits, bounded

BODY = "word/document.xml"
MOST_XML = 32 * 2**20
"""Bytes that the body may unfold to."""
_SPACES = (
    "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    "http://purl.oclc.org/ooxml/wordprocessingml/main",
)
_BEHIND = {"p": "\n", "tab": "\t", "br": "\n", "cr": "\n", "tc": "\t", "tr": "\n"}
"""What stands behind an element."""


def read_docx(data: bytes, limits: Limits) -> Extract:
    """The words of a document, tables row by row.

    Raises:
        ReadingError: it is no docx (`broken`), unfolds to too much (`large`), takes a password (`locked`), or has no
            words (`empty`).
        Exception: it is damaged: whatever the parsers then raise.
    """
    words = _Words(2 * limits.characters)  # gaps that are yet to go leave enough
    words.parse(_body(data))
    return bounded("".join(words.found), limits, more=words.full)


def _body(data: bytes) -> bytes:
    """The XML, unfolded."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive, archive.open(BODY) as body:
            found = body.read(MOST_XML + 1)
    except (zipfile.BadZipFile, KeyError) as error:
        raise ReadingError("broken", f"it is no Word document: {error}") from error
    except RuntimeError as error:  # zipfile's word for a password
        raise ReadingError("locked", str(error)) from error
    if len(found) > MOST_XML:
        raise ReadingError("large", f"it unfolds to more than {MOST_XML} bytes")
    return found


class _Full(Exception):
    """There are words enough."""


class _Words:
    """Collects text as the parser meets it; no tree is made of the document."""

    def __init__(self, most: int) -> None:
        self.found: list[str] = []
        self.full = False
        """Whether there was more."""
        self._left = most
        self._inside: str | None = None
        self._cells = 0

    def parse(self, body: bytes) -> None:
        """Read XML; raises ReadingError or ExpatError when it is not what Word writes."""
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = _refuse
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        try:
            # All at once: a token that is cut into pieces would be read again for each of them.
            parser.Parse(body, True)  # noqa: FBT003 - expat's own signature
        except _Full:
            self.full = True

    def _start(self, tag: str, _attributes: dict[str, str]) -> None:
        space, _, name = tag.rpartition(" ")
        self._inside = name if space in _SPACES else None
        self._cells += self._inside == "tc"

    def _end(self, tag: str) -> None:
        space, _, name = tag.rpartition(" ")
        self._inside = None
        if space not in _SPACES:
            return
        self._cells -= name == "tc"
        # A paragraph in a table's cell is no line of its own: the row is.
        self._add(" " if name == "p" and self._cells else _BEHIND.get(name, ""))

    def _text(self, text: str) -> None:
        if self._inside == "t":
            self._add(text)

    def _add(self, text: str) -> None:
        if self._left <= 0 and text:
            raise _Full
        self.found.append(text)
        self._left -= len(text)


def _refuse(*_: Any) -> None:
    raise ReadingError("broken", "it has a DTD, which no Word document has")
