"""PDF, by pypdf: pure Python, with bounds of its own on what streams unfold to."""

import io
import logging

from pypdf import PasswordType, PdfReader, overwrite_configuration
from pypdf.errors import DependencyError

from onebot_bot.errors import ReadingError
from onebot_bot.reading.extract import Extract, Limits, bounded

MOST_STREAM = 16 * 2**20
"""Bytes that one stream may unfold to: a page of words takes thousands."""

overwrite_configuration(
    zlib_maximum_output_length=MOST_STREAM,
    lzw_maximum_output_length=MOST_STREAM,
    run_length_maximum_output_length=MOST_STREAM,
    jbig2dec_binary=None,  # no program is started
)
logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it tells of every oddity of every file


def read_pdf(data: bytes, limits: Limits) -> Extract:
    """The words of its first pages.

    Raises:
        ReadingError: it takes a password (`locked`), or holds pictures of text at most (`empty`).
        Exception: it is damaged: whatever pypdf then raises.
    """
    reader = _opened(data)
    pages: list[str] = []
    length = 0
    total = len(reader.pages)
    for page in reader.pages:
        if len(pages) == limits.pages or length > limits.characters:
            break
        pages.append(page.extract_text())
        length += len(pages[-1])
    title = (reader.metadata.title if reader.metadata else None) or ""
    found = bounded("\n\n".join(pages), limits, title=str(title), more=len(pages) < total)
    return Extract(found.text, found.title, pages=total, read=len(pages), cut=found.cut)


def _opened(data: bytes) -> PdfReader:
    reader = PdfReader(io.BytesIO(data))
    try:
        # Many a file is encrypted with no password at all, only to forbid printing.
        if reader.is_encrypted and reader.decrypt("") == PasswordType.NOT_DECRYPTED:
            raise ReadingError("locked", "it takes a password")
    except DependencyError as error:
        raise ReadingError("locked", str(error)) from error
    return reader
